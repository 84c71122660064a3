"""What scores are compared with: the class prior, and a lower bound from the votes alone."""

import numpy as np
import pandas as pd
from scipy.special import digamma

from hms_utils.constants import CLASSES
from hms_utils.eeg import vote_shares

_PSEUDO_ROWS = 10


def mean_vote(table):
    """Return the mean vote of a table's rows and of one more, whose vote is uniform.

    Of a class that nobody voted for this leaves a small share (additive smoothing with
    one pseudo-row): a prior of zero would cost 34.5 where somebody does.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.

    Returns
    -------
    ndarray of float64, shape (6,)
        Adds to one.
    """
    shares = vote_shares(table).astype(np.float64)
    return (shares.sum(axis=0) + 1 / len(CLASSES)) / (len(shares) + 1)


def fold_priors(table):
    """Predict for each row the mean vote of all rows outside its fold.

    Parameters
    ----------
    table : DataFrame
        With the vote columns and ``fold``.

    Returns
    -------
    ndarray of float64, shape (n_rows, 6)
        What a model without eyes would answer, from its training patients: `mean_vote`.
    """
    folds = table.fold.to_numpy()
    prior = np.empty((len(table), len(CLASSES)))
    for fold in np.unique(folds):
        prior[folds == fold] = mean_vote(table[folds != fold])
    return prior


def group_priors(table, chosen):
    """Predict each row of a group by the mean vote of the group's rows outside its fold.

    Ten more rows that vote as all rows outside the fold do (additive smoothing) keep the mean
    of a small group from being a worse mark than that of all rows.

    Parameters
    ----------
    table : DataFrame
        With the vote columns and ``fold``.
    chosen : ndarray of bool, shape (n_rows,)
        The group.

    Returns
    -------
    ndarray of float64, shape (chosen.sum(), 6)
        Rows add to one.
    """
    folds, shares = table.fold.to_numpy(), vote_shares(table).astype(np.float64)
    prior = fold_priors(table)
    for fold in np.unique(folds):
        own = shares[chosen & (folds != fold)]
        prior[folds == fold] *= _PSEUDO_ROWS
        prior[folds == fold] += own.sum(axis=0)
        prior[folds == fold] /= len(own) + _PSEUDO_ROWS
    return prior[chosen]


def patient_priors(table):
    """Predict each row by the mean vote of its patient's rows outside its fold.

    Ten more rows vote as all rows outside the fold do, as in `group_priors`. Of a patient who
    is in one fold alone only that is left, as of `fold_priors`: so this is what a leak is worth
    by itself, as it looks at no EEG.

    Parameters
    ----------
    table : DataFrame
        With ``patient_id``, the vote columns and ``fold``.

    Returns
    -------
    ndarray of float64, shape (n_rows, 6)
        Rows add to one.
    """
    patients, folds = table.patient_id.to_numpy(), table.fold.to_numpy()
    shares, answers = vote_shares(table).astype(np.float64), fold_priors(table)
    columns = [f"share{number}" for number in range(len(CLASSES))]
    frame = pd.DataFrame(shares, columns=columns).assign(rows=1.0)
    sums = frame.groupby(patients).transform("sum") - frame.groupby([patients, folds]).transform(
        "sum"
    )
    known = sums.rows.to_numpy() > 0
    weighted = _PSEUDO_ROWS * answers + sums[columns].to_numpy()
    answers[known] = weighted[known] / (_PSEUDO_ROWS + sums[["rows"]].to_numpy()[known])
    return answers


def estimated_floor(votes):
    """Estimate each row's expected divergence of its votes from the true opinion.

    Who knows the shares q of an endless panel answers with them, and n votes
    scatter around it: the expected divergence is the entropy of q minus that of
    the votes' shares. The entropy of q is estimated from the counts after
    Grassberger (2003, arXiv:physics/0307138). Only means over many rows are of
    use, and only of rows with about ten or more votes.

    Parameters
    ----------
    votes : ndarray of int, shape (n_rows, n_classes)

    Returns
    -------
    ndarray of float64, shape (n_rows,)
    """
    votes = np.asarray(votes, float)
    total = votes.sum(axis=1)
    n = np.maximum(votes, 1)
    g = digamma(n) + (-1) ** n / 2 * (digamma((n + 1) / 2) - digamma(n / 2))
    return (votes * (np.log(n) - g)).sum(axis=1) / total
