import functools

import numpy as np
import pandas as pd
import pytest

from hms_utils import models, training
from hms_utils.backend import keras
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS

SETTINGS = {"epochs": 6, "learning_rate": 1e-2, "batch_size": 8}
N_ROWS = 48
VIEWS = ("near", "far")


@pytest.fixture(scope="module")
def images():
    """Class 0 is bright in the left chains, class 1 in all."""
    rng = np.random.default_rng(0)
    view = rng.integers(0, 60, (N_ROWS, 4, 16, 32), np.uint8)
    view[0::2, ::2] += 150
    view[1::2] += 150
    return {"near": view, "far": view[:, :, ::-1].copy(), "unused": view[:, :1]}


@pytest.fixture(scope="module")
def index():
    votes = np.zeros((N_ROWS, 6), int)
    votes[0::2, 0] = votes[1::2, 1] = 4
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    ids = np.arange(N_ROWS)
    return table.assign(eeg_id=ids, label_id=ids, patient_id=ids // 2, n_votes=4)


@pytest.fixture(scope="module")
def fold():
    return np.arange(N_ROWS) // 2 % 2


build = functools.partial(models.build_cnn, 2, (16, 32), filters=(8, 16), dropout=0.2)


def predictions(oof):
    return oof[list(PREDICTION_COLUMNS)].to_numpy()


@pytest.fixture(scope="module")
def trained(images, index, fold, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    oof, history = training.cross_validate(build, images, VIEWS, index, fold, folder, **SETTINGS)
    return folder, oof, history


def test_a_pattern_is_learnt_and_judged_out_of_fold(trained, index, fold):
    folder, oof, history = trained
    assert (predictions(oof).argmax(axis=1) == np.arange(N_ROWS) % 2).mean() > 0.9
    assert (oof.fold == fold).all()
    assert oof.label_id.tolist() == index.label_id.tolist()
    stored = pd.read_parquet(folder / "oof" / "cnn.parquet")
    pd.testing.assert_frame_equal(stored, oof)
    assert history.groupby("fold").epoch.max().tolist() == [6, 6]
    model = keras.models.load_model(folder / "models" / "cnn" / "fold1.keras")
    assert model.count_params() == build().count_params()


def test_stored_models_give_the_out_of_fold_predictions(trained, images, fold):
    folder, oof, _ = trained
    for number in (0, 1):
        model = keras.models.load_model(folder / "models" / "cnn" / f"fold{number}.keras")
        rows = np.flatnonzero(fold == number)
        own = model.predict(np.stack([images[view][rows] for view in VIEWS], axis=1), verbose=0)
        np.testing.assert_allclose(own, predictions(oof)[rows], atol=1e-5)


def test_complete_folds_are_not_trained_again_and_others_are(
    trained, images, index, fold, monkeypatch, capsys
):
    folder, oof, _ = trained
    run, ran = training._Loop.run, []
    monkeypatch.setattr(training._Loop, "run", lambda *a: ran.append(a[3]) or run(*a))
    again, _ = training.cross_validate(build, images, VIEWS, index, fold, folder, **SETTINGS)
    assert ran == []
    assert capsys.readouterr().out.count("already trained") == 2
    pd.testing.assert_frame_equal(again, oof)

    # A fold that was lost is trained again, to the same result as before.
    (folder / "models" / "cnn" / "fold1.keras").unlink()
    resumed, _ = training.cross_validate(build, images, VIEWS, index, fold, folder, **SETTINGS)
    assert ran == [1]
    np.testing.assert_allclose(predictions(resumed), predictions(oof), atol=1e-5)


def test_another_setting_or_image_trains_again(images, index, fold, tmp_path, monkeypatch):
    key_of = []
    monkeypatch.setattr(training, "_finished", lambda path, key: key_of.append(key))
    monkeypatch.setattr(training, "_save", lambda *_: None)
    fast = {"history": [], "predictions": np.full((N_ROWS // 2, 6), 1 / 6).tolist()}
    monkeypatch.setattr(training._Loop, "run", lambda *_: fast)
    other = {name: view.copy() for name, view in images.items()}
    other["far"][5, 0, 0, 0] += 1
    for changed, views, settings in (
        (images, VIEWS, SETTINGS),
        (images, VIEWS[::-1], SETTINGS),
        (images, VIEWS, SETTINGS | {"epochs": 7}),
        (images, VIEWS, SETTINGS | {"note": "other weights"}),
        (other, VIEWS, SETTINGS),
    ):
        training.cross_validate(build, changed, views, index, fold, tmp_path, **settings)
    assert len({str(key) for key in key_of}) == 5


def test_unknown_views_are_refused(images, index, fold, tmp_path):
    for views in ((), ("near", "middle")):
        with pytest.raises(ValueError, match=r"expected views among \['near', 'far', 'unused'\]"):
            training.cross_validate(build, images, views, index, fold, tmp_path, **SETTINGS)


def test_models_of_folds_that_are_no_longer_are_removed(images, index, tmp_path, capsys):
    quick = SETTINGS | {"epochs": 1}
    three, two = np.arange(N_ROWS) // 2 % 3, np.arange(N_ROWS) // 2 % 2
    training.cross_validate(build, images, VIEWS, index, three, tmp_path, **quick)
    training.cross_validate(build, images, VIEWS, index, two, tmp_path, **quick)
    names = sorted(path.name for path in (tmp_path / "models" / "cnn").iterdir())
    assert names == ["fold0.json", "fold0.keras", "fold1.json", "fold1.keras"]


def test_head_is_trained_first(images, index, fold, tmp_path):
    """Without epochs of the whole network to speak of, the head alone separates the classes."""
    settings = {"epochs": 1, "learning_rate": 1e-7, "batch_size": 8}
    data = build, images, VIEWS, index, fold
    plain, _ = training.cross_validate(*data, tmp_path / "a", **settings)
    head, _ = training.cross_validate(*data, tmp_path / "b", head_epochs=60, **settings)
    truth = np.arange(N_ROWS) % 2
    right = [predictions(oof)[np.arange(N_ROWS), truth].mean() for oof in (plain, head)]
    assert right[1] > right[0] + 0.2


def test_loss_that_is_not_finite_stops_the_training(images, index, fold, tmp_path):
    with pytest.raises(RuntimeError, match=r"cnn, fold 1 of 2: KL .* nan held out after epoch 1"):
        training.cross_validate(
            build, images, VIEWS, index, fold, tmp_path, epochs=2, learning_rate=float("nan")
        )
    assert not (tmp_path / "oof").exists()
    assert not (tmp_path / "models" / "cnn" / "fold0.keras").exists()
