"""How well each class is told from the others."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.metric import class_divergence, row_divergence

_REPLICATES = 200  # each of them needs all rows, not only sums over patients


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
        Indexed by class: ``n_rows`` with that consensus and their mean ``kl``; what
        the class ``adds`` to the mean divergence of all rows; the mean ``voted``
        and ``predicted`` share of all rows; and, of the consensus against the
        rest, the area under the ROC curve ``auroc`` and the average precision
        ``ap``, each with 95 % bounds over patients. NaN without rows, or without
        others.
    """
    votes, patients = table[list(VOTE_COLUMNS)].to_numpy(), table.patient_id.to_numpy()
    consensus, divergence = votes.argmax(axis=1), row_divergence(votes, prediction)
    _, patient = np.unique(patients, return_inverse=True)
    # The first counts every patient once.
    drawn = np.vstack([np.ones(patient.max() + 1), bootstrap.draws(patient.max() + 1, _REPLICATES)])
    lines = []
    for number in range(len(CLASSES)):
        rows = consensus == number
        areas, precisions = ranking(rows, prediction[:, number], drawn[:, patient])
        bounds = bootstrap.bounds(np.stack([areas[1:], precisions[1:]], axis=1))
        kl = divergence[rows].mean() if rows.any() else np.nan
        lines.append((rows.sum(), kl, areas[0], *bounds[:, 0], precisions[0], *bounds[:, 1]))
    columns = ["n_rows", "kl", "auroc", "auroc_low", "auroc_high", "ap", "ap_low", "ap_high"]
    result = pd.DataFrame(lines, columns=columns, index=pd.Index(CLASSES, name="class"))
    result.insert(2, "adds", class_divergence(votes, prediction))
    result.insert(3, "voted", vote_shares(table).mean(axis=0))
    result.insert(4, "predicted", np.mean(prediction, axis=0))
    return result


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
