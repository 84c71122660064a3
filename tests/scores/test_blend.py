import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_utils import scores
from hms_utils.scores import kl_divergence

N_ROWS = 600


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(0).dirichlet(np.ones(6), N_ROWS)


@pytest.fixture(scope="module")
def votes(truth):
    return np.random.default_rng(1).multinomial(12, truth)


def mix(predictions, fitted):
    blend = sum(
        part["share"] * scores.temper(predictions[name], part["temperature"])
        for name, part in fitted.items()
    )
    return 0.99 * blend + 0.01 / 6


def test_temperature_divides_logits():
    logits = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, -1.0]])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    halved = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scores.temper(probabilities, 2.0), halved)
    np.testing.assert_allclose(scores.temper(probabilities, 1.0), probabilities)
    np.testing.assert_allclose(scores.temper([[0.0, 1.0]], 4.0).sum(), 1)


def test_an_answer_beyond_doubt_has_a_bounded_cost():
    """As by a network that meets an image unlike all it has learnt."""
    sure = np.array([[1.0, 0, 0, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]])
    opposite = np.array([[0, 0, 12, 0, 0, 0], [2, 2, 2, 2, 1, 1]])
    fitted = {"any": {"temperature": 1.0, "share": 1.0}}
    assert kl_divergence(opposite[:1], sure[:1]) > 34
    assert kl_divergence(opposite[:1], scores.mix(fitted, {"any": sure[:1]})) < np.log(601)
    assert kl_divergence(opposite[1:], scores.mix(fitted, {"any": sure[1:]})) < 1e-4
    assert (
        scores.blend_out_of_fold(
            np.repeat(opposite, 2, axis=0),
            {"any": np.repeat(sure, 2, axis=0)},
            np.array([0, 1, 0, 1]),
        ).min()
        >= 0.01 / 6
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_of_a_spoilt_model_is_found(votes, truth, temperature):
    spoilt = scores.temper(truth, 1 / temperature)
    fitted = scores.fit_blend(votes, {"model": spoilt})
    assert fitted["model"]["share"] == 1
    assert fitted["model"]["temperature"] == pytest.approx(temperature, rel=0.05)
    mended = mix({"model": spoilt}, fitted)
    assert kl_divergence(votes, mended) <= kl_divergence(votes, scores.smooth(truth))


def test_shares_are_those_of_a_mixture(votes, truth):
    rng = np.random.default_rng(2)
    noise = rng.dirichlet(np.ones(6), N_ROWS)
    answers = {"good": truth, "noise": noise, "half": 0.5 * truth + 0.5 / 6}
    fitted = scores.fit_blend(votes, answers)
    assert sum(part["share"] for part in fitted.values()) == pytest.approx(1)
    assert fitted["good"]["share"] > 0.8
    assert fitted["noise"]["share"] < 0.05
    best = kl_divergence(votes, mix(answers, fitted))
    for name, answer in answers.items():
        tempered = scores.temper(answer, fitted[name]["temperature"])
        assert best <= kl_divergence(votes, scores.smooth(tempered)) + 1e-6


def test_who_adds_nothing_has_no_share_at_all(votes, truth):
    wrong = np.roll(truth, 3, axis=1)  # sure of what it is not
    fitted = scores.fit_blend(votes, {"good": truth, "wrong": wrong})
    assert fitted["wrong"]["share"] == 0 and fitted["good"]["share"] == 1


def test_rows_with_many_votes_decide(votes, truth):
    few = votes.copy()
    few[: N_ROWS // 2] = np.eye(6, dtype=int)[truth[: N_ROWS // 2].argmin(axis=1)]
    alone = scores.fit_blend(votes[N_ROWS // 2 :], {"model": truth[N_ROWS // 2 :]})
    assert scores.fit_blend(few, {"model": truth}) == alone
    assert scores.fit_blend(few[:300], {"model": truth[:300]})["model"]["temperature"] > 1


def test_a_fold_is_blended_with_what_the_others_chose(votes, truth):
    answers = {"one": truth, "two": np.roll(truth, 1, axis=0)}
    folds = np.arange(N_ROWS) % 3
    mixed = scores.blend_out_of_fold(votes, answers, folds)
    other = folds != 1
    others = {name: p[other] for name, p in answers.items()}
    fitted = scores.fit_blend(votes[other], others, folds[other])
    expected = mix({name: p[folds == 1] for name, p in answers.items()}, fitted)
    np.testing.assert_allclose(mixed[folds == 1], expected)
    # Its own votes change nothing in a fold.
    changed = votes.copy()
    changed[folds == 1] = changed[folds == 1][:, ::-1]
    again = scores.blend_out_of_fold(changed, answers, folds)
    np.testing.assert_array_equal(again[folds == 1], mixed[folds == 1])


def test_a_mixture_that_others_do_not_bear_out_gives_way_to_one_model(votes, truth):
    """Of a model that is right in one fold only a share pays where it is fitted, not elsewhere."""
    rng = np.random.default_rng(3)
    folds = np.arange(N_ROWS) % 3
    good = scores.temper(truth * np.exp(rng.normal(scale=0.7, size=truth.shape)), 1)
    worse = 0.2 * truth + 0.8 * rng.dirichlet(np.full(6, 3), N_ROWS)
    answers = {"other": np.where((folds == 0)[:, None], truth, worse), "good": good}
    assert scores.fit_blend(votes, answers)["other"]["share"] > 0.2
    fitted = scores.fit_blend(votes, answers, folds)
    assert {name: part["share"] for name, part in fitted.items()} == {"other": 0, "good": 1}
    assert scores.fit_blend(votes, answers, np.zeros(N_ROWS)) == scores.fit_blend(votes, answers)


def test_a_mixture_that_pays_everywhere_is_kept(votes, truth):
    rng = np.random.default_rng(4)
    noise = rng.normal(scale=0.7, size=(2, N_ROWS, 6))
    one, two = (scores.temper(truth * np.exp(part), 1) for part in noise)
    fitted = scores.fit_blend(votes, {"one": one, "two": two}, np.arange(N_ROWS) % 3)
    assert min(part["share"] for part in fitted.values()) > 0.3


answers_of = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).dirichlet(np.full(6, 0.5), 40)
)


@given(answers_of, st.floats(1, 4))
def test_any_temperature_keeps_the_order_of_classes(answer, temperature):
    tempered = scores.temper(answer, temperature)
    np.testing.assert_allclose(tempered.sum(axis=1), 1)
    np.testing.assert_array_equal(tempered.argmax(axis=1), answer.argmax(axis=1))
    np.testing.assert_allclose(scores.temper(tempered, 1 / temperature), answer, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.lists(answers_of, min_size=1, max_size=3), st.integers(0, 2**32 - 1), st.integers(0, 39))
def test_any_blend_is_probabilities_and_of_the_answers_no_worse_than_the_best(given_, seed, row):
    votes = np.random.default_rng(seed).multinomial(12, given_[0])
    answers = {str(number): answer for number, answer in enumerate(given_)}
    fitted = scores.fit_blend(votes, answers)
    shares = np.array([part["share"] for part in fitted.values()])
    assert ((shares == 0) | (shares >= 0.01)).all() and shares.sum() == pytest.approx(1)
    blend = scores.mix(fitted, answers)
    assert (blend >= 0).all()
    np.testing.assert_allclose(blend.sum(axis=1), 1)
    found = kl_divergence(votes, blend)
    for name, answer in answers.items():
        tempered = scores.temper(answer, fitted[name]["temperature"])
        assert found <= kl_divergence(votes, tempered) + 0.02  # what a share below 0.01 may cost
    # A row's answer is of that row alone.
    alone = scores.mix(fitted, {name: answer[[row]] for name, answer in answers.items()})
    np.testing.assert_allclose(alone[0], blend[row])
