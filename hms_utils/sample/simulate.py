"""Synthetic EEG: sources on the scalp, seen by 19 electrodes.

The patterns follow the definitions of the ACNS 2021 critical-care terminology
(Hirsch et al., J Clin Neurophysiol 2021). They are drawings after a textbook,
not recordings.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from hms_utils.constants import CHAINS, DIFFERENCES, ELECTRODES, SFREQ

# The 10-20 positions on a flat head of radius 1: x to the right, y to the front.
_POSITIONS = {
    **{"Fp1": (-0.31, 0.95), "F7": (-0.81, 0.59), "F3": (-0.41, 0.55), "T3": (-1.0, 0.0)},
    **{"C3": (-0.5, 0.0), "T5": (-0.81, -0.59), "P3": (-0.41, -0.55), "O1": (-0.31, -0.95)},
    **{"Fz": (0.0, 0.5), "Cz": (0.0, 0.0), "Pz": (0.0, -0.5)},
    **{"Fp2": (0.31, 0.95), "F8": (0.81, 0.59), "F4": (0.41, 0.55), "T4": (1.0, 0.0)},
    **{"C4": (0.5, 0.0), "T6": (0.81, -0.59), "P4": (0.41, -0.55), "O2": (0.31, -0.95)},
}
_XY = np.array([_POSITIONS[name] for name in ELECTRODES])
_FIRST, _SECOND = np.array([[ELECTRODES.index(e) for e in pair] for pair in DIFFERENCES]).T
BACKGROUNDS = ("alpha", "slow", "suppressed", "sleep")


def field(x, y, width):
    """Return how strongly each electrode sees a source at (x, y), float32 of shape (19,)."""
    distance = np.hypot(_XY[:, 0] - x, _XY[:, 1] - y)
    return np.exp(-0.5 * (distance / width) ** 2).astype(np.float32)


def shaped_noise(rng, n_channels, n_samples, gain):
    """Return noise of unit variance whose amplitude spectrum is `gain(frequency)`."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / SFREQ)
    amplitude = gain(np.maximum(frequencies, 1e-3)).astype(np.float32)
    white = rng.standard_normal((n_channels, len(frequencies), 2), dtype=np.float32)
    noise = np.fft.irfft((white[..., 0] + 1j * white[..., 1]) * amplitude, n_samples)
    return (noise / noise.std(axis=1, keepdims=True)).astype(np.float32)


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


def background(rng, n_samples, kind, age):
    """Simulate the activity that a pattern stands out from.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int
    kind : {"alpha", "slow", "suppressed", "sleep"}
        Posterior alpha with eyes closed; theta and delta slowing; burst
        suppression; spindles, vertex waves and slow waves of sleep.
    age : float
        Of the patient, years; sets the speed of alpha.

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Microvolts.
    """
    slope = rng.uniform(0.7, 1.1)
    sources = shaped_noise(rng, 19, n_samples, lambda f: f**-slope * (f > 0.3))
    mixing = np.stack([field(x, y, rng.uniform(0.35, 0.6)) for x, y in _XY])
    mixing /= np.linalg.norm(mixing, axis=0)
    eeg = rng.uniform(12, 27) * mixing.T @ sources
    eeg += rng.uniform(0.5, 2) * rng.standard_normal(eeg.shape, dtype=np.float32)
    if kind == "alpha":
        # It reaches 8 Hz at three years and slows down after sixty.
        typical = np.interp(age, [0, 3, 12, 60, 95], [4, 8, 10, 9.8, 8.3])
        frequency, size = typical + rng.uniform(-0.7, 0.7), rng.uniform(10, 40)
        rhythm = shaped_noise(rng, 2, n_samples, band(frequency, 0.6))
        rhythm *= wander(rng, n_samples, 0.2, 1.2, 5) * size
        eeg += np.outer(field(-0.4, -0.9, 0.5), rhythm[0])
        eeg += np.outer(field(0.4, -0.9, 0.5), rhythm[1])
    elif kind == "slow":
        for x, y in rng.uniform(-0.7, 0.7, (4, 2)):
            wave = shaped_noise(rng, 1, n_samples, band(rng.uniform(1.5, 6), rng.uniform(0.7, 2)))
            eeg += np.outer(field(x, y, 0.6), wave * rng.uniform(12, 40))
    elif kind == "suppressed":
        bursts = wander(rng, n_samples, -1, 1, rng.uniform(1.5, 4))
        eeg *= rng.uniform(0.1, 0.3) + 1.6 / (1 + np.exp(-bursts / 0.08))
    else:
        eeg += _sleep(rng, n_samples)
    return eeg.astype(np.float32)


def _sleep(rng, n_samples):
    """Return spindles, vertex waves and slow waves."""
    spindle = shaped_noise(rng, 1, n_samples, band(rng.uniform(12, 14), 0.5))[0]
    onsets = random_onsets(rng, n_samples, rng.uniform(6, 15), 0.5)
    spindle *= transients(onsets, n_samples, [(0, 0.35, rng.uniform(20, 40))])
    onsets = random_onsets(rng, n_samples, rng.uniform(8, 25), 0.6)
    vertex = transients(onsets, n_samples, [(0, 0.05, -120), (0.15, 0.1, 60)])
    slow = shaped_noise(rng, 1, n_samples, band(0.9, 0.5))[0] * rng.uniform(15, 50)
    eeg = np.outer(field(0, 0.15, 0.6), spindle + vertex)
    return eeg + np.outer(field(0, 0.5, 0.8), slow)


def visible_level(eeg):
    """Return the root mean square of the double banana's middle difference, a float."""
    return float(np.median((eeg[_FIRST] - eeg[_SECOND]).std(axis=1)))


def left_share(eeg):
    """Return the left chains' share of the power of the double banana's differences, a float.

    NaN if there is no power.
    """
    power = (eeg[_FIRST] - eeg[_SECOND]).var(axis=1).reshape(len(CHAINS), -1).sum(axis=1)
    left = [chain.startswith("L") for chain in CHAINS]
    return float(power[left].sum() / power.sum()) if power.any() else np.nan


@dataclass(frozen=True)
class Origin:
    """Where and how fast a recording's patterns are; those of one origin share their rhythm.

    Attributes
    ----------
    x, y : float
        Focus of one-sided patterns; generalised ones take its distance from the front.
    frequency : float
        Hz, of rhythms; discharges come as often, or half as often if that is
        more than 2.5 a second.
    seed : int
        Of the rhythm's irregularities.
    """

    x: float
    y: float
    frequency: float
    seed: int


def draw_origin(rng):
    """Draw an `Origin`: either side, temporal, frontal, central or parietal, 0.5 to 4 Hz."""
    return Origin(
        x=rng.choice([-1, 1]) * rng.uniform(0.4, 0.95),
        y=rng.uniform(-0.6, 0.8),
        frequency=np.exp(rng.uniform(np.log(0.5), np.log(4))),
        seed=int(rng.integers(2**31)),
    )


def pattern(rng, name, n_samples, origin, clarity):
    """Simulate one of the five named patterns.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : {"Seizure", "LPD", "GPD", "LRDA", "GRDA"}
    n_samples : int
        A seizure evolves over all of them.
    origin : Origin
    clarity : float
        From 0, irregular and with pauses, to 1, regular and continuous.

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Without a unit: its peaks are about 1 in the strongest difference of the
        double banana, in which experts read.
    """
    if name == "Seizure":
        eeg = _seizure(rng, n_samples, origin)
    else:
        make, frequency = _rhythmic_delta, origin.frequency
        if name in ("LPD", "GPD"):
            make = _discharges
            frequency /= 2 if frequency > 2.5 else 1
        cycles = _cycles(origin, n_samples, frequency, 0.04 + 0.2 * (1 - clarity))
        first, second = make(rng, cycles, origin)
        if name in ("LPD", "LRDA"):
            width = rng.uniform(0.35, 0.6)
            beside = field(origin.x * 0.8, origin.y + rng.choice([-0.35, 0.35]), width)
            eeg = np.outer(field(origin.x, origin.y, width), first) + np.outer(0.5 * beside, second)
        else:
            left, right = _both_sides(rng, origin)
            eeg = np.outer(left, first) + np.outer(right, second)
    # Where a pattern is not clear it comes and goes.
    low, high = -1 + 1.7 * clarity, 0.8 + 0.9 * clarity
    presence = wander(rng, n_samples, low, high, rng.uniform(2, 5))
    eeg = eeg.astype(np.float32) / (1 + np.exp(-presence / 0.1))
    differences = eeg[_FIRST] - eeg[_SECOND]
    strongest = differences[np.argmax(differences[:, ::8].std(axis=1))]
    return eeg / np.percentile(np.abs(strongest), 97)


def _both_sides(rng, origin):
    """Return the fields of a generalised source's two halves, mostly frontal."""
    y = abs(origin.y) if rng.random() < 0.75 else -0.3
    width, tilt = rng.uniform(0.5, 0.75), rng.uniform(0.85, 1.15)
    return field(-0.35, y, width) * tilt, field(0.35, y, width) / tilt


def _cycles(origin, n_samples, frequency, jitter):
    """Return how many cycles have passed at each sample, float64 of shape (n_samples,)."""
    rng = np.random.default_rng(origin.seed)
    speed = wander(rng, n_samples, 1 - 1.7 * jitter, 1 + 1.7 * jitter, 0.7 / origin.frequency)
    return rng.random() + np.cumsum(frequency * speed, dtype=float) / SFREQ


def _discharges(rng, cycles, origin):
    """Return a train of discharges and the same a little later, as the second source has it."""
    onsets = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
    heights = np.random.default_rng(origin.seed).uniform(0.75, 1.25, len(onsets))
    width = rng.uniform(0.02, 0.045)
    kind = rng.choice(["sharp", "spike-wave", "triphasic"], p=[0.5, 0.3, 0.2])
    if kind == "sharp":
        waves = [(0, width, -1), (0.06, width, 0.4), (0.2, 0.08, rng.uniform(0.1, 0.5))]
    elif kind == "spike-wave":
        waves = [(0, 0.018, -1), (0.15, 0.08, rng.uniform(0.4, 0.8))]
    else:
        waves = [(-0.1, 0.035, 0.4), (0, 0.05, -1), (0.16, 0.08, 0.7)]
    lag = int(rng.uniform(0, 0.06 if kind == "triphasic" else 0.02) * SFREQ)
    wave = transients(onsets, len(cycles), waves, heights)
    extra = rng.random()
    if extra < 0.2:  # "+F", fast activity that rides on the discharges
        fast = shaped_noise(rng, 1, len(cycles), band(rng.uniform(12, 22), 2))[0]
        wave += 0.12 * fast * (1 + np.cos(2 * np.pi * cycles))
    elif extra < 0.3:  # "+R", rhythmic delta between them
        wave += 0.12 * np.sin(2 * np.pi * cycles)
    return wave, np.roll(wave, lag)


def _rhythmic_delta(rng, cycles, origin):
    """Return nearly sinusoidal delta that waxes and wanes, and the same a little later."""
    skew = rng.uniform(0, 0.3)
    phase = 2 * np.pi * cycles
    wave = (np.sin(phase) + skew * np.sin(2 * phase + 0.5)).astype(np.float32)
    wave *= wander(np.random.default_rng(origin.seed), len(cycles), 0.6, 1.4, 3)
    if rng.random() < 0.15:  # "+F"
        wave += 0.12 * shaped_noise(rng, 1, len(cycles), band(rng.uniform(12, 22), 2))[0]
    return wave, np.roll(wave, int(rng.uniform(0, 0.03) * SFREQ))


def _seizure(rng, n_samples, origin):
    """Return a rhythm that changes in speed, shape, size and place."""
    progress = np.linspace(0, 1, n_samples, dtype=np.float32)
    slow, fast = rng.uniform(2, 3.5), rng.uniform(4.5, 9)
    start, end = (fast, slow) if rng.random() < 0.6 else (slow, fast)
    bend = np.exp(rng.uniform(-0.7, 0.7))
    cycles = _cycles(origin, n_samples, start + (end - start) * progress**bend, 0.05)
    phase = 2 * np.pi * cycles
    wave = np.sin(phase) + rng.uniform(0.2, 0.7) * np.sin(2 * phase + 0.6)
    wave += rng.uniform(0, 0.4) * np.sin(3 * phase + 1)
    if rng.random() < 0.4:  # spike-wave
        onsets = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
        spikes = [(0, 0.02, -rng.uniform(1, 4)), (0.05, 0.02, 1), (0.14, 0.05, 1.2)]
        wave = 0.5 * wave + transients(onsets, n_samples, spikes)
    wave = (wave * (0.6 + 0.8 * np.sqrt(progress))).astype(np.float32)
    later = np.roll(wave, int(0.015 * SFREQ))
    if rng.random() < 0.4:
        left, right = _both_sides(rng, origin)
        return np.outer(left, wave) + np.outer(right, later)
    eeg = np.outer(field(origin.x, origin.y, rng.uniform(0.35, 0.5)), wave)
    eeg += np.outer(field(origin.x * 0.6, origin.y * 0.5, 0.7), later * progress * 0.7)
    if rng.random() < 0.5:
        eeg += np.outer(field(-origin.x, origin.y, 0.5), later * progress**2 * 0.8)
    return eeg
