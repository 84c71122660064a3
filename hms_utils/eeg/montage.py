"""From electrodes to the differences that an EEG reader looks at."""

from itertools import pairwise

import numpy as np
from scipy import fft

from hms_utils.constants import BIPOLAR_COLUMNS, DIFFERENCES, EEG_COLUMNS, LABEL_SECONDS, SFREQ

F_HIGH = 20  # Hz; the amplitude is measured below, as images show what is there
# µV, as `amplitude` measures it: 95 of 98 real recordings lie within the first pair, and the
# others (2.2, 3.0 and 104) far within the second, which units in error leave a thousandfold.
USUAL = (3, 65)
POSSIBLE = (0.2, 500)

_FRONT = [EEG_COLUMNS.index(front) for front, _ in DIFFERENCES]
_BACK = [EEG_COLUMNS.index(back) for _, back in DIFFERENCES]
_FLAT = 1.0  # µV between lowest and highest; a difference that stays within has no signal
_BANDS = (1, 4, 8, 20, 45)  # Hz
_FLATNESS = 2  # of the most power a Hz in a band to the least; of white noise it is near 1
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


def differences_of(samples):
    """Return the 16 differences of a recording that holds electrodes, or them as such.

    Parameters
    ----------
    samples : ndarray of float32, shape (n_samples, 20) or (n_samples, 17)
        In the columns of `constants.EEG_COLUMNS` or of `constants.BIPOLAR_COLUMNS`.

    Returns
    -------
    ndarray of float32, shape (16, n_samples)
        As `bipolar` returns them.

    Raises
    ------
    ValueError
        If `samples` has another shape.
    """
    if samples.ndim == 2 and samples.shape[1] == len(BIPOLAR_COLUMNS):
        return samples.T[: len(DIFFERENCES)]
    return bipolar(samples)


def amplitudes(differences):
    """Return how large each difference is from 1 to 20 Hz, without offset, drift and mains.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, n_samples)
        Microvolts; NaN allowed.

    Returns
    -------
    ndarray of float64, shape (16,)
        Median of the standard deviations of all seconds, but those with gaps or
        without a signal. NaN if there are no others.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        waves = _waves(differences)[..., 1 : F_HIGH + 1] / SFREQ
        power = 2 * (waves.real**2 + waves.imag**2).sum(axis=2)
    alive = [of_one[of_one > 0] for of_one in power]  # false for NaN
    return np.sqrt([np.median(of_one) if len(of_one) else np.nan for of_one in alive])


def _waves(differences):
    """Return the Fourier transform of each second, NaN of those with gaps."""
    n_seconds = differences.shape[1] // SFREQ
    seconds = differences[:, : n_seconds * SFREQ].reshape(len(differences), n_seconds, SFREQ)
    with np.errstate(invalid="ignore", over="ignore"):
        return fft.rfft(seconds - seconds[..., :1])


def amplitude(differences):
    """Return the median of `amplitudes`, NaN if none has a signal."""
    known = amplitudes(differences)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else np.nan


def judge_amplitude(value):
    """Compare an amplitude with what EEG has, as a unit in error makes it another.

    Parameters
    ----------
    value : float
        As `amplitude` returns it.

    Returns
    -------
    str
        A note if it is unusual, else "".

    Raises
    ------
    ValueError
        If it is none of an EEG in microvolts.
    """
    (low, high), (least, most) = USUAL, POSSIBLE
    rounded = float(f"{value:.3g}")
    found = f"{low:g} to {high:g} µV as usual from 1 to {F_HIGH} Hz, found {rounded:,g} µV"
    if value < least or value > most:
        raise ValueError(f"expected EEG in microvolts, {found}: its unit or scale is another")
    if value < low or value > high:
        return f"unusual amplitude: expected {found}; look whether unit and scale are right"
    return ""


def is_noise(differences):
    """Return whether all differences have as much power a Hz in every band up to 45 Hz.

    That of EEG falls with frequency, and muscles and mains raise single bands: in each of 98 real
    recordings some difference had 76 times as much or more in one band as in another. Samples
    whose bytes are out of place, as of a file that was sent as text or lost a byte, are white
    noise.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, n_samples)
        Microvolts; NaN allowed.

    Returns
    -------
    bool
        False if fewer than 8 differences have a signal.
    """
    waves = _waves(differences)
    with np.errstate(over="ignore"):
        power = (waves.real**2 + waves.imag**2).sum(axis=1, where=~np.isnan(waves))
    bands = np.array([power[:, low:high].mean(axis=1) for low, high in pairwise(_BANDS)])
    least, most = bands.min(axis=0), bands.max(axis=0)
    alive = least > 0
    return bool(alive.sum() >= _MIN_DIFFERENCES and (most < _FLATNESS * least)[alive].all())


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
