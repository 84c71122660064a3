import math

import numpy as np
import pandas as pd
import pytest

from hms_utils import paths, scores
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.sample.dataset import label_rows, plan_patient
from hms_utils.scores import metric
from hms_utils.scores.marks import estimated_floor

COLUMNS = list(VOTE_COLUMNS)


def as_table(votes, patients=None, folds=None):
    votes = np.asarray(votes)
    table = pd.DataFrame(votes, columns=COLUMNS).assign(label_id=np.arange(100, 100 + len(votes)))
    patients = np.arange(len(votes)) if patients is None else patients
    return table.assign(
        patient_id=patients, fold=np.arange(len(votes)) % 2 if folds is None else folds
    )


def random_table(n_rows, n_votes=12, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(6, 0.5), n_rows)
    return as_table(rng.multinomial(n_votes, shares), np.arange(n_rows) // 2), shares


def test_rows_are_grouped_by_votes_and_by_agreement():
    groups = scores.strata(
        as_table(
            [
                [0, 2, 0, 0, 0, 0],
                [0, 3, 0, 0, 0, 4],
                [0, 9, 0, 0, 0, 3],
                [0, 6, 0, 0, 0, 6],
                [6, 4, 0, 0, 0, 0],
                [4, 2, 2, 1, 1, 0],
            ]
        )
    )
    expected = {
        "all rows": [0, 1, 2, 3, 4, 5],
        "1-2 votes": [0],
        "3-9 votes": [1],
        ">= 10 votes": [2, 3, 4, 5],
        "idealised": [2],
        "proto": [3],
        "edge": [4],
    }
    assert {name: np.flatnonzero(rows).tolist() for name, rows in groups.items()} == expected
    assert list(scores.strata(as_table([[4, 0, 0, 0, 0, 0]]))) == ["all rows", "3-9 votes"]


def test_patients_priors_know_the_patients_other_rows_and_nothing_else():
    votes = np.eye(6, dtype=int)[[0, 0, 1, 2, 2]]
    table = as_table(votes, folds=[0, 1, 1, 0, 0]).assign(patient_id=[7, 7, 8, 9, 9])
    known, plain = scores.patient_priors(table), scores.fold_priors(table)
    np.testing.assert_allclose(known[0], (10 * plain[0] + votes[1]) / 11)
    np.testing.assert_allclose(known[2:], plain[2:])  # alone, or all in the row's own fold
    np.testing.assert_allclose(known.sum(axis=1), 1)


def test_fold_priors_do_not_see_their_own_fold():
    prior = scores.fold_priors(as_table(np.eye(6, dtype=int)[[0, 0, 1, 2]], folds=[0, 0, 1, 1]))
    # Of the two rows of the other fold, and of one more that votes for all alike.
    np.testing.assert_allclose(18 * prior[0], [1, 7, 7, 1, 1, 1])
    np.testing.assert_allclose(18 * prior[3], [13, 1, 1, 1, 1, 1])


def test_a_class_that_is_absent_elsewhere_costs_little():
    """Of seven recordings a prior without smoothing costs 34.5 where a class is new."""
    table = as_table(3 * np.eye(6, dtype=int)[[0, 1, 2, 3, 4, 5, 5]], folds=range(7))
    card = scores.scorecard(table, {}).set_index(["model", "group"])
    assert card.kl["prior", "all rows"] < np.log(6 * 8)
    np.testing.assert_allclose(scores.fold_priors(table).sum(axis=1), 1)
    assert (scores.mean_vote(table) > 0).all()


def test_the_floor_is_estimated_within_a_tenth_of_what_it_is():
    """On votes as the sample draws them, whose true opinion is known."""
    rng = np.random.default_rng(0)
    planned = [plan_patient((0, number), "train", 3)[1] for number in range(2000)]
    recordings = [recording for plan in planned for course in plan for recording in course]
    tables = [label_rows(rng, recording) for recording in recordings]
    rows = pd.concat([table.drop_duplicates(COLUMNS) for table in tables])
    rows = rows[rows[COLUMNS].sum(axis=1) >= 10]
    votes, truth = rows[COLUMNS].to_numpy(), rows[[f"true_{name}" for name in COLUMNS]].to_numpy()
    exact = metric.kl_divergence(votes, truth)
    assert estimated_floor(votes).mean() == pytest.approx(exact, rel=0.1)


def test_a_group_has_the_prior_of_its_own_rows():
    """Rows with few votes are of one class, panels of another: the mean of all is no mark."""
    few, many = 3 * np.eye(6, dtype=int)[[0] * 60], 12 * np.eye(6, dtype=int)[[5] * 40]
    table = as_table(np.concatenate([few, many]))
    card = scores.scorecard(table, {}).set_index(["model", "group"])
    of_all = scores.fold_priors(table)[60:, 5]
    own = (20 + 10 * of_all) / 30  # twenty rows of the other fold, and ten that vote as all do
    assert card.kl["prior", scores.WELL] == pytest.approx(-np.log(own).mean())
    assert card.kl["prior", scores.WELL] < 0.3 < 0.8 < card.kl["prior of all rows", scores.WELL]
    assert card.kl["prior of all rows", scores.WELL] == pytest.approx(-np.log(of_all).mean())
    assert ("prior of all rows", "all rows") not in card.index
    of_all = -np.log(scores.fold_priors(table)[range(100), [0] * 60 + [5] * 40])
    assert card.kl["prior", "all rows"] == pytest.approx(of_all.mean())


def test_the_prior_of_a_small_group_is_no_worse_a_mark_than_that_of_all():
    """The mean of two rows, next to nothing for the other classes, would flatter every model."""
    edge = [[6, 6, 0, 0, 0, 0], [0, 0, 6, 6, 0, 0]] * 2  # other classes in the other fold
    clear = 12 * np.eye(6, dtype=int)[[0, 1, 2, 3, 4, 5] * 10]
    folds = [*np.arange(60) // 6 % 2, 0, 1, 0, 1]
    table = as_table(np.concatenate([clear, edge]), folds=folds)
    kl = scores.scorecard(table, {}).set_index(["group", "model"]).kl["edge"]
    alone = metric.kl_divergence(edge, scores.fold_priors(table[60:]))
    assert kl["prior"] < kl["prior of all rows"] + 0.25 < alone - 0.5


def test_the_way_from_prior_to_floor_is_of_the_same_patients():
    table, shares = random_table(300)
    models = {"perfect": shares, "half": 0.5 * shares + 0.5 / 6}
    models["eyeless"] = scores.fold_priors(table)
    lines = scores.closed(table, models, truth=shares)
    assert lines.group.unique().tolist() == ["all rows", scores.WELL]  # none with fewer
    lines = lines[lines.group == scores.WELL].set_index("model")
    # Marks against themselves are where they are, whoever is drawn.
    np.testing.assert_allclose(lines.loc["perfect", ["closed", "low", "high"]].tolist(), 1)
    np.testing.assert_allclose(
        lines.loc["eyeless", ["closed", "low", "high"]].tolist(), 0, atol=1e-3
    )
    card = scores.scorecard(table, models, truth=shares)
    kl = card[card.group == scores.WELL].set_index("model").kl
    assert lines.closed["half"] == pytest.approx(
        (kl["prior"] - kl["half"]) / (kl["prior"] - kl["floor"])
    )
    assert 0 < lines.low["half"] < lines.closed["half"] < lines.high["half"] < 1
    estimated = scores.closed(table, {"half": models["half"]})
    assert estimated.closed[0] == pytest.approx(lines.closed["half"], abs=0.1)


def test_the_way_is_told_of_each_range_of_votes():
    few, of_few = random_table(60, n_votes=4)
    many, of_many = random_table(60, seed=1)
    table = pd.concat([few, many.assign(patient_id=many.patient_id + 100)], ignore_index=True)
    shares = np.concatenate([of_few, of_many])
    model = np.where(np.arange(120)[:, None] < 60, 1 / 6, shares)  # blind where few voted
    lines = scores.closed(table, {"model": model}, truth=shares).set_index("group").closed
    assert lines.index.tolist() == ["all rows", "3-9 votes", scores.WELL]
    assert lines["3-9 votes"] < 0.1 < 0.9 < lines[scores.WELL]
    assert scores.closed(table, {"model": model}).group.tolist() == [scores.WELL]


def test_all_rows_stand_beside_who_knows_how_many_voted():
    """Few raters and panels vote otherwise: who knows their number needs no EEG to be better."""
    votes = np.concatenate([np.tile([4, 0, 0, 0, 0, 0], (40, 1)), np.tile([0] * 5 + [12], (40, 1))])
    card = scores.scorecard(as_table(votes), {}).set_index(["model", "group"]).kl
    assert card["prior by votes", "all rows"] < 0.3 < card["prior", "all rows"]
    groups = card["prior", "3-9 votes"], card["prior", scores.WELL]
    assert card["prior by votes", "all rows"] == pytest.approx(np.mean(groups))
    assert "prior by votes" not in scores.scorecard(as_table(votes[:40]), {}).model.to_numpy()


def test_models_are_compared_with_marks_row_by_row():
    table, shares = random_table(200)
    good = 0.9 * shares + 0.1 / 6
    lines = scores.against_marks(table, {"good": good}, truth=shares)
    assert "floor (estimate)" not in lines.mark.to_numpy()
    well = lines[lines.group == scores.WELL].set_index("mark")
    assert (well.high[["uniform", "prior of all rows", "prior"]] < 0).all()
    assert well.low["floor"] > 0
    card = scores.scorecard(table, {"good": good}).set_index(["model", "group"])
    kl = card.kl[:, scores.WELL]
    assert well.difference["uniform"] == pytest.approx(kl["good"] - kl["uniform"])
    pair = scores.differences(table, {"good": good, "floor": shares}, [("good", "floor")])
    assert well.low["floor"] == pytest.approx(pair.low[1])
    # Chosen by the votes that it is estimated from, a small group has no floor to be held to.
    estimated = scores.against_marks(table, {"good": good})
    assert estimated[estimated.mark == "floor (estimate)"].group.tolist() == [scores.WELL]


def test_the_way_is_known_only_where_there_is_a_floor():
    few, _ = random_table(40, n_votes=3)
    assert scores.closed(few, {}).empty
    table, shares = random_table(40)
    alone = scores.closed(table.assign(patient_id=7), {"model": shares})
    assert alone.low.isna().all() and alone.closed.notna().all()
    assert (alone.n_patients == 1).all()


def test_scorecard_frames_models_by_marks():
    table, shares = random_table(200)
    card = scores.scorecard(table, {"good": shares, "flat": 0.5 * shares + 0.5 / 6})
    assert card.model.unique().tolist() == [
        "uniform",
        "prior of all rows",
        "prior",
        "good",
        "flat",
        "floor (estimate)",
    ]
    means = card[card.group == scores.WELL].set_index("model")
    assert means.kl["good"] < means.kl["flat"] < means.kl["uniform"]
    assert means.kl["uniform"] == pytest.approx(
        metric.kl_divergence(table[COLUMNS], np.full((200, 6), 1 / 6))
    )
    assert means.kl["floor (estimate)"] == pytest.approx(means.kl["good"], rel=0.25)
    assert ((means.low < means.kl) & (means.kl < means.high)).all()
    assert (means.n_patients == 100).all()
    exact = scores.scorecard(table, {"good": shares}, truth=shares).set_index(["model", "group"])
    assert exact.kl["floor", "all rows"] == exact.kl["good", "all rows"]
    assert exact.kl["floor (estimate)", scores.WELL] == means.kl["floor (estimate)"]


def test_the_floor_of_few_votes_is_not_estimated():
    votes = np.zeros((6, 6), int)
    votes[:, 0] = [1, 3, 5, 7, 10, 20]
    card = scores.scorecard(as_table(votes).drop(columns="fold"), {})
    uniform = card[card.model == "uniform"].set_index("group")
    assert uniform.n_rows.to_dict() == {
        "all rows": 6,
        "1-2 votes": 1,
        "3-9 votes": 3,
        ">= 10 votes": 2,
        "idealised": 2,
    }
    np.testing.assert_allclose(uniform.kl, math.log(6))
    assert set(card.model) == {"uniform", "floor (estimate)"}
    assert set(card[card.model == "floor (estimate)"].group) == {">= 10 votes", "idealised"}


def test_no_interval_from_one_patient():
    table, shares = random_table(20)
    card = scores.scorecard(table.assign(patient_id=7), {"model": shares})
    assert card.low.isna().all()
    assert card.kl.notna().all()
    assert scores.side_by_side(card).loc["all rows (few)", "uniform"] == f"{card.kl[0]:.3f}"


def test_models_stand_side_by_side_with_their_bounds():
    columns = ["model", "group", "kl", "low", "high", "n_rows", "n_patients"]
    card = pd.DataFrame(
        [
            ("prior", "all rows", 1.3312, 1.2, 1.4, 90, 40),
            ("prior", "edge", 1.5, 1.25, 1.75, 2, 2),
            ("cnn", "edge", 0.4738, 0.4169, 0.5352, 2, 2),
        ],
        columns=columns,
    )
    wide = scores.side_by_side(card)
    assert wide.columns.tolist() == ["n_rows", "n_patients", "prior", "cnn"]
    assert wide.index.tolist() == ["all rows", "edge (few)"]
    assert wide.loc["edge (few)"].tolist() == [2, 2, "1.500 (1.250-1.750)", "0.474 (0.417-0.535)"]
    assert wide.loc["all rows", "cnn"] == ""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t[:0], "at least one row of votes"),
        (lambda t: t.assign(lpd_vote=t.lpd_vote - 50), "counts in lpd_vote.* 20 of 20 rows"),
        (lambda t: t.assign(lpd_vote=0.5), r"counts in lpd_vote.*first label_id \[100, 101, 102\]"),
        (lambda t: t.assign(lpd_vote=np.nan), "counts in lpd_vote"),
        (lambda t: t.assign(lpd_vote="3"), "numbers in lpd_vote"),
        (lambda t: t.assign(**dict.fromkeys(COLUMNS, 0)), "expected votes, found none in 20 of 20"),
    ],
)
def test_impossible_votes_are_refused_by_column_and_label(spoil, message):
    table, shares = random_table(20)
    with pytest.raises(ValueError, match=message):
        scores.scorecard(spoil(table), {"model": shares})


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.full((20, 6), 0.2), r"probabilities of model that add to one, found none in 20 of 20"),
        (np.full((20, 6), np.nan), "20 of 20 rows"),
        (np.full((19, 6), 1 / 6), r"model of shape \(20, 6\), found \(19, 6\)"),
        (np.array([[1.5, -0.5, 0, 0, 0, 0]] * 20), "probabilities of model"),
    ],
)
def test_impossible_predictions_are_refused_by_name(prediction, message):
    table, _ = random_table(20)
    with pytest.raises(ValueError, match=message):
        scores.scorecard(table, {"model": prediction})


def test_differences_are_paired():
    table, better = random_table(200)
    worse = 0.9 * better + 0.1 / 6
    lines = scores.differences(table, {"a": better, "b": worse}, [("a", "b")])
    assert lines.group.tolist() == ["all rows", scores.WELL]
    votes = table[COLUMNS]
    expected = metric.kl_divergence(votes, better) - metric.kl_divergence(votes, worse)
    assert lines.difference[0] == pytest.approx(expected)
    assert lines.low[0] < expected < lines.high[0] < 0
    assert lines.unlike.tolist() == [1, 1]
    half = np.where(np.arange(200)[:, None] < 100, better, worse)
    assert scores.differences(table, {"a": better, "b": half}, [("a", "b")]).unlike[0] == 0.5
    card = scores.scorecard(table, {"a": better}).set_index(["model", "group"])
    assert lines.high[0] - lines.low[0] < (card.high - card.low)["a", "all rows"]


def test_what_is_reached_stands_beside_the_patients_learnt_from(tmp_path):
    table, shares = random_table(90)
    table["fold"] = table.patient_id % 3
    answers = {"cnn": 0.5 * shares + 0.5 / 6, "b0": shares, "blend": shares}
    card = scores.scorecard(table, answers, truth=shares)
    compared = scores.differences(table, answers, [("b0", "cnn"), ("blend", "b0")])
    started = {"cnn": "random weights", "b0": "ImageNet weights (MD5 0)"}
    file = tmp_path / "learning_curve.csv"
    lines = scores.by_patients(table, card, compared, started, tmp_path)
    names = ["prior", "cnn, random weights", "b0, ImageNet weights", "blend", "floor"]
    assert lines.model.tolist() == names
    assert (lines.patients == 30).all() and (lines.n_patients == 45).all()
    (found,) = lines[lines.against == "cnn"].itertuples()
    expected = compared[(compared.model == "b0") & (compared.group == scores.WELL)].iloc[0]
    assert found.model == "b0, ImageNet weights"
    assert found.difference == expected.difference < 0
    assert (found.difference_low, found.difference_high) == (expected.low, expected.high)
    # Only lines of the same group are comparable.
    other = lines.assign(group="all rows")
    pd.concat([lines, other]).drop(columns="source").to_csv(file, index=False)
    both = scores.by_patients(table, card, compared, started, tmp_path)
    assert both.source.tolist() == ["run"] * 5 + ["curve"] * 5
    lines.drop(columns="kl").to_csv(file, index=False)
    with pytest.raises(paths.DamagedFileError, match=r"learning_curve\.csv"):
        scores.by_patients(table, card, compared, started, tmp_path)


def test_without_panels_all_rows_are_taken(tmp_path):
    table, shares = random_table(60, n_votes=3)
    card = scores.scorecard(table, {"cnn": shares})
    compared = scores.differences(table, {"cnn": shares}, [])
    lines = scores.by_patients(table, card, compared, {"cnn": "x"}, tmp_path)
    assert lines.group.unique().tolist() == ["all rows"]
    assert lines.model.tolist() == ["prior", "cnn, x"]
