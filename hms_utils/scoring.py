"""Kullback-Leibler divergence as the competition computes it."""

import numpy as np
import pandas as pd

EPSILON = 1e-15
_TOLERANCE = 1e-8 + 1e-5  # of row sums, that of numpy.allclose
_BLOCK = 8192  # rows whose temporaries stay in the processor's cache


def row_divergence(target, prediction):
    """Compute each row's Kullback-Leibler divergence of predictions from votes.

    The sum over classes of y ln(y / p), where y = 0 counts 0 and only p is
    clipped, to [1e-15, 1 - 1e-15], without being normalised after; Kaggle's
    ``kullback_leibler_divergence``.

    Parameters
    ----------
    target : array-like, shape (n_rows, n_classes)
        Votes or their shares; divided by their row sums.
    prediction : array-like, shape (n_rows, n_classes)
        Probabilities.

    Returns
    -------
    ndarray of float64, shape (n_rows,)

    Raises
    ------
    ValueError
        If shapes differ, values are missing or negative, or a row of `target`
        is all zero.
    """
    target, prediction = _checked(target, prediction)
    return _row_sums(_terms(target, prediction), len(target))


def class_divergence(target, prediction):
    """Compute what each class adds to the mean divergence.

    Parameters
    ----------
    target, prediction : array-like, shape (n_rows, n_classes)
        As for `row_divergence`.

    Returns
    -------
    ndarray of float64, shape (n_classes,)
        Adds to `kl_divergence`; its mean is Kaggle's ``micro_average=False``. A
        class that is answered too often has a negative part.

    Raises
    ------
    ValueError
        As `row_divergence`, and if there are no rows.
    """
    target, prediction = _checked(target, prediction)
    _require_rows(len(target))
    return sum(terms.sum(axis=0) for terms in _terms(target, prediction)) / len(target)


def kl_divergence(target, prediction, weights=None):
    """Compute the mean Kullback-Leibler divergence of predictions from votes.

    Parameters
    ----------
    target, prediction : array-like, shape (n_rows, n_classes)
        As for `row_divergence`.
    weights : array-like, shape (n_rows,), optional
        Weight of each row.

    Returns
    -------
    float
        The mean of row sums.

    Raises
    ------
    ValueError
        As `row_divergence`, and if there are no rows or weights do not fit.
    """
    rows = row_divergence(target, prediction)
    _require_rows(len(rows))
    return _mean(rows, weights)


def _checked(target, prediction):
    target, prediction = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    if target.ndim != 2 or target.shape != prediction.shape:
        raise ValueError(
            "expected target and prediction of one shape (n_rows, n_classes), "
            f"found {target.shape} and {prediction.shape}"
        )
    for name, values in (("target", target), ("prediction", prediction)):
        if values.size and not values.min() >= 0:  # which NaN is not either
            bad = ~(values >= 0).all(axis=1)
            row = int(np.argmax(bad))
            raise ValueError(
                f"expected {name} of zero and more, found {values[row]} in row {row}; "
                f"{bad.sum()} of {len(values)} rows are wrong"
            )
    return target, prediction


def _terms(target, prediction, *, normalise=True):
    """Yield y ln(y / p) block by block, (n_rows, n_classes)."""
    for start in range(0, len(target), _BLOCK):
        shares = target[start : start + _BLOCK]
        if normalise:
            total = shares @ np.ones((shares.shape[1], 1))
            if not total.all():
                row = start + int(np.argmin(total))
                raise ValueError(f"expected votes in every row of target, found none in row {row}")
            shares = shares / total
        terms = np.clip(prediction[start : start + _BLOCK], EPSILON, 1 - EPSILON)
        # Of a share of zero any finite logarithm will do.
        np.divide(np.maximum(shares, np.finfo(float).tiny), terms, out=terms)
        np.log(terms, out=terms)
        terms *= shares
        yield terms


def _row_sums(blocks, n_rows):
    # A product with ones is several times as fast as a sum over so few columns.
    sums = [terms @ np.ones(terms.shape[1]) for terms in blocks]
    return np.concatenate(sums) if n_rows else np.empty(0)


def _require_rows(n_rows):
    if not n_rows:
        raise ValueError("expected at least one row to score, found none")


def _mean(rows, weights):
    if weights is None:
        return float(rows.mean())
    weights = np.asarray(weights, np.float64)
    if weights.shape != rows.shape or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(
            f"expected {len(rows)} weights of zero and more, not all zero, found an array of shape "
            f"{weights.shape} with {(~(weights >= 0)).sum()} that are negative or missing"
        )
    return float(np.average(rows, weights=weights))


def score(solution, submission, row_id="eeg_id", *, weights=None):
    """Score a submission as the competition's page does, but joined by id.

    The competition's code changes its inputs and deletes the id column without
    joining on it; this function does neither.

    Parameters
    ----------
    solution : DataFrame
        The id column and the vote shares; every other column but `weights` is
        a class.
    submission : DataFrame
        The id column and the same classes, in any order of rows and columns.
    row_id : str
        The id column.
    weights : str, optional
        A column of `solution` with the weight of each row.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        In this order: a missing column; repeated, missing or extra ids; then
        for the solution and after it for the submission: values that are not
        numbers, below zero, above one, or rows that do not add to one within
        the tolerance of `numpy.allclose`; last weights that do not fit.
    """
    classes = [name for name in solution.columns if name not in (row_id, weights)]
    for name, table, columns in (
        ("solution", solution, [row_id] + ([weights] if weights else [])),
        ("submission", submission, [row_id, *classes]),
    ):
        if missing := [column for column in columns if column not in table.columns]:
            raise ValueError(f"missing column in the {name}: {', '.join(map(str, missing))}")
    order = check_ids(solution[row_id], submission[row_id])
    expected = check_probabilities(solution[classes], "solution", solution[row_id])
    found = check_probabilities(submission[classes], "submission", submission[row_id])
    rows = _row_sums(_terms(expected, found[order], normalise=False), len(expected))
    return _mean(rows, None if weights is None else solution[weights])


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
    total = values @ np.ones(values.shape[1])
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
