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
        assert level - 0.02 < coverage.covered[level] < level + 0.17
        assert coverage.low[level] < coverage.covered[level] < coverage.high[level]


def test_vote_intervals_are_quantiles_of_counts():
    prediction = np.array([[0.6, 0.2, 0.1, 0.1, 0, 0]])
    low, high = scores.vote_intervals(prediction, 12, 1e6, level=0.8)
    assert (low[0, 0], high[0, 0]) == tuple(stats.binom(12, 0.6).ppf([0.1, 0.9]))
    assert (low[0, 4], high[0, 4]) == (0, 0)
    wider = scores.vote_intervals(prediction, 12, 3, level=0.8)
    assert wider[0][0, 0] < low[0, 0] and wider[1][0, 0] > high[0, 0]
