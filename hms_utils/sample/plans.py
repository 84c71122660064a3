"""Patients and their recordings, before any signal: how many, who judges them, what they show."""

from dataclasses import dataclass

import numpy as np

from hms_utils.constants import EEG_SECONDS, LABEL_SECONDS, SPECTROGRAM_SECONDS
from hms_utils.sample import artefacts, background, experts, patterns

# EEGs of a patient: median and spread of the logarithm, most. The more there are, the more
# share a spectrogram; the mean number beyond the first is a constant and a factor of the logarithm.
_MEDIAN_EEGS, _SPREAD_EEGS, MOST_EEGS = 3, 1.46, 269
_MORE_EEGS = (0.28, 0.1)
# The share of a patient's recordings that a panel judges: the logit of its mean, its rise with
# the logarithm of their number, and the concentration of its beta distribution.
_PANEL_LOGIT, _PANEL_CONCENTRATION = (-1.22, 0.17), 3.0
_OTHER_RATERS = 0.7  # how often other raters judge what follows a change
_SAME_PATTERN = 0.6  # how often a recording is about the patient's own pattern
_LEAD = 275  # seconds from the start of a long window to its EEG window
# Label rows of an EEG: median, spread of the logarithm, most. The median differs
# by class and stratum, so that rows, not only EEGs, are spread over the classes
# and numbers of votes as in the real table.
_MEDIAN_ROWS, _SPREAD_ROWS, _MOST_ROWS = 3.5, 0.62, 743
_ROWS_BY_CLASS = {
    "Seizure": 0.35,
    "LPD": 1.6,
    "GPD": 3.4,
    "LRDA": 4.3,
    "GRDA": 1.2,
    "Other": 0.45,
}
_ROWS_BY_STRATUM = {"1-2": 0.32, "3-9": 1.4, "10+": 1.15}
_ROWS_BY_CLARITY = 0.6  # what is clear was labelled for longer: factor of the logarithm
_CHANGING = 0.3  # how many recordings of several rows show something else later on


@dataclass(frozen=True)
class Recording:
    """The plan of one EEG: where its label windows are, what they show and who judges it.

    Attributes
    ----------
    start : int
        Second of the spectrogram's clock at which the EEG begins.
    offsets : ndarray of int, shape (n_rows,)
        Starts of the label windows in the EEG, seconds.
    looks : tuple of experts.Look
        One, or two where the picture changes.
    strata : tuple of str
        Who judges each of them, one of `experts.STRATA`.
    change : int
        The first label window that shows the last of the looks.
    """

    start: int
    offsets: np.ndarray
    looks: tuple
    strata: tuple
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
    def look_of_row(self):
        """Index into `looks` for each label window, int of shape (n_rows,)."""
        return (np.arange(len(self.offsets)) >= self.change) * (len(self.looks) - 1)

    def span(self, number):
        """Return the first and last labelled second of one of the looks, on the clock."""
        offsets = self.offsets[self.look_of_row == number]
        middle, half = self.start + EEG_SECONDS / 2, LABEL_SECONDS / 2
        return middle + offsets[0] - half, middle + offsets[-1] + half


@dataclass(frozen=True)
class Patient:
    """What all courses of a patient share.

    Attributes
    ----------
    brain : background.Brain
    origin : patterns.Origin
        Where and how fast the patient's patterns are.
    quirk : artefacts.Quirk
        What is wrong with the electrodes.
    leaning : float
        As `experts.draw_main` takes it.
    panel : float
        The share of recordings that a panel of ten or more judges.
    n_eegs : int
    """

    brain: background.Brain
    origin: patterns.Origin
    quirk: artefacts.Quirk
    leaning: float
    panel: float
    n_eegs: int


def draw_patient(rng):
    """Draw a `Patient`; most are old, as on intensive care units."""
    age = float(rng.triangular(0, 65, 95))
    n_eegs = int(np.clip(np.rint(rng.lognormal(np.log(_MEDIAN_EEGS), _SPREAD_EEGS)), 1, MOST_EEGS))
    logit, rise = _PANEL_LOGIT
    panel = _PANEL_CONCENTRATION / (1 + np.exp(-logit - rise * np.log(n_eegs)))
    return Patient(
        brain=background.draw_brain(rng, age),
        origin=patterns.draw_origin(rng),
        quirk=artefacts.draw_quirk(rng),
        leaning=rng.random(),
        panel=rng.beta(panel, _PANEL_CONCENTRATION - panel),
        n_eegs=n_eegs,
    )


def plan(rng, split, patient, max_eegs=0):
    """Draw the recordings of a patient.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "test"}
        A patient of the test set has one recording with one label window, well voted.
    patient : Patient
    max_eegs : int
        Stop at so many recordings; 0 takes all that the patient has.

    Returns
    -------
    list of list of Recording
        One list for each course, in the order of time, not overlapping.
    """
    if split == "test":
        look = experts.draw_look(rng, _draw_main(rng, "10+", patient))
        return [[Recording(_LEAD, np.array([0]), (look,), ("10+",), 1)]]
    left = min(patient.n_eegs, max_eegs or patient.n_eegs)
    constant, factor = _MORE_EEGS
    courses = []
    while left:
        courses.append([])
        start = _LEAD + 2 * int(rng.integers(0, 15))
        more = rng.poisson(constant + factor * np.log(patient.n_eegs))
        for _ in range(min(left, 1 + more)):
            courses[-1].append(_plan_recording(rng, start, patient))
            start += courses[-1][-1].seconds + 2 * int(rng.integers(5, 60))
            left -= 1
    return courses


def _draw_main(rng, stratum, patient):
    own = rng.random() < _SAME_PATTERN
    return experts.draw_main(rng, stratum, patient.leaning if own else None)


def _draw_stratum(rng, patient):
    few = {name: share for name, share in experts.STRATA.items() if name != "10+"}
    if rng.random() < patient.panel:
        return "10+"
    return str(rng.choice(list(few), p=np.array(list(few.values())) / sum(few.values())))


def _plan_recording(rng, start, patient):
    stratum = _draw_stratum(rng, patient)
    main = _draw_main(rng, stratum, patient)
    looks, strata = (experts.draw_look(rng, main),), (stratum,)
    typical = _MEDIAN_ROWS * _ROWS_BY_CLASS[main] * _ROWS_BY_STRATUM[stratum]
    typical *= np.exp(_ROWS_BY_CLARITY * (looks[0].visible.max() - 0.6))
    n_rows = int(np.clip(np.rint(rng.lognormal(np.log(typical), _SPREAD_ROWS)), 1, _MOST_ROWS))
    gaps, change = 2 * rng.geometric(0.45, n_rows - 1), n_rows
    if n_rows > 1 and rng.random() < _CHANGING:
        change = int(rng.integers(1, n_rows))
        gaps[change - 1] += 2 * LABEL_SECONDS  # no label is for a moment of change
        if rng.random() < _OTHER_RATERS:
            stratum = _draw_stratum(rng, patient)
        main = main if rng.random() < 0.5 else _draw_main(rng, stratum, patient)
        looks, strata = (*looks, experts.draw_look(rng, main)), (*strata, stratum)
    return Recording(start, np.r_[0, np.cumsum(gaps)], looks, strata, change)


def n_spectrogram_rows(recordings):
    """Return how many rows of two seconds the course's spectrogram has."""
    last = max(recording.spectrogram_offsets[-1] for recording in recordings)
    return (int(last) + SPECTROGRAM_SECONDS) // 2
