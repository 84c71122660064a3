import numpy as np
import pytest

from hms_utils.constants import CHAINS, DIFFERENCES, EEG_COLUMNS
from hms_utils.eeg import montage


def test_bipolar_subtracts_neighbours_by_name():
    eeg = np.tile(np.arange(20, dtype=np.float32) ** 2, (5, 1))
    differences = montage.bipolar(eeg)
    value = {name: index**2 for index, name in enumerate(EEG_COLUMNS)}
    assert differences.shape == (16, 5)
    for row, (front, back) in zip(differences, DIFFERENCES, strict=True):
        assert (row == value[front] - value[back]).all()
    # A chain's differences add up to its two ends.
    first, *_, last = CHAINS["LL"]
    assert differences[:4, 0].sum() == value[first] - value[last]


def test_bipolar_cancels_the_reference_and_keeps_gaps():
    rng = np.random.default_rng(0)
    eeg = rng.normal(size=(50, 20)).astype(np.float32)
    shifted = eeg + 100 * rng.normal(size=(50, 1)).astype(np.float32)
    np.testing.assert_allclose(montage.bipolar(shifted), montage.bipolar(eeg), atol=1e-4)
    eeg[3, EEG_COLUMNS.index("T3")] = np.nan
    gaps = np.isnan(montage.bipolar(eeg))
    assert gaps.sum() == 2
    assert gaps[:, 3].sum() == 2


def test_bipolar_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(n_samples, 20\), found \(20, 100\)"):
        montage.bipolar(np.zeros((20, 100)))


def test_fill_gaps_uses_the_mean_or_zero():
    signals = np.array([[1, np.nan, 3], [np.nan] * 3, [1, 2, 3]], np.float32)
    filled = montage.fill_gaps(signals)
    np.testing.assert_array_equal(filled, [[1, 2, 3], [0, 0, 0], [1, 2, 3]])
    assert np.isnan(signals).sum() == 4


def test_bridge_gaps_draws_lines_and_holds_the_ends():
    signals = np.array([[np.nan, 1, np.nan, 3, np.nan], [np.nan] * 5], np.float32)
    bridged = montage.bridge_gaps(signals)
    np.testing.assert_array_equal(bridged, [[1, 1, 2, 3, 3], [0] * 5])
