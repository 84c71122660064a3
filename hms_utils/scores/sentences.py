"""What numbers say, in words that follow from them; each function returns text, in lines.

An interval decides: what lies wholly on one side of zero is said, what does not is "not
shown". Intervals are of patients only: networks are trained once.
"""

import numpy as np

from hms_utils.constants import CLASSES, WELL_VOTED
from hms_utils.scores.bootstrap import FEW_PATIENTS
from hms_utils.scores.classes import confusion_counts
from hms_utils.scores.tables import PRIOR_BY_VOTES, WELL, group_label, strata
from hms_utils.scores.uncertainty import vote_intervals


def _verdict(low, high, above, below, neither="not shown", *, digits=3):
    """Judge by the bounds as they are printed: one that stands there as zero shows nothing."""
    low, high = round(low, digits), round(high, digits)
    if np.isnan(low):
        return "not to be said"
    return above if low > 0 else below if high < 0 else neither


def _few(line):
    return line.n_patients < FEW_PATIENTS


def _bounds(low, high, form="z.3f"):
    return "(no interval)" if np.isnan(low) else f"({low:{form}} to {high:{form}})"


def _rate(line, name, n_patients):
    rate, low, high = (getattr(line, f"{name}{end}") for end in ("", "_low", "_high"))
    few = f", few: {n_patients} patients" * (n_patients < FEW_PATIENTS)
    bounds = f"({low:.0%} to {high:.0%}{few})"
    return "none to judge by" if np.isnan(rate) else f"{rate:.0%} {bounds}"


def vote_interval(prediction, n_experts, concentration):
    """Say how many of a panel would vote for the most probable class.

    Parameters
    ----------
    prediction : array-like of float, shape (6,)
    n_experts : int
    concentration : float
        As `fit_concentration` returns it.
    """
    shares = np.asarray(prediction, float)[None]
    top = shares[0].argmax()
    low, high = (part[0, top] for part in vote_intervals(shares, n_experts, concentration))
    return (
        f"of {n_experts} experts, {low} to {high} would say {CLASSES[top]} "
        f"(80% interval, {high - low} votes wide)"
    )


def headline(scorecard, models):
    """Say what models and priors score, on all rows and on those with ten or more votes.

    Parameters
    ----------
    scorecard : DataFrame
        As `scores.scorecard` returns it.
    models : sequence of str
    """
    parts = []
    for group in ("all rows", WELL):
        kl = scorecard[scorecard.group == group].set_index("model").kl
        if len(kl):
            marks = [mark for mark in ("prior", PRIOR_BY_VOTES) if mark in kl]
            scores = ", ".join(f"{name} {kl[name]:.3f}" for name in (*models, *marks))
            n_patients = scorecard.n_patients[scorecard.group == group].iloc[0]
            few = ", few" if n_patients < FEW_PATIENTS else ""
            parts.append(f"KL {scores} ({group}{few})")
    return "; ".join(parts)


def places(lines):
    """Say in which groups models are better than the marks, and where that is not shown.

    Parameters
    ----------
    lines : DataFrame
        As `scores.against_marks` returns it.
    """
    floors = lines.mark.str.startswith("floor")
    few = lines.n_patients < FEW_PATIENTS
    verdicts = [
        _verdict(line.low, line.high, "worse", "better", "neither") for line in lines.itertuples()
    ]
    words = np.where(few, "few", verdicts)
    said = []
    for model, own in lines.assign(words=words, floor=floors).groupby("model", sort=False):
        below = own[own.floor & (own.words == "better")]
        own = own[~own.floor]
        all_better = (own.words == "better").groupby(own.group, sort=False).all()
        parts = {
            "better than uniform and each prior in": [*all_better.index[all_better]],
            "worse than": _cells(own[own.words == "worse"]),
            "no difference shown from": _cells(own[own.words == "neither"]),
            "below the floor, by chance, a leak or an error of the floor:": _cells(below),
            "of too few patients to judge:": [*own.group[own.words == "few"].unique()],
        }
        text = "\n  ".join(f"{what} {', '.join(found)}" for what, found in parts.items() if found)
        said.append(f"{model}: {text}")
    return "\n".join(said)


def stages(history):
    """Say where each stage of training ended, and whether the last one helped.

    Parameters
    ----------
    history : DataFrame
        As `networks.cross_validate` returns it.
    """
    columns = {"loss": "training rows of the stage", "val_loss": "held-out rows"}
    columns["val_well"] = f"held-out rows with {WELL_VOTED} or more votes"
    known = [name for name in columns if history[name].notna().any()]
    ends = history.groupby(["stage", "fold"], sort=False)[known].last().astype(float)
    names = list(history.stage.unique())
    said = []
    for name in names:
        means = ends.loc[name].mean()
        parts = ", ".join(f"{columns[column]} {means[column]:.3f}" for column in known)
        said.append(f"KL at the end of {name}, mean of {len(ends.loc[name])} folds: {parts}")
    if len(names) > 1:
        before, after = (ends.loc[name] for name in (names[0], names[-1]))
        for column in known[1:]:
            lower = int((after[column] < before[column]).sum())
            said.append(
                f"of {columns[column]}, {names[-1]} ends lower than {names[0]} in {lower} of "
                f"{len(after)} folds"
            )
    return "\n".join(said)


def confusion(table, prediction):
    """Say how often the most probable class is the experts', and what is taken for what.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.
    prediction : ndarray, shape (n_rows, 6)
    """
    said = []
    for group, rows in strata(table).items():
        if group not in ("all rows", WELL):
            continue
        counts = confusion_counts(table[rows], prediction[rows])
        if not counts.any():
            continue
        wrong = counts - np.diag(counts.diagonal())
        pairs = np.stack(np.unravel_index(np.argsort(-wrong, axis=None), wrong.shape), axis=1)
        taken = [
            f"{CLASSES[expert]} for {CLASSES[model]} ({wrong[expert, model]} of "
            f"{counts[expert].sum()})"
            for expert, model in pairs[:3]
            if wrong[expert, model]
        ]
        of_class = counts.sum(axis=1)
        parts = [
            f"{group}: the experts' class in {counts.trace()} of {counts.sum()}, where always "
            f"saying {CLASSES[of_class.argmax()]} has {of_class.max()}"
        ]
        parts += [f"most often taken: {', '.join(taken)}"] if taken else []
        named = set(prediction[rows].argmax(axis=1))  # also of rows without a consensus
        never = [name for number, name in enumerate(CLASSES) if number not in named]
        parts += [f"never holds most probable: {', '.join(never)}"] if never else []
        said.append("; ".join(parts))
    return "\n".join(said)


def _cells(lines):
    return [
        f"{line.mark} in {line.group} {line.difference:+z.3f} "
        f"{_bounds(line.low, line.high, '+z.3f')}"
        for line in lines.itertuples()
    ]


def closed(lines):
    """Say how far models go from the prior to the floor; below zero, away from it.

    Parameters
    ----------
    lines : DataFrame
        As `scores.closed` returns it.
    """
    said = []
    for (model, floor), own in lines.groupby(["model", "floor"], sort=False):
        parts = [
            f"{line.closed:z.0%} {_bounds(line.low, line.high, 'z.0%')} in "
            f"{group_label(line.group, line.n_patients)}"
            for line in own.itertuples()
        ]
        way = f"of the way from the group's prior to the {floor}"
        said.append(f"{model}, {way}: {', '.join(parts)}")
    return "\n".join(said)


def blend(fitted):
    """Say which networks answer, and why these.

    Parameters
    ----------
    fitted : dict of str to dict
        As `scores.fit_blend` returns it with folds.
    """
    shares = {name: part["share"] for name, part in fitted.items() if part["share"]}
    first = next(iter(shares))
    if len(fitted) == 1:
        return f"{first} answers, the only network."
    if len(shares) == 1:
        others = " and ".join(name for name in fitted if name not in shares)
        return (
            f"{first} alone answers: on folds that shares were not fitted to, the mean of a "
            f"mixture with {others} was no lower, or all folds leave less than a hundredth for it."
        )
    mixed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return (
        f"A mixture answers, {mixed}: on folds that shares were not fitted to, its mean was lower "
        "than that of any network alone."
    )


def difference(lines):
    """Say which differences between models are shown.

    Parameters
    ----------
    lines : DataFrame
        As `scores.differences` returns it.
    """
    said = []
    for line in lines.itertuples():
        words = _verdict(line.low, line.high, "worse", "better", "no difference shown")
        words = "of too few patients to judge" if _few(line) else words
        words = "the same answers" if line.low == line.high == 0 else words
        bounds = _bounds(line.low, line.high, "+z.3f")
        partly = f", answers differ in {line.unlike:.0%} of the rows" * (0 < line.unlike < 0.5)
        said.append(
            f"{line.model} against {line.against}, {line.group}: {line.difference:+z.3f} "
            f"{bounds}, {words}{partly}"
        )
    return "\n".join(said)


def by_patients(table):
    """Say what networks and blend add to the first network, at which number of patients.

    Parameters
    ----------
    table : DataFrame
        As `scores.by_patients` returns it.
    """
    said = []
    for (source, model), lines in table.dropna(subset="against").groupby(
        ["source", "model"], sort=False
    ):
        parts = []
        for line in lines.itertuples():
            low, high = line.difference_low, line.difference_high
            words = _verdict(low, high, "worse", "better", "no difference shown")
            words = "of too few patients to judge" if _few(line) else words
            bounds = _bounds(low, high, "+z.3f")
            parts.append(
                f"from {line.patients:.0f} patients {line.difference:+z.3f} {bounds}, {words}"
            )
        name = "this run" if source == "run" else "learning curve"
        said.append(f"{name}, {model} against {lines.against.iloc[0]}: {'; '.join(parts)}")
    if (table.source == "run").all():
        said.append("what more patients change: not to be said of one number of them")
    return "\n".join(said)


def doubt(lines):
    """Say whether answers are split where experts are, and as much.

    Parameters
    ----------
    lines : DataFrame
        As `scores.doubt` returns it.
    """
    said = []
    for name, line in lines.iterrows():
        knows = _verdict(
            line.rank_low,
            line.rank_high,
            "it is more split where experts are",
            "it is less split where experts are more",
            "that it knows when experts disagree is not shown",
            digits=2,
        )
        spread = _verdict(
            line.gap_low, line.gap_high, "above", "below", "not shown to be off", digits=2
        )
        if _few(line):
            knows, spread = "of too few patients to judge", "against"
        said.append(
            f"{name}: rank correlation {line['rank']:z.2f} "
            f"{_bounds(line.rank_low, line.rank_high, 'z.2f')}, {knows}; mean entropy "
            f"{line.model:.2f} nats, {spread} theirs: {line.gap:+z.2f} "
            f"{_bounds(line.gap_low, line.gap_high, '+z.2f')}"
        )
    return "\n".join(said)


def calibration(errors):
    """Say whether calibration errors are larger than scatter alone would make them.

    Parameters
    ----------
    errors : DataFrame
        Indexed by answer: ``error``, and of `scores.errors_by_chance` the mean
        ``expected`` and the bounds ``low`` and ``high``; ``n_patients``.
    """
    said = []
    for name, line in errors.iterrows():
        larger = round(line.error, 3) > round(line.high, 3)  # as they are printed
        words = "more than" if larger else "not shown to be more than"
        words = "of too few patients to compare with what" if _few(line) else words
        by_chance = f"{line.expected:.3f} {_bounds(line.low, line.high)}"
        said.append(
            f"{name}: {line.error:.3f}, {words} answers right in the mean would have: {by_chance}"
        )
    return "\n".join(said)


def coverage(lines):
    """Say whether vote intervals are as wide as they should be.

    Parameters
    ----------
    lines : DataFrame
        As `scores.coverage` returns it.
    """
    said = []
    for line in lines.itertuples():
        bounds = (round(bound, 2) - round(line.attainable, 2) for bound in (line.low, line.high))
        words = _verdict(*bounds, "too wide", "too narrow", "no error of the width shown")
        words = "of too few patients to judge" if _few(line) else words
        said.append(
            f"{line.level:.0%} intervals cover {line.covered:.0%} "
            f"{_bounds(line.low, line.high, '.0%')}, attainable with whole votes "
            f"{line.attainable:.0%}: {words}"
        )
    return "\n".join(said)


def alarms(lines):
    """Say what is found and what is cried for nothing at each threshold.

    Parameters
    ----------
    lines : DataFrame
        As `scores.alarms` returns it, of seizures.
    """
    return "\n".join(
        f"at a share of {line.threshold:.0%}: finds {line.found} of {line.n_rows} windows of "
        f"seizure, {_rate(line, 'sensitivity', line.n_patients)}; alarms in {line.false_alarms} of "
        f"{line.n_others} others, {_rate(line, 'false_rate', line.n_other_patients)}"
        for line in lines.itertuples()
    )


_MAP_TESTS = {
    "difference": "what is marked is needed",
    "side - chance": "it leans to the pattern's side",
    "time - chance": "it leans to the pattern's seconds",
}


def maps(summary):
    """Say which tests of its maps a network passes.

    Parameters
    ----------
    summary : DataFrame
        As `scores.summarise` returns it, of what `networks.explain` and, where patterns
        were planted, `networks.planted_shares` measured.
    """
    said, passed, judged, made = [], 0, 0, 0
    for test, claim in _MAP_TESTS.items():
        if test in summary.index and not summary.n_patients[test]:
            said.append(f"{claim}: not to be said, as no window here can show it")
        elif test in summary.index:
            line = summary.loc[test]
            words = _verdict(line.low, line.high, "shown", "refuted", digits=2)
            words = "not to be said of so few" if _few(line) else words
            made += 1
            passed += words == "shown"
            judged += not words.startswith("not to be said")
            numbers = f"{line['mean']:+z.2f} {_bounds(line.low, line.high, '+z.2f')}"
            of = f"{line.n_patients:.0f} patient{'s' if line.n_patients != 1 else ''}"
            said.append(f"{claim}: {words}, {numbers}, {of}")
    rest = f" (made: {made})" * (judged < made)
    return f"passes {passed} of {judged} tests that can be judged{rest}: " + "; ".join(said)


def likeness(found, *, synthetic):
    """Say how near the recomputed spectrogram is to the given one.

    Parameters
    ----------
    found : dict
        As `images.likeness` returns it.
    synthetic : bool
        Whether the file was written by the function that is compared with it.
    """
    if np.isnan(found["correlation"]):
        return "there are no two spectrograms to compare"
    numbers = (
        f"correlation of log-power {found['correlation']:.4f}, difference {found['mean']:+z.2f} dB "
        f"in the mean with a standard deviation of {found['sd']:.2f} dB, over {found['n']} values"
    )
    same = "; this file was written by the same function, so that this shows nothing"
    return numbers + same * synthetic


def cases(summary):
    """Say whether the nearest cases have a window's class more often than others have.

    Parameters
    ----------
    summary : DataFrame
        By `scores.summarise`, of `networks.shared_classes`.
    """
    of = summary.loc["cases"]
    said = [
        f"Of the cases with a consensus {of['mean']:.1%} {_bounds(of.low, of.high, '.1%')} have "
        "the window's class"
    ]
    for name, other in (("chance", "windows by chance"), ("pixels", "cases by pixels alone")):
        gain = summary.loc[f"- {name}"]
        words = _verdict(gain.low, gain.high, "more often", "less often", "no difference shown")
        words = "not to be said of so few" if _few(of) else words
        share = summary["mean"][f"by {name}"]
        bounds = _bounds(100 * gain.low, 100 * gain.high, "+z.1f")
        said.append(
            f"than {other}, {share:.1%}: {words}, {100 * gain['mean']:+z.1f} points {bounds}"
        )
    return "; ".join(said) + f"; {of.n_rows:.0f} windows of {of.n_patients:.0f} patients"
