"""Kullback-Leibler divergence as the competition computes it, and its uncertainty."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, WELL_VOTED

EPSILON = 1e-15
_REPLICATES = 2000


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
    target, prediction = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    if target.ndim != 2 or target.shape != prediction.shape:
        raise ValueError(
            "expected target and prediction of one shape (n_rows, n_classes), "
            f"found {target.shape} and {prediction.shape}"
        )
    for name, values in (("target", target), ("prediction", prediction)):
        if not (values >= 0).all():
            row = int(np.argmax(~(values >= 0).all(axis=1)))
            raise ValueError(f"expected {name} of zero and more, found {values[row]} in row {row}")
    total = target.sum(axis=1, keepdims=True)
    if not total.all():
        row = int(np.argmin(total))
        raise ValueError(f"expected votes in every row of target, found none in row {row}")
    return _divergence(target / total, prediction)


def _divergence(shares, prediction):
    clipped = np.clip(prediction, EPSILON, 1 - EPSILON)
    logarithm = np.log(np.where(shares > 0, shares, 1)) - np.log(clipped)
    return (shares * logarithm).sum(axis=1)


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
        The mean of row sums. Kaggle's ``micro_average=False``, the mean over
        columns, is this divided by the number of classes.

    Raises
    ------
    ValueError
        As `row_divergence`, and if there are no rows or weights do not fit.
    """
    rows = row_divergence(target, prediction)
    if not len(rows):
        raise ValueError("expected at least one row to score, found none")
    if weights is not None and np.shape(weights) != rows.shape:
        raise ValueError(f"expected {len(rows)} weights, found shape {np.shape(weights)}")
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
        the tolerance of `numpy.allclose`.
    """
    classes = [name for name in solution.columns if name not in (row_id, weights)]
    for name, table, columns in (
        ("solution", solution, [row_id] + ([weights] if weights else [])),
        ("submission", submission, [row_id, *classes]),
    ):
        if missing := [column for column in columns if column not in table.columns]:
            raise ValueError(f"missing column in the {name}: {', '.join(map(str, missing))}")
    check_ids(solution[row_id], submission[row_id])
    submission = submission.set_index(row_id).loc[solution[row_id], classes]
    for name, table in (("solution", solution[classes]), ("submission", submission)):
        check_probabilities(table, name)
    rows = _divergence(solution[classes].to_numpy(np.float64), submission.to_numpy(np.float64))
    return float(np.average(rows, weights=None if weights is None else solution[weights]))


def check_ids(expected, found):
    """Raise ValueError unless `found` has each of the `expected` ids exactly once.

    Parameters
    ----------
    expected, found : Series
        Ids of the solution or test table, and of the submission.
    """
    for name, ids in (("solution", expected), ("submission", found)):
        _refuse(f"{name} repeats ids", ids[ids.duplicated()].unique())
    _refuse("submission lacks ids", expected[~expected.isin(found)])
    _refuse("submission has ids that are not asked for", found[~found.isin(expected)])
    if not len(expected):
        raise ValueError("expected at least one row to score, found none")


def _refuse(message, ids):
    if len(ids):
        raise ValueError(f"{message}: {len(ids)}, first {list(ids[:3])}")


def check_probabilities(table, name):
    """Raise ValueError, in Kaggle's order, unless every row is a distribution.

    Parameters
    ----------
    table : DataFrame
        Class columns only.
    name : str
        What to call the table in the message.
    """
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"{name} must be numeric, found {table[column].dtype} in {column}")
    values = table.to_numpy(np.float64)
    for what, bad in (
        ("must be at least zero", (values < 0).any(axis=1)),
        ("must be no greater than one", (values > 1).any(axis=1)),
        ("must add to one in all rows", ~np.isclose(values.sum(axis=1), 1)),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} {what}: {bad.sum()} of {len(table)} rows do not, "
                f"first {table.index[row]} with {values[row].tolist()}"
            )


def fold_priors(shares, folds):
    """Predict for each row the mean vote share of all rows outside its fold.

    Parameters
    ----------
    shares : ndarray, shape (n_rows, n_classes)
    folds : ndarray of int, shape (n_rows,)

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes)
        What a model without eyes would answer, from its training patients.
    """
    prior = np.empty(shares.shape)
    for fold in np.unique(folds):
        prior[folds == fold] = shares[folds != fold].mean(axis=0)
    return prior


def bootstrap_interval(rows, patients):
    """Estimate how far a mean of row scores depends on who the patients were.

    Patients, not rows, are drawn with replacement, as rows of one patient are
    alike; by patient sums, so the number of rows costs nothing.

    Parameters
    ----------
    rows : ndarray, shape (n_rows,)
        Row scores, or differences between two models' row scores.
    patients : ndarray, shape (n_rows,)

    Returns
    -------
    low, high : float
        95 % percentile interval of 2,000 draws; NaN for fewer than two patients.
    """
    _, patient = np.unique(patients, return_inverse=True)
    sums, counts = np.bincount(patient, rows), np.bincount(patient)
    if len(sums) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), _REPLICATES)
    means = (draws @ sums) / (draws @ counts)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def scorecard(votes, predictions, patients):
    """Tabulate the divergence of several predictions on the strata of interest.

    Parameters
    ----------
    votes : ndarray, shape (n_rows, 6)
        Vote counts.
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    patients : ndarray, shape (n_rows,)

    Returns
    -------
    DataFrame
        One row for each model and stratum with any rows: ``model, rows, kl, low,
        high, n_rows, n_patients``, the bounds of the 95 % patient bootstrap.
    """
    votes, patients = np.asarray(votes), np.asarray(patients)
    n_votes = votes.sum(axis=1)
    strata = {
        "all rows": n_votes > 0,
        "3-9 votes": (n_votes >= 3) & (n_votes < WELL_VOTED),
        f">= {WELL_VOTED} votes": n_votes >= WELL_VOTED,
    }
    lines = []
    for model, prediction in predictions.items():
        divergence = row_divergence(votes, prediction)
        for name, mask in strata.items():
            if mask.any():
                low, high = bootstrap_interval(divergence[mask], patients[mask])
                lines.append((model, name, divergence[mask].mean(), low, high, mask.sum()))
                lines[-1] += (len(np.unique(patients[mask])),)
    columns = ["model", "rows", "kl", "low", "high", "n_rows", "n_patients"]
    return pd.DataFrame(lines, columns=columns)


def differences(votes, predictions, patients, pairs):
    """Tabulate how much better one prediction is than another on the same rows.

    Parameters
    ----------
    votes : ndarray, shape (n_rows, 6)
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    patients : ndarray, shape (n_rows,)
    pairs : list of tuple of str
        The models to compare.

    Returns
    -------
    DataFrame
        One row for each pair: ``model, against, difference, low, high``, the mean
        difference of row divergences and the bounds of its 95 % patient
        bootstrap; negative where `model` is the better one.
    """
    rows = {name: row_divergence(votes, answer) for name, answer in predictions.items()}
    lines = []
    for model, against in pairs:
        difference = rows[model] - rows[against]
        interval = bootstrap_interval(difference, patients)
        lines.append((model, against, difference.mean(), *interval))
    return pd.DataFrame(lines, columns=["model", "against", "difference", "low", "high"])


def per_class(votes, prediction):
    """Tabulate how a prediction shares out its divergence and votes by class.

    Parameters
    ----------
    votes, prediction : ndarray, shape (n_rows, 6)

    Returns
    -------
    DataFrame
        Indexed by class: ``rows`` with that consensus, their mean ``kl``, and
        the mean ``voted`` and ``predicted`` share over all rows.
    """
    votes, prediction = np.asarray(votes), np.asarray(prediction)
    consensus = votes.argmax(axis=1)
    divergence = pd.Series(row_divergence(votes, prediction)).groupby(consensus).mean()
    return pd.DataFrame(
        {
            "rows": np.bincount(consensus, minlength=len(CLASSES)),
            "kl": divergence.reindex(range(len(CLASSES))).to_numpy(),
            "voted": (votes / votes.sum(axis=1, keepdims=True)).mean(axis=0),
            "predicted": prediction.mean(axis=0),
        },
        index=pd.Index(CLASSES, name="class"),
    )
