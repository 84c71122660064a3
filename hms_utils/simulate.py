"""Synthetic EEG: sources on the scalp, seen by 19 electrodes.

The patterns follow the words of the ACNS 2021 critical-care terminology. They
are drawings after a textbook, not recordings.
"""

import numpy as np
from scipy import signal

from hms_utils.constants import ELECTRODES, SFREQ

# The 10-20 positions on a flat head of radius 1: x to the right, y to the front.
_POSITIONS = {
    **{"Fp1": (-0.31, 0.95), "F7": (-0.81, 0.59), "F3": (-0.41, 0.55), "T3": (-1.0, 0.0)},
    **{"C3": (-0.5, 0.0), "T5": (-0.81, -0.59), "P3": (-0.41, -0.55), "O1": (-0.31, -0.95)},
    **{"Fz": (0.0, 0.5), "Cz": (0.0, 0.0), "Pz": (0.0, -0.5)},
    **{"Fp2": (0.31, 0.95), "F8": (0.81, 0.59), "F4": (0.41, 0.55), "T4": (1.0, 0.0)},
    **{"C4": (0.5, 0.0), "T6": (0.81, -0.59), "P4": (0.41, -0.55), "O2": (0.31, -0.95)},
}
_XY = np.array([_POSITIONS[name] for name in ELECTRODES])
BACKGROUNDS = ("alpha", "slow", "suppressed", "muscle")


def _spread(x, y, width):
    """Return how strongly each electrode sees a source at (x, y), (19,)."""
    distance = np.hypot(_XY[:, 0] - x, _XY[:, 1] - y)
    return np.exp(-0.5 * (distance / width) ** 2).astype(np.float32)


def _shaped_noise(rng, n_channels, n_samples, gain):
    """Return noise of unit variance whose amplitude spectrum is `gain(frequency)`."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / SFREQ)
    amplitude = gain(np.maximum(frequencies, 1e-3)).astype(np.float32)
    white = rng.standard_normal((n_channels, len(frequencies), 2), dtype=np.float32)
    noise = np.fft.irfft((white[..., 0] + 1j * white[..., 1]) * amplitude, n_samples)
    return (noise / noise.std(axis=1, keepdims=True)).astype(np.float32)


def _band(centre, width):
    return lambda f: np.exp(-0.5 * ((f - centre) / width) ** 2)


def _wander(rng, n_samples, low, high, seconds):
    """Return a smooth random course between `low` and `high` that turns every `seconds`."""
    n_knots = int(n_samples / (SFREQ * seconds)) + 3
    knots = rng.uniform(low, high, n_knots)
    return np.interp(np.arange(n_samples) / (SFREQ * seconds), np.arange(n_knots), knots)


def background(rng, n_samples, kind):
    """Simulate the activity that a pattern stands out from.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int
    kind : {"alpha", "slow", "suppressed", "muscle"}
        Posterior alpha, diffuse slowing, burst suppression, or muscle and eye
        artefacts.

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Microvolts.
    """
    slope = rng.uniform(0.8, 1.1)
    sources = _shaped_noise(rng, 19, n_samples, lambda f: f**-slope * (f > 0.3))
    mixing = np.stack([_spread(x, y, 0.45) for x, y in _XY])
    mixing /= np.linalg.norm(mixing, axis=0)
    eeg = rng.uniform(9, 15) * mixing.T @ sources
    eeg += 1.5 * rng.standard_normal(eeg.shape, dtype=np.float32)
    if kind == "alpha":
        rhythm = _shaped_noise(rng, 2, n_samples, _band(rng.uniform(8.5, 11), 0.6))
        rhythm *= _wander(rng, n_samples, 4, 22, 5)
        eeg += np.outer(_spread(-0.4, -0.9, 0.5), rhythm[0])
        eeg += np.outer(_spread(0.4, -0.9, 0.5), rhythm[1])
    elif kind == "slow":
        for x, y in rng.uniform(-0.7, 0.7, (4, 2)):
            wave = _shaped_noise(rng, 1, n_samples, _band(rng.uniform(2, 6), 1.5))
            eeg += np.outer(_spread(x, y, 0.6), wave * rng.uniform(10, 20))
    elif kind == "suppressed":
        bursts = _wander(rng, n_samples, -1, 1, rng.uniform(1.5, 3))
        eeg *= 0.25 + 1.6 / (1 + np.exp(-bursts / 0.08))
    else:
        muscle = _shaped_noise(
            rng, 4, n_samples, lambda f: 1 / (1 + np.exp((18 - f) / 2)) * (f < 70)
        )
        muscle *= np.maximum(0, _wander(rng, n_samples, -20, 30, 3))
        for wave, place in zip(muscle, ((-1, 0), (1, 0), (-0.8, 0.6), (0.8, 0.6)), strict=True):
            eeg += np.outer(_spread(*place, 0.3), wave)
        eeg += np.outer(_spread(0, 1.1, 0.35), _events(rng, n_samples, 4, 0.5, [(0, 0.12, 120)]))
    return eeg.astype(np.float32)


def _events(rng, n_samples, interval, jitter, waves):
    """Return a train of transients, each a sum of (delay, width, amplitude) bumps.

    `interval` is in seconds, `jitter` is the standard deviation of its logarithm.
    """
    count = int(n_samples / SFREQ / interval * 2) + 10
    onsets = np.cumsum(interval * np.exp(jitter * rng.standard_normal(count)))
    onsets = (onsets[onsets < n_samples / SFREQ] * SFREQ).astype(int)
    impulses = np.zeros(n_samples, np.float32)
    impulses[onsets] = rng.uniform(0.8, 1.2, len(onsets))
    t = np.arange(-0.3, 0.9, 1 / SFREQ)
    shape = sum(a * np.exp(-0.5 * ((t - delay) / width) ** 2) for delay, width, a in waves)
    return signal.oaconvolve(impulses, shape.astype(np.float32), "same")


def pattern(rng, name, n_samples, centre):
    """Simulate one of the five named patterns at full strength.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : {"Seizure", "LPD", "GPD", "LRDA", "GRDA"}
    n_samples : int
    centre : float
        Second in the middle of what experts will see; a seizure evolves around it.

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Microvolts.
    """
    side = rng.choice([-1, 1])
    place = (side * rng.uniform(0.5, 0.9), rng.uniform(-0.5, 0.6))
    if name == "Seizure":
        return _seizure(rng, n_samples, centre, place)
    if name in ("LPD", "GPD"):
        interval = 1 / rng.uniform(0.6, 2.2)
        if name == "GPD" and rng.random() < 0.4:  # triphasic
            waves = [(-0.1, 0.035, 50), (0, 0.05, -130), (0.16, 0.08, 80)]
        else:
            waves = [(0, 0.03, -140), (0.05, 0.02, 50), (0.16, 0.07, 70)]
        wave = _events(rng, n_samples, interval, 0.06, waves)
    else:
        frequency = _wander(rng, n_samples, 0.93, 1.07, 4) * rng.uniform(1, 3)
        phase = 2 * np.pi * np.cumsum(frequency) / SFREQ
        wave = 75 * _wander(rng, n_samples, 0.7, 1.3, 3) * (np.sin(phase) + 0.2 * np.sin(2 * phase))
    if name in ("LPD", "LRDA"):
        return np.outer(_spread(*place, 0.5), wave).astype(np.float32)
    front = rng.uniform(0.2, 0.9)
    both = _spread(-0.35, front, 0.6) + _spread(0.35, front, 0.6)
    return np.outer(both * 0.8, wave).astype(np.float32)


def _seizure(rng, n_samples, centre, place):
    """Return a rhythm that changes speed, grows and spreads over one or two minutes."""
    seconds = np.arange(n_samples) / SFREQ
    duration = rng.uniform(50, 120)
    progress = np.clip((seconds - centre) / duration + rng.uniform(0.35, 0.65), 0, 1)
    slow, fast = rng.uniform(1.5, 3), rng.uniform(5, 9)
    start, end = (slow, fast) if rng.random() < 0.5 else (fast, slow)
    frequency = (start + (end - start) * progress) * _wander(rng, n_samples, 0.95, 1.05, 2)
    phase = 2 * np.pi * np.cumsum(frequency) / SFREQ
    wave = np.sin(phase) + 0.5 * np.sin(2 * phase + 0.6) + 0.25 * np.sin(3 * phase)
    active = (progress > 0) & (progress < 1)
    wave *= 60 * active * (0.5 + 0.9 * progress)
    eeg = np.outer(_spread(*place, 0.45), wave)
    if rng.random() < 0.6:
        eeg += np.outer(_spread(-place[0], place[1], 0.6), wave * progress)
    return eeg.astype(np.float32)


def heartbeat(rng, n_samples):
    """Simulate the EKG column, float32 of shape (n_samples,), in microvolts."""
    waves = [(-0.16, 0.025, 0.1), (0, 0.012, 1), (0.03, 0.012, -0.25), (0.25, 0.05, 0.25)]
    beats = _events(rng, n_samples, 60 / rng.uniform(55, 110), 0.03, waves)
    return (beats * rng.uniform(150, 1500)).astype(np.float32)
