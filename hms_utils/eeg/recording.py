"""One recording of any origin, read part by part."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hms_utils.constants import EEG_SECONDS, SFREQ
from hms_utils.eeg.clinical import open_clinical
from hms_utils.eeg.files import read_eeg


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
        `constants.EEG_COLUMNS`, NaN where there is nothing.
    start : datetime or None
        What the clock showed at its beginning, if known.
    notes : tuple of str
        What its user should know, such as missing electrodes.
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
        sampling rate, with the electrodes against any common reference.

    Returns
    -------
    Recording

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another kind, lasts less than 50 s, has breaks,
        holds bipolar derivations only, or lacks so many electrodes that a chain
        keeps fewer than two of its four differences.
    ModuleNotFoundError
        If a clinical file is given and MNE is not installed.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".parquet", ".edf", ".bdf"):
        raise ValueError(f"{path}: expected a .parquet, .edf or .bdf file by its name")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a recording, found no such file")
    if kind == ".parquet":
        eeg = read_eeg(path)
        recording = Recording(path, len(eeg), lambda start, stop: eeg[start:stop])
    else:
        recording = Recording(path, **open_clinical(path))
    if recording.seconds < EEG_SECONDS:
        raise ValueError(f"{path}: expected {EEG_SECONDS} s or more, found {recording.seconds:g} s")
    return recording


def read_window(recording, start):
    """Read the 50 s that begin at second `start`, float32 (10000, 20).

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
