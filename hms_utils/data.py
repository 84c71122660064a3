"""Read the competition's tables, EEGs and spectrograms, and check them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hms_utils.constants import (
    CLASSES,
    EEG_COLUMNS,
    NEW_NAMES,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_STEP,
    VOTE_COLUMNS,
)

TRAIN_COLUMNS = (
    *("eeg_id", "eeg_sub_id", "eeg_label_offset_seconds"),
    *("spectrogram_id", "spectrogram_sub_id", "spectrogram_label_offset_seconds"),
    *("label_id", "patient_id", "expert_consensus", *VOTE_COLUMNS),
)
TEST_COLUMNS = ("spectrogram_id", "eeg_id", "patient_id")


def load_metadata(data_dir, split):
    """Read and check ``train.csv`` or ``test.csv``.

    Parameters
    ----------
    data_dir : path-like
        Folder in the competition's layout.
    split : {"train", "test"}
        Which table.

    Returns
    -------
    DataFrame
        The table as it stands in the file. Every train row has non-negative
        whole votes that add to at least one.

    Raises
    ------
    FileNotFoundError
        If the table is missing.
    ValueError
        If a column is missing, not numeric or has gaps, if there are no rows,
        if votes are impossible, or if test recordings repeat.
    """
    path = Path(data_dir) / f"{split}.csv"
    columns = {"train": TRAIN_COLUMNS, "test": TEST_COLUMNS}[split]
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the competition's {split} table, found no file")
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a CSV table, found one that fails: {error}") from None
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"{path}: expected {len(columns)} columns, missing {missing}")
    if table.empty:
        raise ValueError(f"{path}: expected at least one row, found none")
    for name in columns:
        if name != "expert_consensus" and not pd.api.types.is_numeric_dtype(table[name]):
            raise ValueError(f"{path}: expected numbers in {name}, found {table[name].dtype}")
        if table[name].isna().any():
            raise ValueError(
                f"{path}: expected no gaps in {name}, found {table[name].isna().sum()}"
            )
    if split == "train":
        votes = table[list(VOTE_COLUMNS)].to_numpy()
        bad = (votes < 0).any(axis=1) | (votes % 1 != 0).any(axis=1) | (votes.sum(axis=1) == 0)
        if bad.any():
            raise ValueError(
                f"{path}: expected whole votes of zero and more with a sum of at least one, "
                f"found {bad.sum()} rows without, label_id {table.label_id[bad].tolist()[:3]} first"
            )
    elif table.eeg_id.duplicated().any():
        repeated = table.eeg_id[table.eeg_id.duplicated()].unique()
        raise ValueError(
            f"{path}: expected one row per eeg_id, found {repeated.tolist()[:3]} again"
        )
    return table


def vote_shares(table):
    """Return each row's votes divided by their sum.

    Parameters
    ----------
    table : DataFrame
        With the six vote columns.

    Returns
    -------
    ndarray of float32, shape (n_rows, 6)
    """
    votes = table[list(VOTE_COLUMNS)].to_numpy(np.float32)
    return votes / votes.sum(axis=1, keepdims=True)


def clearest(table, classes):
    """Return the number of the row on which most experts agree on one of some classes.

    Parameters
    ----------
    table : DataFrame
        With the vote columns and ``n_votes``.
    classes : sequence of str
        Among `CLASSES`; if nobody voted for any of these, all classes count.

    Returns
    -------
    int
        The place of the row with the largest vote share times the logarithm of
        one plus the number of votes.
    """
    certainty = vote_shares(table) * np.log1p(table.n_votes.to_numpy())[:, None]
    of_these = certainty[:, [CLASSES.index(name) for name in classes]]
    return int((of_these if of_these.any() else certainty).max(axis=1).argmax())


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
    ValueError
        If it is no whole parquet file, lacks a column or holds no numbers.
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


def _read_columns(path, columns, noun, *, optional="", aliases=None):
    """Read columns as float32 (n_rows, n_columns), under these names or others for them."""
    if not path.is_file():
        raise FileNotFoundError(f"{_name(path)}: expected a parquet file, found none at {path}")
    try:
        with pq.ParquetFile(path) as file:
            found = _find_columns(path, file.schema_arrow.names, columns, aliases or {})
            missing = [name for name in columns if name not in found]
            if missing and missing != [optional]:
                raise ValueError(
                    f"{_name(path)}: expected {len(columns)} {noun}, missing {missing[:5]}"
                    + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
                )
            table = file.read(columns=list(found.values()), use_threads=False)
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
