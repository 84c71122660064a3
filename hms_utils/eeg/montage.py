"""From electrodes to the differences that an EEG reader looks at."""

import numpy as np

from hms_utils.constants import DIFFERENCES, EEG_COLUMNS, LABEL_SECONDS, SFREQ

_FRONT = [EEG_COLUMNS.index(front) for front, _ in DIFFERENCES]
_BACK = [EEG_COLUMNS.index(back) for _, back in DIFFERENCES]
_FLAT = 1.0  # µV between lowest and highest; a difference that stays within has no signal
_MIN_DIFFERENCES = 8  # of 16, with a signal


def bipolar(eeg):
    """Subtract neighbouring electrodes along the four chains.

    Differences cancel what all electrodes share, the reference first of all.

    Parameters
    ----------
    eeg : array-like of float32, shape (n_samples, 20)
        Microvolts, columns as in the file; NaN allowed.

    Returns
    -------
    ndarray of float32, shape (16, n_samples)
        Four differences of each chain, chains in the order of
        `constants.CHAINS`; NaN where either electrode is NaN.

    Raises
    ------
    ValueError
        If `eeg` has another shape.
    """
    eeg = np.asarray(eeg, np.float32)
    if eeg.ndim != 2 or eeg.shape[1] != len(EEG_COLUMNS):
        raise ValueError(f"expected an EEG of shape (n_samples, 20), found {eeg.shape}")
    electrodes = eeg.T
    return electrodes[_FRONT] - electrodes[_BACK]


def fill_gaps(signals):
    """Replace NaN by the channel's mean, or by 0 where a channel is all NaN.

    Parameters
    ----------
    signals : ndarray of float32, shape (n_channels, n_samples)
        Left unchanged.

    Returns
    -------
    ndarray of float32, shape (n_channels, n_samples)
        `signals` itself if it has no gaps.
    """
    missing = np.isnan(signals)
    if not missing.any():
        return signals
    present = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    means = np.where(missing, 0, signals).sum(axis=1, keepdims=True, dtype=np.float64) / present
    return np.where(missing, means, signals).astype(np.float32)


def bridge_gaps(signals):
    """Replace NaN by straight lines between what stands on both sides.

    Unlike `fill_gaps` this makes no steps, which a filter would ring on; the
    first and last values are held to the ends.

    Parameters
    ----------
    signals : ndarray of float32, shape (n_channels, n_samples)
        Left unchanged.

    Returns
    -------
    ndarray of float32, shape (n_channels, n_samples)
        0 where a channel is all NaN.
    """
    bridged = signals.copy()
    for channel in bridged:
        missing = np.isnan(channel)
        if missing.all():
            channel[:] = 0
        elif missing.any():
            present = np.flatnonzero(~missing)
            channel[missing] = np.interp(np.flatnonzero(missing), present, channel[present])
    return bridged


def has_signal(differences):
    """Return whether 8 of a window's 16 differences are alive in its central 10 s.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, n_samples)

    Returns
    -------
    bool
    """
    middle, half = differences.shape[1] // 2, LABEL_SECONDS * SFREQ // 2
    central = differences[:, middle - half : middle + half]
    # Of a number and NaN, fmax and fmin take the number.
    spread = np.fmax.reduce(central, axis=1) - np.fmin.reduce(central, axis=1)
    return (spread >= _FLAT).sum() >= _MIN_DIFFERENCES
