"""Files that others made can run no code, and what is written holds no secret."""

import ast
import base64
import hashlib
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hms_utils import answers, eeg, paths
from hms_utils.answers import bundle, training_bundle
from tests.faults import damages
from tests.faults.commands import FILES, SECRET, run

TRAP = "trap-was-run"
OUTSIDE = "../outside.txt"


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
def test_arrays_are_not_unpickled(sound, trap, tmp_path, note, name):
    content, path = trap
    whole, results = sound
    place = whole.copy(tmp_path / "copy")
    damages.write(place.images / name, content)
    assert damages.places.draw(place) == results["draw"]
    assert not path.exists()
    note(f"a pickle in {name}", "as without it")


@pytest.mark.parametrize(
    ("name", "stage"),
    [("folds.parquet", "train"), ("oof/cnn.parquet", "compare"), ("blend.json", "answer")],
)
def test_tables_are_not_unpickled(sound, trap, tmp_path, note, name, stage):
    content, path = trap
    place = sound[0].copy(tmp_path / "copy")
    for raw in (content, pickle.dumps(Trap(path))):
        damages.write(place.outputs / name, raw)
        with pytest.raises(damages.places.PLAIN, match=name) as caught:
            getattr(damages.places, stage)(place)
    assert not path.exists()
    note(f"a pickle in {name}", "refused", str(caught.value).replace(f"{place.outputs}/", ""))


def test_a_model_runs_no_code_of_its_own(tmp_path, note):
    from hms_utils.networks import engines
    from hms_utils.networks.backend import keras

    path, model = tmp_path / TRAP, tmp_path / "model.keras"
    code = f"lambda x: [x, open({str(path)!r}, 'w').close()][0]"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Lambda(eval(code))(inputs)).save(model)
    path.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"model\.keras: expected a Keras model") as caught:
        engines.load(model)
    assert not path.exists()
    note("a model with code of its own", "refused", str(caught.value).replace(f"{tmp_path}/", ""))


def test_a_model_leads_out_of_no_folder(models_dir, tmp_path, note):
    from hms_utils.networks import engines

    model = tmp_path / "folder" / "model.keras"
    model.parent.mkdir()
    model.write_bytes((models_dir / "models" / "cnn" / "fold0.keras").read_bytes())
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr(OUTSIDE, TRAP)
    assert engines.load(model).count_params()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "model.keras"]
    note("a name with .. in a model", "as without it", "it is not unpacked")


def test_a_model_names_no_function_of_python(tmp_path, note):
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
    with pytest.raises(ValueError, match=r"model\.keras: expected a Keras model") as caught:
        engines.load(model)
    assert not path.exists()
    note(
        "a model that names a function of Python",
        "refused",
        str(caught.value).replace(f"{tmp_path}/", ""),
    )


@pytest.mark.parametrize("kind", ["network", "fold"])
def test_a_blend_leads_out_of_no_folder(sound, tmp_path, note, kind):
    from hms_utils.networks import Ensemble

    place = sound[0].copy(tmp_path / "copy")
    outside = tmp_path / "outside" / "fold0.keras"
    outside.parent.mkdir()
    outside.write_bytes((place.models / "fold0.keras").read_bytes())
    checksum, path = hashlib.sha256(outside.read_bytes()).hexdigest(), place.outputs / "blend.json"
    sealed = paths.read_json(path)
    (part,) = sealed["models"].values()
    network, fold = {
        "network": ("../../../outside", "fold0.keras"),
        "fold": ("cnn", "../../../../outside/fold0.keras"),
    }[kind]
    assert (place.outputs / "models" / network / fold).samefile(outside)
    sealed["models"] = {network: part | {"folds": {fold: checksum}}}
    paths.write_json(path, sealed)
    with pytest.raises(ValueError, match=r"blend\.json: expected networks in their") as caught:
        Ensemble(place.outputs)
    # What is packed for Kaggle would have a name with .. in it.
    with pytest.raises(ValueError, match=r"blend\.json: expected networks in their"):
        answers.write_bundle(place.outputs, tmp_path / "kaggle", "me")
    assert not (tmp_path / "kaggle").exists()
    message = str(caught.value).replace(f"{place.outputs}/", "")
    note(f"a blend whose {kind} lies elsewhere", "refused", message)


def test_metadata_of_parquet_is_not_followed(sample_dir, tmp_path, note):
    (path, *_) = sorted((sample_dir / "train_eegs").iterdir())
    table = pq.read_table(path)
    evil = {b"pandas": b'{"index_columns": ["__import__(\'os\').abort()"]}', b"x": b"\0" * 9999}
    pq.write_table(table.replace_schema_metadata(evil), tmp_path / "a.parquet")
    np.testing.assert_array_equal(eeg.read_eeg(tmp_path / "a.parquet"), eeg.read_eeg(path))
    note("code in the metadata of a parquet file", "as without it")


@pytest.mark.faults
def test_a_secret_is_in_nothing_that_is_written(chain, tmp_path, note):
    failed = chain.copy(tmp_path / "failed")
    (failed / "blend.json").write_text("{}", encoding="utf-8")
    assert chain.run("06", failed).returncode == 1
    folders, said = [chain.outputs, failed], [*chain.said]
    for name, words in (("kaggle", []), ("kaggle_train", ["--train"])):
        folders.append(tmp_path / name)
        command = [*chain.command("02")[:3], "bundle", "--output-dir", chain.outputs, *words]
        done = run([*command, "--user", "me", "--out", folders[-1]], chain.env)
        assert done.returncode == 0, done.stdout
        said.append(done.stdout)
    for path in FILES:  # planted
        assert SECRET in Path(chain.env["HOME"], path).read_text()
    written = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in written}
    assert {".ipynb", ".html", ".json", ".keras", ".parquet", ".csv", ".bin"} <= kinds
    n_sources = 0
    for path in written:
        for content in unpacked(path.read_bytes()):
            assert SECRET.encode() not in content, path
            n_sources += b"def cross_validate(" in content
    assert n_sources == 2  # in the wheel within the archive, and in the notebook that trains
    assert not any(SECRET in text for text in said)
    note("a secret in the environment and at home", "as without it", "in no file that is written")


def unpacked(content):
    """Yield a file's content, and that of all that is packed in it."""
    yield content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name))
    if content.startswith(b"{") and b'"SOURCE = [' in content:  # the notebook that trains
        cells = ["".join(cell["source"]) for cell in json.loads(content)["cells"]]
        (lines,) = (text.partition("=")[2].strip() for text in cells if text[:6] == "SOURCE")
        yield lzma.decompress(base64.b64decode("".join(ast.literal_eval(lines))))


def test_the_archive_for_kaggle_has_only_names_below_it(models_dir, tmp_path):
    answers.write_bundle(models_dir, tmp_path / "kaggle", "me")
    archives = [path for path in tmp_path.rglob("*") if zipfile.is_zipfile(path)]
    assert archives
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert not name.startswith(("/", "\\")) and ".." not in Path(name).parts


@pytest.fixture
def archives(tmp_path):
    """A zip file where Kaggle mounts it, a tar file, each with a name that leads out of it."""
    folder, tar = tmp_path / "input" / "models", io.BytesIO()
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / bundle.ARCHIVE, "w") as archive:
        archive.writestr(OUTSIDE, TRAP)
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        member = tarfile.TarInfo(OUTSIDE)
        member.size = len(TRAP)
        archive.addfile(member, io.BytesIO(TRAP.encode()))
    return (folder / bundle.ARCHIVE).read_bytes(), tar.getvalue()


def unpack(source, tmp_path, **variables):
    """Run the cell of a notebook for Kaggle that unpacks, in other folders than there."""
    source = source.replace("/kaggle/", f"{tmp_path}/").replace("/tmp/hms", f"{tmp_path}/source")
    exec(source, variables)


@pytest.mark.parametrize("known", [False, True], ids=["another archive", "the archive itself"])
@pytest.mark.parametrize("kind", ["submission", "training"])
def test_no_archive_leads_out_of_its_folder(archives, tmp_path, note, kind, known):
    submission, training = archives
    content = submission if kind == "submission" else training
    checksum = hashlib.sha256(content).hexdigest() if known else "0"
    words = r"and no \.\., found" if kind == "submission" else "outside the destination"
    with pytest.raises((ValueError, tarfile.TarError), match=words if known else "checksum") as e:
        if kind == "submission":
            cell = bundle._UNPACK.format(archive=bundle.ARCHIVE, checksum=checksum, wheel="a.whl")
            unpack(cell, tmp_path)
        else:
            cell = training_bundle._UNPACK.format(checksum=checksum)
            unpack(cell, tmp_path, SOURCE=[base64.b64encode(content).decode()])
    assert "\n" not in str(e.value)
    assert not [*tmp_path.rglob("outside.txt")]
    message = str(e.value).replace(f"{tmp_path}/", "")
    which = "the archive" if known else "another archive"
    note(f"a name with .. in {which}, {kind} on Kaggle", "refused", message)
