"""The competition's tables, read and checked."""

import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils.constants import VOTE_COLUMNS
from hms_utils.eeg.csv_file import read_csv

TRAIN_COLUMNS = (
    "eeg_id",
    "eeg_sub_id",
    "eeg_label_offset_seconds",
    "spectrogram_id",
    "spectrogram_sub_id",
    "spectrogram_label_offset_seconds",
    "label_id",
    "patient_id",
    "expert_consensus",
    *VOTE_COLUMNS,
)
TEST_COLUMNS = ("spectrogram_id", "eeg_id", "patient_id")
_MOST_VOTES = 1000  # of a row; panels of the competition are of 28 and fewer
_EXACT = 2**53  # the largest whole numbers that a float holds


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
        The table as it stands in the file, ids and votes as int64 even if they are
        written as ``123.0``, and rows that stand twice once. Every train row has
        non-negative whole votes that add to at least one.

    Raises
    ------
    FileNotFoundError
        If the table is missing.
    ValueError
        If a column is missing, not numeric or has gaps, if ids are no whole numbers,
        offsets are not finite, there are no rows, votes are impossible, an EEG or a
        spectrogram file is of two patients, or a label or a test recording stands in two
        rows that differ.
    """
    path = Path(data_dir) / f"{split}.csv"
    columns = {"train": TRAIN_COLUMNS, "test": TEST_COLUMNS}[split]
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the competition's {split} table, found no file")
    table, text = read_csv(path), functools.cache(functools.partial(read_csv, path, dtype=str))
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
        if name.endswith("_id"):
            table[name] = _whole(path, table[name], text)
        elif name.endswith("_seconds") and not np.isfinite(table[name]).all():
            raise ValueError(f"{path}: expected finite numbers in {name}, found infinity")
    if table.duplicated().any():
        print(f"{path}: {table.duplicated().sum()} rows stand there twice; each counts once")
        table = table.drop_duplicates(ignore_index=True)
    if split == "train":
        votes = table[list(VOTE_COLUMNS)].to_numpy(float)
        total = votes.sum(axis=1)
        bad = (votes < 0).any(axis=1) | (votes != np.floor(votes)).any(axis=1)
        bad |= (total == 0) | (total > _MOST_VOTES)  # infinite ones too
        if bad.any():
            raise ValueError(
                f"{path}: expected whole votes of zero and more with a sum of 1 to {_MOST_VOTES}, "
                f"found {bad.sum()} rows without, label_id {table.label_id[bad].tolist()[:3]} first"
            )
        table = table.astype(dict.fromkeys(VOTE_COLUMNS, np.int64))
        if table.label_id.duplicated().any():
            repeated = table.label_id[table.label_id.duplicated()].unique()
            raise ValueError(
                f"{path}: expected one row per label_id, found {repeated.tolist()[:3]} again with "
                "other values"
            )
        for name in ("eeg_id", "spectrogram_id"):
            pairs = table[[name, "patient_id"]].drop_duplicates()
            again = pairs[name][pairs[name].duplicated()].unique()
            if name == "spectrogram_id":  # recordings without such a file share nothing
                folder = Path(data_dir) / "train_spectrograms"
                again = [each for each in again if (folder / f"{each}.parquet").exists()]
            if len(again):
                raise ValueError(
                    f"{path}: expected one patient for each {name}, found another for "
                    f"{[int(each) for each in again[:3]]}"
                )
    elif table.eeg_id.duplicated().any():
        repeated = table.eeg_id[table.eeg_id.duplicated()].unique()
        raise ValueError(
            f"{path}: expected one row per eeg_id, found {repeated.tolist()[:3]} again"
        )
    return table


def _whole(path, column, text):
    """Return a column of whole numbers as int64; `text` returns the table as it is written."""
    if pd.api.types.is_integer_dtype(column) and column.dtype != np.uint64:
        return column.astype(np.int64)
    text = text()[column.name]
    good = (column % 1 == 0) & (column.abs() < _EXACT) & ~text.map(_is_rounded)
    if not good.all():
        raise ValueError(
            f"{path}: expected whole numbers in {column.name}, found "
            f"{text[~good].iloc[0]} in row {int(np.argmin(good)) + 1}"
        )
    return column.astype(np.int64)


def _is_rounded(text):
    """Return whether a number has fewer digits than it has places, as spreadsheets make them."""
    match = re.fullmatch(r"[+-]?\d\.?(\d*)e\+?(\d+)", text.strip(), re.IGNORECASE)
    return bool(match) and len(match[1]) < int(match[2])


def read_test(data_dir):
    """Read which recordings to answer, as far as ``test.csv`` says it.

    Unlike `load_metadata` it puts up with repeated and broken rows.

    Parameters
    ----------
    data_dir : path-like
        Folder in the competition's layout.

    Returns
    -------
    DataFrame
        ``eeg_id``, each once, and ``spectrogram_id``, -1 where there is none.

    Raises
    ------
    FileNotFoundError
        If there is no table.
    ValueError
        If there is no ``eeg_id`` in it.
    """
    path = Path(data_dir) / "test.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the competition's test table, found no file")
    given = read_csv(path)
    table = pd.DataFrame(index=given.index)
    for name in ("eeg_id", "spectrogram_id"):
        numbers = pd.to_numeric(given.get(name, table.index * np.nan), errors="coerce")
        whole = (numbers >= 0) & (numbers % 1 == 0) & (numbers < _EXACT)
        table[name] = numbers.where(whole, -1).astype(np.int64)
    answerable = table[table.eeg_id >= 0].drop_duplicates("eeg_id", ignore_index=True)
    if answerable.empty:
        raise ValueError(f"{path}: expected an eeg_id in each row, found {list(given)}")
    if len(answerable) < len(given):
        print(
            f"{path}: {len(given) - len(answerable)} of {len(given)} rows repeat an eeg_id or "
            "have none; of each the first counts"
        )
    return answerable


def has_no_rows(path):
    """Return whether a table has its header and nothing else.

    Parameters
    ----------
    path : Path
    """
    try:
        table = pd.read_csv(path, nrows=1)
    except (ValueError, OSError):  # another function says what is wrong with it
        return False
    return table.empty and set(TEST_COLUMNS) <= set(table)
