"""Write the submission, check it, and say all that is wrong or odd about one."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scores import EPSILON, id_faults, text_faults, value_faults

COLUMNS = ("eeg_id", *VOTE_COLUMNS)
_LARGEST_FILE = 100e6  # bytes; the competition's 2,600 rows take half a million
_RARE = 0.01  # a class that is never above was hardly meant to be so
_JUST = 5e-6  # a sum so far from one is near Kaggle's tolerance of 1e-5


def write_submission(eeg_ids, probabilities, test, path):
    """Write a submission, after checking it against the test table.

    Parameters
    ----------
    eeg_ids : array-like of int, shape (n_rows,)
    probabilities : ndarray, shape (n_rows, 6)
    test : DataFrame
        With the ``eeg_id`` of each row.
    path : Path

    Returns
    -------
    DataFrame
        What was written, in the order of `test`.

    Raises
    ------
    ValueError
        As `check`.
    """
    table = pd.DataFrame(probabilities, columns=list(VOTE_COLUMNS))
    table.insert(0, "eeg_id", np.asarray(eeg_ids))
    check(table, test)
    table = table.set_index("eeg_id").loc[test.eeg_id].reset_index()
    with paths.replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    return table


def check(submission, test):
    """Raise ValueError unless Kaggle would score the submission.

    Parameters
    ----------
    submission : DataFrame
        As read from ``submission.csv``.
    test : DataFrame
        As read from ``test.csv``.

    Raises
    ------
    ValueError
        For a test table without ``eeg_id``, columns other than the seven,
        repeated, missing or extra ids, values that are not numbers, missing,
        below zero or above one, and rows that do not add to one.
    """
    if "eeg_id" not in test:
        raise ValueError(f"expected eeg_id in the test table, found {list(test)}")
    for fault in _faults(submission, test):
        raise ValueError(fault)


def _faults(submission, test):
    """Yield what Kaggle would refuse or score wrongly, in its order and words."""
    missing = [name for name in COLUMNS if name not in submission]
    extra = [name for name in submission if name not in COLUMNS]
    if missing:
        found = _some(submission)
        yield f"Missing submission column {missing[0]}: missing {missing}, found {found}"
    if extra:
        yield f"Kaggle takes every column but eeg_id for a class: extra {_some(extra)}"
    ids = _ids(submission)
    if "eeg_id" in submission:
        yield from id_faults(test.eeg_id, ids)
    votes = submission[[name for name in VOTE_COLUMNS if name in submission]]
    if votes.size:
        yield from text_faults(votes, "submission", ids)
        numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in votes.dtypes]
        values = votes.loc[:, numeric].to_numpy(np.float64, na_value=np.nan)
        sums = values.shape[1] == len(VOTE_COLUMNS)
        yield from value_faults(values, "submission", ids, sums=sums)


def _some(names):
    names = [str(name)[:40] for name in names]
    return f"{names[:7]} and {len(names) - 7} more" if len(names) > 7 else f"{names}"


def _ids(table):
    """Return the ids, those that stand as text as the whole numbers that they are."""
    if "eeg_id" not in table:
        return pd.Series([f"row {number}" for number in range(1, len(table) + 1)])
    if pd.api.types.is_numeric_dtype(table.eeg_id):
        return table.eeg_id
    return pd.Series([_whole(each) for each in table.eeg_id], table.index, object)


def _whole(text):
    try:
        number = float(text)
        return int(number) if number.is_integer() else text
    except (TypeError, ValueError):
        return text


def diagnose(path, test, example=None):
    """Find all that is wrong with a submission, and what is odd about it.

    Parameters
    ----------
    path : path-like
        Any file.
    test : DataFrame
        As read from ``test.csv``; of rows that repeat an id the first counts.
    example : path-like, optional
        ``sample_submission.csv``, to see whether it was handed in.

    Returns
    -------
    DataFrame
        ``level``, which is ``error`` for what Kaggle would refuse or score
        wrongly and ``warning`` for what it would not mention, and ``finding``;
        errors come first and in Kaggle's order. Empty for a good submission.

    Raises
    ------
    ValueError
        If the test table has no ``eeg_id``.
    """
    if "eeg_id" not in test:
        raise ValueError(f"expected eeg_id in the test table, found {list(test)}")
    found = []
    if test.eeg_id.duplicated().any():
        test = test.drop_duplicates("eeg_id")
        found.append(("warning", f"test.csv repeats ids: one row for each of {len(test)} counts"))
    table, of_file = _read(path)
    found += of_file
    if table is not None:
        found += [("error", fault) for fault in _faults(table, test)]
        if set(COLUMNS) <= set(table):
            found += [("warning", doubt) for doubt in _doubts(table, test, example)]
    return pd.DataFrame(sorted(found, key=lambda each: each[0]), columns=["level", "finding"])


def _read(path):
    """Return a file's table, or None, and findings about the file itself."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # reading a device or a pipe may never end
            return None, [("error", "the file cannot be read: not a regular file")]
        if (size := path.stat().st_size) > _LARGEST_FILE:
            return None, [("error", f"expected a small CSV table, found {size / 1e6:.0f} MB")]
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        return None, [("error", f"the file cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return None, [("error", "expected a CSV table in UTF-8, found other bytes")]
    if "\0" in text:
        return None, [("error", "expected a CSV table in UTF-8, found bytes of zero")]
    if not text.strip():
        return None, [("error", "the file is empty")]
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        if fault := _layout_fault(rows):
            return None, [("error", fault)]
        table = pd.read_csv(io.StringIO(text), low_memory=False)
    except (ValueError, csv.Error) as error:
        # pandas' errors of a broken table are ValueErrors.
        reason = str(error).strip().partition("\n")[0]
        return None, [("error", f"expected a CSV table, found one that fails: {reason}")]
    found = []
    header = rows[0]
    if again := [number for number, row in enumerate(rows[1:], 2) if row == header]:
        found.append(("error", f"the header stands again in row {again[0]}"))
    if content.startswith(b"\xef\xbb\xbf"):
        found.append(("warning", "the file begins with a byte order mark"))
    if "eeg_id" in header:
        ids = [row[header.index("eeg_id")] for row in rows[1:] if row != header]
        if odd := [each for each in ids if not re.fullmatch("[0-9]+", each)]:
            found.append(
                ("warning", f"{len(odd)} ids are not written as whole numbers, first {odd[0]!r}")
            )
    return table, found


def _layout_fault(rows):
    """Return why lines are no table of commas, or an empty string."""
    header = rows[0]
    if len(header) == 1:
        other = next((mark for mark in ";\t|" if mark in header[0]), None)
        found = f"{other!r} between them" if other else f"one column, {header[0][:40]!r}"
        return f"expected columns with commas between them, found {found}"
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            return f"row {number} has {len(row)} values, the header {len(header)}"
    repeated = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    return f"the header repeats columns: {_some(repeated)}" if repeated else ""


def _doubts(table, test, example):
    """Yield what Kaggle would not mention and nobody wants."""
    ids, expected = _ids(table), test.eeg_id
    if list(ids) != list(expected) and sorted(ids, key=str) == sorted(expected, key=str):
        yield (
            "rows are in another order than in test.csv: Kaggle's metric compares row with row, "
            "whatever their eeg_id"
        )
    votes = table[list(VOTE_COLUMNS)]
    if votes.empty or not all(pd.api.types.is_numeric_dtype(dtype) for dtype in votes.dtypes):
        return
    values = votes.to_numpy(np.float64)
    if len(values) > 1 and (values == values[0]).all():
        yield f"all {len(values)} rows are equal, as if nothing had been predicted"
    for name, largest in zip(VOTE_COLUMNS, values.max(axis=0), strict=True):
        if largest <= _RARE:
            yield f"{name} is never above {_RARE}: at most {largest:.2g}"
    extreme = ((values >= 0) & (values <= EPSILON)) | ((values >= 1 - EPSILON) & (values <= 1))
    extreme = extreme.any(axis=1)
    if extreme.any():
        yield (
            f"{extreme.sum()} of {len(values)} rows hold values that Kaggle clips, within "
            f"{EPSILON} of zero or one, first {ids.iloc[int(np.argmax(extreme))]}: votes for a "
            "class that was ruled out cost up to 34.5"
        )
    excess = np.abs(values.sum(axis=1) - 1)
    just = (excess > _JUST) & np.isclose(values.sum(axis=1), 1)
    if just.any():
        worst = int(np.argmax(np.where(just, excess, 0)))
        yield (
            f"{just.sum()} of {len(values)} rows add to one only within Kaggle's tolerance of "
            f"1e-5, {ids.iloc[worst]} by {excess[worst]:.1g}"
        )
    given = None if example is None else _read(example)[0]
    if given is not None and list(given) == list(table) and given.equals(table):
        yield "it is sample_submission.csv, unchanged"
