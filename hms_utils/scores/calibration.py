"""Whether predicted shares are those that are voted, and how near they can be expected to be."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap

_DRAWS = 500


def reliability(table, prediction, *, n_bins=10):
    """Compare predicted shares with vote shares, class by class.

    Parameters
    ----------
    table : DataFrame
        With ``patient_id`` and the vote columns.
    prediction : ndarray, shape (n_rows, 6)
    n_bins : int
        Rows are sorted by their predicted share and cut into so many groups of
        the same size (fewer where there are fewer rows).

    Returns
    -------
    DataFrame
        For each class and group: ``class, predicted, voted, low, high, n_rows``, the
        mean predicted and voted shares, the latter with the bounds of its 95 %
        patient bootstrap.
    """
    shares, patients, lines = vote_shares(table), table.patient_id.to_numpy(), []
    for number, name in enumerate(CLASSES):
        for rows in _bins(prediction[:, number], n_bins):
            means = prediction[rows, number].mean(), shares[rows, number].mean()
            bounds = bootstrap.interval(shares[rows, number], patients[rows])
            lines.append((name, *means, *bounds, len(rows)))
    return pd.DataFrame(lines, columns=["class", "predicted", "voted", "low", "high", "n_rows"])


def _bins(predicted, n_bins):
    """Return the numbers of the rows in each group of `reliability`."""
    order = np.argsort(predicted, kind="stable")
    return np.array_split(order, min(n_bins, len(order)))


def calibration_error(curve):
    """Return the expected calibration error of each class.

    Parameters
    ----------
    curve : DataFrame
        As `reliability` returns it.

    Returns
    -------
    Series
        By class, the mean distance of the voted from the predicted share, weighted
        by rows (Naeini et al. 2015). Not zero even of right answers, as votes scatter:
        see `errors_by_chance`.
    """
    distance = (curve.predicted - curve.voted).abs() * curve.n_rows
    total = curve.n_rows.groupby(curve["class"], sort=False).sum()
    return distance.groupby(curve["class"], sort=False).sum() / total


def errors_by_chance(table, prediction, concentration, *, n_bins=10):
    """Draw the calibration errors that right answers would have on the same panels.

    Opinions are drawn around the predictions and votes around the opinions, as
    `fit_concentration` takes them to be, each row by itself.

    Parameters
    ----------
    table : DataFrame
        With the vote columns, which give the sizes of the panels.
    prediction : ndarray, shape (n_rows, 6)
    concentration : float
        As `fit_concentration` returns it.
    n_bins : int
        As for `reliability`.

    Returns
    -------
    ndarray of float64, shape (500,)
        Of each draw the mean over classes of its `calibration_error`.
    """
    rng = np.random.default_rng(0)
    total = table[list(VOTE_COLUMNS)].to_numpy().sum(axis=1)
    alpha = concentration * np.maximum(prediction, 1e-9)
    bins = [_bins(shares, n_bins) for shares in np.transpose(prediction)]
    errors = np.zeros(_DRAWS)
    for draw in range(_DRAWS):
        opinion = np.maximum(rng.standard_gamma(alpha), 1e-300)
        opinion /= opinion.sum(axis=1, keepdims=True)
        excess = prediction - rng.multinomial(total, opinion) / total[:, None]
        errors[draw] = sum(
            abs(excess[rows, number].sum()) for number, parts in enumerate(bins) for rows in parts
        )
    return errors / prediction.size
