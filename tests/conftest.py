"""Data that the tests share: a small generated set, and real recordings if named."""

import os
from pathlib import Path

import numpy as np
import pytest

from hms_utils import sample


@pytest.fixture(scope="session")
def sample_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "data"
    sample.generate(folder, n_patients=8, seed=1)
    return folder


@pytest.fixture(scope="session")
def real_dir():
    folder = os.environ.get("HMS_REAL_DATA")
    if not folder:
        pytest.skip("HMS_REAL_DATA names no folder with real recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def imagenet_file(tmp_path_factory):
    """A file like Keras' own, with weights that are random."""
    from hms_utils import models
    from hms_utils.backend import keras

    keras.utils.set_random_seed(0)
    backbone = keras.applications.EfficientNetB0(include_top=False, weights=None, pooling="avg")
    normalization = next(
        layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization)
    )
    mean, variance, count = normalization.get_weights()
    colours = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalization.set_weights(
        [colours[0].reshape(mean.shape), colours[1].reshape(variance.shape), count]
    )
    path = tmp_path_factory.mktemp("keras") / "models" / models.WEIGHTS_NAME
    path.parent.mkdir()
    backbone.save(path)  # the .h5 format of Keras 2, as Keras' own file
    return path


@pytest.fixture(autouse=True)
def no_data_elsewhere(monkeypatch, tmp_path_factory):
    """Keep what this machine may hold out of the search for data and weights."""
    monkeypatch.delenv("HMS_DATA_DIR", raising=False)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras-home")))
    monkeypatch.setattr("hms_utils.paths.KAGGLE_INPUT", Path("/nonexistent/input"))
    monkeypatch.setattr("hms_utils.paths.KAGGLE_WORKING", Path("/nonexistent/working"))
