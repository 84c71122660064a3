"""Where in its images a network sees a class."""

import numpy as np

from hms_utils.constants import CLASSES
from hms_utils.networks.backend import keras, tf
from hms_utils.networks.inputs import make_dataset, mean_image
from hms_utils.networks.models import NETWORKS


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
    rows, classes = check_windows(model, images, rows, classes)
    return map_windows(cam_function(model, mean_image(images)), images, rows, classes, batch_size)


def check_windows(model, images, rows, classes):
    """Return rows and classes as arrays, or raise ValueError as `grad_cam` does."""
    if model.name not in NETWORKS:
        raise ValueError(f"expected one of the networks {list(NETWORKS)}, found {model.name}")
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


def map_windows(compute, images, rows, classes, batch_size):
    """Return the maps of windows, with what `cam_function` has returned."""
    maps = np.empty((len(rows), len(images), *images[0].shape[1:]), np.float32)
    for part, batch in batches(images, rows, batch_size):
        maps[part] = compute(batch, tf.constant(classes[part]))
    return maps


def batches(images, rows, batch_size):
    """Yield the slice of `rows` and the images of each batch."""
    dataset = make_dataset(images, rows, batch_size=batch_size)
    for number, (batch,) in enumerate(dataset):
        yield slice(number * batch_size, (number + 1) * batch_size), batch


def cam_function(model, mean):
    """Return a function of images and classes that computes their maps."""
    n_views, n_chains, height, width = mean.shape
    # How many tiles the picture that a layer sees has below and beside each other.
    network = NETWORKS[model.name]
    below, beside = (2, n_views) if network.mosaic else (1, 1)
    names = dict.fromkeys(network.layer.format(view=view) for view in range(n_views))
    inner = [model.get_layer(name).output for name in (*names, "logits")]
    # Whole numbers have no gradient, so it is taken where the images are floats.
    pixels = model.get_layer("pixels")
    front, rest = keras.Model(model.input, pixels.output), keras.Model(pixels.output, inner)
    spectrum = pixels(tf.constant(mean.mean(axis=(1, 3), keepdims=True)))

    @tf.function(reduce_retracing=True)
    def compute(batch, classes):
        floats = front(batch)
        with tf.GradientTape() as tape:
            tape.watch(floats)
            *activations, logits = rest(floats)
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
