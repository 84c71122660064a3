import json
import shutil
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from hms_utils import networks, paths
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.images import drawing_version, fingerprint
from hms_utils.networks import Ensemble, engines, models

IMAGES = {"near": np.zeros((2, 4, 8, 16), np.uint8)}
FOLDS = np.array([0, 1])
INDEX = pd.DataFrame([[3, 0, 0, 0, 0, 0], [0, 4, 0, 0, 0, 0]], columns=list(VOTE_COLUMNS))
INDEX = INDEX.assign(label_id=[1, 2])


def train(folder, name="cnn"):
    """Leave what training leaves: models that always give one answer, and their records."""
    key = {"data": fingerprint(IMAGES, INDEX, FOLDS), "views": ["near"], "epochs": 1}
    answer = np.array([0.5, *[0.1] * 5], np.float32)
    for fold, logits in enumerate(([2.0, 0, 0, 0, 0, 0], [0, 2.0, 0, 0, 0, 0])):
        model = models.build_cnn(1, (8, 16), filters=(2,))
        weights = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([weights[0] * 0, np.array(logits)])
        path = folder / "models" / name / f"fold{fold}.keras"
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        record = {"key": key, "file": path.name, "checksum": paths.checksum(path)}
        paths.write_record(path.with_suffix(".json"), record | {"predictions": [answer.tolist()]})
    (folder / "oof").mkdir()
    oof = pd.DataFrame([answer] * 2, columns=list(PREDICTION_COLUMNS))
    oof = pd.concat([INDEX.assign(fold=FOLDS), oof], axis=1)
    oof.to_parquet(folder / "oof" / f"{name}.parquet")


def seal(folder, temperature=1.0, drawn_by=None):
    drawn_by = drawn_by or drawing_version()
    train_images = folder / "spectrograms" / "train"
    drawn = {"reduce": [16, 16], "db_range": [-10, 40], "views": ["near", "far"]}
    paths.write_record(train_images / "settings.json", drawn | {"code": drawn_by})
    paths.write_record(train_images / "source.json", {"data": "/data", "synthetic": True})
    votes = pd.DataFrame([[10, 0, 0, 0, 0, 2], [0, 3, 0, 0, 0, 0]], columns=list(VOTE_COLUMNS))
    fitted = {"cnn": {"temperature": temperature, "share": 1.0}}
    networks.seal(folder, fitted, votes.assign(n_votes=votes.sum(axis=1)), 5.0)


def test_folds_are_averaged_after_their_temperature(tmp_path):
    train(tmp_path)
    images = {view: np.zeros((5, 4, 8, 16), np.uint8) for view in ("near", "far")}
    for temperature in (1.0, 2.0):
        seal(tmp_path, temperature)
        mean = Ensemble(tmp_path).predict(images)
        power = np.exp(2 / temperature)
        high, low = power / (power + 5), 1 / (power + 5)
        expected = 0.99 * np.array([(high + low) / 2] * 2 + [low] * 4) + 0.01 / 6
        np.testing.assert_allclose(mean, np.tile(expected, (5, 1)), rtol=1e-5)
    smaller = {view: array[:, :, :4] for view, array in images.items()}
    with pytest.raises(ValueError, match=r"cnn: expected images of shape \(1, 4, 8, 16\), found"):
        Ensemble(tmp_path).predict(smaller)


def test_a_network_without_a_share_is_not_computed(tmp_path):
    train(tmp_path)
    seal(tmp_path)
    blend = json.loads((tmp_path / "blend.json").read_text())
    blend["models"]["other"] = blend["models"]["cnn"] | {"share": 0.0}
    shutil.copytree(tmp_path / "models" / "cnn", tmp_path / "models" / "other")
    (tmp_path / "blend.json").write_text(json.dumps(blend))
    ensemble = Ensemble(tmp_path)
    assert set(ensemble.networks) == {"cnn", "other"}  # it can still be explained
    images = {"near": np.zeros((2, 4, 8, 16), np.uint8)}
    assert set(ensemble.answers(images)) == {"cnn"}
    np.testing.assert_allclose(ensemble.predict(images).sum(axis=1), 1)


def test_the_seal_holds_all_that_a_prediction_needs(tmp_path):
    train(tmp_path)
    seal(tmp_path)
    settings = Ensemble(tmp_path).settings
    drawn = {"reduce": [16, 16], "db_range": [-10, 40], "views": ["near", "far"]}
    assert settings["images"] == drawn
    # Of the row with many votes, and of one more that votes for all alike.
    np.testing.assert_allclose(settings["prior"], [6 / 12, *[1 / 12] * 4, 2 / 12])
    assert settings["synthetic"]
    assert settings["concentration"] == 5
    assert settings["models"]["cnn"]["views"] == ["near"]


def test_missing_changed_and_broken_models_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="run notebooks/05_comparison"):
        Ensemble(tmp_path)
    train(tmp_path)
    file = tmp_path / "models" / "cnn" / "fold1.keras"
    seal(tmp_path)
    file.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"fold1\.keras: expected the model that blend\.json"):
        Ensemble(tmp_path)
    seal(tmp_path)
    with pytest.raises(ValueError, match=r"fold1\.keras: expected a Keras model"):
        Ensemble(tmp_path)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"fold1\.keras"):
        Ensemble(tmp_path)


def add_setting(file, name, value):
    """Leave what a Keras would leave that knows another setting of convolutions."""
    with ZipFile(file) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Conv2D":
            layer["config"]["kernel_initializer"]["config"][name] = value
    with ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, json.dumps(config) if member == "config.json" else content)


def test_settings_of_a_newer_keras_are_ignored_at_their_default_only(tmp_path, monkeypatch):
    train(tmp_path)
    images = {"near": np.random.default_rng(0).integers(0, 256, (2, 4, 8, 16), np.uint8)}
    seal(tmp_path)
    before = Ensemble(tmp_path).predict(images)
    monkeypatch.setitem(engines._NEWER_SETTINGS, "of_tomorrow", None)
    file = tmp_path / "models" / "cnn" / "fold1.keras"
    add_setting(file, "of_tomorrow", None)
    seal(tmp_path)
    np.testing.assert_array_equal(Ensemble(tmp_path).predict(images), before)
    add_setting(file, "of_tomorrow", True)
    seal(tmp_path)
    with pytest.raises(ValueError, match=r"fold1\.keras: expected a Keras model.*'of_tomorrow'"):
        Ensemble(tmp_path)


def test_models_of_other_images_or_several_trainings_are_refused(tmp_path, capsys):
    def load(names=("cnn",), images=IMAGES, index=INDEX, folds=FOLDS):
        return networks.load_oof(tmp_path, names, images, index, folds)

    with pytest.raises(FileNotFoundError, match="03_cnn_baseline"):
        load()
    train(tmp_path)
    table, predictions, started = load()
    assert table.columns.tolist() == [*VOTE_COLUMNS, "label_id", "fold"]
    assert capsys.readouterr().out == "cnn: started from random weights\n"
    assert started == {"cnn": "random weights"}
    np.testing.assert_allclose(predictions["cnn"], [[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]] * 2)
    with pytest.raises(ValueError, match="found others"):
        load(images={"near": IMAGES["near"] + np.uint8(1)})
    with pytest.raises(ValueError, match=r"networks among \['cnn', 'efficientnet_b0'\], found"):
        load(["cnn", "resnet"])
    record = tmp_path / "models" / "cnn" / "fold1.json"
    other = paths.read_json(record)
    other["key"]["epochs"] = 2
    paths.write_json(record, other)
    with pytest.raises(ValueError, match="found others"):
        load()


def rewrite(path, format):
    """Leave a record as another version would, which called something by another name."""
    content = paths.read_json(path)
    content["renamed"] = content.pop("models" if path.name == "blend.json" else "key")
    paths.write_json(path, content | {"format": format})


@pytest.mark.parametrize("format", [1, paths.FORMAT + 1])
def test_what_another_version_wrote_is_refused_in_one_line(tmp_path, format):
    train(tmp_path)
    seal(tmp_path)
    rewrite(tmp_path / "blend.json", format)
    with pytest.raises(ValueError, match=rf"blend\.json: .*format {format}\); run .*05_") as caught:
        Ensemble(tmp_path)
    assert "\n" not in str(caught.value)
    rewrite(tmp_path / "models" / "cnn" / "fold0.json", format)
    with pytest.raises(ValueError, match=rf"fold0\.json: .*format {format}\); run .*03_cnn"):
        networks.load_oof(tmp_path, ["cnn"], IMAGES, INDEX, FOLDS)
    with pytest.raises(ValueError, match=rf"fold0\.json: .*format {format}\)"):
        seal(tmp_path)


def test_images_of_another_version_are_a_warning(tmp_path, capsys):
    train(tmp_path)
    seal(tmp_path)
    Ensemble(tmp_path)
    assert "WARNING" not in capsys.readouterr().out
    seal(tmp_path, drawn_by="1234")
    Ensemble(tmp_path)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "blend.json: WARNING: the networks learnt from images that another version" in said


def test_a_seal_that_lacks_a_part_is_refused_by_name(tmp_path):
    train(tmp_path)
    seal(tmp_path)
    whole = paths.read_json(tmp_path / "blend.json")
    for name in set(whole) - {"format"}:
        paths.write_json(tmp_path / "blend.json", {k: v for k, v in whole.items() if k != name})
        with pytest.raises(ValueError, match=rf"blend\.json: .*{name}.*run notebooks/05_comp"):
            Ensemble(tmp_path)
