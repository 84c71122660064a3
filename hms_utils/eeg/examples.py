"""Windows to look at: of each class one that teaches, and what can be measured of it."""

import functools
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy import signal

from hms_utils.constants import (
    CHAINS,
    CLASSES,
    DIFFERENCES,
    LABEL_SECONDS,
    SFREQ,
    SPECTROGRAM_STEP,
)
from hms_utils.eeg.files import has_eegs, read_label_window
from hms_utils.eeg.montage import amplitude, bipolar, fill_gaps
from hms_utils.eeg.rows import vote_shares

ARTEFACT = "Other, an artefact"
_BAND = 0.5, 20.0  # Hz, in which windows are measured
_AS_CLEAR = 0.7  # of the best agreement; what is less clear is no example


@dataclass(frozen=True)
class Example:
    """A window to look at.

    Attributes
    ----------
    name : str
        Its class, or `ARTEFACT`.
    votes : str
        How many experts named that class, such as "12 of 13".
    eeg_id : int
    eeg : ndarray of float32, shape (10000, 20)
    spectrogram : ndarray of float32, shape (300, 400)
        Both as `files.read_label_window` returns them.
    """

    name: str
    votes: str
    eeg_id: int
    eeg: np.ndarray
    spectrogram: np.ndarray

    def __str__(self):
        """Say what is measured in its central 10 s."""
        left, right, middle = _measure(self.eeg)
        side = "left" if left > right else "right"
        return (
            f"{self.name}, EEG {self.eeg_id}, {self.votes} votes: RMS amplitude "
            f"{amplitude(bipolar(self.eeg)):.0f} µV; from {_BAND[0]:g} to {_BAND[1]:g} Hz "
            f"the {side} side has {abs(left - right):.1f} dB more power; median frequency "
            f"{middle:.1f} Hz"
        )


def find_examples(windows, data_dir, *, n_candidates=20):
    """Read for each class a window on which most experts agree, and that shows what the class is.

    Of seizures it is the one that stands out most from its ten minutes, as a seizure has a
    beginning and an end. Of "other" there is a second one, whose largest second is largest
    beside its usual ones, as an artefact's is. Of the others it is the clearest without a gap
    in the two minutes around it, if there is one. What cannot be read is named and passed over.

    Parameters
    ----------
    windows : DataFrame
        As `tables.select_windows` returns it.
    data_dir : path-like
    n_candidates : int
        How many windows of a class to read at most.

    Returns
    -------
    list of Example
        Classes in their order, without those that nobody voted for; empty of data without EEGs.
    """
    if not has_eegs(data_dir):
        print("No EEG is there to read: left out are the pages of the six patterns")
        return []
    shares, found = vote_shares(windows), []
    certainty = shares * np.log1p(windows.n_votes.to_numpy())[:, None]
    for title, measure in _MEASURES.items():
        of_class = certainty[:, CLASSES.index(_class(title))]
        order = np.argsort(-of_class, kind="stable")
        order = order[of_class[order] > _AS_CLEAR * of_class[order[0]]]
        order = order[~windows.eeg_id.iloc[order].isin([each.eeg_id for each in found])]
        candidates = islice(_read(windows, data_dir, order, title), n_candidates)
        choose = functools.partial(max, key=measure, default=None) if measure else _without_gap
        if chosen := choose(candidates):
            found.append(chosen)
        else:
            print(f"no example of {title}: nobody voted for it, or no other file can be read")
    return found


def _class(title):
    return title.partition(",")[0]


def _read(windows, data_dir, numbers, name):
    """Read one window after the other, as examples of a class."""
    column = f"{_class(name).lower()}_vote"
    for number in numbers:
        row = windows.iloc[number]
        try:
            window = read_label_window(data_dir, row)
        except ValueError as error:
            print(f"passed over: {error}")
            continue
        votes = f"{row[column]} of {row.n_votes}"
        yield Example(name, votes, int(row.eeg_id), *window)


def _without_gap(candidates):
    """Return the first without a gap in its EEG and the two minutes around it, else the first."""
    first = None
    for example in candidates:
        first = first or example
        middle, half = len(example.spectrogram) // 2, 60 // SPECTROGRAM_STEP
        around = example.spectrogram[middle - half : middle + half]
        if not np.isnan(example.eeg).any() and not np.isnan(around).any():
            return example
    return first


def _rise(example):
    """Return by how many dB the middle of its ten minutes is above the rest."""
    decibel = 10 * np.log10(np.maximum(example.spectrogram, 1e-10))
    known = np.isfinite(decibel).any(axis=1)
    middle = np.abs(np.arange(len(decibel)) + 0.5 - len(decibel) / 2) * SPECTROGRAM_STEP
    inside, outside = known & (middle < 30), known & (middle > 60)
    if not inside.any() or not outside.any():
        return -np.inf
    return np.nanmean(decibel[inside]) - np.nanmean(decibel[outside])


def _largest_second(example):
    """Return how much larger a difference's largest central second is than its usual one."""
    central = _central(example.eeg)
    seconds = central.reshape(len(central), LABEL_SECONDS, SFREQ).std(axis=2)
    usual = np.median(seconds[seconds > 0]) if seconds.any() else np.inf
    return seconds.max() / usual


# By what the example of a class is chosen among the clear ones, if not the clearest.
_MEASURES = dict.fromkeys(CLASSES) | {"Seizure": _rise, ARTEFACT: _largest_second}


def _central(eeg):
    """Return the differences of the seconds that experts judge, (16, 2000), without gaps."""
    middle, half = len(eeg) // 2, LABEL_SECONDS * SFREQ // 2
    return fill_gaps(bipolar(eeg[middle - half : middle + half]))


def _measure(eeg):
    """Return power of both sides in dB, and the frequency up to which half of it lies."""
    frequencies, power = signal.welch(_central(eeg), SFREQ, nperseg=4 * SFREQ)
    band = (frequencies >= _BAND[0]) & (frequencies <= _BAND[1])
    power = power[:, band]
    left = np.repeat([chain.startswith("L") for chain in CHAINS], len(DIFFERENCES) // len(CHAINS))
    sides = [10 * np.log10(max(power[rows].mean(), 1e-10)) for rows in (left, ~left)]
    total = power.sum(axis=0).cumsum()
    return *sides, frequencies[band][np.searchsorted(total, total[-1] / 2)]
