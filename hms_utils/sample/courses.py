"""Simulated courses: ten minutes and more at the bedside, in which patterns start, change and stop.

A course is what one spectrogram file shows. The recordings, one EEG file each,
are cut from it, so both are of the same signal.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hms_utils.constants import EEG_SECONDS, LABEL_SECONDS, SFREQ, SPECTROGRAM_SECONDS
from hms_utils.sample import artefacts, experts, simulate

_BACKGROUND_SHARES = (0.25, 0.45, 0.1, 0.2)  # of simulate.BACKGROUNDS
MOST_RECORDINGS = 3  # EEGs of one spectrogram; 1.5 on average, as in reality
_LEAD = 275  # seconds from the start of a long window to its EEG window
# Label rows of an EEG: median, spread of the logarithm, most. The median differs
# by class and stratum, so that rows, not only EEGs, are spread over the classes
# and numbers of votes as in the real table.
_MEDIAN_ROWS, _SPREAD_ROWS, _MOST_ROWS = 3, 1.15, 743
_ROWS_BY_CLASS = {
    **{"Seizure": 0.8, "LPD": 1.1, "GPD": 1.6, "LRDA": 2.1, "GRDA": 1.9, "Other": 0.35},
}
_ROWS_BY_STRATUM = {"1-2": 0.4, "3-9": 1.3, "10+": 1.15}
# How often what experts clearly call other is an artefact that hides the brain.
_OBSCURED = 0.3


@dataclass(frozen=True)
class Recording:
    """The plan of one EEG: where its label windows are and what they show.

    Attributes
    ----------
    stratum : str
        One of `experts.STRATA`.
    start : int
        Second of the spectrogram's clock at which the EEG begins.
    offsets : ndarray of int, shape (n_rows,)
        Starts of the label windows in the EEG, seconds.
    contents : tuple of experts.Content
        One, or two where the picture changes.
    change : int
        The first label window that shows the last of the contents.
    """

    stratum: str
    start: int
    offsets: np.ndarray
    contents: tuple
    change: int

    @property
    def seconds(self):
        """Length of the EEG."""
        return int(self.offsets[-1]) + EEG_SECONDS

    @property
    def spectrogram_offsets(self):
        """Starts of the label windows' ten minutes in the spectrogram, seconds, (n_rows,)."""
        return self.start - _LEAD + self.offsets

    @property
    def content_of_row(self):
        """Index into `contents` for each label window, int of shape (n_rows,)."""
        return (np.arange(len(self.offsets)) >= self.change) * (len(self.contents) - 1)

    def span(self, number):
        """Return the first and last labelled second of one of the contents, on the clock."""
        offsets = self.offsets[self.content_of_row == number]
        middle, half = self.start + EEG_SECONDS / 2, LABEL_SECONDS / 2
        return middle + offsets[0] - half, middle + offsets[-1] + half


@dataclass(frozen=True)
class Patient:
    """What all courses of a patient share.

    Attributes
    ----------
    age : float
        Years; the alpha rhythm is slower in small children and in the old.
    gain : float
        Of all that the brain does; 1 is average, children have more.
    background : str
        One of `simulate.BACKGROUNDS`.
    quirk : artefacts.Quirk
        What is wrong with the electrodes.
    """

    age: float
    gain: float
    background: str
    quirk: artefacts.Quirk


@dataclass(frozen=True)
class Planted:
    """Where and when the patterns of one content were added, for scoring only.

    Attributes
    ----------
    left_share : float
        As `simulate.left_share` of what was added.
    start, stop : float
        Seconds on the spectrogram's clock; the ends are soft.
    """

    left_share: float
    start: float
    stop: float


def draw_patient(rng):
    """Draw a `Patient`; most are old, as on intensive care units."""
    age = float(rng.triangular(0, 65, 95))
    return Patient(
        age=age,
        gain=rng.lognormal(0.3 if age < 15 else 0, 0.5),
        background=str(rng.choice(simulate.BACKGROUNDS, p=_BACKGROUND_SHARES)),
        quirk=artefacts.draw_quirk(rng),
    )


def plan(rng, split):
    """Draw the recordings of one course.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "test"}
        A test course has one recording with one label window, well voted.

    Returns
    -------
    list of Recording
        In the order of time, not overlapping.
    """
    if split == "test":
        content = experts.draw_content(rng, experts.draw_main(rng, "10+"), "10+")
        return [Recording("10+", _LEAD, np.array([0]), (content,), 1)]
    recordings = []
    start = _LEAD + 2 * int(rng.integers(0, 15))
    for _ in range(1 + rng.choice(MOST_RECORDINGS, p=[0.6, 0.27, 0.13])):
        recordings.append(_plan_recording(rng, start))
        start += recordings[-1].seconds + 2 * int(rng.integers(5, 60))
    return recordings


def _plan_recording(rng, start):
    stratum = str(rng.choice(list(experts.STRATA), p=list(experts.STRATA.values())))
    main = experts.draw_main(rng, stratum)
    typical = _MEDIAN_ROWS * _ROWS_BY_CLASS[main] * _ROWS_BY_STRATUM[stratum]
    n_rows = int(np.clip(np.rint(rng.lognormal(np.log(typical), _SPREAD_ROWS)), 1, _MOST_ROWS))
    gaps = 2 * rng.geometric(0.45, n_rows - 1)
    contents, change = (experts.draw_content(rng, main, stratum),), n_rows
    if n_rows > 1 and rng.random() < 0.3:
        change = int(rng.integers(1, n_rows))
        gaps[change - 1] += 2 * LABEL_SECONDS  # no label is for a moment of change
        main = main if rng.random() < 0.5 else experts.draw_main(rng, stratum)
        contents += (experts.draw_content(rng, main, stratum),)
    return Recording(stratum, start, np.r_[0, np.cumsum(gaps)], contents, change)


def n_spectrogram_rows(recordings):
    """Return how many rows of two seconds the course's spectrogram has."""
    last = max(recording.spectrogram_offsets[-1] for recording in recordings)
    return (int(last) + SPECTROGRAM_SECONDS) // 2


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
        For each recording, one for each of its contents.
    """
    n_samples = (2 * n_spectrogram_rows(recordings) + 2) * SFREQ
    eeg = simulate.background(rng, n_samples, patient.background, patient.age)
    level = simulate.visible_level(eeg)
    bounds, planted = _bounds(recordings, n_samples / SFREQ), []
    for recording, (earliest, latest) in zip(recordings, bounds, strict=True):
        origin = simulate.draw_origin(rng)
        planted.append([])
        for number, content in enumerate(recording.contents):
            first, last = recording.span(number)
            # It begins and ends somewhere outside the labels, or gives way to the next.
            before, after = np.exp(rng.uniform(np.log(3), np.log(200), 2))
            start = max(first - before, earliest) if number == 0 else first - LABEL_SECONDS / 2
            is_last = number == len(recording.contents) - 1
            stop = min(last + after, latest) if is_last else last + LABEL_SECONDS / 2
            part = eeg[:, int((1 + start) * SFREQ) : int((1 + stop) * SFREQ)]
            added = _add_patterns(rng, part, content, origin, level)
            planted[-1].append(Planted(simulate.left_share(added), start, stop))
            if content.is_background and rng.random() < _OBSCURED:
                artefacts.obscure(rng, part)
    eeg *= patient.gain
    ekg = artefacts.heartbeat(rng, n_samples)
    artefacts.add_body(rng, eeg, ekg)
    artefacts.add_amplifier(rng, eeg, patient.quirk)
    return np.vstack([eeg, ekg]).T.round(2), planted


def _bounds(recordings, seconds):
    """Return for each recording how early and how late its patterns may be, seconds."""
    gaps = [(left.start + left.seconds + right.start) / 2 for left, right in pairwise(recordings)]
    edges = [0, *gaps, seconds - 2]
    return list(pairwise(edges))


def _add_patterns(rng, eeg, content, origin, level):
    """Add the content's patterns to a part of the course, in place, with soft ends.

    Returns what was added.
    """
    n_samples = eeg.shape[1]
    ramp = int(min(rng.uniform(1, 4) * SFREQ, n_samples // 2))
    envelope = np.ones(n_samples, np.float32)
    envelope[:ramp] = np.linspace(0, 1, ramp)
    envelope[n_samples - ramp :] = np.linspace(1, 0, ramp)
    clarity, added = sum(content.shares.values()), np.zeros_like(eeg)
    for name, share in content.shares.items():
        size = level * rng.lognormal(np.log(7), 0.15) * share
        pattern = simulate.pattern(rng, name, n_samples, origin, clarity) * (size * envelope)
        eeg += pattern
        added += pattern
    return added
