"""The picture of the wave itself."""

import itertools

import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import SFREQ
from hms_utils.images.wave import wave_image

N_SAMPLES, MIDDLE = 50 * SFREQ, slice(20 * SFREQ, 30 * SFREQ)
SECONDS = np.arange(N_SAMPLES) / SFREQ


def differences(**signals):
    """Return 16 silent differences but for those named d<number>."""
    table = np.zeros((16, N_SAMPLES), np.float32)
    for name, values in signals.items():
        table[int(name[1:])] = values
    return table


def traces(image):
    """Return where the ink of each trace lies in each column, µV; NaN where there is none."""
    ink = image[:, ::-1].reshape(16, 32, 256).astype(float)
    rows = np.arange(32)[:, None]
    with np.errstate(invalid="ignore"):
        return ((ink * rows).sum(axis=1) / ink.sum(axis=1) / 31 - 0.5) * 200


def test_a_slow_wave_is_where_it_should_be():
    wave = 40 * np.sin(2 * np.pi * 1.5 * SECONDS)
    image = wave_image(differences(d5=wave))
    assert image.shape == (4, 128, 256) and image.dtype == np.uint8
    found = traces(image)
    expected = wave[MIDDLE][((np.arange(256) + 0.5) * 2000 / 256).astype(int)]
    # A row is 6.5 µV, a column 39 ms, in which the wave moves by up to 15 µV.
    np.testing.assert_allclose(found[5], expected, atol=12)
    assert np.corrcoef(found[5], expected)[0, 1] > 0.99
    np.testing.assert_allclose(np.delete(found, 5, axis=0), 0, atol=1e-6)


def test_the_filter_is_that_of_scipy():
    rng = np.random.default_rng(0)
    noise = np.cumsum(rng.normal(size=(16, N_SAMPLES)), axis=1).astype(np.float32)
    noise = 30 * (noise - noise.mean(axis=1, keepdims=True)) / noise.std()
    noise += 20 * rng.normal(size=noise.shape).astype(np.float32)
    band = signal.butter(4, [0.5, 20], "bandpass", fs=SFREQ, output="sos")
    filtered = signal.sosfiltfilt(band, noise, axis=1)[:, 20 * SFREQ : 30 * SFREQ + 1]
    filtered = np.clip(filtered, -100, 100)
    edges = np.linspace(0, 2000, 257).round().astype(int)
    columns = [filtered[:, one : other + 1] for one, other in itertools.pairwise(edges)]
    middles = np.stack([(part.min(axis=1) + part.max(axis=1)) / 2 for part in columns], axis=1)
    np.testing.assert_allclose(traces(wave_image(noise)), middles, atol=8)


def test_drift_offset_and_mains_leave_no_trace():
    rng = np.random.default_rng(0)
    wave = 20 * np.sin(2 * np.pi * 3 * SECONDS) + rng.normal(size=N_SAMPLES)
    disturbed = wave + 300 + 50 * np.sin(2 * np.pi * 0.05 * SECONDS)
    disturbed += 80 * np.sin(2 * np.pi * 60 * SECONDS)
    plain, other = (wave_image(differences(d0=part)) for part in (wave, disturbed))
    assert np.abs(traces(plain) - traces(other)).max() < 5


def test_a_spike_keeps_its_height():
    spike = np.zeros(N_SAMPLES)
    spike[25 * SFREQ : 25 * SFREQ + 14] = signal.windows.hann(14) * -120
    image = wave_image(differences(d15=spike))[3, ::-1]
    ink = image[96:] > 128
    # From the middle line two thirds of the way up, as 20 Hz round a spike of 70 ms off.
    assert ink.argmax(axis=0).min() <= 6
    assert ink[:, 130:].sum() < 3 * ink[:, 130:].shape[1]


def test_what_is_too_large_is_cut_within_its_own_trace():
    wave = 5000 * np.sin(2 * np.pi * SECONDS)
    image = wave_image(differences(d4=wave))[1, ::-1]
    np.testing.assert_array_equal(image[32:], wave_image(differences())[1, ::-1][32:])
    assert image[0].any() and image[31].any()


def test_sides_places_and_time():
    rng = np.random.default_rng(1)
    noise = signal.lfilter([1], [1, -0.95], rng.normal(size=(16, N_SAMPLES)))
    noise = (noise * 5).astype(np.float32)
    image = wave_image(noise)
    swapped = noise.reshape(4, 4, -1)[[1, 0, 3, 2]].reshape(noise.shape)
    np.testing.assert_array_equal(wave_image(swapped), image[[1, 0, 3, 2]])
    turned = traces(wave_image(noise[:, ::-1]))
    assert np.corrcoef(turned[:, ::-1].ravel(), traces(image).ravel())[0, 1] > 0.9
    # Turned over, it is drawn upside down within each trace.
    over = traces(wave_image(-noise))
    np.testing.assert_allclose(over, -traces(image), atol=0.5)


def test_nothing_is_drawn_where_nothing_is_known():
    noise = np.random.default_rng(2).normal(size=(16, N_SAMPLES)).astype(np.float32) * 20
    gap = noise.copy()
    gap[3] = np.nan
    gap[7, 24 * SFREQ : 26 * SFREQ] = np.nan
    gap[9, : 10 * SFREQ] = np.nan  # before the 10 s that are drawn
    found = traces(wave_image(gap))
    assert np.isnan(found[3]).all()
    assert np.flatnonzero(np.isnan(found[7])).tolist() == list(range(102, 154))
    assert not np.isnan(np.delete(found, [3, 7], axis=0)).any()
    assert not wave_image(np.full((16, N_SAMPLES), np.nan, np.float32)).any()
    np.testing.assert_array_equal(wave_image(gap)[0, 32:], wave_image(noise)[0, 32:])


@pytest.mark.parametrize("seconds", [20, 50, 60])
def test_the_middle_is_drawn_of_any_length(seconds):
    noise = np.random.default_rng(3).normal(size=(16, 60 * SFREQ)).astype(np.float32) * 30
    beside = (60 - seconds) * SFREQ // 2
    part = noise[:, beside : noise.shape[1] - beside]
    np.testing.assert_array_equal(wave_image(part), wave_image(noise))


def test_too_short_is_said():
    with pytest.raises(ValueError, match=r"expected at least 20 s of EEG, found 12 s"):
        wave_image(np.zeros((16, 12 * SFREQ), np.float32))
