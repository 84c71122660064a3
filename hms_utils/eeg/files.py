"""The competition's EEG and spectrogram files: read, checked, and windows cut out of them."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hms_utils.constants import (
    EEG_COLUMNS,
    EEG_SECONDS,
    NEW_NAMES,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
)
from hms_utils.eeg.parquet_clock import check_clock

# What stands for an EEG and for the ten minutes around it that are not there.
NO_EEG = np.full((EEG_SECONDS * SFREQ, len(EEG_COLUMNS)), np.nan, np.float32)
ABSENT = np.full(
    (SPECTROGRAM_SECONDS // SPECTROGRAM_STEP, len(SPECTROGRAM_COLUMNS)), np.nan, np.float32
)


def source_files(data_dir, split, eeg_id, spectrogram_id):
    """Return the paths of an EEG and its spectrogram."""
    return (
        data_dir / f"{split}_eegs" / f"{eeg_id}.parquet",
        data_dir / f"{split}_spectrograms" / f"{spectrogram_id}.parquet",
    )


def has_eegs(data_dir):
    """Return whether the data has any training EEG, or is of spectrograms alone."""
    return any((Path(data_dir) / "train_eegs").glob("*.parquet"))


def read_label_window(data_dir, row):
    """Read a training window: its EEG and the ten minutes of spectrogram around it.

    Parameters
    ----------
    data_dir : path-like
        Folder in the competition's layout.
    row : Series
        A row of the training table.

    Returns
    -------
    eeg : ndarray of float32, shape (10000, 20)
        As `read_eeg`, the 50 s around the label; all NaN if the data has no EEGs.
    rows : ndarray of float32, shape (300, 400)
        As `read_spectrogram`; all NaN if there is no such file.

    Raises
    ------
    FileNotFoundError
        If the EEG is missing from data that has others.
    ValueError
        If a file cannot be read, or ends before the window.
    """
    near, far = source_files(Path(data_dir), "train", row.eeg_id, row.spectrogram_id)
    if near.is_file() or has_eegs(data_dir):
        eeg = cut(read_eeg(near), row.eeg_label_offset_seconds, EEG_SECONDS, SFREQ, near)
    else:
        eeg = NO_EEG.copy()
    if not far.is_file():
        return eeg, ABSENT.copy()
    start, rate = row.spectrogram_label_offset_seconds, 1 / SPECTROGRAM_STEP
    return eeg, cut(read_spectrogram(far), start, SPECTROGRAM_SECONDS, rate, far)


def read_eeg(path):
    """Read an EEG recording.

    Parameters
    ----------
    path : path-like
        A parquet file with the 20 columns of the competition, in any order and
        case; T7, T8, P7 and P8 stand for T3, T4, T5 and T6, and the EKG may be absent.

    Returns
    -------
    ndarray of float32, shape (n_samples, 20)
        Microvolts at 200 Hz, columns in the order of `constants.EEG_COLUMNS`;
        NaN where the recording has gaps.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the system does not let us read it.
    ValueError
        If it is no whole parquet file, lacks a column, holds no numbers, or has times
        beside its samples that are of another rate or have breaks.
    """
    return _read_columns(Path(path), EEG_COLUMNS, "channels", optional="EKG", aliases=NEW_NAMES)


def read_spectrogram(path):
    """Read a spectrogram of the competition.

    Parameters
    ----------
    path : path-like
        A parquet file with ``time`` and the 400 columns, in any order.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        Power in µV²/Hz, columns in the order of `constants.SPECTROGRAM_COLUMNS`;
        row k covers seconds 2k to 2k + 2 and is centred at second 2k + 1.
        Whole rows are NaN where the recording has gaps.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the system does not let us read it.
    ValueError
        If it is no whole parquet file, lacks a column, or its ``time`` is not
        1, 3, 5, …
    """
    path = Path(path)
    values = _read_columns(path, ("time", *SPECTROGRAM_COLUMNS), "columns")
    time = values[:, 0]
    expected = 1 + SPECTROGRAM_STEP * np.arange(len(time))
    if (time != expected).any():
        row = int(np.argmax(time != expected))
        raise ValueError(
            f"{_name(path)}: expected time 1, 3, 5, …, found {time[row]:g} in row {row}"
        )
    return np.ascontiguousarray(values[:, 1:])


def write_eeg(path, eeg):
    """Write what `read_eeg` reads.

    Parameters
    ----------
    path : Path
    eeg : ndarray of float32, shape (n_samples, 20)
        Microvolts at 200 Hz, columns as in `constants.EEG_COLUMNS`.
    """
    frame = pd.DataFrame(eeg, columns=list(EEG_COLUMNS))
    frame.to_parquet(path, write_page_checksum=True)


def write_spectrogram(path, rows, time_type=np.int64):
    """Write what `read_spectrogram` reads.

    Parameters
    ----------
    path : Path
    rows : ndarray of float32, shape (n_rows, 400)
        Power in µV²/Hz, columns as in `constants.SPECTROGRAM_COLUMNS`.
    time_type : type
        Of the column ``time``: the competition has int64 in training and int16 in test.
    """
    frame = pd.DataFrame(rows, columns=list(SPECTROGRAM_COLUMNS))
    frame.insert(0, "time", 1 + SPECTROGRAM_STEP * np.arange(len(frame), dtype=time_type))
    frame.to_parquet(path, write_page_checksum=True)


def cut(recording, start, seconds, rate, path):
    """Cut a window out of a recording.

    Parameters
    ----------
    recording : ndarray, shape (n_rows, n_columns)
        EEG or spectrogram.
    start, seconds : float
        Where the window begins and how long it is.
    rate : float
        Rows of the recording per second.
    path : Path
        The recording's file, for the message.

    Returns
    -------
    ndarray, shape (seconds * rate, n_columns)
        A view of `recording`.

    Raises
    ------
    ValueError
        If the window begins before the recording or ends after it.
    """
    if not 0 <= start < np.inf:
        raise ValueError(f"{_name(path)}: expected a window from second 0 on, found {start:g} s")
    first = int(start * rate + 1e-6)  # 0.29 s are 58 samples, not 57.99…
    window = recording[first : first + round(seconds * rate)]
    if len(window) < seconds * rate:
        raise ValueError(
            f"{_name(path)}: expected {start + seconds:g} s for the window at {start:g} s, "
            f"found {len(recording) / rate:g} s"
        )
    return window


def is_readable(path):
    """Return whether the system lets us read a file, or there is none."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _name(path):
    return f"{path.parent.name}/{path.name}"


def _read_columns(path, columns, noun, *, optional="", aliases=None):
    """Read columns as float32 (n_rows, n_columns), under these names or others for them."""
    if not path.is_file():
        raise FileNotFoundError(f"{_name(path)}: expected a parquet file, found none at {path}")
    content = pa.BufferReader(_read_bytes(path))
    try:
        with pq.ParquetFile(content, page_checksum_verification=True) as file:
            found = _find_columns(path, file.schema_arrow.names, columns, aliases or {})
            missing = [name for name in columns if name not in found]
            if missing and missing != [optional]:
                raise ValueError(
                    f"{_name(path)}: expected {len(columns)} {noun}, missing {missing[:5]}"
                    + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
                )
            table = file.read(columns=list(found.values()), use_threads=False)
            if "time" not in columns:
                try:
                    check_clock(file, found.values())
                except ValueError as error:
                    raise ValueError(f"{_name(path)}: {error}") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{_name(path)}: expected a whole parquet file, found a damaged one ({reason})"
        ) from None
    values = np.full((len(columns), table.num_rows), np.nan, np.float32)
    for row, name in zip(values, columns, strict=True):
        if name in found:
            row[:] = _numbers(path, table.column(found[name]), found[name])
    return values.T


def _read_bytes(path):
    """Read a file, a second time where a network stumbled."""
    try:
        try:
            return path.read_bytes()
        except (PermissionError, FileNotFoundError):
            raise
        except OSError:
            time.sleep(1)
            return path.read_bytes()
    except OSError as error:
        raise OSError(f"{_name(path)}: cannot be read: {error.strerror}") from error


def _find_columns(path, there, columns, aliases):
    """Return each column's name in the file: its own, or one that means the same."""
    if repeated := [name for name in columns if there.count(name) > 1]:
        raise ValueError(f"{_name(path)}: expected each column once, found {repeated[:5]} again")
    found, exact = {}, {*there}
    for name in columns:
        if name in exact:
            found[name] = name
            continue
        meant = {name.lower()} | {new.lower() for new, old in aliases.items() if old == name}
        same = [one for one in there if one.strip().lower() in meant]
        if len(same) > 1:
            raise ValueError(f"{_name(path)}: expected one column for {name}, found {same}")
        if same:
            found[name] = same[0]
    return found


def _numbers(path, column, name):
    """Return a column as floats; of what is null NaN."""
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_null(kind):
        column = column.cast(pa.float64())
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise ValueError(f"{_name(path)}: expected numbers in {name}, found {kind}")
    return column.to_numpy()
