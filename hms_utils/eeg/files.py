"""The competition's EEG and spectrogram files: read, checked, and windows cut out of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hms_utils.constants import EEG_COLUMNS, SPECTROGRAM_COLUMNS, SPECTROGRAM_STEP


def source_files(data_dir, split, eeg_id, spectrogram_id):
    """Return the paths of an EEG and its spectrogram."""
    return (
        data_dir / f"{split}_eegs" / f"{eeg_id}.parquet",
        data_dir / f"{split}_spectrograms" / f"{spectrogram_id}.parquet",
    )


def read_eeg(path):
    """Read an EEG recording.

    Parameters
    ----------
    path : path-like
        A parquet file with the 20 columns of the competition, in any order.

    Returns
    -------
    ndarray of float32, shape (n_samples, 20)
        Microvolts at 200 Hz, columns in the order of `constants.EEG_COLUMNS`;
        NaN where the recording has gaps.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no whole parquet file, lacks a column or holds no numbers.
    """
    return _read_columns(Path(path), EEG_COLUMNS, "channels")


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
        If the recording ends before the window.
    """
    window = recording[int(start * rate) : int((start + seconds) * rate)]
    if len(window) < seconds * rate:
        raise ValueError(
            f"{_name(path)}: expected {start + seconds:g} s for the window at {start:g} s, "
            f"found {len(recording) / rate:g} s"
        )
    return window


def _name(path):
    return f"{path.parent.name}/{path.name}"


def _read_columns(path, columns, noun):
    if not path.is_file():
        raise FileNotFoundError(f"{_name(path)}: expected a parquet file, found none at {path}")
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            if missing := [name for name in columns if name not in found]:
                raise ValueError(
                    f"{_name(path)}: expected {len(columns)} {noun}, missing {missing[:5]}"
                    + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
                )
            if repeated := [name for name in columns if found.count(name) > 1]:
                raise ValueError(
                    f"{_name(path)}: expected each of {noun} once, found {repeated[:5]} again"
                )
            table = file.read(columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{_name(path)}: expected a whole parquet file, found a damaged one ({reason})"
        ) from None
    values = np.empty((len(columns), table.num_rows), np.float32)
    for row, name in zip(values, columns, strict=True):
        column = table.column(name)
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise ValueError(f"{_name(path)}: expected numbers in {name}, found {column.type}")
        row[:] = column.to_numpy()
    return values.T
