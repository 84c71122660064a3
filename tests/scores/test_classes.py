import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.scores import classes, metric


def test_ranking_is_that_of_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    positive, scores = rng.random(200) < 0.3, rng.integers(0, 20, 200) / 20
    weights = rng.integers(0, 4, (5, 200)).astype(float)
    areas, precisions = classes.ranking(positive, scores, weights)
    for row, area, precision in zip(weights, areas, precisions, strict=True):
        assert area == pytest.approx(roc_auc_score(positive, scores, sample_weight=row))
        expected = average_precision_score(positive, scores, sample_weight=row)
        assert precision == pytest.approx(expected)
    areas, precisions = classes.ranking(np.zeros(200, bool), scores, weights)
    assert np.isnan(areas).all() and np.isnan(precisions).all()


def test_rows_of_single_votes_have_no_consensus():
    table = pd.DataFrame(np.eye(6, dtype=int), columns=list(VOTE_COLUMNS)).assign(
        patient_id=[*"abcabc"]
    )
    result = classes.per_class(table, np.full((6, 6), 1 / 6))
    assert result.n_rows.sum() == 0
    assert result.auroc.isna().all() and result.kl.isna().all()
    np.testing.assert_allclose(result.voted, 1 / 6)


def test_per_class():
    votes = np.eye(6, dtype=int)[[0, 0, 1, 1] * 10] * 4
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=np.arange(40))
    prediction = np.full((40, 6), 0.1)
    prediction[np.arange(40), [0, 0, 1, 0] * 10] = 0.5
    result = classes.per_class(table, prediction)
    assert result.index.tolist() == list(CLASSES)
    assert result.n_rows.tolist() == [20, 20, 0, 0, 0, 0]
    assert result.kl["Seizure"] == pytest.approx(np.log(2))
    assert result.kl["LPD"] == pytest.approx((np.log(2) + np.log(10)) / 2)
    assert np.isnan(result.kl["GPD"]) and np.isnan(result.auroc["GPD"])
    assert result.adds.sum() == pytest.approx(metric.kl_divergence(votes, prediction))
    assert result.auroc["LPD"] == pytest.approx(0.75)
    assert result.auroc_low["LPD"] < 0.75 < result.auroc_high["LPD"]
    assert result.ap["LPD"] == pytest.approx(
        average_precision_score(votes[:, 1] > 0, prediction[:, 1])
    )
    np.testing.assert_allclose(result.predicted, prediction.mean(axis=0))


def test_ties_and_tiny_panels_have_no_consensus():
    """Of two raters, or of halves, the first class in the table's order was taken for the truth."""
    votes = np.array(
        [[2, 0, 0, 0, 0, 0], [0, 2, 2, 0, 0, 0], [0, 3, 0, 0, 0, 0], [0, 1, 0, 1, 0, 2]]
    )
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=range(4))
    assert classes.consensus(table).tolist() == [-1, -1, 1, 5]
    prediction = np.full((4, 6), 0.1)
    prediction[[0, 1, 2, 3], [0, 2, 1, 5]] = 0.5
    result = classes.per_class(table, prediction)
    assert result.n_rows.tolist() == result.n_patients.tolist() == [0, 1, 0, 0, 0, 1]
    assert np.isnan(result.auroc["Seizure"])
    assert result.auroc["LPD"] == result.auroc["Other"] == 1
    # Every draw has the same one row of it: bounds of 1 to 1 would look like certainty.
    assert result.filter(regex="_low|_high").isna().all(axis=None)
    assert result.adds.sum() == pytest.approx(metric.kl_divergence(votes, prediction))


def test_alarms_are_counted_on_rows_with_a_consensus():
    votes = 12 * np.eye(6, dtype=int)[[0] * 10 + [5] * 30]
    votes[:2] = [6, 0, 0, 0, 0, 6]  # nobody knows
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=np.arange(40))
    prediction = np.full((40, 6), 0.02)
    prediction[:6, 0], prediction[10:13, 0] = 0.9, 0.3
    low, high = classes.alarms(table, prediction, thresholds=(0.2, 0.5)).itertuples()
    assert (low.threshold, low.n_rows, low.found, low.n_others, low.false_alarms) == (
        0.2,
        8,
        4,
        30,
        3,
    )
    assert low.sensitivity_low < low.sensitivity == 0.5 < low.sensitivity_high
    assert low.false_rate_low < low.false_rate == 0.1 < low.false_rate_high
    assert (high.found, high.false_alarms) == (4, 0)
    # None of thirty patients: one in nine is not excluded.
    assert (high.false_rate, high.false_rate_low) == (0, 0)
    assert high.false_rate_high == pytest.approx(1 - 0.025 ** (1 / 30))
    none = classes.alarms(table[10:], prediction[10:])
    assert none.sensitivity.isna().all() and (none.n_rows == 0).all()


def test_second_opinions_are_of_pairs_of_different_experts():
    table = pd.DataFrame([[2, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], columns=list(VOTE_COLUMNS))
    found = classes.second_opinions(table)
    # Of three experts two say the first class: each of them has one who agrees, one who does not.
    assert found.loc["Seizure", "Seizure"] == pytest.approx(0.5)
    assert found.loc["Seizure", "LPD"] == pytest.approx(0.5)
    assert found.loc["LPD", "Seizure"] == pytest.approx(1)
    assert found.loc["GPD"].isna().all()  # a single vote has no second
