"""Maps of what networks look at, and whether they mark what is needed and where it is."""

import numpy as np
import pandas as pd

from hms_utils.constants import CHAINS
from hms_utils.images import VIEW_SECONDS
from hms_utils.networks.grad_cam import batches, cam_function, check_windows, map_windows
from hms_utils.networks.inputs import mean_image
from hms_utils.scores import EPSILON

_ONE_SIDED = 0.8  # the least share of a pattern's power on its side


def explain(ensemble, name, images, folds, rows, classes, *, batch_size=32):
    """Map and test training windows, each by the network that does not know its patient.

    Parameters
    ----------
    ensemble : ensemble.Ensemble
    name : str
        Which of its networks.
    images : dict of str to ndarray of uint8
        As `images.load` opens them.
    folds : ndarray of int, shape (n_windows,)
        As the networks were trained with.
    rows, classes : ndarray of int, shape (n_rows,)
        As for `grad_cam.grad_cam`.
    batch_size : int

    Returns
    -------
    maps : ndarray of float32, shape (n_rows, n_views, 4, height, width)
        As `grad_cam.grad_cam`; views in the order of those in
        ``ensemble.settings["models"][name]``.
    tests : DataFrame
        As `deletion_test`.

    Raises
    ------
    ValueError
        As `grad_cam.grad_cam`.
    """
    model, weights = ensemble.networks[name]
    part = ensemble.settings["models"][name]
    seen, files = [images[view] for view in part["views"]], list(part["folds"])
    rows, classes = check_windows(model, seen, rows, classes)
    compute = cam_function(model, mean_image(seen))
    maps, tests = np.empty((len(rows), *model.input_shape[1:]), np.float32), []
    for fold in np.unique(folds[rows]):
        numbers = np.flatnonzero(folds[rows] == fold)
        model.set_weights(weights[files.index(f"fold{fold}.keras")])
        these = seen, rows[numbers], classes[numbers]
        maps[numbers] = map_windows(compute, *these, batch_size)
        test = deletion_test(model, *these, maps[numbers], batch_size=batch_size)
        tests.append(test.set_index(numbers))
        print(f"{name}, fold {fold}: {len(numbers)} windows explained", flush=True)
    return maps, pd.concat(tests).sort_index()


def deletion_test(
    model, images, rows, classes, maps, *, share=0.2, n_draws=8, seed=0, batch_size=32
):
    """Test maps by what hiding their most marked pixels does to the answer.

    A hidden pixel becomes that of `inputs.mean_image`. The control hides as many pixels
    of the same shape elsewhere in the same view, since to hide a view that the network does
    not need would be no control: the mask's chains change places with each other and are
    rolled along frequency and time, all by the same.

    Parameters
    ----------
    model, images, rows, classes, batch_size
        As for `grad_cam.grad_cam`.
    maps : ndarray of float, shape (n_rows, n_views, 4, height, width)
        As `grad_cam.grad_cam` returns them, or any others.
    share : float
        Of the pixels to hide, between 0 and 1; fewer where fewer are marked.
    n_draws : int
        Controls of each window, which are averaged.
    seed : int
        Of the controls.

    Returns
    -------
    DataFrame
        For each row by how much the logarithm of the class's probability drops:
        ``marked`` with marked pixels hidden, ``random`` with the control, and
        their ``difference``, above zero where the map is right; for
        `bootstrap.interval`.

    Raises
    ------
    ValueError
        As `grad_cam.grad_cam`, and if maps or share do not fit.
    """
    rows, classes = check_windows(model, images, rows, classes)
    expected = (len(rows), *model.input_shape[1:])
    if maps.shape != expected or not 0 < share < 1:
        raise ValueError(
            f"expected maps of shape {expected} and a share between 0 and 1, found {maps.shape} "
            f"and {share}"
        )
    mean = np.rint(mean_image(images)).astype(np.uint8)
    drops = []
    for part, batch in batches(images, rows, batch_size):
        masks = _most_marked(maps[part], share)
        rngs = [np.random.default_rng([seed, row]) for row in rows[part]]
        versions = [np.zeros_like(masks), masks]
        versions += [np.stack([*map(_elsewhere, rngs, masks)]) for _ in range(n_draws)]
        answers = []
        for version in versions:
            answer = model.predict_on_batch(np.where(version, mean, batch))
            chosen = np.take_along_axis(answer, classes[part, None], axis=1)[:, 0]
            answers.append(np.log(np.maximum(chosen.astype(float), EPSILON)))
        drops.append(answers[0] - [answers[1], np.mean(answers[2:], axis=0)])
    marked, random = np.concatenate(drops, axis=1)
    return pd.DataFrame({"marked": marked, "random": random, "difference": marked - random})


def _most_marked(maps, share):
    """Return a mask of the share of pixels with the highest values above zero."""
    flat = maps.reshape(len(maps), -1)
    count = max(1, round(share * flat.shape[1]))
    highest = np.argpartition(flat, -count, axis=1)[:, -count:]
    mask = np.zeros(flat.shape, bool)
    np.put_along_axis(mask, highest, True, axis=1)
    return (mask & (flat > 0)).reshape(maps.shape)


def _elsewhere(rng, mask):
    views = [rng.permutation(view) for view in mask]
    return np.roll(views, rng.integers(mask.shape[2:]), axis=(2, 3))


def planted_shares(maps, planted, patients, views):
    """Measure how much of each map lies where and when a pattern was planted in the sample.

    Chance is what the maps of other patients' windows have there, not an even map: patterns
    are in the middle by design, and a network may always look there.

    Parameters
    ----------
    maps : ndarray of float, shape (n_rows, n_views, 4, height, width)
        As `grad_cam.grad_cam` returns them, of the class that was planted.
    planted : DataFrame
        As `sample.read_planted` returns it, for the same rows.
    patients : array-like, shape (n_rows,)
    views : sequence of str
        The names of the maps' views.

    Returns
    -------
    DataFrame
        For each row ``side``, the share of the map in the chains of the side that
        has at least 80 % of the pattern's power; ``time``, the share of the map in the
        pattern's seconds, in the views that reach beyond them. Of both ``by chance``, the
        mean share that maps of other patients have in the same chains and seconds, and
        ``- chance``, the difference. NaN where there is no such side or view, the map is
        zero, or there is no other patient.

    Raises
    ------
    ValueError
        If the numbers of maps, rows or views differ, or a view is unknown.
    """
    if set(views) - set(VIEW_SECONDS) or maps.shape[:2] != (len(planted), len(views)):
        raise ValueError(
            f"expected maps of {len(planted)} rows and views among {list(VIEW_SECONDS)}, found "
            f"shape {maps.shape} and views {list(views)}"
        )
    left = planted.planted_left.to_numpy()
    clear = np.maximum(left, 1 - left) >= _ONE_SIDED
    sides = np.array([chain.startswith("L") for chain in CHAINS])
    of_side = (left > 0.5)[:, None] == sides
    by_chain, by_time = maps.sum(axis=(1, 3, 4)), maps.sum(axis=(2, 3))
    width = maps.shape[-1]
    steps = (np.arange(width) + 0.5) / width - 0.5
    seconds = np.outer([VIEW_SECONDS[view] for view in views], steps)
    start, stop = planted[["planted_start", "planted_stop"]].to_numpy().T[..., None, None]
    within = (start < seconds) & (seconds < stop)
    beyond = within.any(axis=2, keepdims=True) & ~within.all(axis=2, keepdims=True)
    beyond = np.broadcast_to(beyond, within.shape)
    others = np.not_equal.outer(np.asarray(patients), np.asarray(patients))
    columns = {}
    for name, chosen, of, values in (
        ("side", of_side & clear[:, None], clear[:, None] & np.ones_like(of_side), by_chain),
        ("time", within & beyond, beyond, by_time),
    ):
        own, chance = _shares(chosen, of, values, others)
        columns |= {name: own, f"{name} by chance": chance, f"{name} - chance": own - chance}
    return pd.DataFrame(columns)


def _shares(chosen, of, values, others):
    """Return the share of each map in its window's places, and that of other patients' maps."""
    flat = len(values), np.prod(values.shape[1:])  # no -1, which no rows would not tell
    places, all_places = (part.reshape(flat).astype(float) for part in (chosen, of))
    values = values.reshape(flat).T.astype(float)
    with np.errstate(invalid="ignore"):  # where there are no such places, or nothing in them
        shares = places @ values / (all_places @ values)  # of window i, map j
        known = others & np.isfinite(shares)
        chance = np.where(known, shares, 0).sum(axis=1) / known.sum(axis=1)
    return shares.diagonal(), chance
