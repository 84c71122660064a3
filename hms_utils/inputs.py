"""tf.data pipelines from memory-mapped images, and augmentation."""

import numpy as np

from hms_utils.backend import tf
from hms_utils.constants import CHAINS, MIRRORED_CHAIN

# Where each chain's tile comes from when left and right are swapped.
_MIRROR = [list(CHAINS).index(MIRRORED_CHAIN[chain]) for chain in CHAINS]
# How many images lose most of one view in training, and the widest that is left.
_NARROWED, _WIDEST = 0.25, 0.5


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
        Shuffle the rows anew in each pass, swap left with right and reverse
        time in a random half of the images each, and leave of one view in a
        quarter of them only the middle, or nothing: recordings with gaps and
        without the long spectrogram look like that.
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
            lambda batch, pair: (_narrow(_swap_and_reverse(batch[0], pair), pair + 1), *batch[1:])
        )
    return dataset.prefetch(tf.data.AUTOTUNE)


def _swap_and_reverse(batch, seed):
    coins = tf.random.stateless_uniform((2, tf.shape(batch)[0], 1, 1, 1, 1), seed) < 0.5
    batch = tf.where(coins[0], tf.gather(batch, _MIRROR, axis=2), batch)
    return tf.where(coins[1], tf.reverse(batch, [4]), batch)


def _narrow(batch, seed):
    n_images, n_views, columns = tf.shape(batch)[0], batch.shape[1], batch.shape[4]
    chosen, view, width = tf.unstack(tf.random.stateless_uniform((3, n_images), seed))
    view = tf.one_hot(tf.cast(view * n_views, tf.int32), n_views, True, False)
    view &= (chosen < _NARROWED)[:, None]
    # Below zero nothing is left, which happens to one in six.
    width = columns * _WIDEST * (1.2 * width - 0.2)
    outside = np.abs(np.arange(columns) + 0.5 - columns / 2) > width[:, None] / 2
    lost = view[:, :, None, None, None] & outside[:, None, None, None, :]
    return tf.where(lost, tf.zeros_like(batch), batch)
