"""Simulated courses: ten minutes and more at the bedside, in which patterns start, change and stop.

A course is what one spectrogram file shows. The recordings, one EEG file each,
are cut from it, so both are of the same signal.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hms_utils.constants import LABEL_SECONDS, SFREQ, SPECTROGRAM_SECONDS
from hms_utils.sample import artefacts, background, patterns, waves
from hms_utils.sample.plans import n_spectrogram_rows

# How often what experts clearly call other is an artefact that hides the brain.
_OBSCURED = 0.45
# Seconds that a seizure lasts before and after its labels, and the brain is quieter after it.
_SEIZURE_SECONDS, _AFTER_SECONDS = (4, 70), (20, 180)
_SIZES = 4  # of which a pattern's size is the geometric mean
# How often another pattern fills the long window, if clear; else what it lasts beyond labels.
_LASTING, _PASSING_SECONDS = 0.8, (10, 150)


@dataclass(frozen=True)
class Planted:
    """Where and when the patterns of one look were added, for scoring only.

    Attributes
    ----------
    left_share : float
        As `waves.left_share` of what was added.
    start, stop : float
        Seconds on the spectrogram's clock; the ends are soft.
    """

    left_share: float
    start: float
    stop: float


def simulate_course(rng, recordings, patient):
    """Simulate the signal of a course.

    Parameters
    ----------
    rng : numpy.random.Generator
    recordings : list of Recording
    patient : Patient

    Returns
    -------
    course : ndarray of float32, shape (n_samples, 20)
        Microvolts with two decimals, columns as in an EEG file. It begins one
        second before the spectrogram's clock, because row 0 is centred at
        second 1 and made of 4 s, and ends one second after.
    planted : list of list of Planted
        For each recording, one for each of its looks.
    """
    n_samples = (2 * n_spectrogram_rows(recordings) + 2) * SFREQ
    eeg = background.background(rng, n_samples, patient.brain)
    level = waves.visible_level(eeg)
    bounds, planted = _bounds(recordings, n_samples / SFREQ), []
    for recording, limits in zip(recordings, bounds, strict=True):
        origin = patterns.vary(rng, patient.origin)
        planted.append([])
        for number, look in enumerate(recording.looks):
            start, stop = _extent(rng, recording, number, limits)
            part = _part(eeg, start, stop)
            added = _add_patterns(rng, part, look, origin, level)
            planted[-1].append(Planted(waves.left_share(added), start, stop))
            if look.is_background and rng.random() < _OBSCURED:
                artefacts.obscure(rng, part)
            if _is_seizure(look) and number == len(recording.looks) - 1:
                _quieten(rng, _part(eeg, stop, stop + rng.uniform(*_AFTER_SECONDS)), look.clarity)
    ekg = artefacts.heartbeat(rng, n_samples)
    artefacts.add_body(rng, eeg, ekg)
    artefacts.add_amplifier(rng, eeg, patient.quirk)
    return np.vstack([eeg, ekg]).T.round(2), planted


def _part(eeg, start, stop):
    """Return a view of what lies between two seconds of the spectrogram's clock."""
    return eeg[:, int((1 + start) * SFREQ) : int((1 + stop) * SFREQ)]


def _is_seizure(look):
    return look.shares.get("Seizure", 0) > look.clarity / 2 and not look.is_background


def _extent(rng, recording, number, limits):
    """Draw when a look begins and ends: outside its labels, or where it gives way to another.

    Seizures are over within minutes, everything else often fills the ten minutes.
    """
    first, last = recording.span(number)
    earliest, latest = limits
    if _is_seizure(recording.looks[number]):
        before, after = np.exp(rng.uniform(*np.log(_SEIZURE_SECONDS), 2))
    elif rng.random() < _LASTING * recording.looks[number].clarity:
        before = after = SPECTROGRAM_SECONDS / 2
    else:
        before, after = np.exp(rng.uniform(*np.log(_PASSING_SECONDS), 2))
    start, stop = first - LABEL_SECONDS / 2, last + LABEL_SECONDS / 2
    if number == 0:
        start = max(first - before, earliest)
    if number == len(recording.looks) - 1:
        stop = min(last + after, latest)
    return start, stop


def _quieten(rng, eeg, clarity):
    """Make what follows a seizure smaller, in place, less so towards its end."""
    loss = clarity * rng.uniform(0.3, 0.7)
    eeg *= 1 - loss * np.linspace(1, 0, eeg.shape[1], dtype=np.float32)


def _bounds(recordings, seconds):
    """Return for each recording how early and how late its patterns may be, seconds."""
    gaps = [(left.start + left.seconds + right.start) / 2 for left, right in pairwise(recordings)]
    edges = [0, *gaps, seconds - 2]
    return list(pairwise(edges))


def _add_patterns(rng, eeg, look, origin, level):
    """Add the look's patterns to a part of the course, in place, with soft ends.

    Returns what was added.
    """
    n_samples = eeg.shape[1]
    ramp = int(min(rng.uniform(1, 4) * SFREQ, n_samples // 2))
    envelope = np.ones(n_samples, np.float32)
    envelope[:ramp] = np.linspace(0, 1, ramp)
    envelope[n_samples - ramp :] = np.linspace(1, 0, ramp)
    added = np.zeros_like(eeg)
    for name, share in look.shares.items():
        # The mean of several sizes varies less than one: else doubt is lost among faint and loud.
        sizes = [patterns.draw_size(rng, name, level) for _ in range(_SIZES)]
        size = np.exp(np.mean(np.log(sizes))) * share
        pattern = patterns.pattern(rng, name, n_samples, origin, look.clarity) * (size * envelope)
        eeg += pattern
        added += pattern
    return added
