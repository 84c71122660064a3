"""tf.data pipelines from memory-mapped images, and augmentation."""

import numpy as np

from hms_utils.constants import CHAINS, MIRRORED_CHAIN
from hms_utils.images import DB_RANGE
from hms_utils.networks.backend import tf

# Where each chain's tile comes from when left and right are swapped.
_MIRROR = np.array([list(CHAINS).index(MIRRORED_CHAIN[chain]) for chain in CHAINS])
_STRIPE = 0.15  # the widest masked stripe, of the height or width
_GAIN_DB = 4.0  # the largest change of level
# How many images lose most of some views, and the widest that is left of these.
_NARROWED, _WIDEST = 0.25, 0.5
_MIXUP_CONCENTRATION = 0.4
_MOST_FOR_MEAN = 512  # windows


def make_dataset(images, rows, targets=None, weights=None, *, batch_size, augment=(), seed=0):
    """Make batches of images, and of targets and weights where given.

    Images are read from the memory map batch by batch, so memory does not grow
    with the data set.

    Parameters
    ----------
    images : list of ndarray of uint8, shape (n_windows, 4, height, width)
        As `images.load` opens them, one for each view.
    rows : array-like of int, shape (n_rows,)
        Which windows, in this order; for training all passes, one after the other.
    targets : ndarray of float32, shape (n_rows, 6), optional
        Vote shares of `rows`.
    weights : ndarray of float32, shape (n_rows,), optional
        Weights of `rows` in the loss.
    batch_size : int
    augment : sequence of str
        Names among `AUGMENTATIONS` and ``"mixup"``, which needs `targets`; applied
        in this order.
    seed : int
        Of augmentation.

    Returns
    -------
    tf.data.Dataset
        Images are uint8 of shape (batch, n_views, 4, height, width).

    Raises
    ------
    ValueError
        If an augmentation has another name.
    """
    if unknown := set(augment) - {*AUGMENTATIONS, "mixup"}:
        known = " ".join([*AUGMENTATIONS, "mixup"])
        raise ValueError(f"expected augmentations among {known}, found {sorted(unknown)}")
    parts = [np.asarray(rows, np.int64)]
    parts += [np.asarray(part, np.float32) for part in (targets, weights) if part is not None]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(parts))
    dataset = dataset.batch(batch_size)
    shape = (None, len(images), *images[0].shape[1:])

    def read(batch, *rest):
        batch = tf.numpy_function(
            lambda numbers: np.stack([view[numbers] for view in images], axis=1), [batch], tf.uint8
        )
        return tf.ensure_shape(batch, shape), *rest

    def change(batch, seeds):
        for number, name in enumerate(augment):
            if name == "mixup":
                batch = _mixup(batch, seeds[number])
            else:
                batch = AUGMENTATIONS[name](batch[0], seeds[number]), *batch[1:]
        return batch

    dataset = dataset.map(read)
    if augment:
        seeds = tf.data.Dataset.random(seed).batch(2).batch(len(augment))
        dataset = tf.data.Dataset.zip(dataset, seeds).map(change, tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def mean_image(images):
    """Return the mean of all windows, or of 512 that are evenly spaced.

    Parameters
    ----------
    images : list of ndarray of uint8, shape (n_windows, 4, height, width)
        As for `make_dataset`.

    Returns
    -------
    ndarray of float32, shape (n_views, 4, height, width)
    """
    n_windows = len(images[0])
    numbers = np.linspace(0, n_windows - 1, min(n_windows, _MOST_FOR_MEAN)).astype(int)
    return np.stack([view[numbers].mean(axis=0, dtype=np.float32) for view in images])


def augmentation_examples(image, names, *, seed=0):
    """Show what each augmentation does to an image.

    Parameters
    ----------
    image : ndarray of uint8, shape (n_views, 4, height, width)
    names : sequence of str
        Among `AUGMENTATIONS`.
    seed : int

    Returns
    -------
    dict of str to ndarray of uint8
        The image as it is, and by name one of forty tries, changed neither least
        nor most.
    """
    batch = np.repeat(image[None], 40, axis=0)
    found = {"as it is": image}
    for name in names:
        changed = AUGMENTATIONS[name](tf.constant(batch), (seed, 0)).numpy()
        difference = np.abs(changed.astype(int) - batch)[:, 0].mean(axis=(1, 2, 3))
        order, n_same = np.argsort(difference), np.sum(difference == 0)
        found[name] = changed[order[(n_same + len(order) - 1) // 2]]
    return found


def flips(batch):
    """Stack each image with its mirror images: sides swapped, time reversed, both.

    Parameters
    ----------
    batch : Tensor of uint8, shape (batch, n_views, 4, height, width)

    Returns
    -------
    Tensor of uint8, shape (4 * batch, n_views, 4, height, width)
        The four of each image follow each other.
    """
    swapped = tf.gather(batch, _MIRROR, axis=2)
    four = tf.stack([batch, swapped, tf.reverse(batch, [4]), tf.reverse(swapped, [4])], axis=1)
    return tf.reshape(four, tf.concat([[-1], tf.shape(batch)[1:]], axis=0))


def _swap(batch, seed):
    """Swap left and right chains in a random half of the images."""
    order = tf.where(_coins(batch, seed)[:, None], _MIRROR, np.arange(len(CHAINS)))
    order = tf.repeat(order[:, None], batch.shape[1], axis=1)
    return tf.gather(batch, order, batch_dims=2, axis=2)


def _reverse(batch, seed):
    """Reverse time in a random half of the images."""
    coins = _coins(batch, seed)[:, None, None, None, None]
    return tf.where(coins, tf.reverse(batch, [4]), batch)


def _coins(batch, seed):
    return tf.random.stateless_uniform(tf.shape(batch)[:1], seed) < 0.5


def _mask(batch, seed):
    """Hide one stripe of time and one of frequency in each view."""
    n_images, n_views, _, height, width = tf.unstack(tf.shape(batch))
    places = tf.random.stateless_uniform((4, n_images, n_views), seed)
    rows = _stripe(places[0], places[1], height)[:, :, None, :, None]
    columns = _stripe(places[2], places[3], width)[:, :, None, None, :]
    return batch * tf.cast(~(rows | columns), tf.uint8)


def _stripe(place, size, length):
    size = size * _STRIPE * tf.cast(length, tf.float32)
    start = (place * (tf.cast(length, tf.float32) - size))[..., None]
    position = tf.range(length, dtype=tf.float32) + 0.5
    return (position > start) & (position < start + size[..., None])


def _gain(batch, seed):
    """Make each image brighter or darker, as a recording of another amplitude.

    The largest change is `_GAIN_DB` where pixels span `DB_RANGE`.
    """
    reach = _GAIN_DB * 255 / (DB_RANGE[1] - DB_RANGE[0])
    shift = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1, 1), seed, -reach, reach)
    changed = tf.cast(batch, tf.int16) + tf.cast(tf.round(shift), tf.int16)
    present = tf.cast(batch > 0, tf.uint8)  # what is missing stays missing
    return tf.cast(tf.clip_by_value(changed, 1, 255), tf.uint8) * present


def _narrow(batch, seed):
    """Leave of some views in a quarter of the images only the middle, or nothing.

    Recordings with gaps and without the long spectrogram look like that, and those that
    are shorter than a view: of a clip of 10 s it is all views but those of 10 s.
    """
    n_images, n_views, columns = tf.shape(batch)[0], batch.shape[1], batch.shape[4]
    image, view, width = tf.unstack(tf.random.stateless_uniform((3, n_images, n_views), seed))
    views = (image[:, :1] < _NARROWED) & (view < 0.5)
    # Below zero nothing is left, which happens to one in six.
    width = columns * _WIDEST * (1.2 * width - 0.2)
    outside = np.abs(np.arange(columns) + 0.5 - columns / 2) > width[:, :, None] / 2
    lost = views[:, :, None, None, None] & outside[:, :, None, None, :]
    return batch * tf.cast(~lost, tf.uint8)


def _mixup(batch, seed):
    """Mix each image and its targets with those of another in the batch."""
    images, targets, *weights = batch
    gamma = tf.random.stateless_gamma((2, tf.shape(images)[0]), seed, _MIXUP_CONCENTRATION)
    share = gamma[0] / (gamma[0] + gamma[1])
    share = tf.maximum(share, 1 - share)  # the greater part is its own
    own = share[:, None, None, None, None]
    mixed = own * tf.cast(images, tf.float32)
    mixed += (1 - own) * tf.cast(tf.reverse(images, [0]), tf.float32)
    targets = share[:, None] * targets + (1 - share[:, None]) * tf.reverse(targets, [0])
    return tf.cast(tf.round(mixed), tf.uint8), targets, *weights


# What "augment" may name, beside "mixup", which changes targets too.
AUGMENTATIONS = {
    "swap": _swap,
    "reverse": _reverse,
    "mask": _mask,
    "gain": _gain,
    "narrow": _narrow,
}
