"""Synthetic background: the activity of one patient's brain that patterns stand out from.

Its spectrum, its covariance between electrodes and its size are those of real
background, in `fitted`; everything else is set to the spread seen there.
"""

from dataclasses import dataclass

import numpy as np

from hms_utils.sample import fitted
from hms_utils.sample.waves import (
    FIRST,
    SECOND,
    XY,
    band,
    field,
    random_onsets,
    shaped_noise,
    spectral_noise,
    transients,
    visible_level,
    wander,
)

_CROSSING = 8  # Hz, from the slow to the fast band of `fitted`
_DISTANCE = np.hypot(*np.moveaxis(XY[:, None] - XY[None], -1, 0))
_LEFT, _RIGHT = XY[:, 0] < -0.1, XY[:, 0] > 0.1


@dataclass(frozen=True, eq=False)
class Brain:
    """What stays the same in all of a patient's recordings.

    Attributes
    ----------
    level : float
        Microvolts, as `visible_level` of the broad-band part.
    spectrum : ndarray of float, shape (n_knots,)
        Logarithm (10) of its amplitude density at `fitted.KNOTS`.
    slow, fast : ndarray of float32, shape (19, 19)
        How the electrodes see independent sources, below and above 8 Hz.
    deltas : tuple of (x, y, width, frequency, amplitude)
        Places of polymorphic delta; the amplitude in units of `level`.
    alpha : tuple of (frequency, left, right)
        Hz and amplitudes in units of `level`; zero if there is none.
    suppressed : float
        Depth of burst suppression, 0 for none.
    sleep : float
        Size of sleep's waves in units of `level`, 0 for none.
    restlessness : float
        Spread of the logarithm of the amplitude over minutes.
    """

    level: float
    spectrum: np.ndarray
    slow: np.ndarray
    fast: np.ndarray
    deltas: tuple
    alpha: tuple
    suppressed: float
    sleep: float
    restlessness: float


def draw_brain(rng, age):
    """Draw the `Brain` of a patient of `age` years, as on intensive care units: mostly sick."""
    kind = rng.choice(["alpha", "slow", "suppressed", "sleep"], p=[0.2, 0.58, 0.1, 0.12])
    scores = rng.standard_normal(len(fitted.COMPONENTS))
    # Fitted with what the body adds. Children have more of everything.
    size = 0.9 * fitted.LEVEL[0] * rng.lognormal(0.3 if age < 15 else 0, fitted.LEVEL[1])
    deltas = [
        (*rng.uniform(-0.8, 0.8, 2), rng.uniform(0.3, 0.6), rng.uniform(0.6, 2.5), amplitude)
        for amplitude in rng.lognormal(-0.6, 0.6, rng.choice(3, p=[0.5, 0.3, 0.2]))
    ]
    # Alpha reaches 8 Hz at three years and slows down after sixty.
    typical = np.interp(age, [0, 3, 12, 60, 95], [4, 8, 10, 9.8, 8.3])
    sides = rng.lognormal(0.2, 0.4) * rng.lognormal(0, 0.2, 2) * (kind == "alpha")
    # One side, more often than not the sick one, is smaller.
    asymmetry = rng.normal(0, 0.15)
    return Brain(
        level=size,
        spectrum=np.array(fitted.SPECTRUM) + scores @ np.array(fitted.COMPONENTS),
        slow=_mixing(rng, *fitted.SLOW, asymmetry),
        fast=_mixing(rng, *fitted.FAST, asymmetry),
        deltas=tuple(deltas),
        alpha=(typical + rng.uniform(-0.7, 0.7), *sides),
        suppressed=rng.uniform(0.4, 0.95) if kind == "suppressed" else 0.0,
        sleep=rng.uniform(0.7, 1.6) if kind == "sleep" else 0.0,
        restlessness=rng.uniform(0.1, 0.35),
    )


def _mixing(rng, reach, power, alone, spread, asymmetry):
    """Return a square root of a patient's covariance of the electrodes, (19, 19)."""
    reach, alone = reach * rng.lognormal(0, 0.25), min(alone * rng.lognormal(0.3, 0.6), 0.5)
    covariance = (1 - alone) * np.exp(-((_DISTANCE / reach) ** power)) + alone * np.eye(19)
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root has one source below each electrode.
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The fitted spectrum is that of differences, of which this makes one of size one.
    root /= np.median(np.linalg.norm(root[FIRST] - root[SECOND], axis=1))
    gains = np.exp(rng.normal(0, 1.3 * spread, 19) + asymmetry * (_LEFT * 1.0 - _RIGHT))
    return (root * gains).astype(np.float32)


def background(rng, n_samples, brain):
    """Simulate the activity that a pattern stands out from.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int
    brain : Brain

    Returns
    -------
    ndarray of float32, shape (19, n_samples)
        Microvolts.
    """
    knots = np.log(fitted.KNOTS)

    def amplitude(f):
        # Below the knots drifts go on, down to the recording's own high-pass.
        drift = np.maximum(fitted.KNOTS[0] / f, 1) ** 0.3
        return 10 ** np.interp(np.log(f), knots, brain.spectrum) * drift * (f > 0.08)

    def is_slow(f):
        return 1 / (1 + (f / _CROSSING) ** 4)

    eeg = np.zeros((19, n_samples), np.float32)
    gains = (
        lambda f: amplitude(f) * np.sqrt(is_slow(f)),
        lambda f: amplitude(f) * np.sqrt(1 - is_slow(f)),
    )
    for mixing, gain in zip((brain.slow, brain.fast), gains, strict=True):
        part = mixing @ spectral_noise(rng, 19, n_samples, gain)
        part *= _restless(rng, n_samples, brain.restlessness)
        eeg += part
    level = visible_level(eeg)
    for x, y, width, frequency, size in brain.deltas:
        wave = shaped_noise(rng, 1, n_samples, band(frequency, 0.5))[0]
        wave *= np.maximum(wander(rng, n_samples, -0.3, 1.5, rng.uniform(2, 8)), 0)
        wave *= _restless(rng, n_samples, brain.restlessness) * level * size
        eeg += np.outer(field(x, y, width), wave)
    eeg *= brain.level / max(visible_level(eeg), 1e-3)
    frequency, *sides = brain.alpha
    if any(sides):
        rhythm = shaped_noise(rng, 2, n_samples, band(frequency, 0.6))
        rhythm *= wander(rng, n_samples, 0.2, 1.2, 5) * wander(rng, n_samples, 0.1, 1.2, 60)
        for x, size, wave in zip((-0.4, 0.4), sides, rhythm, strict=True):
            eeg += np.outer(field(x, -0.9, 0.5), wave * brain.level * size)
    if brain.sleep:
        eeg += _sleep(rng, n_samples) * (brain.sleep * brain.level / 10)
    if brain.suppressed:
        bursts = wander(rng, n_samples, -1, 1, rng.uniform(1.5, 4))
        eeg *= 1 - brain.suppressed + 1.6 / (1 + np.exp(-bursts / 0.08))
    return eeg.astype(np.float32)


def _restless(rng, n_samples, spread):
    """Return a positive factor that changes within seconds and within minutes."""
    minutes = wander(rng, n_samples, -1.7, 1.7, rng.uniform(20, 80)) * spread
    return np.exp(minutes + wander(rng, n_samples, -0.4, 0.4, rng.uniform(0.7, 2)))


def _sleep(rng, n_samples):
    """Return spindles, vertex waves and slow waves."""
    spindle = shaped_noise(rng, 1, n_samples, band(rng.uniform(12, 14), 0.5))[0]
    onsets = random_onsets(rng, n_samples, rng.uniform(6, 15), 0.5)
    spindle *= transients(onsets, n_samples, [(0, 0.35, rng.uniform(8, 20))])
    onsets = random_onsets(rng, n_samples, rng.uniform(8, 25), 0.6)
    heights = rng.lognormal(0, 0.4, len(onsets))
    vertex = transients(onsets, n_samples, [(0, 0.05, -50), (0.15, 0.1, 25)], heights)
    slow = shaped_noise(rng, 1, n_samples, band(0.9, 0.5))[0] * rng.uniform(8, 25)
    slow *= wander(rng, n_samples, 0.2, 1.3, 30)
    eeg = np.outer(field(0, 0.15, 0.6), spindle + vertex)
    return eeg + np.outer(field(0, 0.5, 0.8), slow)
