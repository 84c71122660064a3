"""What is wrong with ids and probabilities, in the order and words of Kaggle's metric."""

import numpy as np
import pandas as pd

_TOLERANCE = 1e-8 + 1e-5  # of row sums, that of numpy.allclose


def check_ids(expected, found):
    """Raise ValueError unless `found` has each of the `expected` ids exactly once.

    Parameters
    ----------
    expected, found : Series
        Ids of the solution or test table, and of the submission.

    Returns
    -------
    ndarray of int, shape (n_rows,), or slice
        Where the expected ids are in `found`, to index with.
    """
    index = pd.Index(found)
    if index.is_unique:
        if len(index) and np.array_equal(found, expected):  # as is usual: nothing to look up
            return slice(None)
        order = index.get_indexer(expected)
        if len(order) == len(index) > 0 and order.min() >= 0 and np.bincount(order).max() == 1:
            return order
    for fault in id_faults(expected, found):
        raise ValueError(fault)
    return order


def id_faults(expected, found):
    """Yield what keeps `found` from having each of the `expected` ids exactly once."""
    if not len(expected):
        yield "expected at least one row to score, found none"
    for message, ids in (
        ("solution repeats ids", expected[expected.duplicated()].unique()),
        ("submission repeats ids", found[found.duplicated()].unique()),
        ("submission lacks ids", expected[~expected.isin(found)].unique()),
        ("submission has ids that are not asked for", found[~found.isin(expected)].unique()),
    ):
        if len(ids):
            yield f"{message}: {len(ids)}, first {np.array(ids[:3]).tolist()}"


def check_probabilities(table, name, ids):
    """Raise ValueError, in Kaggle's order, unless every row is a distribution.

    Parameters
    ----------
    table : DataFrame
        Class columns only.
    name : str
        What to call the table in the message.
    ids : Series
        Of the rows, for the message.

    Returns
    -------
    ndarray of float64, shape of `table`
    """
    for fault in text_faults(table, name, ids):
        raise ValueError(fault)
    values = np.ascontiguousarray(table.to_numpy(np.float64, na_value=np.nan))
    for fault in value_faults(values, name, ids):
        raise ValueError(fault)
    return values


def text_faults(table, name, ids):
    """Yield in Kaggle's words which columns of probabilities are no numbers.

    Parameters
    ----------
    table, name, ids
        As for `check_probabilities`.
    """
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            text = pd.to_numeric(table[column], errors="coerce").isna() & table[column].notna()
            row = int(np.argmax(text))
            found = f"{table[column].iloc[row]!r} for {ids.iloc[row]}" if text.any() else "text"
            yield f"All target values in {name} must be numeric: found {found} in {column}"


def value_faults(values, name, ids, *, sums=True):
    """Yield in Kaggle's order and words which rows are no distributions.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_classes)
    name, ids
        As for `check_probabilities`.
    sums : bool
        Whether rows should add to one, as they do if no class is missing.
    """
    total = values.sum(axis=1)
    in_range = values.size and values.min() >= 0 and values.max() <= 1  # not so with NaN
    if in_range and (not sums or np.abs(total - 1).max() <= _TOLERANCE):
        return
    for words, wrong in (
        (f"All target values in {name} must be at least zero", values < 0),
        (f"All target values in {name} must be no greater than one", values > 1),
        (
            f"Target values in {name} do not add to one within all rows",
            sums & ~(np.abs(total[:, None] - 1) <= _TOLERANCE),
        ),
    ):
        if wrong.any():
            rows = np.flatnonzero(wrong.any(axis=1))
            found = ", ".join(f"{value:.4g}" for value in values[rows[0]])
            yield (
                f"{words}: {len(rows)} of {len(values)} rows do not, "
                f"first {ids.iloc[rows[0]]} with [{found}]"
            )
