"""What a network looks at: Grad-CAM, and tests of whether to believe it."""

import numpy as np
import pandas as pd

from hms_utils.backend import keras, tf
from hms_utils.constants import CLASSES
from hms_utils.inputs import make_dataset, mean_image
from hms_utils.scoring import EPSILON

# The layer whose activation is mapped. On the sample the deletion test prefers these: by plain
# Grad-CAM it finds the basic CNN's third block of four best, and of EfficientNetB0 what comes
# later, at the same resolution or coarser, no better than chance.
_LAYER = {"cnn": "view{view}_block2", "efficientnet_b0": "block5a_expand_activation"}


def grad_cam(model, images, rows, classes, *, batch_size=32):
    """Map where in its images a network sees a class.

    Gradient-weighted class activation mapping (Selvaraju et al., ICCV 2017): the
    channels of an inner layer, each weighted by the mean gradient of the class's
    logit with respect to it, are added, and the positive part is kept. That alone
    cannot tell tiles apart which the network reads in one place: all chains of a
    view in the basic CNN, both sides of the head in EfficientNetB0. So it is
    multiplied with what speaks for the class at the pixels themselves: the positive
    part of gradient times (pixel - `inputs.mean_image` at that frequency), averaged over
    the size of the inner layer's cells. The same paper's guided Grad-CAM is such a
    product too, but with another factor.

    Parameters
    ----------
    model : keras.Model
        By `models.build_cnn` or `models.build_efficientnet_b0`.
    images : list of ndarray of uint8, shape (n_windows, 4, height, width)
        As for `inputs.make_dataset`: the views that the model was trained on.
    rows : array-like of int, shape (n_rows,)
        Which windows.
    classes : array-like of int, shape (n_rows,)
        The class to explain in each, as its place in `CLASSES`.
    batch_size : int

    Returns
    -------
    ndarray of float32, shape (n_rows, n_views, 4, height, width)
        Not negative; each row adds to one, or is zero if nothing speaks for the
        class.

    Raises
    ------
    ValueError
        If the model is another network, or images, rows or classes do not fit.
    """
    rows, classes = _check(model, images, rows, classes)
    return _map(_cam_function(model, mean_image(images)), images, rows, classes, batch_size)


def _map(compute, images, rows, classes, batch_size):
    maps = np.empty((len(rows), len(images), *images[0].shape[1:]), np.float32)
    for part, batch in _batches(images, rows, batch_size):
        maps[part] = compute(batch, tf.constant(classes[part]))
    return maps


def _batches(images, rows, batch_size):
    batches = make_dataset(images, rows, batch_size=batch_size)
    for number, (batch,) in enumerate(batches):
        yield slice(number * batch_size, (number + 1) * batch_size), batch


def _check(model, images, rows, classes):
    if model.name not in _LAYER:
        raise ValueError(f"expected one of the networks {list(_LAYER)}, found {model.name}")
    shape = (len(images), *images[0].shape[1:])
    if model.input_shape[1:] != shape:
        raise ValueError(f"expected images of shape {model.input_shape[1:]}, found {shape}")
    rows, classes = np.asarray(rows), np.asarray(classes)
    if rows.shape != classes.shape or rows.ndim != 1 or not len(rows):
        raise ValueError(
            f"expected one class for each row, found shapes {rows.shape} and {classes.shape}"
        )
    for name, values, count in (("rows", rows, len(images[0])), ("classes", classes, len(CLASSES))):
        bad = (values < 0) | (values >= count)
        if bad.any():
            raise ValueError(f"expected {name} from 0 to {count - 1}, found {values[bad][0]}")
    return rows, classes


def _cam_function(model, mean):
    """Return a function of images and classes that computes their maps."""
    n_views, n_chains, height, width = mean.shape
    # How many tiles the picture that a layer sees has below and beside each other.
    below, beside = (2, n_views) if model.name == "efficientnet_b0" else (1, 1)
    names = dict.fromkeys(_LAYER[model.name].format(view=view) for view in range(n_views))
    inner = [model.get_layer(name).output for name in (*names, "logits")]
    # Whole numbers have no gradient, so it is taken where the images are floats.
    pixels = model.get_layer("pixels")
    front, network = keras.Model(model.input, pixels.output), keras.Model(pixels.output, inner)
    spectrum = pixels(tf.constant(mean.mean(axis=(1, 3), keepdims=True)))

    @tf.function(reduce_retracing=True)
    def compute(batch, classes):
        floats = front(batch)
        with tf.GradientTape() as tape:
            tape.watch(floats)
            *activations, logits = network(floats)
            chosen = tf.gather(logits, classes, batch_dims=1)
        gradient, *gradients = tape.gradient(chosen, [floats, *activations])
        cams = tf.stack([_cam(*pair) for pair in zip(activations, gradients, strict=True)], 1)
        size = below * height, beside * width
        cell = size[0] // cams.shape[2], size[1] // cams.shape[3]
        cams = tf.image.resize(tf.reshape(cams, (-1, *cams.shape[2:], 1)), size)
        # To view, row of the picture, tiles in one place, frequency and time.
        cams = tf.reshape(cams, (-1, n_views // beside, below, height, beside, width))
        cams = tf.transpose(cams, (0, 1, 4, 2, 3, 5))
        cams = tf.reshape(cams, (-1, n_views, below, 1, height, width))
        evidence = tf.nn.relu(tf.cast(gradient * (floats - spectrum), tf.float32))
        evidence = tf.reshape(evidence, (-1, height, width, 1))
        evidence = tf.nn.avg_pool2d(evidence, cell, strides=1, padding="SAME")
        evidence = tf.reshape(evidence, (-1, n_views, below, n_chains // below, height, width))
        maps = tf.reshape(cams * evidence, (-1, *mean.shape))
        return tf.math.divide_no_nan(maps, tf.reduce_sum(maps, axis=(1, 2, 3, 4), keepdims=True))

    return compute


def _cam(activation, gradient):
    """Return the class activation map of one layer, (batch, height, width)."""
    activation, gradient = tf.cast(activation, tf.float32), tf.cast(gradient, tf.float32)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1))


def out_of_fold(ensemble, name, images, folds, rows, classes, *, batch_size=32):
    """Map and test training windows, each by the network that does not know its patient.

    Parameters
    ----------
    ensemble : ensemble.Ensemble
    name : str
        Which of its networks.
    images : dict of str to ndarray of uint8
        As `cache.load` opens them.
    folds : ndarray of int, shape (n_windows,)
        As the networks were trained with.
    rows, classes : ndarray of int, shape (n_rows,)
        As for `grad_cam`.
    batch_size : int

    Returns
    -------
    maps : ndarray of float32, shape (n_rows, n_views, 4, height, width)
        As `grad_cam`; views in the order of ``ensemble.settings["models"][name]["views"]``.
    tests : DataFrame
        As `deletion_test`.

    Raises
    ------
    ValueError
        As `grad_cam`.
    """
    model, weights = ensemble.networks[name]
    part = ensemble.settings["models"][name]
    seen, files = [images[view] for view in part["views"]], list(part["folds"])
    rows, classes = _check(model, seen, rows, classes)
    compute = _cam_function(model, mean_image(seen))
    maps, tests = np.empty((len(rows), *model.input_shape[1:]), np.float32), []
    for fold in np.unique(folds[rows]):
        numbers = np.flatnonzero(folds[rows] == fold)
        model.set_weights(weights[files.index(f"fold{fold}.keras")])
        these = seen, rows[numbers], classes[numbers]
        maps[numbers] = _map(compute, *these, batch_size)
        test = deletion_test(model, *these, maps[numbers], batch_size=batch_size)
        tests.append(test.set_index(numbers))
        print(f"{name}, fold {fold}: {len(numbers)} windows explained", flush=True)
    return maps, pd.concat(tests).sort_index()


def deletion_test(
    model, images, rows, classes, maps, *, share=0.2, n_draws=8, seed=0, batch_size=32
):
    """Test maps by what hiding their most marked pixels does to the answer.

    A hidden pixel becomes that of `inputs.mean_image`. The control hides as many pixels
    of the same shape elsewhere: the mask's tiles change places with each other and
    are rolled along frequency and time, all by the same.

    Parameters
    ----------
    model, images, rows, classes, batch_size
        As for `grad_cam`.
    maps : ndarray of float, shape (n_rows, n_views, 4, height, width)
        As `grad_cam` returns them, or any others.
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
        As `grad_cam`, and if maps or share do not fit.
    """
    rows, classes = _check(model, images, rows, classes)
    expected = (len(rows), *model.input_shape[1:])
    if maps.shape != expected or not 0 < share < 1:
        raise ValueError(
            f"expected maps of shape {expected} and a share between 0 and 1, found {maps.shape} "
            f"and {share}"
        )
    mean = np.rint(mean_image(images)).astype(np.uint8)
    drops = []
    for part, batch in _batches(images, rows, batch_size):
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
    tiles = rng.permutation(mask.reshape(-1, *mask.shape[-2:]))
    return np.roll(tiles, rng.integers(tiles.shape[1:]), axis=(1, 2)).reshape(mask.shape)
