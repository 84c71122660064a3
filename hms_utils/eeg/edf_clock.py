"""When the samples of an EDF or BDF file were taken: its clock and the stamps of its records."""

import os
import re
from datetime import datetime, timedelta

import numpy as np

from hms_utils.eeg import edf

_STAMP = re.compile(rb"([+-]\d+(?:[.,]\d*)?)(?:\x15[\d.,]*)?\x14\x14")
_STAMP_BYTES = 64
_ROUNDING = 0.01, 1e-3  # s, and of a record, that stamps may be beside
_DRIFT = 1.0, 1e-4  # s, and of the time, as the length of a record is rounded too
# An EDF+ header has its date twice, here with letters and the century.
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DATE = re.compile(rf"STARTDATE (\d{{1,2}})-({'|'.join(_MONTHS)})-(\d{{4}})\b")
_NO_CLOCK = datetime(1985, 1, 1)  # the first moment of the format: of files without one


def read_clock(file):
    """Return what the clock showed at the start, a datetime, or None if the header has no such.

    Parameters
    ----------
    file : edf.File
        A date that stands there twice must be the same.
    """
    date, time = (
        re.fullmatch(r"(\d{1,2})\D\s*(\d{1,2})\D\s*(\d{1,2})", text)
        for text in (file.date, file.time)
    )
    if not date or not time:
        return None
    day, month, year = map(int, date.groups())
    try:
        # Years are two digits from 1985 on.
        clock = datetime(
            year + (1900 if year >= 85 else 2000), month, day, *map(int, time.groups())
        )
    except ValueError:
        return None
    again = _DATE.match(file.recorded.upper())
    if again and (int(again[1]), again[2], int(again[3])) != (day, _MONTHS[month - 1], clock.year):
        return None
    return None if clock == _NO_CLOCK else clock


def read_delay(file):
    """Return the seconds from the start by the header to the first sample.

    Parameters
    ----------
    file : edf.File

    Returns
    -------
    timedelta
        Less than a second.

    Raises
    ------
    ValueError
        If the time stamps of the records have breaks, or begin later than that.
    """
    stamps = _read_stamps(file)
    (known,) = np.nonzero(np.isfinite(stamps))
    if not len(known):
        if file.in_parts:
            raise ValueError("expected a recording without breaks, found no word where they are")
        return timedelta()
    stamps = stamps[known]
    lengths = np.diff(known) * file.duration
    jumps = np.diff(stamps) - lengths
    delay = stamps[0] - known[0] * file.duration
    drift = np.abs(stamps - delay - known * file.duration)
    reason = None
    if (jump := np.abs(jumps) > _ROUNDING[0] + _ROUNDING[1] * lengths).any():
        place = int(jump.argmax())
        reason = f"one of {jumps[place]:g} s after {known[place + 1] * file.duration:g} s"
    elif abs(delay) >= 1:
        reason = f"{delay:g} s before its first record"
    elif (drift > _DRIFT[0] + _DRIFT[1] * stamps).any():
        reason = f"time stamps that come to be {drift.max():g} s beside it"
    if reason:
        raise ValueError(
            f"expected a recording without breaks, found {reason}; export it as one without"
        )
    return timedelta(seconds=float(delay))


def _read_stamps(file):
    """Return each record's seconds since the start, NaN where it does not say."""
    label = f"{file.kind} annotations".lower()
    signal = next(
        (one for one in file.signals if one.label.lower() == label and one.n_samples),
        None,
    )
    if signal is None:
        return np.full(0, np.nan)
    stamps = np.full(file.n_records, np.nan)
    size = min(_STAMP_BYTES, signal.n_samples * edf.WIDTH[file.kind])
    descriptor = os.open(file.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        for number in range(file.n_records):
            os.lseek(descriptor, file.first + number * file.record_bytes + signal.first, 0)
            if match := _STAMP.match(os.read(descriptor, size)):
                stamps[number] = float(match[1].replace(b",", b"."))
    finally:
        os.close(descriptor)
    return stamps
