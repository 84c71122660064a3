"""Building blocks of synthetic EEG: fields on the scalp, noise, rhythms, trains of waves."""

import numpy as np
from scipy import fft, signal

from hms_utils.constants import CHAINS, DIFFERENCES, ELECTRODES, SFREQ

# The 10-20 positions on a flat head of radius 1: x to the right, y to the front.
_POSITIONS = {
    "Fp1": (-0.31, 0.95),
    "F7": (-0.81, 0.59),
    "F3": (-0.41, 0.55),
    "T3": (-1.0, 0.0),
    "C3": (-0.5, 0.0),
    "T5": (-0.81, -0.59),
    "P3": (-0.41, -0.55),
    "O1": (-0.31, -0.95),
    "Fz": (0.0, 0.5),
    "Cz": (0.0, 0.0),
    "Pz": (0.0, -0.5),
    "Fp2": (0.31, 0.95),
    "F8": (0.81, 0.59),
    "F4": (0.41, 0.55),
    "T4": (1.0, 0.0),
    "C4": (0.5, 0.0),
    "T6": (0.81, -0.59),
    "P4": (0.41, -0.55),
    "O2": (0.31, -0.95),
}
XY = np.array([_POSITIONS[name] for name in ELECTRODES])
FIRST, SECOND = np.array([[ELECTRODES.index(e) for e in pair] for pair in DIFFERENCES]).T


def field(x, y, width):
    """Return how strongly each electrode sees a source at (x, y), float32 of shape (19,)."""
    distance = np.hypot(XY[:, 0] - x, XY[:, 1] - y)
    return np.exp(-0.5 * (distance / width) ** 2).astype(np.float32)


def spectral_noise(rng, n_channels, n_samples, gain):
    """Return noise whose amplitude spectrum is `gain(frequency)`, float32 (n_channels, n_samples).

    Its size is left as it comes, so that of several parts of one spectrum each has its own.
    """
    length = fft.next_fast_len(n_samples, real=True)
    frequencies = fft.rfftfreq(length, 1 / SFREQ)
    amplitude = gain(np.maximum(frequencies, 1e-3)).astype(np.float32)
    white = rng.standard_normal((n_channels, 2 * len(frequencies)), dtype=np.float32)
    noise = fft.irfft(white.view(np.complex64) * amplitude, length, overwrite_x=True)
    return noise[:, :n_samples]


def shaped_noise(rng, n_channels, n_samples, gain):
    """Return noise of unit variance whose amplitude spectrum is `gain(frequency)`."""
    noise = spectral_noise(rng, n_channels, n_samples, gain)
    return noise / noise.std(axis=1, keepdims=True)


def band(centre, width):
    """Return a bell-shaped gain around `centre` Hz, for `shaped_noise`."""
    return lambda f: np.exp(-0.5 * ((f - centre) / width) ** 2)


def wander(rng, n_samples, low, high, seconds):
    """Return a random course between `low` and `high` that turns every `seconds`."""
    n_knots = int(n_samples / (SFREQ * seconds)) + 3
    knots = rng.uniform(low, high, n_knots).astype(np.float32)
    course = np.interp(np.arange(n_samples) / (SFREQ * seconds), np.arange(n_knots), knots)
    return course.astype(np.float32)


def transients(onsets, n_samples, waves, heights=1.0):
    """Return one channel of equal transients, each a sum of bell-shaped waves.

    Parameters
    ----------
    onsets : array of int
        Samples at which they begin; those outside the channel are left out.
    n_samples : int
    waves : sequence of (delay, width, amplitude)
        Seconds, seconds and microvolts.
    heights : float or array of float, shape of `onsets`
        Factor of each transient.

    Returns
    -------
    ndarray of float32, shape (n_samples,)
    """
    inside = (onsets >= 0) & (onsets < n_samples)
    impulses = np.zeros(n_samples, np.float32)
    impulses[onsets[inside]] = np.broadcast_to(heights, onsets.shape)[inside]
    t = np.arange(-1.0, 1.0, 1 / SFREQ)
    shape = sum(a * np.exp(-0.5 * ((t - delay) / width) ** 2) for delay, width, a in waves)
    return signal.oaconvolve(impulses, shape.astype(np.float32), "same")


def random_onsets(rng, n_samples, interval, jitter):
    """Return the samples of events about every `interval` seconds, as `transients` takes them.

    `jitter` is the standard deviation of the logarithm of the interval.
    """
    count = int(n_samples / SFREQ / interval * 2) + 10
    gaps = interval * np.exp(jitter * rng.standard_normal(count))
    return (np.cumsum(gaps) * SFREQ).astype(int)


def visible_level(eeg):
    """Return the root mean square of the double banana's middle difference, a float."""
    return float(np.median((eeg[FIRST] - eeg[SECOND]).std(axis=1)))


def left_share(eeg):
    """Return the left chains' share of the power of the double banana's differences, a float.

    NaN if there is no power.
    """
    power = (eeg[FIRST] - eeg[SECOND]).var(axis=1).reshape(len(CHAINS), -1).sum(axis=1)
    left = [chain.startswith("L") for chain in CHAINS]
    return float(power[left].sum() / power.sum()) if power.any() else np.nan
