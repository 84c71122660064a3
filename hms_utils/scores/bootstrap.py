"""Intervals that depend on who the patients were."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats

FEW_PATIENTS = 20  # of which nothing should be made much of
_FEW_HITS = 10  # patients with one, or without, that a rate hangs on
_REPLICATES = 2000
_BOUNDS = (0.025, 0.975)


def bounds(replicates):
    """Return the 95 % percentile interval along the first axis, (2, ...), ignoring NaN."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # where all are NaN
        return np.nanquantile(replicates, _BOUNDS, axis=0)


def means(values, patients, *, counts=None):
    """Draw patients with replacement, and return the means over their rows.

    Patients, not rows, as rows of one patient are alike; by patient sums, so the
    number of rows costs nothing.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_values)
    patients : ndarray, shape (n_rows,)
    counts : ndarray, shape (n_rows, n_values), optional
        1 where a value counts, 0 where not; default: all do.

    Returns
    -------
    ndarray of float64, shape (2000, n_values)
        NaN where no patient with rows that count was drawn.
    """
    numbers, patient = np.unique(patients, return_inverse=True)
    counts = np.ones(values.shape) if counts is None else counts
    sums, sizes = np.zeros((2, len(numbers), values.shape[1]))
    for k in range(values.shape[1]):
        sums[:, k] = np.bincount(patient, values[:, k] * counts[:, k], len(numbers))
        sizes[:, k] = np.bincount(patient, counts[:, k], len(numbers))
    drawn = draws(len(numbers))
    with np.errstate(invalid="ignore"):
        return (drawn @ sums) / (drawn @ sizes)


def draws(n_patients, n_replicates=_REPLICATES):
    """Return how often each patient is drawn, float64 of shape (n_replicates, n_patients)."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, n_patients, (n_replicates, n_patients))
    drawn += n_patients * np.arange(n_replicates)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_replicates * n_patients)
    return counts.reshape(n_replicates, n_patients).astype(float)


def interval(values, patients):
    """Return the 95 % bootstrap interval of a mean.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
        Row scores, or differences between two models' row scores.
    patients : ndarray, shape (n_rows,)

    Returns
    -------
    low, high : float
        Percentiles over draws of patients; NaN for fewer than two of them.
    """
    if len(np.unique(patients)) < 2:
        return np.nan, np.nan
    low, high = bounds(means(np.asarray(values)[:, None], patients)[:, 0])
    return float(low), float(high)


def rate_interval(hits, patients):
    """Return the 95 % interval of a rate.

    As `interval`, but exact (Clopper and Pearson), as if each patient had one row, where a
    bootstrap has too little to draw from: of fewer than 20 patients, or where fewer than 10
    have a hit, or a miss. Of one hit in 92 rows it would say 0 to 3 %; the exact bounds reach
    6 % if the rows are of as many patients.

    Parameters
    ----------
    hits : ndarray of bool or of 0 and 1, shape (n_rows,)
    patients : ndarray, shape (n_rows,)

    Returns
    -------
    low, high : float
        NaN without rows.
    """
    number = len(np.unique(patients))
    if not number:
        return np.nan, np.nan
    hanging = min(len(np.unique(patients[hits == value])) for value in (0, 1))
    if number >= FEW_PATIENTS and hanging >= _FEW_HITS:
        return interval(hits, patients)
    k = np.mean(hits) * number  # not whole where patients have several rows
    low = stats.beta.ppf(_BOUNDS[0], k, number - k + 1) if k else 0.0
    high = stats.beta.ppf(_BOUNDS[1], k + 1, number - k) if k < number else 1.0
    return float(low), float(high)


def summarise(table, patients):
    """Tabulate the mean of each column, with its 95 % bootstrap interval over patients.

    Parameters
    ----------
    table : DataFrame
        Values of rows, such as `networks.explain` tests.
    patients : array-like, shape (n_rows,)

    Returns
    -------
    DataFrame
        Indexed by column: ``mean, low, high`` and the numbers ``n_rows`` and
        ``n_patients``; missing values are left out.
    """
    lines = []
    for name, column in table.items():
        known = column.notna().to_numpy()
        values, of = column[known], np.asarray(patients)[known]
        lines.append((name, values.mean(), *interval(values, of), len(values), len(np.unique(of))))
    columns = ["measure", "mean", "low", "high", "n_rows", "n_patients"]
    return pd.DataFrame(lines, columns=columns).set_index("measure")
