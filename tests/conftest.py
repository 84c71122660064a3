"""Data that the tests share: a small generated set, and real recordings if named."""

import functools
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from hms_utils import sample
from hms_utils.constants import EEG_COLUMNS
from tests.faults import table as faults_table
from tests.untrained import seal_untrained


def pytest_addoption(parser):
    parser.addoption("--faults-table", type=Path, help="Write what the tests of faults found here.")


def pytest_terminal_summary(terminalreporter, config):
    if path := config.getoption("faults_table"):
        passed, *others = map(terminalreporter.getreports, ("passed", "failed", "error", "skipped"))
        n_failed, n_errors, n_skipped = map(len, others)
        faults_table.write(path, passed, n_failed + n_errors, n_skipped)


def pytest_collection_modifyitems(items):
    """Begin with the longest, so that both processes end at the same time."""
    items.sort(key=lambda item: "test_chain" not in item.nodeid)


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
    from hms_utils.networks import weights
    from hms_utils.networks.backend import keras

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
    path = tmp_path_factory.mktemp("keras") / "models" / weights.WEIGHTS_NAME
    path.parent.mkdir()
    backbone.save(path)  # the .h5 format of Keras 2, as Keras' own file
    return path


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    """Two folds of a small untrained network, sealed, whose answers depend on images."""
    from hms_utils.networks import models

    folder = tmp_path_factory.mktemp("models")
    build = functools.partial(models.build_cnn, filters=(8, 8))
    seal_untrained(folder, {"cnn": (build, 8)}, reduce=(4, 4))
    return folder


@pytest.fixture(scope="session")
def write_edf():
    """A function that writes an EEG as a clinic would, through edfio."""
    import edfio

    def write(path, eeg, *, sfreq=200, names=EEG_COLUMNS, unit="uV", scale=1, limit=0, start=None):
        """Write columns of `eeg` (n_samples, 20) at 200 Hz under other names, rates and units.

        A name of "" leaves a column out. The range of 16 bits is ±`limit` µV, by
        default each channel's own. EDF has no NaN, so gaps are zeros.
        """
        kind = path.suffix[1:].capitalize()
        up, down = Fraction(sfreq, 200).as_integer_ratio()
        signals = []
        for column, name in zip(np.nan_to_num(eeg).T.astype(float), names, strict=True):
            if name:
                samples = resample_poly(column, up, down, padtype="line") if up != down else column
                top = limit or max(np.abs(samples).max(), 1)
                signals.append(
                    getattr(edfio, f"{kind}Signal")(
                        np.clip(samples, -top, top) * scale,
                        sfreq,
                        label=name,
                        physical_dimension=unit,
                        physical_range=(-top * scale, top * scale),
                    )
                )
        date = start and edfio.Recording(startdate=start.date())
        getattr(edfio, kind)(signals, recording=date, starttime=start and start.time()).write(path)
        return path

    return write


@pytest.fixture(autouse=True)
def no_data_elsewhere(monkeypatch, tmp_path_factory):
    """Keep what this machine may hold out of the search for data and weights."""
    monkeypatch.delenv("HMS_DATA_DIR", raising=False)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras-home")))
    monkeypatch.setattr("hms_utils.paths.KAGGLE_INPUT", Path("/nonexistent/input"))
    monkeypatch.setattr("hms_utils.paths.KAGGLE_WORKING", Path("/nonexistent/working"))
