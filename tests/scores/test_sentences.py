"""Each sentence is fed numbers that point one way and the other, and read."""

import numpy as np
import pandas as pd
import pytest

from hms_utils import scores
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scores import sentences

SHARES = [0.05, 0.6, 0.05, 0.1, 0.1, 0.1]


def test_the_interval_of_votes_is_as_wide_as_the_panel_scatters():
    close = sentences.vote_interval(SHARES, 12, 1e6)
    assert close == "of 12 experts, 5 to 9 would say LPD (80% interval, 4 votes wide)"
    assert "2 to 11 would say LPD (80% interval, 9 votes wide)" in sentences.vote_interval(
        SHARES, 12, 2.9
    )


def card(*cells):
    columns = ["model", "group", "kl", "n_patients"]
    return pd.DataFrame(cells, columns=columns)


def test_the_headline_has_both_groups():
    cells = [("cnn", "all rows", 0.7, 40), ("prior", "all rows", 1.3, 40)]
    well = [("cnn", scores.WELL, 0.5, 40), ("prior", scores.WELL, 0.9, 40)]
    assert sentences.headline(card(*cells, *well), ["cnn"]) == (
        "KL cnn 0.700, prior 1.300 (all rows); KL cnn 0.500, prior 0.900 (>= 10 votes)"
    )
    assert sentences.headline(card(*cells), ["cnn"]).endswith("(all rows)")
    # Who knows how many voted may be better than the model.
    by_votes = card(*cells, ("prior by votes", "all rows", 0.6, 40))
    assert "prior 1.300, prior by votes 0.600 (all" in sentences.headline(by_votes, ["cnn"])
    few = card(*cells, *((*cell[:3], 10) for cell in well))
    assert sentences.headline(few, ["cnn"]).endswith("prior 0.900 (>= 10 votes, few)")


def places(*cells):
    columns = ["group", "mark", "difference", "low", "high", "n_patients"]
    return sentences.places(pd.DataFrame(cells, columns=columns).assign(model="cnn"))


def test_a_place_between_the_marks_is_said_where_it_is_shown():
    better = ("all rows", "uniform", -0.5, -0.6, -0.4, 90), ("edge", "prior", -1, -2, -0.5, 13)
    said = places(*better, ("all rows", "prior", -0.2, -0.3, -0.1, 90))
    assert said == (
        "cnn: better than uniform and each prior in all rows\n  of too few patients to judge: edge"
    )
    # A mean below the prior's is not enough.
    doubtful = places(*better, ("all rows", "prior", -0.2, -0.5, 0.1, 90))
    assert doubtful.startswith(
        "cnn: no difference shown from prior in all rows -0.200 (-0.500 to +0.100)\n  of too few"
    )
    worse = places(*better, ("all rows", "prior", 0.2, 0.1, 0.3, 90))
    assert worse.startswith("cnn: worse than prior in all rows +0.200 (+0.100 to +0.300)\n  of too")


def test_who_is_below_the_floor_is_told():
    better = ("all rows", "prior", -0.2, -0.3, -0.1, 90)
    below = places(better, ("all rows", "floor", -0.1, -0.2, -0.05, 90))
    assert below.startswith(
        "cnn: better than uniform and each prior in all rows\n  below the floor"
    )
    assert "floor" not in places(better, ("all rows", "floor", -0.1, -0.2, 0.05, 90))


def test_the_way_to_the_floor_has_its_interval():
    lines = pd.DataFrame(
        [
            ("cnn", "all rows", "floor", 0.561, 0.47, 0.63, 40),
            ("cnn", "3-9 votes", "floor", -0.2, -0.3, -0.1, 40),
        ],
        columns=["model", "group", "floor", "closed", "low", "high", "n_patients"],
    )
    assert sentences.closed(lines) == (
        "cnn, of the way from the group's prior to the floor: 56% (47% to 63%) in all rows, "
        "-20% (-30% to -10%) in 3-9 votes"
    )
    alone = sentences.closed(lines.assign(low=np.nan, high=np.nan))
    assert "56% (no interval)" in alone
    few = sentences.closed(lines.assign(low=-0.004, n_patients=10))
    assert "56% (0% to 63%) in all rows (few), " in few


def test_who_answers_is_told_with_the_reason():
    def fitted(**shares):
        return {name: {"share": share, "temperature": 1.2} for name, share in shares.items()}

    both = sentences.blend(fitted(cnn=0.6, b0=0.4))
    assert both.startswith("A mixture answers, cnn 60%, b0 40%") and "lower than that of" in both
    assert sentences.blend(fitted(cnn=0.0, b0=1.0)) == (
        "b0 alone answers: on folds that shares were not fitted to, the mean of a mixture "
        "with cnn was no lower, or all folds leave less than a hundredth for it."
    )
    assert sentences.blend(fitted(cnn=1.0)) == "cnn answers, the only network."


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((-0.2, -0.1), "better"),
        ((0.1, 0.2), "worse"),
        ((-0.1, 0.2), "no difference shown"),
        ((np.nan, np.nan), "not to be said"),
        ((0.0, 0.0), "the same answers"),
    ],
)
def test_a_difference_is_said_only_where_its_interval_does_not_reach_zero(bounds, words):
    columns = ["model", "against", "group", "difference", "low", "high", "unlike", "n_patients"]
    line = ("blend", "cnn", "all rows", np.mean(bounds), *bounds, float(any(bounds)), 40)
    lines = pd.DataFrame([line], columns=columns)
    assert sentences.difference(lines).endswith(f", {words}")
    if any(bounds):
        few = sentences.difference(lines.assign(n_patients=6))
        assert few.endswith(", of too few patients to judge")


def test_a_bound_that_is_printed_as_zero_shows_nothing():
    columns = ["model", "against", "group", "difference", "low", "high", "unlike", "n_patients"]
    cells = [("b0", "cnn", "all rows", -0.007, -0.014, -0.0004, 1.0, 40)]
    line = pd.DataFrame(cells, columns=columns)
    assert sentences.difference(line).endswith("+0.000), no difference shown")
    partly = sentences.difference(line.assign(unlike=0.34))
    assert partly.endswith("no difference shown, answers differ in 34% of the rows")
    assert sentences.difference(line.assign(unlike=0.6)).endswith("no difference shown")
    marks = sentences.places(line.assign(mark="prior"))
    assert marks == "b0: no difference shown from prior in all rows -0.007 (-0.014 to +0.000)"
    near = sentences.by_patients(patients((85, -0.007, -0.014, -0.0004, 40)))
    assert "+0.000), no difference shown" in near.splitlines()[0]


def patients(*cells, source="run", model="b0, random weights"):
    """Lines of networks by patients: (patients, difference, low, high, judged on)."""
    columns = ["patients", "difference", "difference_low", "difference_high", "n_patients"]
    lines = pd.DataFrame(cells, columns=columns).assign(source=source, model=model, against="cnn")
    first = lines.assign(model="cnn", against=None)
    return pd.concat([first, lines])


def test_what_a_network_adds_is_said_beside_the_patients_that_it_learnt_from():
    worse = sentences.by_patients(patients((85, 0.2, 0.1, 0.3, 40))).splitlines()
    assert worse[0] == (
        "this run, b0, random weights against cnn: from 85 patients +0.200 (+0.100 to +0.300), "
        "worse"
    )
    assert worse[1] == "what more patients change: not to be said of one number of them"
    assert len(worse) == 2
    better = sentences.by_patients(patients((85, -0.2, -0.3, -0.1, 40)))
    assert "-0.200 (-0.300 to -0.100), better" in better
    assert ", no difference shown" in sentences.by_patients(patients((85, -0.2, -0.5, 0.1, 40)))
    assert "of too few patients to judge" in sentences.by_patients(
        patients((85, -0.2, -0.3, -0.1, 9))
    )


def test_a_curve_is_said_size_by_size():
    sizes = (50, -0.1, -0.2, 0.1, 54), (200, -0.2, -0.3, -0.1, 54)
    curve = patients(*sizes, source="curve", model="b0, pretrained")
    said = sentences.by_patients(pd.concat([patients((85, 0.2, 0.1, 0.3, 40)), curve]))
    assert said.splitlines()[1] == (
        "learning curve, b0, pretrained against cnn: from 50 patients -0.100 (-0.200 to +0.100), "
        "no difference shown; from 200 patients -0.200 (-0.300 to -0.100), better"
    )
    assert "more patients change" not in said


def doubt(rank, gap, n_patients=40):
    parts = {"rank": rank, "gap": gap}
    line = {
        f"{name}{end}": value
        for name, values in parts.items()
        for end, value in zip(("_low", "", "_high"), values, strict=True)
    }
    line |= {"model": 1.12, "n_patients": n_patients}
    return sentences.doubt(pd.DataFrame({"blend": line}).T)


def test_doubt_that_does_not_follow_is_not_called_knowledge():
    assert "0.05 (-0.12 to 0.23), that it knows when experts disagree is not shown" in doubt(
        (-0.12, 0.05, 0.23), (0.3, 0.35, 0.4)
    )
    assert "1.12 nats, above theirs: +0.35 (+0.30 to +0.40)" in doubt(
        (-0.12, 0.05, 0.23), (0.3, 0.35, 0.4)
    )
    follows = doubt((0.66, 0.72, 0.77), (-0.2, -0.1, -0.05))
    assert "it is more split where experts are" in follows and "below theirs" in follows
    assert "it is less split where experts are more" in doubt((-0.5, -0.4, -0.3), (-0.1, 0, 0.1))
    assert "not shown to be off theirs" in doubt((-0.5, -0.4, -0.3), (-0.1, 0, 0.1))
    few = doubt((0.02, 0.61, 0.96), (0.75, 0.97, 1.22), n_patients=10)
    assert "0.61 (0.02 to 0.96), of too few patients to judge; mean" in few
    assert "1.12 nats, against theirs: +0.97 (+0.75 to +1.22)" in few


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (0.033, ", not shown to be more than answers right in the mean would have"),
        (0.05, ", more than answers right in the mean would have"),
        (0.013, ", not shown to be more than answers right in the mean would have"),
    ],
)
def test_a_calibration_error_is_held_to_what_scatter_gives(error, words):
    line = {"error": error, "expected": 0.034, "low": 0.027, "high": 0.042, "n_patients": 40}
    said = sentences.calibration(pd.DataFrame({"blend": line}).T)
    assert words in said and said.endswith("0.034 (0.027 to 0.042)")
    few = sentences.calibration(pd.DataFrame({"blend": line | {"n_patients": 10}}).T)
    assert ", of too few patients to compare with what answers right in the mean" in few


def test_an_error_that_scatter_always_gives_is_not_called_more():
    line = {"error": 0.1 + 0.2, "expected": 0.3, "low": 0.3, "high": 0.3, "n_patients": 40}
    assert "not shown to be more" in sentences.calibration(pd.DataFrame({"cnn": line}).T)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.82, 0.93), "no error of the width shown"),
        ((0.90, 0.95), "too wide"),
        ((0.70, 0.85), "too narrow"),
    ],
)
def test_coverage_is_held_to_what_whole_votes_attain(bounds, words):
    columns = ["level", "attainable", "covered", "low", "high", "n_patients"]
    lines = pd.DataFrame([(0.8, 0.88, np.mean(bounds), *bounds, 40)], columns=columns)
    said = sentences.coverage(lines)
    assert said.endswith(f"attainable with whole votes 88%: {words}")
    few = sentences.coverage(lines.assign(n_patients=10))
    assert few.endswith(": of too few patients to judge")


def test_alarms_are_said_with_what_they_cost():
    line = {"threshold": 0.2, "n_rows": 12, "n_patients": 25, "found": 8}
    line |= {"sensitivity": 8 / 12, "sensitivity_low": 0.4, "sensitivity_high": 0.9}
    line |= {"n_others": 100, "n_other_patients": 60, "false_alarms": 5}
    line |= {"false_rate": 0.05, "false_rate_low": 0.01, "false_rate_high": 0.1}
    lines = pd.DataFrame([line])
    assert sentences.alarms(lines) == (
        "at a share of 20%: finds 8 of 12 windows of seizure, 67% (40% to 90%); "
        "alarms in 5 of 100 others, 5% (1% to 10%)"
    )
    few = sentences.alarms(lines.assign(n_patients=3))
    assert "67% (40% to 90%, few: 3 patients); alarms in 5 of 100 others, 5% (1% to 10%)" in few
    none = lines.assign(n_rows=0, found=0, sensitivity=np.nan)
    assert "finds 0 of 0 windows of seizure, none to judge by" in sentences.alarms(none)


def summary(n_patients=44, **bounds):
    lines = {name: (np.mean(pair), *pair, n_patients) for name, pair in bounds.items()}
    return pd.DataFrame(lines, index=["mean", "low", "high", "n_patients"]).T


def test_all_tests_of_maps_are_reported():
    found = {"difference": (0.9, 1.3), "side - chance": (-0.02, 0.2), "time - chance": (0.1, 0.2)}
    said = sentences.maps(summary(**found))
    assert said.startswith("passes 2 of 3 tests that can be judged: ")
    assert "it leans to the pattern's side: not shown, +0.09 (-0.02 to +0.20), 44 patients" in said
    against = sentences.maps(summary(**found | {"difference": (-0.3, -0.1)}))
    assert against.startswith("passes 1 of 3") and "is needed: refuted" in against
    assert sentences.maps(summary(difference=(0.9, 1.3))).startswith("passes 1 of 1 tests that")
    unknown = sentences.maps(summary(**{"time - chance": (np.nan, np.nan)}))
    assert "passes 0 of 0" in unknown and "(made: 1)" in unknown and "not to be" in unknown
    none = sentences.maps(summary(n_patients=0, **{"time - chance": (np.nan, np.nan)}))
    assert none.startswith("passes 0 of 0 tests that can be judged: ")
    assert none.endswith(
        "it leans to the pattern's seconds: not to be said, as no window here can show it"
    )
    few = sentences.maps(summary(n_patients=6, **found))
    assert few.startswith("passes 0 of 0 tests that can be judged (made: 3): ")
    assert few.count("not to be said of so few") == 3
    nothing = sentences.maps(summary(difference=(-0.0004, 0.0002)))
    assert "is needed: not shown, +0.00 (+0.00 to +0.00)" in nothing


def test_a_file_of_the_same_function_shows_nothing_and_a_wrong_scale_shows():
    found = {"n": 3, "correlation": 0.9999, "mean": 3.0, "sd": 0.16}
    own = sentences.likeness(found, synthetic=True)
    assert "written by the same function, so that this shows nothing" in own
    other = sentences.likeness(found, synthetic=False)
    assert "same function" not in other
    assert "+3.00 dB in the mean with a standard deviation of 0.16 dB, over 3 values" in other
    assert "no two spectrograms" in sentences.likeness(
        dict.fromkeys(found, np.nan), synthetic=False
    )


def test_cases_are_said_to_be_alike_only_where_the_interval_says_so():
    columns = ["mean", "low", "high", "n_rows", "n_patients"]
    lines = {
        "cases": (0.32, 0.28, 0.37, 256, 111),
        "by pixels": (0.31, 0.27, 0.36, 256, 111),
        "by chance": (0.17, 0.16, 0.18, 256, 111),
        "- pixels": (0.01, -0.03, 0.05, 256, 111),
        "- chance": (0.15, 0.11, 0.20, 256, 111),
    }
    table = pd.DataFrame(lines, columns).T
    said = sentences.cases(table)
    assert said.startswith(
        "Of the cases with a consensus 32.0% (28.0% to 37.0%) have the window's class"
    )
    assert "than windows by chance, 17.0%: more often, +15.0 points" in said
    assert "by pixels alone, 31.0%: no difference shown, +1.0 points (-3.0 to +5.0)" in said
    worse = table.assign(low=-0.2, high=-0.1)
    assert sentences.cases(worse).count("less often") == 2
    assert sentences.cases(table.assign(n_patients=12)).count("not to be said of so few") == 2


def history(*ends):
    """Two folds of two stages, by the held-out panels' divergence at the end of each."""
    lines = [
        {"fold": fold, "stage": stage, "epoch": epoch, "loss": 1.0, "val_loss": 2.0}
        | {"val_well": well + 0.5 * (2 - epoch)}
        for (fold, stage), well in ends
        for epoch in (1, 2)
    ]
    return pd.DataFrame(lines)


def test_what_the_last_stage_did_is_said_whether_it_helped_or_not():
    first, last = "all rows", "well voted"
    helped = history(((0, first), 0.9), ((0, last), 0.8), ((1, first), 0.7), ((1, last), 0.6))
    said = sentences.stages(helped).splitlines()
    assert said == [
        "KL at the end of all rows, mean of 2 folds: training rows of the stage 1.000, "
        "held-out rows 2.000, "
        "held-out rows with 10 or more votes 0.800",
        "KL at the end of well voted, mean of 2 folds: training rows of the stage 1.000, "
        "held-out rows 2.000, "
        "held-out rows with 10 or more votes 0.700",
        "of held-out rows, well voted ends lower than all rows in 0 of 2 folds",
        "of held-out rows with 10 or more votes, well voted ends lower than all rows in 2 of 2 "
        "folds",
    ]
    harmed = history(((0, first), 0.9), ((0, last), 1.8), ((1, first), 0.7), ((1, last), 0.6))
    assert sentences.stages(harmed).endswith("lower than all rows in 1 of 2 folds")
    without = sentences.stages(helped.assign(val_well=None))
    assert without.endswith("of held-out rows, well voted ends lower than all rows in 0 of 2 folds")
    alone = sentences.stages(helped[helped.stage == first])
    assert len(alone.splitlines()) == 1


def test_what_is_taken_for_what_is_counted():
    votes = 12 * np.eye(6, dtype=int)[[0, 0, 0, 1, 5]]
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    said = sentences.confusion(table, np.eye(6)[[0, 5, 5, 5, 5]])
    assert said.splitlines()[0] == (
        "all rows: the experts' class in 2 of 5, where always saying Seizure has 3; most often "
        "taken: Seizure for Other (2 of 3), LPD for Other (1 of 1); never holds most probable: "
        "LPD, GPD, LRDA, GRDA"
    )
    assert said.splitlines()[1].startswith(">= 10 votes: the experts' class in 2 of 5")
    right = sentences.confusion(table, votes / 12)
    assert "class in 5 of 5, where always saying Seizure has 3; never" in right
    assert "taken" not in right
    tied = pd.concat([table, table[:1].assign(lpd_vote=12)], ignore_index=True)
    said = sentences.confusion(tied, np.eye(6)[[0, 5, 5, 5, 5, 3]])
    assert "class in 2 of 5, where" in said
    assert "never holds most probable: LPD, GPD, GRDA\n" in said
    too_few = table.assign(other_vote=2)[4:]  # for a consensus
    assert sentences.confusion(too_few, np.eye(6)[[0]]) == ""
