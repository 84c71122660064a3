import re

import numpy as np
import pytest

from hms_utils.constants import CHAINS, DIFFERENCES, EEG_COLUMNS
from hms_utils.eeg import files, montage


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


def test_a_recording_of_differences_is_taken_as_it_is():
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 30, (1000, 20)).astype(np.float32)
    np.testing.assert_array_equal(montage.differences_of(eeg), montage.bipolar(eeg))
    derived = np.column_stack([montage.bipolar(eeg).T, eeg[:, -1]])
    np.testing.assert_array_equal(montage.differences_of(derived), montage.bipolar(eeg))
    with pytest.raises(ValueError, match=r"expected an EEG of shape .* found \(1000, 18\)"):
        montage.differences_of(eeg[:, :18])


def test_the_amplitude_is_that_of_waves_from_1_to_20_hz():
    seconds = np.arange(2000) / 200
    waves = np.tile(30 * np.sqrt(2) * np.sin(2 * np.pi * 7 * seconds), (16, 1))
    assert montage.amplitude(waves.astype(np.float32)) == pytest.approx(30, rel=1e-4)
    disturbed = waves + 5_000 + 200 * np.sin(2 * np.pi * 60 * seconds)
    disturbed[:5] = 7  # dead
    disturbed[5, ::150] = np.nan
    disturbed[6] *= 1e6  # a loose contact
    assert montage.amplitude(disturbed.astype(np.float32)) == pytest.approx(30, rel=1e-3)
    expected = [np.nan] * 6 + [30e6] + [30] * 9
    np.testing.assert_allclose(montage.amplitudes(disturbed), expected, rtol=0.2)
    for nothing in (np.full((16, 2000), 7.0), np.full((16, 2000), np.nan), np.zeros((16, 100))):
        assert np.isnan(montage.amplitude(nothing.astype(np.float32)))


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6, 1e30])
def test_units_in_error_are_found(scale):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 30, (16, 2000)).astype(np.float32)
    assert montage.judge_amplitude(montage.amplitude(noise)) == ""
    for factor in (0.1, 10):
        note = montage.judge_amplitude(montage.amplitude(noise * np.float32(factor)))
        found = float(re.search(r"found ([\d.]+) µV", note)[1])
        assert found == pytest.approx(factor * montage.amplitude(noise), rel=0.01)
    with pytest.raises(
        ValueError, match=r"expected EEG in microvolts, .* found .* µV: its unit or"
    ):
        montage.judge_amplitude(montage.amplitude(noise * np.float32(scale)))


def test_what_has_no_amplitude_is_not_judged():
    assert montage.judge_amplitude(np.nan) == ""


def test_noise_is_what_is_noise_in_all_that_is_alive():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 30, (16, 2000)).astype(np.float32)
    noise[:3], noise[5, ::150] = 7, np.nan
    assert montage.is_noise(noise)
    noise[:9] = 7  # too few to tell
    assert not montage.is_noise(noise)
    walks = np.cumsum(rng.normal(0, 3, (16, 2000)), axis=1).astype(np.float32)
    walks[1:] += rng.normal(0, 300, (15, 2000))
    assert not montage.is_noise(walks)
    walks[0] = walks[1]
    assert montage.is_noise(walks)


@pytest.mark.real_data
def test_real_recordings_are_not_refused(real_dir):
    for path in sorted((real_dir / "train_eegs").iterdir()):
        differences = montage.bipolar(files.read_eeg(path))
        montage.judge_amplitude(montage.amplitude(differences))
        assert not montage.is_noise(differences)
