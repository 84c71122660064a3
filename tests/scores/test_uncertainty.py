import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hms_utils import scores
from hms_utils.constants import CLASSES, VOTE_COLUMNS


@pytest.fixture(scope="module")
def panel():
    """Votes of panels whose opinions scatter around what a model predicts."""
    rng = np.random.default_rng(0)
    prediction = rng.dirichlet(np.full(6, 0.7), 3000)
    opinion = np.stack([rng.dirichlet(8 * row + 1e-6) for row in prediction])
    votes = np.stack([rng.multinomial(rng.integers(10, 20), row) for row in opinion])
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    return table.assign(patient_id=np.arange(3000) // 3, fold=np.arange(3000) // 3 % 3), prediction


def test_calibrated_answers_lie_on_the_diagonal_and_others_do_not(panel):
    table, prediction = panel
    curve = scores.reliability(table, prediction)
    assert curve["class"].unique().tolist() == list(CLASSES)
    assert (curve.groupby("class").n_rows.sum() == 3000).all()
    error = scores.calibration_error(curve)
    assert error.index.tolist() == list(CLASSES)
    assert error.max() < 0.02
    sharper = scores.reliability(table, scores.temper(prediction, 0.4))
    assert scores.calibration_error(sharper).min() > 2 * error.max()


def test_calibration_error_is_weighted_by_rows():
    curve = pd.DataFrame(
        {"class": ["a", "a"], "predicted": [0.1, 0.5], "voted": [0.1, 0.9], "n_rows": [3, 1]}
    )
    assert scores.calibration_error(curve)["a"] == pytest.approx(0.1)


def test_expert_entropy_is_nearer_to_the_truth_than_that_of_the_shares():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(6, 0.7), 2000)
    table = pd.DataFrame(rng.multinomial(12, shares), columns=list(VOTE_COLUMNS))
    truth = scores.entropy(shares).mean()
    plain = scores.entropy(table.to_numpy() / 12).mean()
    estimate = scores.expert_entropy(table).mean()
    assert abs(estimate - truth) < 0.3 * abs(plain - truth)


def test_concentration_is_found(panel):
    table, prediction = panel
    votes = table[list(VOTE_COLUMNS)].to_numpy()
    assert scores.fit_concentration(votes, prediction) == pytest.approx(8, rel=0.1)
    exact = np.random.default_rng(0).multinomial(12, prediction)
    assert scores.fit_concentration(exact, prediction) > 200


def test_vote_intervals_hold_what_they_promise(panel):
    table, prediction = panel
    coverage = scores.coverage(table, prediction).set_index("level")
    for level in (0.5, 0.8, 0.95):
        assert level < coverage.attainable[level]
        assert abs(coverage.covered[level] - coverage.attainable[level]) < 0.02
        assert coverage.low[level] < coverage.covered[level] < coverage.high[level]


def test_concentration_is_that_of_the_most_probable_class():
    """Others that scatter less do not make its intervals narrower."""
    rng = np.random.default_rng(0)
    prediction = np.tile([0.6, 0.08, 0.08, 0.08, 0.08, 0.08], (800, 1))
    cast = rng.binomial(12, rng.beta(2 * 0.6, 2 * 0.4, 800))
    votes = np.column_stack([cast, rng.multinomial(12 - cast, np.full(5, 0.2))])
    assert scores.fit_concentration(votes, prediction) == pytest.approx(2, rel=0.15)


def test_attainable_coverage_is_that_of_whole_counts():
    rng = np.random.default_rng(0)
    votes = rng.multinomial(10, [0.6, 0.4, 0, 0, 0, 0], 400)
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    table = table.assign(patient_id=np.arange(400), fold=np.arange(400) % 2)
    prediction = np.tile([0.6, 0.4, 0, 0, 0, 0], (400, 1))
    coverage = scores.coverage(table, prediction, levels=(0.8,))
    counts = stats.binom(10, 0.6)
    low, high = counts.ppf([0.1, 0.9])
    expected = counts.cdf(high) - counts.cdf(low - 1)  # .88: whole votes hit no 80 %
    assert expected > 0.85
    assert coverage.attainable[0] == pytest.approx(expected, abs=0.01)


def test_intervals_that_are_too_sure_cover_less_than_is_attainable(panel):
    table, prediction = panel
    sharper = scores.temper(prediction, 0.25)
    # Scatter is fitted anew, so that only the shape of the answers is wrong.
    coverage = scores.coverage(table, sharper).set_index("level")
    assert (coverage.covered < coverage.attainable - 0.02).any()


def test_the_expected_calibration_error_is_that_of_answers_right_in_the_mean(panel):
    table, prediction = panel
    table, prediction = table[:200], prediction[:200]
    low, high = np.quantile(scores.errors_by_chance(table, prediction), [0.025, 0.975])
    error = scores.calibration_error(scores.reliability(table, prediction)).mean()
    assert low < error < high
    wrong = scores.temper(prediction, 0.4)
    high = np.quantile(scores.errors_by_chance(table, wrong), 0.975)
    assert scores.calibration_error(scores.reliability(table, wrong)).mean() > high


def test_rows_of_a_patient_are_off_alike():
    """Ten rows of a patient tell as much as one; taken for ten, right answers look wrong."""
    rng = np.random.default_rng(0)
    prediction = np.tile(rng.dirichlet(np.full(6, 0.7), 40), (10, 1))
    patients = np.tile(np.arange(40), 10)
    above, alone = 0, 0
    for _ in range(20):
        votes = np.tile(rng.multinomial(3, prediction[:40]), (10, 1))
        table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=patients)
        error = scores.calibration_error(scores.reliability(table, prediction)).mean()
        above += error > np.quantile(scores.errors_by_chance(table, prediction), 0.975)
        table["patient_id"] = np.arange(400)
        alone += error > np.quantile(scores.errors_by_chance(table, prediction), 0.975)
    assert above <= 4 < 15 < alone


def test_doubt_follows_the_experts_or_does_not():
    rng = np.random.default_rng(0)
    clear = np.repeat([0.97, 0.5], 100)
    opinion = np.stack([clear, 1 - clear, *np.zeros((4, 200))], axis=1)
    votes = rng.multinomial(15, opinion)
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=np.arange(200) // 2)
    flat = scores.temper(opinion, 3)
    lines = scores.doubt(table, {"right": opinion, "shuffled": opinion[::-1], "flat": flat})
    assert lines.rank_low["right"] > 0.5 > -0.5 > lines.rank_high["shuffled"]
    assert lines["rank"]["right"] == pytest.approx(
        stats.spearmanr(scores.entropy(opinion), scores.expert_entropy(table))[0]
    )
    assert abs(lines.gap["right"]) < 0.1 < lines.gap_low["flat"]
    assert lines.rank_low["flat"] < lines["rank"]["flat"] < lines.rank_high["flat"]
    alone = scores.doubt(table.assign(patient_id=3), {"right": opinion})
    assert alone.rank_low.isna().all() and alone.gap_low.isna().all()
    assert (lines.n_patients == 100).all() and (alone.n_patients == 1).all()


def test_vote_intervals_are_quantiles_of_counts():
    prediction = np.array([[0.6, 0.2, 0.1, 0.1, 0, 0]])
    low, high = scores.vote_intervals(prediction, 12, 1e6, level=0.8)
    assert (low[0, 0], high[0, 0]) == tuple(stats.binom(12, 0.6).ppf([0.1, 0.9]))
    assert (low[0, 4], high[0, 4]) == (0, 0)
    wider = scores.vote_intervals(prediction, 12, 3, level=0.8)
    assert wider[0][0, 0] < low[0, 0] and wider[1][0, 0] > high[0, 0]


def test_intervals_that_cover_all_have_an_interval_of_their_own():
    """Of 30 rows that are all covered a bootstrap would say 100 % (100 % to 100 %)."""
    votes = np.tile([6, 6, 0, 0, 0, 0], (30, 1))
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    table = table.assign(patient_id=np.arange(30), fold=np.arange(30) % 2)
    covered = scores.coverage(table, np.tile([0.5, 0.5, 0, 0, 0, 0], (30, 1)), levels=(0.95,))
    assert covered.covered[0] == covered.high[0] == 1
    assert 0.8 < covered.low[0] < 0.95
    assert covered.n_patients[0] == 30
