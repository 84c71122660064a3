"""How well each class is told from the others."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.metric import class_divergence, row_divergence

_LEAST_VOTES = 3  # of a consensus
_REPLICATES = 200  # each of them needs all rows, not only sums over patients


def consensus(table):
    """Return the class that most experts of each row named.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        -1 where there is none: of fewer than three votes, or of two largest shares.
    """
    votes = table[list(VOTE_COLUMNS)].to_numpy()
    alone = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return np.where(alone & (votes.sum(axis=1) >= _LEAST_VOTES), votes.argmax(axis=1), -1)


def confusion_counts(table, prediction):
    """Count which class is held most probable where experts have a `consensus`.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.
    prediction : ndarray, shape (n_rows, 6)

    Returns
    -------
    ndarray of int, shape (6, 6)
        By the experts' class and the model's.
    """
    most = consensus(table)
    some, counts = most >= 0, np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(counts, (most[some], prediction[some].argmax(axis=1)), 1)
    return counts


def second_opinions(table):
    """Tabulate what another expert of the same panel says where one has named a class.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.

    Returns
    -------
    DataFrame
        By the class of the one, for each class of the other the probability, over all
        pairs of experts of each row; NaN where nobody of several named a class.
    """
    votes = table[list(VOTE_COLUMNS)].to_numpy(float)
    votes = votes[votes.sum(axis=1) > 1]
    others = votes.sum(axis=1, keepdims=True) - 1
    pairs = votes.T @ (votes / others) - np.diag((votes / others).sum(axis=0))
    with np.errstate(invalid="ignore"):
        shares = pairs / pairs.sum(axis=1, keepdims=True)
    return pd.DataFrame(shares, list(CLASSES), list(CLASSES))


def per_class(table, prediction):
    """Tabulate how well each class is told from the rest.

    Parameters
    ----------
    table : DataFrame
        As for `scorecard`.
    prediction : ndarray, shape (n_rows, 6)

    Returns
    -------
    DataFrame
        Indexed by class: ``n_rows`` of ``n_patients`` with that `consensus` and their mean
        ``kl``; what the class ``adds`` to the mean divergence of all rows; the mean
        ``voted`` and ``predicted`` share of all rows; and, of the consensus against the rest
        of the rows that have one, the area under the ROC curve ``auroc`` and the average
        precision ``ap``, each with 95 % bounds over patients, which are too narrow of few
        patients, and NaN of one. NaN without rows, or without others.
    """
    votes, patients = table[list(VOTE_COLUMNS)].to_numpy(), table.patient_id.to_numpy()
    most, divergence = consensus(table), row_divergence(votes, prediction)
    some = most >= 0
    _, patient = np.unique(patients[some], return_inverse=True)
    # The first counts every patient once.
    n_patients = len(np.unique(patient))
    drawn = np.vstack([np.ones(n_patients), bootstrap.draws(n_patients, _REPLICATES)])
    lines = []
    for number in range(len(CLASSES)):
        rows = most == number
        areas, precisions = ranking(rows[some], prediction[some, number], drawn[:, patient])
        bounds = bootstrap.bounds(np.stack([areas[1:], precisions[1:]], axis=1))
        kl = divergence[rows].mean() if rows.any() else np.nan
        lines.append((rows.sum(), kl, areas[0], *bounds[:, 0], precisions[0], *bounds[:, 1]))
    bounded = ["auroc_low", "auroc_high", "ap_low", "ap_high"]
    columns = ["n_rows", "kl", "auroc", *bounded[:2], "ap", *bounded[2:]]
    result = pd.DataFrame(lines, columns=columns, index=pd.Index(CLASSES, name="class"))
    n_patients = [len(np.unique(patients[most == number])) for number in range(len(CLASSES))]
    result.loc[np.less(n_patients, 2), bounded] = np.nan  # all draws have the same rows of it
    result.insert(1, "n_patients", n_patients)
    result.insert(3, "adds", class_divergence(votes, prediction))
    result.insert(4, "voted", vote_shares(table).mean(axis=0))
    result.insert(5, "predicted", np.mean(prediction, axis=0))
    return result


def alarms(table, prediction, *, name="Seizure", thresholds=(0.2, 0.5)):
    """Tabulate how often a class is found, and how often it is cried for nothing.

    Parameters
    ----------
    table : DataFrame
        ``patient_id`` and the vote columns.
    prediction : ndarray, shape (n_rows, 6)
    name : str
        Of the class.
    thresholds : sequence of float
        An alarm is a predicted share of so much and more. They are to be chosen
        before the rows are seen.

    Returns
    -------
    DataFrame
        For each threshold: ``threshold``; of the ``n_rows`` of ``n_patients`` whose
        `consensus` is the class the number ``found`` and ``sensitivity``; of the
        ``n_others`` of ``n_other_patients`` that have another consensus the number of
        ``false_alarms`` and the ``false_rate``; both rates with 95 % bounds over
        patients, ``_low`` and ``_high``.
    """
    most, patients = consensus(table), table.patient_id.to_numpy()
    number, lines = CLASSES.index(name), []
    groups = most == number, (most >= 0) & (most != number)
    for threshold in thresholds:
        alarm = (prediction[:, number] >= threshold).astype(float)
        line = [threshold]
        for rows in groups:
            rate = alarm[rows].mean() if rows.any() else np.nan
            line += [rows.sum(), len(np.unique(patients[rows])), int(alarm[rows].sum()), rate]
            line += bootstrap.rate_interval(alarm[rows], patients[rows])
        lines.append(line)
    columns = ["n_rows", "n_patients", "found", "sensitivity"]
    columns += ["sensitivity_low", "sensitivity_high", "n_others", "n_other_patients"]
    columns += ["false_alarms", "false_rate", "false_rate_low", "false_rate_high"]
    return pd.DataFrame(lines, columns=["threshold", *columns])


def ranking(positive, scores, weights):
    """Compute the area under the ROC curve and the average precision.

    Parameters
    ----------
    positive : ndarray of bool, shape (n_rows,)
    scores : ndarray, shape (n_rows,)
    weights : ndarray, shape (n_replicates, n_rows)
        How often each row counts.

    Returns
    -------
    auroc, average_precision : ndarray of float64, shape (n_replicates,)
        As of scikit-learn with sample weights; NaN without positive rows or others.
    """
    if not len(scores):
        return np.full((2, len(weights)), np.nan)
    _, place = np.unique(-scores, return_inverse=True)  # rows of the same score have one
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    hits, others = (
        np.add.reduceat((weights * chosen)[:, order], starts, axis=1)
        for chosen in (positive, ~positive)
    )
    above, passed = hits.cumsum(axis=1), others.cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        area = (others * (above - hits / 2)).sum(axis=1) / (above[:, -1] * passed[:, -1])
        precision = above / np.maximum(above + passed, np.finfo(float).tiny)
        return area, (hits * precision).sum(axis=1) / above[:, -1]
