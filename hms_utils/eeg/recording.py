"""One recording of any origin, read part by part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from hms_utils.constants import BIPOLAR_COLUMNS, EEG_SECONDS, ELECTRODES, SFREQ
from hms_utils.eeg.clinical import open_clinical, sample_parts
from hms_utils.eeg.electrodes import require_chains
from hms_utils.eeg.files import read_eeg
from hms_utils.eeg.gaps import blank_note, is_blank, stands_still
from hms_utils.eeg.montage import (
    POSSIBLE,
    amplitude,
    amplitudes,
    differences_of,
    is_noise,
    judge_amplitude,
)
from hms_utils.eeg.scales import odd_scales


@dataclass(frozen=True)
class Recording:
    """A recording that is read part by part, so that a night needs little memory.

    Attributes
    ----------
    path : Path
    n_samples : int
        At 200 Hz.
    read : callable
        ``read(start, stop)`` returns these samples, float32 of shape
        (stop - start, 20): microvolts at 200 Hz in the columns of
        `constants.EEG_COLUMNS`, NaN where there is nothing. Of a recording that
        holds the differences themselves, (stop - start, 17) in the columns of
        `constants.BIPOLAR_COLUMNS`.
    start : datetime or None
        What the clock showed at its beginning, if known.
    notes : tuple of str
        What its user should know, such as missing electrodes or the reference.
    """

    path: Path
    n_samples: int
    read: Callable
    start: datetime | None = None
    notes: tuple = ()

    @property
    def seconds(self):
        """Length of the recording."""
        return self.n_samples / SFREQ


def open_recording(path):
    """Open a recording and check that it has what models look at.

    Parameters
    ----------
    path : path-like
        ``.parquet`` in the competition's format, or ``.edf`` or ``.bdf`` at any
        sampling rate, with the electrodes against any common reference or the
        differences of the double banana.

    Returns
    -------
    Recording

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another kind, lasts less than 50 s, has breaks, is
        not in microvolts by its amplitude, is noise, or lacks so many electrodes that a chain
        keeps fewer than two of its four differences.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".parquet", ".edf", ".bdf"):
        raise ValueError(f"{path}: expected a .parquet, .edf or .bdf file by its name")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a recording, found no such file")
    opened = _open_parquet(path) if kind == ".parquet" else open_clinical(path)
    samples = opened.pop("looked")
    recording = Recording(path, **opened)
    if recording.seconds < EEG_SECONDS:
        raise ValueError(f"{path}: expected {EEG_SECONDS} s or more, found {recording.seconds:g} s")
    differences = differences_of(samples)
    try:
        notes = [judge_amplitude(amplitude(differences))]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if is_noise(differences):
        raise ValueError(
            f"{path}: expected EEG, found the same power in all bands, which is noise: look "
            "whether the file was sent as text, lost a byte, or has samples of another kind"
        )
    least, most = POSSIBLE
    sizes = zip(BIPOLAR_COLUMNS, amplitudes(differences), strict=False)
    if odd := [name for name, size in sizes if size < least or size > most]:
        notes.append(f"not of the amplitude of the others: {', '.join(odd)}")
    elif scales := odd_scales(samples):
        times = ", ".join(f"{name} {factor:.2g} times" for name, factor in scales.items())
        notes.append(f"of another scale than those beside: {times}; look whether the gain is right")
    return replace(recording, notes=(*recording.notes, *filter(None, notes)))


def _open_parquet(path):
    """Return what `clinical.open_clinical` returns of a clinical file."""
    eeg, notes = read_eeg(path), []
    if np.isinf(eeg).any():
        eeg[np.isinf(eeg)] = np.nan
        notes.append("infinite values, taken as missing")
    electrodes = eeg[:, : len(ELECTRODES)]
    known = ~np.isnan(electrodes).all(axis=1)
    blank = is_blank(electrodes)
    for column in electrodes.T:
        column[blank | (stands_still(column, SFREQ) & (abs(column) > POSSIBLE[1]))] = np.nan
    notes += blank_note(electrodes[known])
    missing = [
        name for name, gap in zip(ELECTRODES, np.isnan(electrodes).all(axis=0), strict=True) if gap
    ]
    if len(missing) < len(ELECTRODES):  # without any signal it is refused by its amplitude
        try:
            require_chains(missing)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if missing:
        notes = [f"without {', '.join(missing)}, which count as gaps", *notes]

    def read(start, stop):
        return eeg[start:stop]

    return {
        "n_samples": len(eeg),
        "read": read,
        "notes": tuple(notes),
        "looked": sample_parts(read, len(eeg)),
    }


def read_window(recording, start):
    """Read the 50 s that begin at second `start`, as `Recording.read`.

    Raises
    ------
    ValueError
        If they reach beyond the recording.
    """
    first = round(start * SFREQ)
    if first < 0 or first + EEG_SECONDS * SFREQ > recording.n_samples:
        half = EEG_SECONDS / 2
        raise ValueError(
            f"{recording.path}: expected a centre from {half:g} to {recording.seconds - half:g} s, "
            f"found {start + half:g} s"
        )
    return recording.read(first, first + EEG_SECONDS * SFREQ)


def describe(recording):
    """Return one line: the length, the beginning and the notes."""
    seconds = recording.seconds
    parts = [f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:g} s"]
    if recording.start:
        parts.append(f"from {recording.start:%Y-%m-%d %H:%M:%S}")
    return ", ".join([*parts, *recording.notes])
