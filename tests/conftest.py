"""Data that the tests share: a small generated set, and real recordings if named."""

import os
from pathlib import Path

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


@pytest.fixture(autouse=True)
def no_data_elsewhere(monkeypatch):
    """Keep what this machine may hold out of the search for data and weights."""
    monkeypatch.delenv("HMS_DATA_DIR", raising=False)
    monkeypatch.setattr("hms_utils.paths.KAGGLE_INPUT", Path("/nonexistent/input"))
    monkeypatch.setattr("hms_utils.paths.KAGGLE_WORKING", Path("/nonexistent/working"))
