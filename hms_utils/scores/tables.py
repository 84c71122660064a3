"""How good predictions are: on which rows, between which marks, within which error."""

import numpy as np
import pandas as pd
from scipy.special import digamma

from hms_utils.constants import CLASSES, VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import vote_shares
from hms_utils.scores import bootstrap
from hms_utils.scores.metric import row_divergence

WELL = f">= {WELL_VOTED} votes"
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
        f"3-{WELL_VOTED - 1} votes": (total >= 3) & ~well,
        WELL: well,
        "idealised": well & (first >= _AGREE),
        "proto": split & with_other,
        "edge": split & ~with_other,
    }
    return {name: rows for name, rows in groups.items() if rows.any()}


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


def estimated_floor(votes):
    """Estimate each row's expected divergence of its votes from the true opinion.

    A perfect model answers with the shares q of an endless panel, and n votes
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


def scorecard(table, predictions, *, truth=None):
    """Tabulate divergences on all groups of rows, between the marks that frame them.

    Before the given models come ``uniform``, which knows nothing, and, where there
    are folds, ``prior``, as of `fold_priors`; after them, with the truth, ``floor``,
    the score of a perfect model, and ``floor (estimate)``, by `estimated_floor`
    where rows have ten or more votes.

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
    votes, patients = table[list(VOTE_COLUMNS)].to_numpy(), table.patient_id.to_numpy()
    models = {
        "uniform": np.full(votes.shape, 1 / len(CLASSES)),
        **({"prior": fold_priors(table)} if "fold" in table else {}),
        **predictions,
    }
    for name, prediction in predictions.items():
        check_prediction(prediction, table, name)
    rows = {name: row_divergence(votes, prediction) for name, prediction in models.items()}
    if truth is not None:
        rows["floor"] = row_divergence(votes, truth)
    rows["floor (estimate)"] = estimated_floor(votes)
    groups = strata(table)
    cells = [
        (model, group)
        for model in rows
        for group in groups
        if model != "floor (estimate)" or votes[groups[group]].sum(axis=1).min() >= WELL_VOTED
    ]
    values = np.stack([rows[model] for model, _ in cells], axis=1)
    counts = np.stack([groups[group] for _, group in cells], axis=1).astype(float)
    low, high = bootstrap.bounds(bootstrap.means(values, patients, counts=counts))
    lines = pd.DataFrame(cells, columns=["model", "group"])
    lines["kl"] = (values * counts).sum(axis=0) / counts.sum(axis=0)
    n_patients = [len(np.unique(patients[groups[group]])) for _, group in cells]
    several = np.array(n_patients) > 1
    lines["low"], lines["high"] = np.where(several, [low, high], np.nan)
    return lines.assign(n_rows=counts.sum(axis=0).astype(int), n_patients=n_patients)


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
        bounds as text, such as "0.474 (0.417-0.535)"; "" where there is none.
    """
    bounds = " (" + scorecard.low.map("{:.3f}".format) + "-" + scorecard.high.map("{:.3f})".format)
    text = scorecard.kl.map("{:.3f}".format) + bounds.where(scorecard.low.notna(), "")
    cells = scorecard.assign(text=text).pivot_table("text", "group", "model", aggfunc="first")
    groups = scorecard.drop_duplicates("group").set_index("group")[["n_rows", "n_patients"]]
    return groups.join(cells[scorecard.model.unique()]).fillna("")


def check_votes(table):
    """Raise ValueError unless each row holds the counts of some votes.

    Parameters
    ----------
    table : DataFrame
        With ``label_id`` and the vote columns.
    """
    if not len(table):
        raise ValueError("expected at least one row of votes, found none")
    for column in VOTE_COLUMNS:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"expected numbers in {column}, found {table[column].dtype}")
        values = table[column].to_numpy(float)
        _refuse_rows(~((values >= 0) & (values % 1 == 0)), table, f"counts in {column}")
    _refuse_rows(table[list(VOTE_COLUMNS)].to_numpy().sum(axis=1) == 0, table, "votes")


def check_prediction(prediction, table, name):
    """Raise ValueError unless each row is a distribution over the six classes.

    Parameters
    ----------
    prediction : ndarray
    table : DataFrame
        Whose rows are predicted, with ``label_id``.
    name : str
        Of the model, for the message.
    """
    if np.shape(prediction) != (len(table), len(CLASSES)):
        raise ValueError(
            f"expected {name} of shape {(len(table), len(CLASSES))}, found {np.shape(prediction)}"
        )
    fine = (prediction >= 0).all(axis=1) & np.isclose(prediction.sum(axis=1), 1, atol=1e-5)
    _refuse_rows(~fine, table, f"probabilities of {name} that add to one")


def _refuse_rows(wrong, table, expected):
    if wrong.any():
        first = table.label_id[wrong].head(3).tolist()
        raise ValueError(
            f"expected {expected}, found none in {wrong.sum()} of {len(table)} rows, "
            f"first label_id {first}"
        )


def differences(table, predictions, pairs):
    """Tabulate how much better one prediction is than another on the same rows.

    Parameters
    ----------
    table : DataFrame
        As for `scorecard`.
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    pairs : list of tuple of str
        The models to compare.

    Returns
    -------
    DataFrame
        For each pair, on all rows and on those with ten or more votes: ``model,
        against, group, difference, low, high``, the mean difference of row
        divergences and the bounds of its 95 % patient bootstrap; negative where
        `model` is the better one.
    """
    votes, patients = table[list(VOTE_COLUMNS)].to_numpy(), table.patient_id.to_numpy()
    rows = {name: row_divergence(votes, answer) for name, answer in predictions.items()}
    lines = []
    for model, against in pairs:
        for group, chosen in strata(table).items():
            if group in ("all rows", WELL):
                values = (rows[model] - rows[against])[chosen]
                bounds = bootstrap.interval(values, patients[chosen])
                lines.append((model, against, group, values.mean(), *bounds))
    columns = ["model", "against", "group", "difference", "low", "high"]
    return pd.DataFrame(lines, columns=columns)
