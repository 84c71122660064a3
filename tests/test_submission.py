import json

import numpy as np
import pandas as pd
import pytest

from hms_utils import models, submission
from hms_utils.constants import VOTE_COLUMNS


@pytest.fixture
def test_table():
    return pd.DataFrame({"spectrogram_id": [1, 2, 3], "eeg_id": [30, 10, 20], "patient_id": 0})


def test_write_keeps_the_order_of_the_test_table(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), 3)
    submission.write([10, 20, 30], probabilities, test_table, path)
    table = pd.read_csv(path)
    assert tuple(table.columns) == submission.COLUMNS
    assert table.eeg_id.tolist() == [30, 10, 20]
    np.testing.assert_allclose(table.loc[1, list(VOTE_COLUMNS)].astype(float), probabilities[0])
    submission.check(table, test_table)


def train(folder, name="cnn", key=None):
    """Leave what training leaves: models that always give one answer, and their records."""
    for fold, logits in enumerate(([2.0, 0, 0, 0, 0, 0], [0, 2.0, 0, 0, 0, 0])):
        model = models.build_cnn(1, (8, 16), filters=(2,))
        weights = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([weights[0] * 0, np.array(logits)])
        path = folder / "models" / name / f"fold{fold}.keras"
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        key = key or {"data": "images", "views": ["near"], "epochs": 1}
        path.with_suffix(".json").write_text(json.dumps({"key": key}))
    (folder / "oof").mkdir()
    (folder / "oof" / f"{name}.parquet").touch()


def test_predict_averages_the_folds(tmp_path):
    train(tmp_path)
    images = {view: np.zeros((5, 4, 8, 16), np.uint8) for view in ("near", "far")}
    for temperature in (1.0, 2.0):  # of each fold's logits, before their answers are averaged
        mean = submission.predict(
            images, tmp_path, "cnn", notebook="03_cnn_baseline", temperature=temperature
        )
        power = np.exp(2 / temperature)
        high, low = power / (power + 5), 1 / (power + 5)
        expected = [(high + low) / 2] * 2 + [low] * 4
        np.testing.assert_allclose(mean, np.tile(expected, (5, 1)), rtol=1e-5)
    smaller = {view: array[:, :, :4] for view, array in images.items()}
    with pytest.raises(ValueError, match=r"expected images of shape \(1, 4, 8, 16\), found"):
        submission.predict(smaller, tmp_path, "cnn", notebook="03_cnn_baseline")
    with pytest.raises(FileNotFoundError, match="run notebooks/04_efficientnet_b0"):
        submission.predict(images, tmp_path, "efficientnet_b0", notebook="04_efficientnet_b0")


def test_models_of_other_images_or_several_trainings_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="03_cnn_baseline"):
        submission.require_models(tmp_path, "cnn", "images", notebook="03_cnn_baseline")
    train(tmp_path)
    submission.require_models(tmp_path, "cnn", "images", notebook="03_cnn_baseline")
    with pytest.raises(ValueError, match="found others"):
        submission.require_models(tmp_path, "cnn", "other images", notebook="03_cnn_baseline")
    record = tmp_path / "models" / "cnn" / "fold1.json"
    record.write_text(json.dumps({"key": {"data": "images", "epochs": 2}}))
    with pytest.raises(ValueError, match="found others"):
        submission.require_models(tmp_path, "cnn", "images", notebook="03_cnn_baseline")


def test_nothing_is_written_that_kaggle_would_refuse(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    with pytest.raises(ValueError, match="add to one"):
        submission.write([10, 20, 30], np.full((3, 6), 0.2), test_table, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="other_vote"), r"missing \['other_vote'\]"),
        (lambda t: t.assign(extra=1), r"extra \['extra'\]"),
        (lambda t: t[:2], "lacks ids"),
        (lambda t: t.assign(eeg_id=[10, 10, 20]), "repeats ids"),
        (lambda t: t.assign(eeg_id=[10, 30, 99]), "lacks ids"),
        (lambda t: pd.concat([t, t[:1].assign(eeg_id=99)]), "not asked for"),
        (lambda t: t.assign(lpd_vote="a"), "must be numeric"),
        (lambda t: t.assign(lpd_vote=np.nan), "add to one"),
        (lambda t: t.assign(lpd_vote=-0.5, gpd_vote=0.5), "at least zero"),
    ],
)
def test_check_refuses(test_table, spoil, message):
    table = pd.DataFrame({"eeg_id": [10, 20, 30], **dict.fromkeys(VOTE_COLUMNS, 1 / 6)})
    submission.check(table, test_table)
    with pytest.raises(ValueError, match=message):
        submission.check(spoil(table), test_table)
