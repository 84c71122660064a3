import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scores import metric

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
    assert metric.kl_divergence([target], [prediction]) == pytest.approx(expected, abs=1e-12)


def test_zero_where_all_voted_costs_34_54():
    assert metric.kl_divergence([[1, 0]], [[0, 1]]) == pytest.approx(34.54, abs=0.005)


def test_equals_the_definition():
    votes, prediction = random_rows(300)
    prediction[:20, 0] = 0
    expected = plain(votes, prediction)
    assert metric.kl_divergence(votes, prediction) == pytest.approx(expected, rel=1e-12)


counts = hnp.arrays(np.int64, (7, 6), elements=st.integers(0, 30))
# Zero and one, what is clipped and what is not.
chances = hnp.arrays(
    float, (7, 6), elements=st.floats(0, 1) | st.sampled_from([0, 1e-300, 1e-16, 1 - 1e-16, 1])
)


@given(counts, chances)
def test_equals_the_definition_for_any_votes_and_probabilities(votes, prediction):
    votes = votes.copy()
    votes[votes.sum(axis=1) == 0, 0] = 1
    expected = plain(votes.tolist(), prediction.tolist())
    found = metric.kl_divergence(votes, prediction)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    parts = metric.class_divergence(votes, prediction)
    assert parts.sum() == pytest.approx(found, rel=1e-9, abs=1e-9)


@given(counts, st.integers(1, 5), st.permutations(range(7)), st.permutations(range(6)))
def test_scale_and_order_do_not_matter(votes, factor, rows, classes):
    votes = votes + 1
    prediction = np.linspace(0.1, 1, 42).reshape(7, 6)
    prediction /= prediction.sum(axis=1, keepdims=True)
    expected = metric.kl_divergence(votes, prediction)
    moved = np.ix_(rows, classes)
    found = metric.kl_divergence(factor * votes[moved], prediction[moved])
    assert found == pytest.approx(expected, rel=1e-9)


@given(counts)
def test_nothing_is_better_than_the_votes_themselves(votes):
    votes = votes + np.eye(7, 6, dtype=int) + [0, 0, 0, 0, 0, 1]
    shares = votes / votes.sum(axis=1, keepdims=True)
    assert metric.kl_divergence(votes, shares) == pytest.approx(0, abs=1e-12)
    flatter = 0.9 * shares + 0.1 / 6
    assert metric.kl_divergence(votes, flatter) >= 0


def test_more_rows_than_a_block_are_all_counted():
    votes, prediction = random_rows(20_001)
    rows = metric.row_divergence(votes, prediction)
    for row in (0, 8191, 8192, 20_000):
        assert rows[row] == pytest.approx(plain(votes[[row]], prediction[[row]]), rel=1e-12)
    assert metric.kl_divergence(votes, prediction) == pytest.approx(rows.mean(), rel=1e-12)
    with pytest.raises(ValueError, match="none in row 20000"):
        metric.row_divergence(votes * (np.arange(20_001) < 20_000)[:, None], prediction)


def test_what_a_class_adds():
    votes, prediction = np.array([[1, 1, 0]]), np.array([[0.25, 0.5, 0.25]])
    parts = metric.class_divergence(votes, prediction)
    np.testing.assert_allclose(parts, [0.5 * math.log(2), 0, 0], atol=1e-15)


def test_weights():
    votes, prediction = random_rows(3)
    rows = metric.row_divergence(votes, prediction)
    weighted = metric.kl_divergence(votes, prediction, weights=[1, 0, 3])
    assert weighted == pytest.approx((rows[0] + 3 * rows[2]) / 4)


@pytest.mark.parametrize(
    ("target", "prediction", "message"),
    [
        ([[1, 0]], [[0.5, 0.3, 0.2]], "of one shape"),
        ([1, 0], [0.5, 0.5], "of one shape"),
        ([[1, 0], [0, 0]], [[0.5, 0.5]] * 2, "none in row 1"),
        ([[0.5, np.nan]], [[0.5, 0.5]], "target of zero and more, .* 1 of 1 rows are wrong"),
        ([[1, 0], [-1, 2]], [[0.5, 0.5]] * 2, "target of zero and more, .* in row 1"),
        ([[1, 0]], [[np.nan, 1]], "prediction of zero and more"),
        (np.zeros((0, 6)), np.zeros((0, 6)), "at least one row"),
    ],
)
def test_impossible_arrays_are_refused(target, prediction, message):
    with pytest.raises(ValueError, match=message):
        metric.kl_divergence(target, prediction)


@pytest.mark.parametrize("weights", [[1, 2], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]])
def test_impossible_weights_are_refused(weights):
    votes, prediction = random_rows(3)
    with pytest.raises(ValueError, match="expected 3 weights of zero and more"):
        metric.kl_divergence(votes, prediction, weights=weights)


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
    assert metric.score(solution, shuffled) == pytest.approx(expected, rel=1e-12)
    pd.testing.assert_frame_equal(solution, before[0])
    pd.testing.assert_frame_equal(shuffled, before[1])


def test_score_takes_weights_and_another_id(tables):
    solution, submission = (table.rename(columns={"eeg_id": "id"}) for table in tables)
    rows = metric.row_divergence(solution[COLUMNS], submission[COLUMNS])
    weights = np.arange(20)
    result = metric.score(solution.assign(w=weights), submission, "id", weights="w")
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
        (lambda t: t[:0], "submission lacks ids: 20"),
        (lambda t: change(t, "eeg_id", t.eeg_id.astype(str)), "submission lacks ids: 20"),
        (
            lambda t: change(t, "gpd_vote", "0.1"),
            "submission must be numeric: found .* in gpd_vote",
        ),
        (
            lambda t: change(t, "gpd_vote", t.gpd_vote.where(t.eeg_id != 107, -0.1)),
            "submission must be at least zero: 1 of 20 rows do not, first 107 with",
        ),
        (lambda t: change(t, "gpd_vote", 1.1), "submission must be no greater than one"),
        (
            lambda t: change(t, "gpd_vote", t.gpd_vote / 2),
            "submission do not add to one within all rows",
        ),
        (lambda t: change(t, "gpd_vote", np.nan), "submission do not add to one"),
    ],
)
def test_bad_submissions_are_refused(tables, spoil, message):
    solution, submission = tables
    with pytest.raises(ValueError, match=message):
        metric.score(solution, spoil(submission))


def test_errors_come_in_kaggles_order(tables):
    solution, submission = tables
    spoilt = submission.assign(seizure_vote=-1.0, lpd_vote=5.0)
    with pytest.raises(ValueError, match="at least zero"):
        metric.score(solution, spoilt)
    with pytest.raises(ValueError, match="no greater than one"):
        metric.score(solution, submission.assign(lpd_vote=5.0))
    with pytest.raises(ValueError, match="solution must be no greater than one"):
        metric.score(solution.assign(lpd_vote=5.0), spoilt)
    with pytest.raises(ValueError, match="missing column"):
        metric.score(solution, spoilt.drop(columns="other_vote"))


@pytest.mark.parametrize(("excess", "passes"), [(9e-6, True), (2e-5, False)])
def test_tolerance_of_row_sums(tables, excess, passes):
    solution, submission = tables
    total = 1 + excess
    submission = submission.assign(**{name: submission[name] * total for name in COLUMNS})
    if passes:
        assert metric.score(solution, submission) > 0
    else:
        with pytest.raises(ValueError, match="add to one"):
            metric.score(solution, submission)
