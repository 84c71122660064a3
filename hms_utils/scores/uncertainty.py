"""How sure predictions are, and whether they should be."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.tables import estimated_floor

_CONCENTRATIONS = (0.5, 1000.0)


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
        order = np.argsort(prediction[:, number], kind="stable")
        for rows in np.array_split(order, min(n_bins, len(order))):
            means = prediction[rows, number].mean(), shares[rows, number].mean()
            bounds = bootstrap.interval(shares[rows, number], patients[rows])
            lines.append((name, *means, *bounds, len(rows)))
    return pd.DataFrame(lines, columns=["class", "predicted", "voted", "low", "high", "n_rows"])


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
        by rows (Naeini et al. 2015). Not zero even for a perfect model, as votes
        scatter.
    """
    distance = (curve.predicted - curve.voted).abs() * curve.n_rows
    total = curve.n_rows.groupby(curve["class"], sort=False).sum()
    return distance.groupby(curve["class"], sort=False).sum() / total


def entropy(shares):
    """Return the entropy of each row of shares, in nats."""
    return stats.entropy(shares, axis=1)


def expert_entropy(table):
    """Estimate the entropy of an endless panel's opinion from each row's votes.

    Parameters
    ----------
    table : DataFrame
        With the vote columns; of use from about ten votes.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        Nats; that of the votes' shares is too low by `estimated_floor`.
    """
    return entropy(vote_shares(table)) + estimated_floor(table[list(VOTE_COLUMNS)].to_numpy())


def fit_concentration(votes, prediction):
    """Find how closely votes keep to predicted shares.

    Opinions are taken to scatter around the prediction p as a Dirichlet
    distribution of parameters c p, and the votes of a panel around its opinion;
    c has the largest likelihood (of the Dirichlet-multinomial distribution).

    Parameters
    ----------
    votes, prediction : ndarray, shape (n_rows, 6)
        Predictions of rows that the model has not seen.

    Returns
    -------
    float
        The concentration c, between 0.5 and 1,000; the larger, the better is the
        prediction to be trusted.
    """
    votes, shares = np.asarray(votes), np.maximum(prediction, 1e-9)
    total = votes.sum(axis=1)

    def loss(logarithm):
        alpha = np.exp(logarithm) * shares
        return -stats.dirichlet_multinomial.logpmf(votes, alpha, total).mean()

    best = optimize.minimize_scalar(loss, bounds=np.log(_CONCENTRATIONS), method="bounded")
    return float(np.exp(best.x))


def vote_intervals(prediction, n_votes, concentration, *, level=0.8):
    """Say how many experts of a panel would vote for each class.

    Parameters
    ----------
    prediction : ndarray, shape (n_rows, 6)
    n_votes : int or ndarray of int, shape (n_rows,)
        Size of the panel.
    concentration : float
        As `fit_concentration` returns it.
    level : float
        How often the count should be within; it is more often, as counts are whole.

    Returns
    -------
    low, high : ndarray of int, shape (n_rows, 6)
        Quantiles of the beta-binomial distribution.
    """
    shares = np.clip(prediction, 1e-9, 1 - 1e-9)
    panel = np.broadcast_to(np.reshape(n_votes, (-1, 1)), shares.shape)
    counts = stats.betabinom(panel, concentration * shares, concentration * (1 - shares))
    # Many times as fast as its ppf: what is below each count, up to the largest panel.
    below = np.cumsum([counts.pmf(count) for count in range(panel.max())], axis=0)
    return tuple((below < edge).sum(axis=0) for edge in ((1 - level) / 2, (1 + level) / 2))


def coverage(table, prediction, *, levels=(0.5, 0.8, 0.95)):
    """Check vote intervals on rows that had no part in their concentration.

    Parameters
    ----------
    table : DataFrame
        ``patient_id``, ``fold`` and the vote columns.
    prediction : ndarray, shape (n_rows, 6)
        Out of fold.
    levels : sequence of float

    Returns
    -------
    DataFrame
        For each level: ``level``, the share ``covered`` of rows whose votes for
        the most probable class are within, and its 95 % bounds ``low, high`` over
        patients.
    """
    votes, folds = table[list(VOTE_COLUMNS)].to_numpy(), table.fold.to_numpy()
    top = prediction.argmax(axis=1)[:, None]
    patients = table.patient_id.to_numpy()
    lines = []
    for level in levels:
        within = np.empty(len(votes))
        for fold in np.unique(folds):
            rows = folds == fold
            concentration = fit_concentration(votes[~rows], prediction[~rows])
            low, high = vote_intervals(
                prediction[rows], votes[rows].sum(axis=1), concentration, level=level
            )
            inside = (low <= votes[rows]) & (votes[rows] <= high)
            within[rows] = np.take_along_axis(inside, top[rows], axis=1)[:, 0]
        lines.append((level, within.mean(), *bootstrap.interval(within, patients)))
    return pd.DataFrame(lines, columns=["level", "covered", "low", "high"])
