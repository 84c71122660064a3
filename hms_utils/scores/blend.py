"""Temper models and mix them, where that pays."""

import numpy as np
from scipy import optimize

from hms_utils.constants import WELL_VOTED
from hms_utils.scores.fast import EPSILON, row_divergence
from hms_utils.scores.metric import check_arrays, kl_divergence
from hms_utils.threads import one_blas_thread

_TEMPERATURES = (0.25, 4.0)
_LEAST_SHARE = 0.01  # less is not worth computing a network for
_UNSURE = 0.01


def temper(prediction, temperature):
    """Flatten probabilities (temperature above 1) or sharpen them (below).

    Parameters
    ----------
    prediction : ndarray, shape (n_rows, n_classes)
    temperature : float
        What logits are divided by, which takes probabilities to the power of its
        inverse (Guo et al. 2017).

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes)
        Rows add to one.
    """
    power = np.maximum(np.asarray(prediction, np.float64), EPSILON) ** (1 / temperature)
    return power / power.sum(axis=1, keepdims=True)


def smooth(prediction):
    """Mix a hundredth of six equal shares into probabilities.

    A network may be sure beyond all bounds of an image unlike any that it has learnt. So one
    such row costs the logarithm of 600 at most, 6.4, instead of 34.5. Of probabilities that are
    right this costs nothing in first order.

    Parameters
    ----------
    prediction : ndarray, shape (n_rows, n_classes)

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes)
    """
    return (1 - _UNSURE) * prediction + _UNSURE / prediction.shape[-1]


@one_blas_thread
def fit_blend(votes, predictions, folds=None):
    """Find each model's temperature and then its share in their mixture.

    All have the lowest divergence on rows with many votes, or on all rows if
    there are none of these.

    Parameters
    ----------
    votes : ndarray, shape (n_rows, 6)
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    folds : ndarray of int, shape (n_rows,), optional
        With two of them or more the mixture has to earn its place: each fold is answered
        with what the others chose, and if one model alone has no higher divergence so, it
        gets the whole share.

    Returns
    -------
    dict of str to dict
        By model: ``temperature`` and ``share``; shares add to one, and less than 0.01 is
        none. Both are for the answers of one network: average networks after their
        temperature.

    Raises
    ------
    ValueError
        If votes or predictions do not fit, as `metric.row_divergence`.
    RuntimeError
        If the shares cannot be found.
    """
    fitted = _fit(votes, predictions)
    if folds is None or len(np.unique(folds)) < 2 or len(predictions) < 2:
        return fitted
    votes = np.asarray(votes)
    rows, alone = _judged(votes), [{name: answer} for name, answer in predictions.items()]
    nested = [
        _by_others(lambda v, p, _: _fit(v, p), votes, models, folds)
        for models in (predictions, *alone)
    ]
    mixture, *alone = (kl_divergence(votes[rows], answer[rows]) for answer in nested)
    if min(alone) <= mixture:
        best = list(predictions)[int(np.argmin(alone))]
        for name, part in fitted.items():
            part["share"] = float(name == best)
    return fitted


def _judged(votes):
    """Return the rows that the leaderboard is made of, or all if there are none."""
    well = votes.sum(axis=1) >= WELL_VOTED
    return well if well.any() else np.ones(len(votes), bool)


def _fit(votes, predictions):
    votes = np.asarray(votes)
    rows = _judged(votes)
    votes = votes[rows]
    opinions = votes / votes.sum(axis=1, keepdims=True)

    def divergence(prediction):
        return row_divergence(opinions, prediction).mean()

    temperatures = {}
    for name, prediction in predictions.items():
        _, answer = check_arrays(votes, prediction[rows])
        best = optimize.minimize_scalar(
            lambda t, answer=answer: divergence(smooth(temper(answer, np.exp(t)))),
            bounds=np.log(_TEMPERATURES),
            method="bounded",
        )
        temperatures[name] = float(np.exp(best.x))
    answers = np.stack([temper(p[rows], temperatures[name]) for name, p in predictions.items()])
    best = optimize.minimize(
        lambda shares: divergence(smooth(np.tensordot(shares, answers, 1))),
        np.full(len(answers), 1 / len(answers)),
        bounds=[(0, 1)] * len(answers),
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
        method="SLSQP",
    )
    if not best.success:
        raise RuntimeError(f"expected shares of {list(predictions)}, found none: {best.message}")
    shares = np.where(best.x < _LEAST_SHARE, 0, best.x)
    shares /= shares.sum()
    return {
        name: {"temperature": temperatures[name], "share": float(share)}
        for name, share in zip(predictions, shares, strict=True)
    }


def mix(fitted, predictions):
    """Mix predictions with what `fit_blend` returned, and `smooth` the mixture.

    Parameters
    ----------
    fitted : dict of str to dict
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.

    Returns
    -------
    ndarray of float64, shape (n_rows, 6)
    """
    return smooth(
        sum(
            part["share"] * temper(predictions[name], part["temperature"])
            for name, part in fitted.items()
        )
    )


def blend_out_of_fold(votes, predictions, folds):
    """Blend each fold with what was fitted on the other folds.

    With one model this is that model at its temperature. With several it judges the whole
    of `fit_blend`: whether to mix at all is decided without the fold, too.

    Parameters
    ----------
    votes : ndarray, shape (n_rows, 6)
    predictions : dict of str to ndarray, shape (n_rows, 6)
        By model.
    folds : ndarray of int, shape (n_rows,)

    Returns
    -------
    ndarray of float64, shape (n_rows, 6)
        No row's temperature or share was fitted on rows of its fold.
    """
    return _by_others(fit_blend, votes, predictions, folds)


def _by_others(fit, votes, predictions, folds):
    mixed = np.empty(np.shape(votes))
    for fold in np.unique(folds):
        held_out = folds == fold
        others = {name: prediction[~held_out] for name, prediction in predictions.items()}
        own = {name: prediction[held_out] for name, prediction in predictions.items()}
        mixed[held_out] = mix(fit(votes[~held_out], others, folds[~held_out]), own)
    return mixed
