import numpy as np
import pytest
from scipy import stats

from hms_utils.scores import bootstrap


def test_interval_is_of_patients():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(50), 40)
    rows = rng.normal(size=50)[patients]  # rows of a patient are all alike
    low, high = bootstrap.interval(rows, patients)
    assert low < rows.mean() < high
    # 1.96 standard errors of a mean over 50 patients on either side.
    expected = 2 * 1.96 * rows.std() / np.sqrt(50)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert np.isnan(bootstrap.interval(rows[:40], patients[:40])).all()


def test_means_are_those_of_drawn_rows():
    rng = np.random.default_rng(0)
    patients = np.array([5, 5, 5, 9, 9, 2])
    values, counts = rng.normal(size=(6, 2)), rng.integers(0, 2, (6, 2)).astype(float)
    counts[0] = 1
    means = bootstrap.means(values, patients, counts=counts)
    drawn = bootstrap.draws(3)
    assert (drawn.sum(axis=1) == 3).all()
    for replicate in range(20):
        times = drawn[replicate, [1, 1, 1, 2, 2, 0]]
        for k in range(2):
            weights = times * counts[:, k]
            expected = np.average(values[:, k], weights=weights) if weights.sum() else np.nan
            assert means[replicate, k] == pytest.approx(expected, nan_ok=True)


def test_same_draws_every_time():
    assert (bootstrap.draws(7) == bootstrap.draws(7)).all()


def test_a_rate_of_few_patients_has_an_exact_interval():
    """Of two of three a bootstrap would say 0 % to 100 %, of three of three 100 % to 100 %."""
    exact = stats.binomtest(2, 3).proportion_ci()
    assert bootstrap.rate_interval(np.array([1, 1, 0]), np.arange(3)) == pytest.approx(exact)
    low, high = bootstrap.rate_interval(np.ones(6), np.repeat(np.arange(3), 2))
    assert (low, high) == pytest.approx(stats.binomtest(3, 3).proportion_ci())
    many = np.arange(40) % 2
    assert bootstrap.rate_interval(many, np.arange(40)) == bootstrap.interval(many, np.arange(40))
    rare = (np.arange(92) == 0).astype(float)
    for hits in (rare, 1 - rare):  # a bootstrap would say 0 % to 3 % of one in 92
        exact = stats.binomtest(int(hits.sum()), 92).proportion_ci()
        assert bootstrap.rate_interval(hits, np.arange(92)) == pytest.approx(exact)
    assert np.isnan(bootstrap.rate_interval(np.zeros(0), np.zeros(0))).all()
