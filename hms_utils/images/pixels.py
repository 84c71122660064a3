"""From decibels to the grey values of an image, and their size."""

import math

import numpy as np

LOG_TO_DB = 10 / math.log(10)  # NumPy's natural logarithm is much faster than that to ten
N_MELS = 128  # rows of an image
F_MAX = 20.0  # Hz; the top of every image
N_FRAMES = 256  # columns of an image
TILE_SHAPE = (N_MELS, N_FRAMES)  # frequency by time, of one chain in one view
# All images map power to 0-255 by this one scale, so that equal pixels mean
# equal power in every recording.
DB_RANGE = (-20.0, 40.0)  # dB re 1 µV²/Hz


def to_pixels(decibel, db_range=DB_RANGE):
    """Map a range of decibels to 0-255, what is missing or below to 0, above to 255.

    Parameters
    ----------
    decibel : ndarray of float32
        NaN allowed.
    db_range : tuple of float, or None
        Lowest and highest value. None takes those that 1 % of the image lie
        below and above: a scale of its own for each image, as in the public
        notebooks, for comparison.

    Returns
    -------
    ndarray of uint8, shape of `decibel`
    """
    if db_range is None:
        present = decibel[np.isfinite(decibel)]
        db_range = np.percentile(present, [1, 99]) if present.size else DB_RANGE
    low, high = (np.float32(value) for value in db_range)
    pixels = (decibel - low) * (255 / max(high - low, np.float32(1e-6)))
    # Of a number and NaN, fmax takes the number.
    return np.rint(np.minimum(np.fmax(pixels, 0), 255)).astype(np.uint8)


def reduced_shape(factors):
    """Return the height and width of a tile that `reduce_image` has shrunk."""
    return TILE_SHAPE[0] // factors[0], TILE_SHAPE[1] // factors[1]


def reduce_image(image, factors):
    """Shrink the last two axes of a uint8 image by whole factors, by block means."""
    if max(factors) == 1:
        return image
    *rest, height, width = image.shape
    rows, columns = factors
    blocks = image.reshape(*rest, height // rows, rows, width // columns, columns)
    return np.rint(blocks.mean(axis=(-3, -1), dtype=np.float32)).astype(np.uint8)
