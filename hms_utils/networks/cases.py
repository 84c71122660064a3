"""Cases like this one: training windows of other patients that a network finds alike."""

import numpy as np
import pandas as pd

from hms_utils.networks.backend import keras
from hms_utils.networks.grad_cam import batches

_CHUNK_BYTES = 64e6  # of candidates' pixels that are compared together


def nearest_cases(ensemble, name, images, folds, rows, *, n_cases=3, batch_size=64):
    """Find training windows of other patients that a network, and pixels alone, find alike.

    Each window is compared by the network that does not know its patient, with the windows
    that this network was trained on: by the cosine between its ``features``, what its last
    layer sees, each less its mean over the training windows and divided by its deviation.

    Parameters
    ----------
    ensemble : ensemble.Ensemble
    name : str
        Which of its networks.
    images : dict of str to ndarray of uint8
        As `images.load` opens them.
    folds : ndarray of int, shape (n_windows,)
        As the networks were trained with: no patient is in two.
    rows : ndarray of int, shape (n_rows,)
        The windows to find cases for.
    n_cases : int
    batch_size : int

    Returns
    -------
    cases : ndarray of int, shape (n_rows, n_cases)
        Windows, the most alike first.
    by_pixels : ndarray of int, shape (n_rows, n_cases)
        The same by the distance of pixels, which needs no network: what the features are
        compared with.
    """
    model, weights = ensemble.networks[name]
    part = ensemble.settings["models"][name]
    seen, files = [images[view] for view in part["views"]], list(part["folds"])
    inner = keras.Model(model.input, model.get_layer("features").output)
    cases, by_pixels = (np.empty((len(rows), n_cases), int) for _ in range(2))
    for fold in np.unique(folds[rows]):
        numbers, others = np.flatnonzero(folds[rows] == fold), np.flatnonzero(folds != fold)
        model.set_weights(weights[files.index(f"fold{fold}.keras")])
        known, asked = (
            np.concatenate(
                [inner.predict_on_batch(batch) for _, batch in batches(seen, these, batch_size)]
            )
            for these in (others, rows[numbers])
        )
        mean, deviation = known.mean(axis=0), known.std(axis=0) + 1e-6
        known, asked = ((part - mean) / deviation for part in (known, asked))
        known /= np.linalg.norm(known, axis=1, keepdims=True) + 1e-6
        cases[numbers] = others[_largest(asked @ known.T, n_cases)]
        alike = -_distances(seen, rows[numbers], others)
        by_pixels[numbers] = others[_largest(alike, n_cases)]
    return cases, by_pixels


def shared_classes(classes, folds, rows, cases, by_pixels):
    """Tabulate how often the cases of a window have its class.

    Parameters
    ----------
    classes : ndarray of int, shape (n_windows,)
        As of `scores.consensus`, -1 where there is none.
    folds, rows
        As for `nearest_cases`.
    cases, by_pixels
        As it returns them.

    Returns
    -------
    DataFrame
        For each row the share of its class among those of its ``cases`` that have one, among
        those ``by pixels``, and among all windows that they were chosen from, ``by chance``;
        ``- pixels`` and ``- chance`` are the differences. NaN where the row has no class, or
        where none of these has. For `scores.summarise`.
    """
    own = classes[rows]
    found = {
        "cases": classes[cases],
        "by pixels": classes[by_pixels],
        "by chance": [classes[folds != folds[row]] for row in rows],
    }
    table = pd.DataFrame(
        {
            name: [_share(part, of) for part, of in zip(parts, own, strict=True)]
            for name, parts in found.items()
        }
    )
    table["- pixels"] = table["cases"] - table["by pixels"]
    table["- chance"] = table["cases"] - table["by chance"]
    table.loc[own < 0] = np.nan
    return table


def _share(classes, own):
    known = classes[classes >= 0]
    return (known == own).mean() if len(known) else np.nan


def _largest(alike, count):
    return np.argsort(-alike, axis=1, kind="stable")[:, :count]


def _distances(images, rows, others):
    """Return the squared distances of windows' pixels, less what is the same for all others."""

    def flat(these):
        views = [view[these].reshape(len(these), -1) for view in images]
        return np.concatenate(views, axis=1).astype(np.float32)

    asked = flat(rows)
    step = max(1, int(_CHUNK_BYTES / asked[0].nbytes))
    parts = []
    for start in range(0, len(others), step):
        known = flat(others[start : start + step])
        parts.append((known**2).sum(axis=1) - 2 * asked @ known.T)
    return np.concatenate(parts, axis=1)
