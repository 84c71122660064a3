import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import BIPOLAR_COLUMNS, EEG_COLUMNS
from hms_utils.eeg import read_eeg
from hms_utils.eeg.scales import odd_scales


@pytest.fixture(scope="module", params=[EEG_COLUMNS, BIPOLAR_COLUMNS])
def waves(request):
    rng = np.random.default_rng(0)
    sos = signal.butter(1, 4, fs=200, output="sos")
    return request.param, signal.sosfilt(sos, rng.normal(0, 60, (12_000, len(request.param))), 0)


@pytest.mark.parametrize("factor", [1 / 100, 1 / 3, 3, 100])
def test_a_gain_in_error_is_found(waves, factor):
    columns, eeg = waves
    assert odd_scales(eeg) == {}
    for n, name in enumerate(columns[:-1]):
        gains = np.where(np.arange(len(columns)) == n, factor, 1)
        assert odd_scales(eeg * gains) == {name: pytest.approx(factor, rel=0.2)}


def test_what_raises_one_band_or_has_no_signal_is_no_gain(waves):
    eeg = waves[1].copy()
    eeg[:, 2] += 300 * np.sin(np.arange(len(eeg)) * 2 * np.pi * 2 / 200)
    eeg[:, 4], eeg[:, 9] = np.nan, 0
    assert odd_scales(eeg) == {}
    assert odd_scales(np.full_like(eeg, np.nan)) == {}


def test_real_recordings_have_their_gains(real_dir):
    found = [odd_scales(read_eeg(path)) for path in sorted((real_dir / "train_eegs").iterdir())]
    assert sum(map(bool, found)) <= 0.05 * len(found)
