"""From a window of EEG to its mel spectrogram, and to an image of it."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal

from hms_utils.constants import CHAINS, EEG_SECONDS, SFREQ
from hms_utils.eeg import bipolar, fill_gaps
from hms_utils.images.pixels import (
    DB_RANGE,
    F_MAX,
    LOG_TO_DB,
    N_FRAMES,
    N_MELS,
    TILE_SHAPE,
    to_pixels,
)
from hms_utils.threads import one_blas_thread

N_FFT = 1024
N_WINDOW = 128  # samples of the public recipe's Hann window
ZOOM_WINDOW = 400  # of the 10 s view: 2 s resolve 1 Hz where 0.64 s resolve 3
CLIP = 1024  # µV; what is beyond is an artefact
_DIFFERENCES = 4  # of a chain
# µV²/Hz; a difference with less at all frequencies of a frame has no signal there: a gap or
# a lost electrode. EEG has a thousand times that.
_DEAD = 1e-4


@lru_cache
def _mel_filters():
    """Return librosa's Slaney filter bank (128, 103) over the bins up to 20 Hz.

    Below 1 kHz the Slaney scale is linear, so the band edges are evenly spaced.
    """
    bins = np.arange(int(F_MAX * N_FFT / SFREQ) + 1) * SFREQ / N_FFT
    edges = np.linspace(0, F_MAX, N_MELS + 2)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    height = 2 / (edges[2:] - edges[:-2])
    return (np.maximum(0, np.minimum(rising, falling)) * height[:, None]).astype(np.float32)


@lru_cache
def _mel_pairs():
    """Return each mel filter's first bin and the weights of it and the next, (128,), 2 x (128, 1).

    The filters are narrower than two bins, so no more than two are not zero.
    """
    filters = _mel_filters()
    first = np.minimum((filters > 0).argmax(axis=1), filters.shape[1] - 2)
    weights = np.take_along_axis(filters, first[:, None] + np.arange(2), axis=1)
    return first, weights[:, :1].copy(), weights[:, 1:].copy()


@lru_cache
def _windowed_dft(n_window):
    """Return the Hann window times cosines and sines, as factors (206, r) and (r, n_window).

    Only 128 (or 400) of the 1,024 samples of a frame are not zero and only 103 of
    the 513 bins lie below 20 Hz, so the transform is a matrix of 206 by 128; and
    128 samples hold few independent waves below 20 Hz, so its rank is low.
    """
    n_bins = _mel_filters().shape[1]
    samples = np.arange(n_window) + (N_FFT - n_window) // 2
    angles = 2 * np.pi * np.outer(np.arange(n_bins), samples) / N_FFT
    window = signal.windows.hann(n_window, sym=False)
    transform = np.vstack([np.cos(angles), np.sin(angles)]) * window
    left, size, right = np.linalg.svd(transform, full_matrices=False)
    rank = np.sum(size > 1e-8 * size[0])
    return (left[:, :rank] * size[:rank]).astype(np.float32), right[:rank]


def _mel_powers(signals, centres, n_window, precision):
    """Yield each channel's mel power (128, n_frames) around the samples `centres`.

    Channel by channel everything fits the processor's cache. What lies above
    20 Hz cancels in the first product, and mains can be a thousand times what
    is left: `precision`, a dtype, is that product's.
    """
    to_bins, to_waves = _windowed_dft(n_window)
    to_waves = to_waves.astype(precision)
    first, weight, next_weight = _mel_pairs()
    n_channels, n_samples = signals.shape
    padded = np.zeros((n_channels, n_samples + n_window), precision)
    padded[:, n_window // 2 : -n_window // 2] = signals
    for windows in sliding_window_view(padded, n_window, axis=1):
        transform = to_bins @ (to_waves @ windows[centres].T).astype(np.float32, copy=False)
        np.square(transform, out=transform)
        power, imaginary = np.split(transform, 2)
        power += imaginary
        mel = power[first]
        mel *= weight
        beside = power[first + 1]
        beside *= next_weight
        mel += beside
        yield mel


@one_blas_thread
def mel_spectrogram(eeg):
    """Compute the EEG spectrogram of the public notebooks.

    For each of the 16 differences: gaps filled with the mean, the mel
    spectrogram of ``librosa.feature.melspectrogram(y=x, sr=200,
    hop_length=len(x) // 256, n_fft=1024, n_mels=128, fmin=0, fmax=20,
    win_length=128)``, in dB below its own maximum with a floor of -80; then the
    mean over each chain.

    Parameters
    ----------
    eeg : array-like of float32, shape (n_samples, 20)
        Microvolts, columns as in the file; NaN allowed. A label window has
        10,000 samples.

    Returns
    -------
    ndarray of float32, shape (4, 128, 256)
        dB; chains in the order LL, RL, LP, RP, 0 to 20 Hz, first 256 frames.

    Raises
    ------
    ValueError
        If `eeg` has another shape or fewer than 256 samples.
    """
    signals = fill_gaps(bipolar(eeg))
    if signals.shape[1] < N_FRAMES:
        raise ValueError(f"expected at least {N_FRAMES} samples of EEG, found {signals.shape[1]}")
    centres = np.arange(N_FRAMES + 1) * (signals.shape[1] // N_FRAMES)
    logs = np.zeros((len(CHAINS), *TILE_SHAPE), np.float32)
    for number, power in enumerate(_mel_powers(signals, centres, N_WINDOW, np.float64)):
        largest = max(power.max(), 1e-10)
        np.maximum(power, max(1e-10, 1e-8 * largest), out=power)  # 80 dB below
        power /= largest
        logs[number // _DIFFERENCES] += np.log(power, out=power)[:, :N_FRAMES]
    return logs * (LOG_TO_DB / _DIFFERENCES)


def eeg_image(eeg, *, seconds=EEG_SECONDS, n_window=N_WINDOW, db_range=DB_RANGE):
    """Draw the middle of a window of EEG.

    As `mel_spectrogram`, but with power in absolute units instead of below each
    channel's maximum, which a single artefact sets; clipped to ±1,024 µV; and each frame's
    mean over a chain is that of the differences with a signal there.

    Parameters
    ----------
    eeg : array-like of float32, shape (n_samples, 20)
        Microvolts, columns as in the file; NaN allowed.
    seconds : float
        How much of the EEG to draw; what is beside it is used for the edges.
    n_window : int
        Samples of each frame's Hann window: short ones show when, long ones at
        what frequency.
    db_range : tuple of float, or None
        As for `pixels.to_pixels`.

    Returns
    -------
    ndarray of uint8, shape (4, 128, 256)
        Chain, frequency from 0 to 20 Hz, time.
    """
    return eeg_images(bipolar(eeg), [(seconds, n_window)], db_range=db_range)[0]


@one_blas_thread
def eeg_images(differences, views, *, db_range=DB_RANGE):
    """Draw several middle parts of one window of EEG.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, n_samples)
        As `eeg.bipolar` returns them.
    views : sequence of (float, int)
        ``seconds`` and ``n_window`` of each, as for `eeg_image`.
    db_range : tuple of float, or None
        As for `pixels.to_pixels`.

    Returns
    -------
    list of ndarray of uint8, shape (4, 128, 256)

    Raises
    ------
    ValueError
        If the window is shorter than a part.
    """
    signals = fill_gaps(differences)
    longest = max(seconds for seconds, _ in views)
    if signals.shape[1] < longest * SFREQ:
        found = signals.shape[1] / SFREQ
        raise ValueError(f"expected at least {longest:g} s of EEG, found {found:g} s")
    signals = np.clip(signals - signals.mean(axis=1, keepdims=True), -CLIP, CLIP)
    steps = np.arange(N_FRAMES) + 0.5 - N_FRAMES / 2
    # The floor keeps a quiet difference from dragging the chain's mean down.
    floor = 10 ** ((db_range or DB_RANGE)[0] / 10)
    images = []
    for seconds, n_window in views:
        centres = (signals.shape[1] / 2 + steps * (seconds * SFREQ / N_FRAMES)).astype(int)
        # A mel filter has unit area over Hz but sums over bins; the window's energy
        # and the sampling rate make it a density like the competition's.
        window_energy = np.sum(signal.windows.hann(n_window, sym=False) ** 2)
        density = np.float32(1 / N_FFT / window_energy)
        logs = np.zeros((len(CHAINS), *TILE_SHAPE), np.float32)
        living = np.zeros((len(CHAINS), 1, N_FRAMES), np.float32)
        for number, power in enumerate(_mel_powers(signals, centres, n_window, np.float32)):
            power *= density
            lives = power.max(axis=0) > _DEAD
            np.maximum(power, floor, out=power)
            np.log(power, out=power)
            logs[number // _DIFFERENCES] += power if lives.all() else np.where(lives, power, 0)
            living[number // _DIFFERENCES] += lives
        decibels = logs * LOG_TO_DB / np.maximum(living, 1)
        images.append(to_pixels(np.where(living, decibels, LOG_TO_DB * np.log(floor)), db_range))
    return images
