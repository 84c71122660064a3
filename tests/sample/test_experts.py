import numpy as np
import pytest

from hms_utils.constants import CLASSES
from hms_utils.sample import experts


def contents(case, n=400, stratum="10+"):
    rng = np.random.default_rng(0)
    found = []
    while len(found) < n:
        main = experts.draw_main(rng, stratum)
        content = experts.draw_content(rng, main, stratum)
        if content.case == case:
            found.append((main, content))
    return found


@pytest.mark.parametrize("case", experts.CASES)
def test_truth_is_a_distribution(case):
    truth = np.array([content.truth for _, content in contents(case)])
    np.testing.assert_allclose(truth.sum(axis=1), 1)
    assert (truth >= 0).all()


def test_cases_are_what_their_names_say():
    for main, content in contents("idealised"):
        assert content.truth.max() > 0.7
        assert CLASSES[content.truth.argmax()] == main
    for _, content in contents("proto"):
        assert len(content.shares) == 1
        assert 0.15 < content.truth[CLASSES.index("Other")] < 0.85
    for _, content in contents("edge"):
        named = sorted(content.truth[:5])
        assert named[-2] > 0.2
        assert content.truth[CLASSES.index("Other")] < 0.25


def test_a_stronger_pattern_is_named_by_more_experts():
    shares = [
        experts.Content("proto", {"GPD": share}).truth[CLASSES.index("GPD")]
        for share in (0.1, 0.4, 0.7, 1.0)
    ]
    assert shares == sorted(shares)
    assert experts.Content("idealised", {"LPD": 0.05}).is_background
    assert not experts.Content("proto", {"LPD": 0.3}).is_background


def test_votes_are_drawn_from_the_truth_and_their_number_from_the_stratum():
    rng = np.random.default_rng(0)
    truth = experts.Content("edge", {"LPD": 0.5, "LRDA": 0.4}).truth
    for stratum, counts in (("1-2", {1, 2}), ("3-9", {3, 4, 5, 6, 7}), ("10+", {*range(10, 29)})):
        votes = np.array([experts.draw_votes(rng, truth, stratum) for _ in range(3000)])
        assert set(votes.sum(axis=1)) == counts
        np.testing.assert_allclose(votes.sum(axis=0) / votes.sum(), truth, atol=0.03)
