"""How sure predictions are, and whether they should be."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from hms_utils.constants import VOTE_COLUMNS
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.marks import estimated_floor

_CONCENTRATIONS = (0.5, 1000.0)
_REPLICATES = 1000  # each of them ranks all rows anew


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


def doubt(table, predictions):
    """Ask whether answers are split where experts are, and as much.

    Parameters
    ----------
    table : DataFrame
        ``patient_id`` and the vote columns; rows of about ten or more votes.
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.

    Returns
    -------
    DataFrame
        Indexed by model: Spearman's ``rank`` correlation of its `entropy` with
        `expert_entropy`, the mean entropies ``model`` and ``experts`` and their ``gap``,
        model less experts, in nats; rank and gap with the bounds ``_low`` and ``_high`` of
        their 95 % bootstrap over patients, ``n_patients``. The votes' own scatter keeps the rank
        below one.
    """
    experts, patients = expert_entropy(table), table.patient_id.to_numpy()
    _, patient = np.unique(patients, return_inverse=True)
    drawn = bootstrap.draws(patient.max() + 1, _REPLICATES).astype(int)[:, patient]
    samples = [np.repeat(np.arange(len(table)), times) for times in drawn]
    lines = {}
    for name, prediction in predictions.items():
        model = entropy(prediction)
        ranks = [_spearman(model[rows], experts[rows]) for rows in samples]
        low, high = bootstrap.bounds(np.array(ranks)) if patient.any() else (np.nan, np.nan)
        gap_low, gap_high = bootstrap.interval(model - experts, patients)
        lines[name] = {
            "rank": _spearman(model, experts),
            "rank_low": low,
            "rank_high": high,
            "model": model.mean(),
            "experts": experts.mean(),
            "gap": (model - experts).mean(),
            "gap_low": gap_low,
            "gap_high": gap_high,
            "n_patients": patient.max() + 1,
        }
    return pd.DataFrame(lines).T.rename_axis("answer")


def _spearman(one, other):
    ranks = stats.rankdata([one, other], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # where all are alike
        return (ranks[0] * ranks[1]).sum() / np.sqrt((ranks**2).sum(axis=1).prod())


def fit_concentration(votes, prediction):
    """Find how closely votes keep to predicted shares.

    The votes for the most probable class are taken to follow a beta-binomial
    distribution around its predicted share p, of parameters c p and c (1 - p); c has
    the largest likelihood. Of that class alone, since it is what `coverage` judges:
    the many zeros of the others would make c too large for it.

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
    votes, prediction = np.asarray(votes), np.asarray(prediction)
    top, rows = prediction.argmax(axis=1), np.arange(len(votes))
    share, cast = np.clip(prediction[rows, top], 1e-9, 1 - 1e-9), votes[rows, top]
    panel = votes.sum(axis=1)

    def loss(logarithm):
        c = np.exp(logarithm)
        return -stats.betabinom.logpmf(cast, panel, c * share, c * (1 - share)).mean()

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
    panel = np.broadcast_to(np.reshape(n_votes, (-1, 1)), prediction.shape)
    return _quantiles(_at_most(prediction, panel, concentration), level)


def _at_most(shares, panel, concentration):
    """Return how probable it is that 0, 1, ... of a panel, up to the largest, vote so."""
    shares = np.clip(shares, 1e-9, 1 - 1e-9)
    counts = stats.betabinom(panel, concentration * shares, concentration * (1 - shares))
    # Many times as fast as its ppf and cdf.
    return np.cumsum([counts.pmf(count) for count in range(np.max(panel) + 1)], axis=0)


def _quantiles(at_most, level):
    return tuple((at_most[:-1] < edge).sum(axis=0) for edge in ((1 - level) / 2, (1 + level) / 2))


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
        For each level: ``level``; ``attainable``, what the same intervals would cover
        if votes scattered around the answers as was fitted, more than the level as
        counts are whole; the share ``covered`` of rows whose votes for the most
        probable class are within, and its 95 % bounds ``low, high`` over ``n_patients``.
    """
    votes, folds = table[list(VOTE_COLUMNS)].to_numpy(), table.fold.to_numpy()
    top, rows = prediction.argmax(axis=1), np.arange(len(votes))
    share, cast, panel = prediction[rows, top], votes[rows, top], votes.sum(axis=1)
    within, expected = np.empty((2, len(levels), len(votes)))
    for fold in np.unique(folds):
        own = folds == fold
        concentration = fit_concentration(votes[~own], prediction[~own])
        at_most = _at_most(share[own], panel[own], concentration)
        below = np.vstack([np.zeros(own.sum()), at_most])  # fewer than 0, 1, ...
        columns = np.arange(own.sum())
        for number, level in enumerate(levels):
            low, high = _quantiles(at_most, level)
            within[number, own] = (low <= cast[own]) & (cast[own] <= high)
            expected[number, own] = at_most[high, columns] - below[low, columns]
    lines, patients = [], table.patient_id.to_numpy()
    for level, attainable, covered in zip(levels, expected.mean(axis=1), within, strict=True):
        bounds = bootstrap.rate_interval(covered, patients)
        lines.append((level, attainable, covered.mean(), *bounds, len(np.unique(patients))))
    columns = ["level", "attainable", "covered", "low", "high", "n_patients"]
    return pd.DataFrame(lines, columns=columns)
