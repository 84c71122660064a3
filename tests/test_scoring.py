import math

import numpy as np
import pandas as pd
import pytest

from hms_utils import scoring
from hms_utils.constants import CLASSES, VOTE_COLUMNS

COLUMNS = list(VOTE_COLUMNS)


def random_rows(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    votes = rng.multinomial(5, rng.dirichlet(np.ones(6), n_rows))
    return votes, rng.dirichlet(np.ones(6), n_rows)


def plain(target, prediction):
    """The metric by its definition, one number at a time."""
    total = 0.0
    for row, guess in zip(target, prediction, strict=True):
        for votes, p in zip(row, guess, strict=True):
            share = votes / sum(row)
            if share > 0:
                total += share * math.log(share / min(max(p, 1e-15), 1 - 1e-15))
    return total / len(target)


@pytest.mark.parametrize(
    ("target", "prediction", "expected"),
    [
        ([1, 0, 0], [0.8, 0.1, 0.1], -math.log(0.8)),
        ([0.5, 0.5, 0], [0.5, 0.5, 0], 0.0),
        ([2, 2, 0], [0.5, 0.25, 0.25], 0.5 * math.log(2)),
        ([1, 0, 0], [0, 0.5, 0.5], -math.log(1e-15)),
        ([1, 0], [1, 0], -math.log(1 - 1e-15)),
        ([1] * 6, [1 / 6] * 6, 0.0),
    ],
)
def test_known_values(target, prediction, expected):
    assert scoring.kl_divergence([target], [prediction]) == pytest.approx(expected, abs=1e-12)


def test_zero_where_all_voted_costs_34_54():
    assert scoring.kl_divergence([[1, 0]], [[0, 1]]) == pytest.approx(34.54, abs=0.005)


def test_equals_the_definition():
    votes, prediction = random_rows(300)
    prediction[:20, 0] = 0
    expected = plain(votes, prediction)
    assert scoring.kl_divergence(votes, prediction) == pytest.approx(expected, rel=1e-12)


def test_weights():
    votes, prediction = random_rows(3)
    rows = scoring.row_divergence(votes, prediction)
    weighted = scoring.kl_divergence(votes, prediction, weights=[1, 0, 3])
    assert weighted == pytest.approx((rows[0] + 3 * rows[2]) / 4)


@pytest.mark.parametrize(
    ("target", "prediction", "message"),
    [
        ([[1, 0]], [[0.5, 0.3, 0.2]], "of one shape"),
        ([1, 0], [0.5, 0.5], "of one shape"),
        ([[1, 0], [0, 0]], [[0.5, 0.5]] * 2, "none in row 1"),
        ([[1, 0], [-1, 2]], [[0.5, 0.5]] * 2, "target of zero and more, .* in row 1"),
        ([[1, 0]], [[np.nan, 1]], "prediction of zero and more"),
        (np.zeros((0, 6)), np.zeros((0, 6)), "at least one row"),
    ],
)
def test_impossible_arrays_are_refused(target, prediction, message):
    with pytest.raises(ValueError, match=message):
        scoring.kl_divergence(target, prediction)


@pytest.fixture
def tables():
    votes, prediction = random_rows(20)
    solution = pd.DataFrame(votes / votes.sum(axis=1, keepdims=True), columns=COLUMNS)
    solution.insert(0, "eeg_id", np.arange(100, 120))
    submission = pd.DataFrame(prediction, columns=COLUMNS)
    submission.insert(0, "eeg_id", np.arange(100, 120))
    return solution, submission


def test_score_joins_by_id_and_changes_nothing(tables):
    solution, submission = tables
    expected = plain(solution[COLUMNS].to_numpy(), submission[COLUMNS].to_numpy())
    shuffled = submission.sample(frac=1, random_state=0)[["eeg_id", *COLUMNS[::-1]]]
    before = solution.copy(), shuffled.copy()
    assert scoring.score(solution, shuffled) == pytest.approx(expected, rel=1e-12)
    pd.testing.assert_frame_equal(solution, before[0])
    pd.testing.assert_frame_equal(shuffled, before[1])


def test_score_takes_weights_and_another_id(tables):
    solution, submission = (table.rename(columns={"eeg_id": "id"}) for table in tables)
    rows = scoring.row_divergence(solution[COLUMNS], submission[COLUMNS])
    weights = np.arange(20)
    result = scoring.score(solution.assign(w=weights), submission, "id", weights="w")
    assert result == pytest.approx(np.average(rows, weights=weights))


def change(table, column, values):
    return table.assign(**{column: values})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="lpd_vote"), "missing column in the submission: lpd_vote"),
        (lambda t: t.drop(columns="eeg_id"), "missing column in the submission: eeg_id"),
        (lambda t: t[1:], r"submission lacks ids: 1, first \[.*100"),
        (lambda t: pd.concat([t, t[:1]]), "submission repeats ids: 1"),
        (lambda t: pd.concat([t, t[:1].assign(eeg_id=7)]), "not asked for: 1"),
        (lambda t: change(t, "gpd_vote", "0.1"), "submission must be numeric"),
        (lambda t: change(t, "gpd_vote", -0.1), "submission must be at least zero: 20 of 20"),
        (lambda t: change(t, "gpd_vote", 1.1), "submission must be no greater than one"),
        (lambda t: change(t, "gpd_vote", t.gpd_vote / 2), "submission must add to one"),
        (lambda t: change(t, "gpd_vote", np.nan), "submission must add to one"),
    ],
)
def test_bad_submissions_are_refused(tables, spoil, message):
    solution, submission = tables
    with pytest.raises(ValueError, match=message):
        scoring.score(solution, spoil(submission))


def test_errors_come_in_kaggles_order(tables):
    solution, submission = tables
    spoilt = submission.assign(seizure_vote=-1.0, lpd_vote=5.0)
    with pytest.raises(ValueError, match="at least zero"):
        scoring.score(solution, spoilt)
    with pytest.raises(ValueError, match="no greater than one"):
        scoring.score(solution, submission.assign(lpd_vote=5.0))
    with pytest.raises(ValueError, match="solution must be no greater than one"):
        scoring.score(solution.assign(lpd_vote=5.0), spoilt)
    with pytest.raises(ValueError, match="missing column"):
        scoring.score(solution, spoilt.drop(columns="other_vote"))


@pytest.mark.parametrize(("excess", "passes"), [(9e-6, True), (2e-5, False)])
def test_tolerance_of_row_sums(tables, excess, passes):
    solution, submission = tables
    total = 1 + excess
    submission = submission.assign(**{name: submission[name] * total for name in COLUMNS})
    if passes:
        assert scoring.score(solution, submission) > 0
    else:
        with pytest.raises(ValueError, match="add to one"):
            scoring.score(solution, submission)


def test_fold_priors_do_not_see_their_own_fold():
    shares = np.eye(6)[[0, 0, 1, 2]]
    prior = scoring.fold_priors(shares, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(prior[0], [0, 0.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(prior[3], [1, 0, 0, 0, 0, 0])


def test_bootstrap_interval_is_of_patients():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(50), 40)
    rows = rng.normal(size=50)[patients]  # rows of a patient are all alike
    low, high = scoring.bootstrap_interval(rows, patients)
    assert low < rows.mean() < high
    # 1.96 standard errors of a mean over 50 patients on either side.
    expected = 2 * 1.96 * rows.std() / np.sqrt(50)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert np.isnan(scoring.bootstrap_interval(rows[:40], patients[:40])).all()


def test_scorecard_has_a_line_for_each_stratum_with_rows():
    votes = np.zeros((6, 6), int)
    votes[:, 0] = [1, 3, 5, 7, 10, 20]
    prediction = np.full((6, 6), 1 / 6)
    table = scoring.scorecard(votes, {"uniform": prediction}, np.arange(6))
    assert table.rows.tolist() == ["all rows", "3-9 votes", ">= 10 votes"]
    assert table.n_rows.tolist() == [6, 3, 2]
    np.testing.assert_allclose(table.kl, math.log(6))
    assert scoring.scorecard(votes[:1], {"m": prediction[:1]}, [0]).rows.tolist() == ["all rows"]


def test_differences_are_paired():
    votes, worse = random_rows(200)
    better = 0.5 * worse + 0.5 * votes / votes.sum(axis=1, keepdims=True)
    patients = np.arange(200) // 2
    table = scoring.differences(votes, {"a": better, "b": worse}, patients, [("a", "b")])
    expected = scoring.kl_divergence(votes, better) - scoring.kl_divergence(votes, worse)
    assert table.difference[0] == pytest.approx(expected)
    assert table.low[0] < expected < table.high[0] < 0


def test_per_class():
    votes = np.eye(6, dtype=int)[[0, 0, 1]] * 4
    prediction = np.full((3, 6), 1 / 6)
    table = scoring.per_class(votes, prediction)
    assert table.index.tolist() == list(CLASSES)
    assert table.rows.tolist() == [2, 1, 0, 0, 0, 0]
    assert table.kl["Seizure"] == pytest.approx(math.log(6))
    assert np.isnan(table.kl["GPD"])
