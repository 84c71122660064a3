"""One recording of any origin, and its label windows over time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from hms_utils.clinical import open_clinical, sample_parts
from hms_utils.constants import (
    BIPOLAR_COLUMNS,
    EEG_COLUMNS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
)
from hms_utils.data import read_eeg, read_spectrogram
from hms_utils.montage import (
    POSSIBLE,
    amplitude,
    amplitudes,
    differences_of,
    judge_amplitude,
)
from hms_utils.spectrograms import long_spectrogram

# Second t of a label window is second t + 275 of its ten minutes.
LEAD = (SPECTROGRAM_SECONDS - EEG_SECONDS) // 2
N_ROWS = SPECTROGRAM_SECONDS // SPECTROGRAM_STEP
_WINDOW = 4  # seconds that a row is made of
_SETTLING = 20  # seconds after which the band-pass does not feel an edge
_BLOCK = 300  # rows


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
        not in microvolts by its amplitude, or lacks so many electrodes that a chain
        keeps fewer than two of its four differences.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".parquet", ".edf", ".bdf"):
        raise ValueError(f"{path}: expected a .parquet, .edf or .bdf file by its name")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a recording, found no such file")
    if kind == ".parquet":
        recording = Recording(path, **_open_parquet(path))
    else:
        recording = Recording(path, **open_clinical(path))
    if recording.seconds < EEG_SECONDS:
        raise ValueError(f"{path}: expected {EEG_SECONDS} s or more, found {recording.seconds:g} s")
    differences = differences_of(sample_parts(recording.read, recording.n_samples))
    try:
        notes = [judge_amplitude(amplitude(differences))]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    least, most = POSSIBLE
    sizes = zip(BIPOLAR_COLUMNS, amplitudes(differences), strict=False)
    if odd := [name for name, size in sizes if size < least or size > most]:
        notes.append(f"not of the amplitude of the others: {', '.join(odd)}")
    return replace(recording, notes=(*recording.notes, *filter(None, notes)))


def _open_parquet(path):
    """Return what `clinical.open_clinical` returns of a clinical file."""
    eeg, notes = read_eeg(path), []
    if missing := [
        name
        for name, gap in zip(EEG_COLUMNS, np.isnan(eeg).all(axis=0), strict=True)
        if gap and name != "EKG"
    ]:
        notes.append(f"without {', '.join(missing)}, which count as gaps")
    if np.isinf(eeg).any():
        eeg[np.isinf(eeg)] = np.nan
        notes.append("infinite values, taken as missing")
    return {
        "n_samples": len(eeg),
        "read": lambda start, stop: eeg[start:stop],
        "notes": tuple(notes),
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


def spectrogram(recording, start=0, n_rows=N_ROWS):
    """Compute the competition's spectrogram of a recording around a window.

    Parameters
    ----------
    recording : Recording
    start : float
        Where the first label window begins, seconds.
    n_rows : int
        How many rows; the default is the ten minutes of this window, and every
        further row adds 2 s.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        As a file of the competition: row k is centred at second 2k + 1 of a clock
        on which the window begins at second 275. NaN where the recording does not
        hold all 4 s of a row.
    """
    # Row k is made of the 4 s from here on, in samples, by the recording's clock.
    first = round((start - LEAD + 1 - _WINDOW / 2) * SFREQ)
    hop, window = SPECTROGRAM_STEP * SFREQ, _WINDOW * SFREQ
    rows = np.full((n_rows, len(SPECTROGRAM_COLUMNS)), np.nan, np.float32)
    begin = max(0, -(first // hop))
    end = min(n_rows, (recording.n_samples - window - first) // hop + 1)
    for block in range(begin, end, _BLOCK):
        until = min(block + _BLOCK, end)
        before = min(_SETTLING // SPECTROGRAM_STEP, (first + block * hop) // hop)
        stop = first + (until - 1) * hop + window + _SETTLING * SFREQ
        eeg = recording.read(first + (block - before) * hop, min(stop, recording.n_samples))
        rows[block:until] = long_spectrogram(differences_of(eeg))[before:][: until - block]
    return rows


def read_given(path, recording):
    """Read the spectrogram file that belongs to a recording.

    Parameters
    ----------
    path : path-like
        A parquet file of the competition.
    recording : Recording
        Its second 0 is second 275 of the file, as in the test set.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        As `spectrogram` returns it for the whole recording.

    Raises
    ------
    FileNotFoundError, ValueError
        As `data.read_spectrogram`; and if the length is not that of the recording
        and 550 s more, for then their clocks differ.
    """
    rows = read_spectrogram(path)
    expected = count_rows(recording)
    if len(rows) != expected:
        raise ValueError(
            f"{path}: expected {expected} rows for an EEG of {recording.seconds:g} s and 275 s "
            f"on both sides, found {len(rows)}; without --spectrogram it is computed from the EEG"
        )
    return rows


def count_rows(recording):
    """Return the rows of a spectrogram of all of a recording's label windows."""
    return N_ROWS + int(recording.seconds - EEG_SECONDS) // SPECTROGRAM_STEP


def describe(recording):
    """Return one line: the length, the beginning and the notes."""
    seconds = recording.seconds
    parts = [f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:g} s"]
    if recording.start:
        parts.append(f"from {recording.start:%Y-%m-%d %H:%M:%S}")
    return ", ".join([*parts, *recording.notes])
