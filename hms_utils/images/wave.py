"""From a window of EEG to a picture of the wave itself, as EEG readers see it."""

from functools import lru_cache

import numpy as np
from scipy import fft

from hms_utils.constants import CHAINS, DIFFERENCES, LABEL_SECONDS, SFREQ
from hms_utils.eeg import fill_gaps
from hms_utils.images.mel import CLIP
from hms_utils.images.pixels import F_MAX, N_FRAMES, N_MELS

_LOWEST = 0.5  # Hz; slower is sweat and movement
_ORDER = 4  # of the Butterworth filter, in each direction
_MARGIN = 5  # seconds on each side, for the filter
_SAMPLES = 8  # of a column
_REACH = 100.0  # µV from a trace's middle to where the next one begins
_ROWS = N_MELS * len(CHAINS) // len(DIFFERENCES)  # of a trace


@lru_cache
def _gains(n_samples):
    """Return the filter's gain at each frequency of `fft.rfft`, both directions together.

    That of a Butterworth band-pass, squared: filtering forth and back has no phase.
    """
    frequencies = fft.rfftfreq(n_samples, 1 / SFREQ)
    with np.errstate(divide="ignore"):
        low = 1 + (_LOWEST / frequencies) ** (2 * _ORDER)
    return (1 / (low * (1 + (frequencies / F_MAX) ** (2 * _ORDER)))).astype(np.float32)


def wave_image(differences):
    """Draw the central 10 s as traces: 0.5 to 20 Hz, one below the other, chain by chain.

    Every column shows where its trace was in these 39 ms, so that a spike keeps its
    height, however few columns there are. All windows are drawn to one scale, ±100 µV a
    trace, beyond which they are cut.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, n_samples)
        As `eeg.bipolar` returns them, microvolts; NaN allowed, at least 20 s.

    Returns
    -------
    ndarray of uint8, shape (4, 128, 256)
        Chain, its four differences of 32 rows each, by time; the lowest row is the first,
        as in the other views, so the most frontal difference comes last, and in each the
        most negative row. 0 is paper, 255 ink; nothing is drawn where a difference is
        missing.

    Raises
    ------
    ValueError
        If it is shorter.
    """
    n_samples = (LABEL_SECONDS + 2 * _MARGIN) * SFREQ
    if differences.shape[1] < n_samples:
        found = differences.shape[1] / SFREQ
        raise ValueError(f"expected at least {n_samples // SFREQ} s of EEG, found {found:g} s")
    begin = (differences.shape[1] - n_samples) // 2
    part = differences[:, begin : begin + n_samples]
    signals = fill_gaps(part)
    signals = np.clip(signals - signals.mean(axis=1, keepdims=True), -CLIP, CLIP)
    # A whole number of samples for each column; no more of the spectrum than there is.
    n_fine = (LABEL_SECONDS + 2 * _MARGIN) * N_FRAMES * _SAMPLES // LABEL_SECONDS
    spectrum = fft.rfft(signals, axis=1) * _gains(n_samples)
    fine = fft.irfft(spectrum, n_fine, axis=1) * np.float32(n_fine / n_samples)
    first = _MARGIN * n_fine // (LABEL_SECONDS + 2 * _MARGIN)
    fine = fine[:, first : first + N_FRAMES * _SAMPLES + 1]
    rows = (0.5 + np.clip(fine / (2 * _REACH), -0.5, 0.5)) * (_ROWS - 1)
    columns = rows[:, :-1].reshape(len(rows), N_FRAMES, _SAMPLES)
    following = rows[:, _SAMPLES::_SAMPLES]  # so that a trace has no holes
    top = np.minimum(columns.min(axis=2), following)[:, None] - 0.5
    bottom = np.maximum(columns.max(axis=2), following)[:, None] + 0.5
    places = np.arange(_ROWS, dtype=np.float32)[:, None]
    ink = np.minimum(bottom, places + 0.5) - np.maximum(top, places - 0.5)
    ink = np.clip(ink, 0, 1)
    missing = np.isnan(part)
    if missing.any():
        ink *= ~_columns_of(missing)[:, None]
    image = np.rint(255 * ink).astype(np.uint8)
    return image.reshape(len(CHAINS), N_MELS, N_FRAMES)[:, ::-1]


def _columns_of(missing):
    """Return in which columns (16, 256) samples of the margined part are missing."""
    inner = missing[:, _MARGIN * SFREQ : -_MARGIN * SFREQ]
    edges = np.linspace(0, inner.shape[1], N_FRAMES + 1).astype(int)[:-1]
    return np.logical_or.reduceat(inner, edges, axis=1)
