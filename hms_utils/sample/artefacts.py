"""What is in a recording besides the brain: the patient's body, the amplifier, lost data."""

from dataclasses import dataclass

import numpy as np

from hms_utils.constants import ELECTRODES, SFREQ
from hms_utils.sample.waves import band, field, random_onsets, shaped_noise, transients, wander

# The recording system's range for electrodes and for the EKG input.
EEG_LIMIT = 5_000.0  # µV
EKG_LIMIT = 33_000.0  # µV


def heartbeat(rng, n_samples):
    """Simulate the EKG column.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int

    Returns
    -------
    ndarray of float32, shape (n_samples,)
        Microvolts; the size differs between recordings by orders of magnitude.
    """
    onsets = random_onsets(rng, n_samples, 60 / rng.uniform(55, 110), 0.03)
    waves = [(-0.16, 0.025, 0.1), (0, 0.012, 1), (0.03, 0.012, -0.25), (0.25, 0.05, 0.25)]
    beats = transients(onsets, n_samples, waves) * rng.lognormal(6, 1.2)
    beats += shaped_noise(rng, 1, n_samples, lambda f: 1 / f * (f > 0.05))[0] * rng.lognormal(4, 1)
    return np.clip(beats, -EKG_LIMIT, EKG_LIMIT).astype(np.float32)


def add_body(rng, eeg, ekg):
    """Add what the body does to the electrodes, in place: each kind to some recordings.

    Parameters
    ----------
    rng : numpy.random.Generator
    eeg : ndarray of float32, shape (19, n_samples)
        Microvolts, changed.
    ekg : ndarray of float32, shape (n_samples,)
        Microvolts; bleeds into some electrodes.
    """
    n_samples = eeg.shape[1]
    minutes = n_samples / SFREQ / 60
    if rng.random() < 0.4:  # blinks
        onsets = random_onsets(rng, n_samples, rng.uniform(2, 12), 0.8)
        blinks = transients(onsets, n_samples, [(0, rng.uniform(0.06, 0.12), 1)])
        eeg += np.outer(field(0, 1.1, 0.35), blinks * rng.uniform(60, 200))
    if rng.random() < 0.6:  # muscle, each electrode's own, most over the temples and the forehead
        gains = rng.lognormal(0, 0.7, len(eeg)) * (field(-0.9, 0.5, 0.5) + field(0.9, 0.5, 0.5))
        gains *= rng.lognormal(1.0, 0.7)
        for channel in np.argsort(gains)[-6:]:
            tension = np.exp(wander(rng, n_samples, -2.5, 0.5, rng.uniform(2, 20)))
            eeg[channel] += gains[channel] * tension * _muscle(rng, n_samples)
    if rng.random() < 0.08:  # chewing: muscle in bursts, both sides at once
        bursts = np.maximum(0, np.sin(2 * np.pi * np.arange(n_samples) / SFREQ * 1.3)) ** 2
        bursts *= wander(rng, n_samples, -1, 1, 6) > 0.4
        for x in (-0.9, 0.9):
            size = bursts * rng.uniform(5, 25)
            eeg += np.outer(field(x, 0.2, 0.35), _muscle(rng, n_samples) * size)
    if rng.random() < 0.6:  # eyes that rove slowly
        roving = shaped_noise(rng, 1, n_samples, band(0.4, 0.25))[0] * rng.lognormal(2.3, 0.7)
        eeg += np.outer(field(-0.8, 0.8, 0.4) - field(0.8, 0.8, 0.4), roving)
    if rng.random() < 0.5:  # sweat
        for channel in rng.integers(0, len(eeg), rng.integers(2, 8)):
            drift = shaped_noise(rng, 1, n_samples, band(0.2, 0.25))[0]
            eeg[channel] += drift * rng.lognormal(2.3, 0.8)
    for _ in range(rng.poisson(0.04 * minutes)):  # movement
        burst = _stretch(rng, n_samples, 1, 8)
        length = burst.stop - burst.start
        waves = shaped_noise(rng, 3, length, band(1, 1.5)) * np.hanning(length)
        places = [field(x, y, 0.8) for x, y in rng.uniform(-0.8, 0.8, (3, 2))]
        eeg[:, burst] += np.stack(places, 1) @ waves.astype(np.float32) * rng.uniform(50, 500)
    if rng.random() < 0.1:  # heart, seen by the head
        size = rng.uniform(5, 25) / max(np.abs(ekg).max(), 1)
        eeg += np.outer(rng.uniform(-1, 1, len(eeg)), ekg * size)


def _muscle(rng, n_samples):
    return shaped_noise(rng, 1, n_samples, lambda f: (f < 80) / (1 + np.exp((25 - f) / 4)))[0]


def obscure(rng, eeg):
    """Bury the electrodes under one artefact, in place, as in much of what experts call other.

    Parameters
    ----------
    rng : numpy.random.Generator
    eeg : ndarray of float32, shape (19, n_samples)
        Microvolts, changed.
    """
    n_samples = eeg.shape[1]
    kind = rng.choice(["movement", "muscle", "mains", "sweat"])
    if kind == "mains":
        wave = np.sin(2 * np.pi * 60 / SFREQ * np.arange(n_samples)).astype(np.float32)
        eeg += np.outer(rng.lognormal(5.5, 1, len(eeg)), wave)
        return
    gain = {
        "movement": band(rng.uniform(0.5, 2), 1.5),
        "muscle": lambda f: (f < 80) / (1 + np.exp((20 - f) / 4)),
        "sweat": band(0.2, 0.2),
    }[kind]
    places = [field(x, y, 0.6) for x, y in rng.uniform(-0.9, 0.9, (6, 2))]
    waves = shaped_noise(rng, 6, n_samples, gain)
    waves *= np.maximum(0.1, wander(rng, n_samples, -0.5, 1, rng.uniform(1, 5)))
    eeg += np.stack(places, 1) @ waves * rng.lognormal(5, 0.7)


def _stretch(rng, n_samples, shortest, longest):
    """Return a random slice of between `shortest` and `longest` seconds."""
    length = int(min(rng.uniform(shortest, longest) * SFREQ, n_samples))
    start = int(rng.integers(0, n_samples - length + 1))
    return slice(start, start + length)


@dataclass(frozen=True)
class Quirk:
    """What is wrong with a patient's electrodes, as rows of the EEG.

    Attributes
    ----------
    off : tuple of int
        Electrodes without a signal.
    same : tuple of (int, int)
        Bridged electrodes: the first shows the second's signal.
    swapped : tuple of (int, int)
        Electrodes whose wires were mixed up.
    """

    off: tuple = ()
    same: tuple = ()
    swapped: tuple = ()


def draw_quirk(rng):
    """Draw a `Quirk`; most patients have none."""
    draw, (first, second) = rng.random(), (int(n) for n in rng.permutation(len(ELECTRODES))[:2])
    if draw < 0.03:
        return Quirk(off=(first,))
    if draw < 0.06:
        return Quirk(same=((first, second),))
    if draw < 0.07:
        return Quirk(swapped=((ELECTRODES.index("T3"), ELECTRODES.index("T5")),))
    return Quirk()


def add_amplifier(rng, eeg, quirk):
    """Add what wires and amplifier do, in place, and limit to the amplifier's range.

    Reference noise that all electrodes share, mains at 60 Hz, pops of single
    electrodes, the patient's quirk, and stretches where the head box was not
    connected.

    Parameters
    ----------
    rng : numpy.random.Generator
    eeg : ndarray of float32, shape (19, n_samples)
        Microvolts, changed.
    quirk : Quirk
    """
    n_channels, n_samples = eeg.shape
    minutes = n_samples / SFREQ / 60
    eeg += shaped_noise(rng, 1, n_samples, lambda f: 1 / f * (f > 0.1)) * rng.lognormal(3, 0.7)
    mains = np.sin(2 * np.pi * 60 / SFREQ * np.arange(n_samples)).astype(np.float32)
    eeg += np.outer(rng.lognormal(0, 1.2, n_channels), mains)
    for _ in range(rng.poisson(0.05 * minutes)):
        start, channel = rng.integers(0, n_samples), rng.integers(0, n_channels)
        decay = np.exp(-np.arange(n_samples - start) / (rng.uniform(0.05, 0.5) * SFREQ))
        eeg[channel, start:] += rng.choice([-1, 1]) * rng.lognormal(5.5, 1.2) * decay
    eeg[list(quirk.off)] = 0
    for bridged, other in quirk.same:
        eeg[bridged] = eeg[other]
    for first, second in quirk.swapped:
        eeg[[first, second]] = eeg[[second, first]]
    if rng.random() < 0.005 * minutes:
        eeg[:, _stretch(rng, n_samples, 10, 60)] = 0
    np.clip(eeg, -EEG_LIMIT, EEG_LIMIT, out=eeg)


def drop_samples(rng, eeg):
    """Put NaN where real EEG files have them, in place.

    A few scattered samples, a block at the start or the end, or a whole channel.

    Parameters
    ----------
    rng : numpy.random.Generator
    eeg : ndarray of float32, shape (n_samples, 20)
    """
    draw = rng.random()
    if draw < 0.06:
        eeg[rng.integers(0, len(eeg), 3), rng.integers(0, 20, 3)] = np.nan
    elif draw < 0.075:
        length = int(rng.uniform(1, 12) * SFREQ)
        block = slice(None, length) if rng.random() < 0.5 else slice(-length, None)
        eeg[block] = np.nan
    elif draw < 0.079:
        eeg[:, rng.integers(0, 20)] = np.nan


def drop_rows(rng, spectrogram):
    """Put NaN where real spectrogram files have them, whole rows, in place.

    Parameters
    ----------
    rng : numpy.random.Generator
    spectrogram : ndarray of float32, shape (n_rows, 400)
    """
    if rng.random() < 0.075:
        start, stop = np.sort(rng.integers(0, len(spectrogram) + 1, 2))
        spectrogram[start:stop] = np.nan
