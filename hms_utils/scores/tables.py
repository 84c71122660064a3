"""How good predictions are: on which rows, beside which marks, within which error."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.checks import check_prediction, check_votes
from hms_utils.scores.marks import estimated_floor, fold_priors, group_priors
from hms_utils.scores.metric import row_divergence

WELL = f">= {WELL_VOTED} votes"
VOTE_GROUPS = ("1-2 votes", f"3-{WELL_VOTED - 1} votes", WELL)
PRIOR_OF_ALL, PRIOR_BY_VOTES = "prior of all rows", "prior by votes"
# What stands in a scorecard beside the models.
MARKS = ("uniform", PRIOR_OF_ALL, "prior", PRIOR_BY_VOTES, "floor", "floor (estimate)")
_AGREE, _SPLIT = 0.75, 0.25


def strata(table):
    """Say which rows belong to which group that a score is reported for.

    Among rows with ten or more votes, *idealised* ones have three quarters of
    the votes for one class; of the others with a second class of a quarter or
    more, *proto* ones are split between a pattern and "other", *edge* ones
    between two patterns. A few are none of these.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_rows,)
        Groups with any rows.
    """
    shares, total = vote_shares(table), table[list(VOTE_COLUMNS)].to_numpy().sum(axis=1)
    well = total >= WELL_VOTED
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2]
    first, second = np.take_along_axis(shares, order, axis=1).T
    split = well & (first < _AGREE) & (second >= _SPLIT)
    with_other = (order == CLASSES.index("Other")).any(axis=1)
    groups = {
        "all rows": total > 0,
        VOTE_GROUPS[0]: (total > 0) & (total < 3),
        VOTE_GROUPS[1]: (total >= 3) & ~well,
        WELL: well,
        "idealised": well & (first >= _AGREE),
        "proto": split & with_other,
        "edge": split & ~with_other,
    }
    return {name: rows for name, rows in groups.items() if rows.any()}


def scorecard(table, predictions, *, truth=None):
    """Tabulate divergences on all groups of rows, beside the marks.

    Before the given models come ``uniform``, which knows nothing, and, where there are
    folds, ``prior of all rows``, the mean vote of all rows as of `fold_priors`, and ``prior``,
    that of the group's own as of `group_priors`; of all rows also ``prior by votes``, where
    each row gets that of the rows with as many votes. After them, with the truth, ``floor``, the
    score of one who knows it, and ``floor (estimate)``, by `estimated_floor` where rows
    have ten or more votes: lower bounds, which no reader of the EEG need be able to reach.

    Parameters
    ----------
    table : DataFrame
        ``label_id``, ``patient_id``, the vote columns and, of out-of-fold
        predictions, ``fold``.
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    truth : ndarray, shape (n_rows, 6), optional
        The distribution that votes were drawn from, known of generated data.

    Returns
    -------
    DataFrame
        One row for each model and group: ``model, group, kl, low, high, n_rows,
        n_patients``, the bounds of the 95 % patient bootstrap (NaN for one
        patient).

    Raises
    ------
    ValueError
        If votes are no counts or none, or predictions no probabilities; with the
        column, the number of rows and the first label ids.
    """
    check_votes(table)
    for name, prediction in predictions.items():
        check_prediction(prediction, table, name)
    patients, groups = table.patient_id.to_numpy(), strata(table)
    cells = divergences(table, predictions, truth)
    values = np.stack([*cells.values()], axis=1)
    counts = np.stack([groups[group] for _, group in cells], axis=1).astype(float)
    low, high = bootstrap.bounds(bootstrap.means(values, patients, counts=counts))
    lines = pd.DataFrame([*cells], columns=["model", "group"])
    lines["kl"] = (values * counts).sum(axis=0) / counts.sum(axis=0)
    n_patients = [len(np.unique(patients[groups[group]])) for _, group in cells]
    several = np.array(n_patients) > 1
    lines["low"], lines["high"] = np.where(several, [low, high], np.nan)
    return lines.assign(n_rows=counts.sum(axis=0).astype(int), n_patients=n_patients)


def divergences(table, predictions, truth):
    """Return the divergence of each row by (model or mark, group)."""
    votes, groups = table[list(VOTE_COLUMNS)].to_numpy(), strata(table)
    same = {"uniform": row_divergence(votes, np.full(votes.shape, 1 / len(CLASSES)))}
    if "fold" in table:
        same[PRIOR_OF_ALL] = row_divergence(votes, fold_priors(table))
        same["prior"] = same[PRIOR_BY_VOTES] = None  # another in each group
    same |= {name: row_divergence(votes, answer) for name, answer in predictions.items()}
    if truth is not None:
        same["floor"] = row_divergence(votes, truth)
    same["floor (estimate)"] = estimated_floor(votes)
    by_votes = [groups[group] for group in VOTE_GROUPS if group in groups]
    cells = {}
    for model, rows in same.items():
        for group, chosen in groups.items():
            few = votes[chosen].sum(axis=1).min() < WELL_VOTED
            if (
                (model, group) == (PRIOR_OF_ALL, "all rows")
                or (model == PRIOR_BY_VOTES and (group != "all rows" or len(by_votes) < 2))
                or (few and model == "floor (estimate)")
            ):
                continue
            if model in ("prior", PRIOR_BY_VOTES):
                rows = same[PRIOR_OF_ALL].copy()  # which the prior is of all rows
                own = by_votes if model == PRIOR_BY_VOTES else [chosen] * (group != "all rows")
                for part in own:
                    rows[part] = row_divergence(votes[part], group_priors(table, part))
            cells[model, group] = rows
    return cells


def side_by_side(scorecard):
    """Lay out a scorecard for reading, a line for each group and a column for each model.

    Parameters
    ----------
    scorecard : DataFrame
        As the function of that name returns it.

    Returns
    -------
    DataFrame
        By group ``n_rows``, ``n_patients`` and for each model the divergence and its
        bounds as text, such as "0.474 (0.417-0.535)"; "" where there is none. Groups of
        fewer than 20 patients are marked as few.
    """
    low, high = scorecard.low.map("{:z.3f}".format), scorecard.high.map("{:z.3f})".format)
    bounds = " (" + low + "-" + high
    text = scorecard.kl.map("{:z.3f}".format) + bounds.where(scorecard.low.notna(), "")
    cells = scorecard.assign(text=text).pivot_table("text", "group", "model", aggfunc="first")
    groups = scorecard.drop_duplicates("group").set_index("group")[["n_rows", "n_patients"]]
    wide = groups.join(cells[scorecard.model.unique()]).fillna("")
    return wide.rename({g: group_label(g, n) for g, n in groups.n_patients.items()})


def group_label(group, n_patients):
    """Return a group's name, which says so if its patients are fewer than 20."""
    return f"{group} (few)" if n_patients < bootstrap.FEW_PATIENTS else group
