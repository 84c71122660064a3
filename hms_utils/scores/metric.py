"""Kullback-Leibler divergence as the competition computes it."""

import numpy as np
from scipy.special import rel_entr

from hms_utils.scores import fast
from hms_utils.scores.faults import check_ids, check_probabilities

EPSILON = fast.EPSILON


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
    return _terms(target, prediction).sum(axis=1)


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
    terms = _terms(target, prediction)
    _require_rows(terms)
    return terms.mean(axis=0)


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
    _require_rows(rows)
    return _mean(rows, weights)


def _terms(target, prediction):
    """Return y ln(y / p) of each row and class."""
    target, prediction = check_arrays(target, prediction)
    shares = target / target.sum(axis=1, keepdims=True)
    return rel_entr(shares, np.clip(prediction, EPSILON, 1 - EPSILON))


def check_arrays(target, prediction):
    """Return target and prediction as float64, or raise ValueError as `row_divergence` does."""
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
    empty = ~target.any(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise ValueError(f"expected votes in every row of target, found none in row {row}")
    return target, prediction


def _require_rows(rows):
    if not len(rows):
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
    rows = fast.row_divergence(expected, found[order])
    return _mean(rows, None if weights is None else solution[weights])
