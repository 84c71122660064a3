"""Cases that a network finds alike: of other patients, by what it sees and not by pixels."""

from types import SimpleNamespace

import numpy as np
import pytest

from hms_utils import networks
from hms_utils.networks.backend import keras

TILE = (8, 16)
RP = 3


@pytest.fixture(scope="module")
def seen():
    """Windows whose chain RP has one of three levels, under noise that is larger elsewhere."""
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 3
    view = rng.integers(0, 256, (60, 4, *TILE), np.uint8)
    view[:, RP] = (60 + 60 * classes)[:, None, None] + rng.integers(0, 5, (60, *TILE), np.uint8)
    return {"eeg50": view}, classes, np.repeat(np.arange(20), 3) % 2  # patients of three windows


@pytest.fixture(scope="module")
def ensemble():
    """A network that looks at the mean of RP alone."""
    images = keras.Input((1, 4, *TILE), dtype="uint8")
    floats = keras.layers.Rescaling(1.0)(images)
    features = keras.layers.Lambda(lambda x: keras.ops.mean(x[:, 0, RP], axis=(1, 2))[:, None])
    both = keras.layers.Concatenate(name="features")([features(floats), features(floats)])
    model = keras.Model(images, keras.layers.Dense(6)(both))
    part = {"views": ["eeg50"], "folds": {"fold0.keras": "", "fold1.keras": ""}}
    weights = [model.get_weights()] * 2
    return SimpleNamespace(networks={"cnn": (model, weights)}, settings={"models": {"cnn": part}})


def test_cases_are_of_other_folds_and_of_the_same_look(ensemble, seen):
    images, classes, folds = seen
    rows = np.array([0, 4, 7, 59])
    cases, by_pixels = networks.nearest_cases(ensemble, "cnn", images, folds, rows)
    assert cases.shape == by_pixels.shape == (4, 3)
    assert (folds[cases] != folds[rows][:, None]).all()
    assert (folds[by_pixels] != folds[rows][:, None]).all()
    extremes = classes[rows] != 1  # of a single feature the sign is all that the cosine has
    assert (classes[cases] == classes[rows][:, None])[extremes].all()


def test_pixels_are_compared_one_by_one(ensemble, seen):
    images, _, folds = seen
    twin = {"eeg50": images["eeg50"].copy()}
    other = int(np.flatnonzero(folds != folds[0])[5])
    twin["eeg50"][other] = twin["eeg50"][0]
    _, by_pixels = networks.nearest_cases(ensemble, "cnn", twin, folds, np.array([0]), n_cases=1)
    assert by_pixels.tolist() == [[other]]


def test_shares_are_those_of_the_rows_class():
    classes, folds = np.array([0, 0, 1, 0, -1, 1]), np.array([0, 1, 1, 1, 1, 1])
    cases, by_pixels = np.array([[1, 3, 2]]), np.array([[2, 4, 5]])
    table = networks.shared_classes(classes, folds, np.array([0]), cases, by_pixels)
    found = table.iloc[0]
    assert found["cases"] == pytest.approx(2 / 3)
    assert found["by pixels"] == 0
    assert found["by chance"] == pytest.approx(2 / 4)  # the fifth has no class to share
    assert found["- chance"] == pytest.approx(2 / 3 - 2 / 4)
    partly = networks.shared_classes(classes, folds, np.array([0]), np.array([[1, 4]]), cases)
    assert partly["cases"].item() == 1
    unknown = networks.shared_classes(classes, folds, np.array([0]), np.array([[4]]), cases)
    assert unknown[["cases", "- chance"]].isna().all(axis=None)
    none = networks.shared_classes(classes, folds, np.array([4]), cases, by_pixels)
    assert none.isna().all(axis=None)
