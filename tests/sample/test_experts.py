import numpy as np
import pytest

from hms_utils.constants import CLASSES
from hms_utils.sample import experts
from hms_utils.sample.experts import Look


def looks(stratum, n=2000):
    rng = np.random.default_rng(0)
    return [experts.draw_look(rng, experts.draw_main(rng, stratum)) for _ in range(n)]


def entropy(shares):
    return -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=-1)


@pytest.mark.parametrize("stratum", experts.STRATA)
def test_an_opinion_is_a_distribution(stratum):
    opinions = np.array([experts.opinion(look, stratum) for look in looks(stratum)])
    np.testing.assert_allclose(opinions.sum(axis=1), 1)
    assert (opinions >= 0).all()


def test_a_look_is_mostly_its_main_pattern_or_plain_background():
    rng = np.random.default_rng(0)
    for name in CLASSES[:5]:
        for look in (experts.draw_look(rng, name) for _ in range(200)):
            assert next(iter(look.shares)) == name
            assert look.shares[name] == max(look.shares.values())
            assert 0.15 < look.clarity <= 1
    plain = np.mean([experts.draw_look(rng, "Other").is_background for _ in range(2000)])
    assert 0.15 < plain < 0.5
    assert Look({"LPD": 0.05}).is_background
    assert not Look({"LPD": 0.3}).is_background


def test_a_more_visible_pattern_is_named_by_more_of_a_panel():
    lpd = CLASSES.index("LPD")
    shares = [experts.opinion(Look({"LPD": share}), "10+")[lpd] for share in (0.1, 0.4, 0.7, 1)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.95


def test_the_less_is_seen_the_further_a_panel_is_apart():
    seen = looks("10+")
    doubt = [1 - look.visible.max() for look in seen]
    apart = entropy(np.array([experts.opinion(look, "10+") for look in seen]))
    assert np.corrcoef(doubt, apart)[0, 1] > 0.9
    assert apart.std() > 0.35  # what there is to be seen of it


def test_few_raters_see_in_the_same_looks_more_seizures_and_less_other():
    """A panel would say .15 and .43 of what few raters call .40 and .20."""
    seen = looks("3-9", 4000)
    panel, few = (
        np.mean([experts.opinion(look, stratum) for look in seen], axis=0)
        for stratum in ("10+", "3-9")
    )
    seizure, other = CLASSES.index("Seizure"), CLASSES.index("Other")
    assert panel[seizure] == pytest.approx(0.15, abs=0.03)
    assert panel[other] == pytest.approx(0.43, abs=0.05)
    assert few[seizure] == pytest.approx(0.40, abs=0.05)
    assert few[other] == pytest.approx(0.20, abs=0.05)


def test_looks_of_all_strata_are_as_clear():
    """As undecided is a panel's model about rows with 3 to 9 votes, .96, as about its own, .90."""
    few, many = (
        entropy(np.array([experts.opinion(look, "10+") for look in looks(stratum)])).mean()
        for stratum in ("3-9", "10+")
    )
    assert few == pytest.approx(many, abs=0.1)


def test_the_same_leaning_is_the_same_pattern():
    rng = np.random.default_rng(0)
    for leaning in (0.01, 0.5, 0.99):
        assert len({experts.draw_main(rng, "10+", leaning) for _ in range(20)}) == 1
    drawn = [experts.draw_main(rng, "10+", leaning) for leaning in rng.random(4000)]
    fresh = [experts.draw_main(rng, "10+") for _ in range(4000)]
    for name in CLASSES:
        assert drawn.count(name) == pytest.approx(fresh.count(name), abs=200)


def test_votes_are_drawn_from_the_opinion_and_their_number_from_the_stratum():
    rng = np.random.default_rng(0)
    look = Look({"LPD": 0.5, "LRDA": 0.3})
    for stratum, counts in (("1-2", {1, 2}), ("3-9", {3, 4, 5, 6, 7}), ("10+", {*range(10, 29)})):
        votes = np.array([experts.draw_votes(rng, look, stratum) for _ in range(3000)])
        assert set(votes.sum(axis=1)) == counts
        shares = (votes / votes.sum(axis=1, keepdims=True)).mean(axis=0)
        np.testing.assert_allclose(shares, experts.opinion(look, stratum), atol=0.03)


def test_three_raters_agree_further_than_by_chance_and_more_than_three_do_not():
    rng = np.random.default_rng(0)
    look = Look({"LPD": 0.5, "LRDA": 0.3})
    chance = experts.opinion(look, "3-9")
    votes = np.array([experts.draw_votes(rng, look, "3-9") for _ in range(8000)])
    for n_votes, low, high in ((3, 1.3, 4), (4, 0.8, 1.2)):
        chosen = votes[votes.sum(axis=1) == n_votes]
        unanimous = (chosen.max(axis=1) == n_votes).mean()
        assert low < unanimous / (chance**n_votes).sum() < high


def test_the_clearest_looks_have_the_largest_panels():
    rng = np.random.default_rng(0)
    clear, unclear = (
        np.mean([experts.draw_votes(rng, Look({"GPD": share}), "10+").sum() for _ in range(500)])
        for share in (1.0, 0.5)
    )
    assert clear > unclear + 2
