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
