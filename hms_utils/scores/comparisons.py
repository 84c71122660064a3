"""How predictions differ on the same rows, from each other and from the marks beside them."""

import re

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scores import bootstrap
from hms_utils.scores.metric import row_divergence
from hms_utils.scores.tables import MARKS, VOTE_GROUPS, WELL, divergences, strata

_BY_PATIENTS = [
    *("source", "model", "group", "kl", "low", "high", "n_patients", "patients"),
    *("against", "difference", "difference_low", "difference_high"),
]


def closed(table, predictions, *, truth=None):
    """Tabulate how far models go from the prior's divergence to the floor's.

    Parameters
    ----------
    table, predictions, truth
        As for `scorecard`; with ``fold``.

    Returns
    -------
    DataFrame
        For each model, on all rows and on those of each range of votes, where there is a
        floor: ``model, group, floor, closed, low, high, n_patients``, which mark is the
        floor, the share of the way from the group's own prior to it and the bounds of its 95 %
        bootstrap, in which all three are of the same drawn patients.
    """
    patients, groups = table.patient_id.to_numpy(), strata(table)
    cells = divergences(table, predictions, truth)
    lines = []
    for group in ("all rows", *VOTE_GROUPS):
        floors = [name for name in ("floor", "floor (estimate)") if (name, group) in cells]
        if not floors:
            continue
        chosen, models = groups[group], ("prior", floors[0], *predictions)
        values = [cells[name, group] for name in models]
        values, of = np.stack(values, axis=1)[chosen], patients[chosen]
        drawn = np.vstack([values.mean(axis=0), bootstrap.means(values, of)])
        share = (drawn[:, :1] - drawn[:, 2:]) / (drawn[:, :1] - drawn[:, 1:2])
        low, high = bootstrap.bounds(share[1:])
        n_patients = len(np.unique(of))
        if n_patients < 2:
            low = high = np.full(len(predictions), np.nan)
        part = {"model": [*predictions], "group": group, "floor": floors[0], "closed": share[0]}
        lines.append(pd.DataFrame(part | {"low": low, "high": high, "n_patients": n_patients}))
    columns = ["model", "group", "floor", "closed", "low", "high", "n_patients"]
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=columns)


def against_marks(table, predictions, *, truth=None):
    """Tabulate how much better or worse models are than each mark, on the same rows.

    The floor is left out where only an estimate is known of it, except on all rows with ten
    or more votes: the other groups are chosen by the very votes that it is estimated from.

    Parameters
    ----------
    table, predictions, truth
        As for `scorecard`.

    Returns
    -------
    DataFrame
        For each model, group and mark: ``model, group, mark, difference, low, high,
        n_patients``, the mean of the model's divergences less the mark's, negative where the
        model is better, and the bounds of its 95 % patient bootstrap.
    """
    patients = table.patient_id.to_numpy()
    cells, lines = divergences(table, predictions, truth), []
    for group, chosen in strata(table).items():
        marks = [mark for mark in MARKS if (mark, group) in cells]
        if "floor" in marks or group != WELL:
            marks = [mark for mark in marks if mark != "floor (estimate)"]
        for model in predictions:
            for mark in marks:
                values, of = (cells[model, group] - cells[mark, group])[chosen], patients[chosen]
                bounds = bootstrap.interval(values, of)
                lines.append((model, group, mark, values.mean(), *bounds, len(np.unique(of))))
    columns = ["model", "group", "mark", "difference", "low", "high", "n_patients"]
    return pd.DataFrame(lines, columns=columns)


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
        against, group, difference, low, high, unlike, n_patients``, the mean difference of
        row divergences and the bounds of its 95 % patient bootstrap, negative where `model`
        is the better one, and the share of rows on which the two differ at all.
    """
    votes, patients = table[list(VOTE_COLUMNS)].to_numpy(), table.patient_id.to_numpy()
    rows = {name: row_divergence(votes, answer) for name, answer in predictions.items()}
    lines = []
    for model, against in pairs:
        for group, chosen in strata(table).items():
            if group in ("all rows", WELL):
                values = (rows[model] - rows[against])[chosen]
                of = patients[chosen]
                bounds = bootstrap.interval(values, of)
                n_patients = len(np.unique(of))
                unlike = (values != 0).mean()
                lines.append((model, against, group, values.mean(), *bounds, unlike, n_patients))
    columns = ["model", "against", "group", "difference", "low", "high", "unlike", "n_patients"]
    return pd.DataFrame(lines, columns=columns)


def by_patients(table, scorecard, compared, started, output_dir):
    """Tabulate what networks reach beside the number of patients that they learnt from.

    Parameters
    ----------
    table : DataFrame
        Out-of-fold: ``patient_id`` and ``fold``.
    scorecard, compared : DataFrame
        As `scorecard` and `differences` return them; of the latter, lines against the first
        network are taken.
    started : dict of str to str
        By network, what it started from; the text up to a comma or bracket is kept.
    output_dir : Path
        May hold ``learning_curve.csv``, as `benchmarks/learning_curve.py` writes it.

    Returns
    -------
    DataFrame
        ``source`` ("run" or "curve"), ``model, group, kl, low, high, n_patients``, of rows
        with ten or more votes (of all, if there are none) of networks, blend, prior and
        floor; ``patients``, which each learnt from (in the run the mean over folds), and
        ``difference, difference_low, difference_high`` from ``against``, NaN for others.

    Raises
    ------
    DamagedFileError
        If the file is not as it was written.
    """
    group = WELL if (scorecard.group == WELL).any() else "all rows"
    run = scorecard[scorecard.group == group].set_index("model")
    floor = "floor" if "floor" in run.index else "floor (estimate)"
    models = [name for name in ("prior", *started, "blend", floor) if name in run.index]
    folds = table.groupby("fold").patient_id.nunique()
    run = run.loc[models].assign(patients=round((folds.sum() - folds).mean()), source="run")
    first = next(iter(started))
    of_first = compared[(compared.group == group) & (compared.against == first)]
    of_first = of_first.set_index("model")[["difference", "low", "high", "against"]]
    run = run.join(of_first.rename(columns={"low": "difference_low", "high": "difference_high"}))
    short = {name: re.split(", | \\(", text)[0] for name, text in started.items()}
    named = [f"{name}, {short[name]}" if name in short else name for name in run.index]
    lines = [run.reset_index().assign(model=named)[_BY_PATIENTS]]
    file = output_dir / "learning_curve.csv"
    if file.is_file():
        curve = paths.read(file, lambda _: pd.read_csv(file).assign(source="curve")[_BY_PATIENTS])
        lines.append(curve[curve.group == group])
    return pd.concat(lines, ignore_index=True)
