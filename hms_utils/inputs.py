"""tf.data pipelines from memory-mapped images, and augmentation."""

import numpy as np

from hms_utils.backend import tf
from hms_utils.constants import CHAINS, MIRRORED_CHAIN

# Where each chain's tile comes from when left and right are swapped.
_MIRROR = [list(CHAINS).index(MIRRORED_CHAIN[chain]) for chain in CHAINS]


def make_dataset(images, rows, targets=None, weights=None, *, batch_size, augment=False, seed=0):
    """Make batches of images, and of targets and weights where given.

    Images are read from the memory map batch by batch, so memory does not grow
    with the data set.

    Parameters
    ----------
    images : list of ndarray of uint8, shape (n_windows, 4, height, width)
        As `cache.load` opens them, one for each view.
    rows : array-like of int, shape (n_rows,)
        Which windows, in this order.
    targets : ndarray of float32, shape (n_rows, 6), optional
        Vote shares of `rows`.
    weights : ndarray of float32, shape (n_rows,), optional
        Weights of `rows` in the loss.
    batch_size : int
    augment : bool
        Shuffle the rows anew in each pass, and swap left with right and reverse
        time in a random half of the images each.
    seed : int
        Of shuffling and augmentation.

    Returns
    -------
    tf.data.Dataset
        Images are uint8 of shape (batch, n_views, 4, height, width).
    """
    parts = [np.asarray(rows, np.int64)]
    parts += [np.asarray(part, np.float32) for part in (targets, weights) if part is not None]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(parts))
    if augment:
        dataset = dataset.shuffle(len(parts[0]), seed=seed)
    dataset = dataset.batch(batch_size)
    shape = (None, len(images), *images[0].shape[1:])

    def read(batch, *rest):
        batch = tf.numpy_function(
            lambda numbers: np.stack([view[numbers] for view in images], axis=1), [batch], tf.uint8
        )
        return tf.ensure_shape(batch, shape), *rest

    dataset = dataset.map(read)
    if augment:
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        dataset = tf.data.Dataset.zip(dataset, seeds).map(
            lambda batch, pair: (_swap_and_reverse(batch[0], pair), *batch[1:])
        )
    return dataset.prefetch(tf.data.AUTOTUNE)


def _swap_and_reverse(batch, seed):
    coins = tf.random.stateless_uniform((2, tf.shape(batch)[0], 1, 1, 1, 1), seed) < 0.5
    batch = tf.where(coins[0], tf.gather(batch, _MIRROR, axis=2), batch)
    return tf.where(coins[1], tf.reverse(batch, [4]), batch)
