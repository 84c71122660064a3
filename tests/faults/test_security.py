"""Files that others made can run no code, and what is written holds no secret."""

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hms_utils import answers, eeg
from tests.faults import damages
from tests.faults.commands import SECRET, run

TRAP = "trap-was-run"


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, TRAP)


@pytest.fixture
def trap(tmp_path):
    """A pickle that would write a file, and that file."""
    path = tmp_path / TRAP
    content = io.BytesIO()
    np.save(content, np.array([Trap(path)], object), allow_pickle=True)
    return content.getvalue(), path


def test_the_trap_works(trap):
    content, path = trap
    np.load(io.BytesIO(content), allow_pickle=True)
    assert path.read_text() == TRAP


@pytest.mark.parametrize("name", ["eeg50.npy", "records.npy"])
def test_arrays_are_not_unpickled(sound, trap, tmp_path, name):
    content, path = trap
    whole, results = sound
    place = whole.copy(tmp_path / "copy")
    damages.write(place.images / name, content)
    assert damages.places.draw(place) == results["draw"]
    assert not path.exists()


@pytest.mark.parametrize("name", ["folds.parquet", "oof/cnn.parquet", "blend.json"])
def test_tables_are_not_unpickled(sound, trap, tmp_path, name):
    content, path = trap
    place = sound[0].copy(tmp_path / "copy")
    for raw in (content, pickle.dumps(Trap(path))):
        damages.write(place.outputs / name, raw)
        for stage in damages.places.STAGES[1:]:
            try:
                stage(place)
            except damages.places.PLAIN:
                continue
    assert not path.exists()


def test_a_model_runs_no_code_of_its_own(tmp_path):
    from hms_utils.networks import engines
    from hms_utils.networks.backend import keras

    path, model = tmp_path / TRAP, tmp_path / "model.keras"
    code = f"lambda x: [x, open({str(path)!r}, 'w').close()][0]"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Lambda(eval(code))(inputs)).save(model)
    path.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"model\.keras: expected a Keras model"):
        engines.load(model)
    assert not path.exists()


def test_a_model_names_no_function_of_python(tmp_path):
    from hms_utils.networks import engines
    from hms_utils.networks.backend import keras

    path, model = tmp_path / TRAP, tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(model)
    with zipfile.ZipFile(model) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config |= {"module": "os", "class_name": "system", "config": f"touch {path}"}
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(model, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"model\.keras: expected a Keras model"):
        engines.load(model)
    assert not path.exists()


def test_a_blend_leads_out_of_no_folder(sound, tmp_path):
    from hms_utils.networks import Ensemble

    place = sound[0].copy(tmp_path / "copy")
    outside = tmp_path / "outside.keras"
    outside.write_bytes((place.models / "fold0.keras").read_bytes())
    checksum = hashlib.sha256(outside.read_bytes()).hexdigest()
    way = "../../../../outside.keras"
    damages.content(models__cnn__folds={way: checksum})(place.outputs / "blend.json")
    with pytest.raises(ValueError, match=r"blend\.json"):
        Ensemble(place.outputs)


def test_metadata_of_parquet_is_not_followed(sample_dir, tmp_path):
    (path, *_) = sorted((sample_dir / "train_eegs").iterdir())
    table = pq.read_table(path)
    evil = {b"pandas": b'{"index_columns": ["__import__(\'os\').abort()"]}', b"x": b"\0" * 9999}
    pq.write_table(table.replace_schema_metadata(evil), tmp_path / "a.parquet")
    np.testing.assert_array_equal(eeg.read_eeg(tmp_path / "a.parquet"), eeg.read_eeg(path))


@pytest.mark.faults
def test_a_secret_is_in_nothing_that_is_written(chain, tmp_path):
    command = [*chain.command("02")[:3], "bundle", "--output-dir", chain.outputs, "--user", "me"]
    done = run([*command, "--out", tmp_path / "kaggle"], chain.env)
    assert done.returncode == 0, done.stdout
    folders = chain.outputs, tmp_path / "kaggle"
    written = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in written}
    assert {".ipynb", ".html", ".json", ".keras", ".parquet", ".csv", ".bin"} <= kinds
    assert SECRET in Path(chain.env["HOME"], ".kaggle", "kaggle.json").read_text()  # planted
    for path in written:
        content = path.read_bytes()
        parts = [content]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        assert not any(SECRET.encode() in part for part in parts), path
    assert SECRET not in done.stdout


def test_the_archive_for_kaggle_has_only_names_below_it(models_dir, tmp_path):
    answers.write_bundle(models_dir, tmp_path / "kaggle", "me")
    archives = [path for path in tmp_path.rglob("*") if zipfile.is_zipfile(path)]
    assert archives
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert not name.startswith(("/", "\\")) and ".." not in Path(name).parts
