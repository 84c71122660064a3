"""The spectrogram that the competition published: its recovered recipe, and its image."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, signal

from hms_utils.constants import (
    CHAINS,
    EEG_SECONDS,
    FREQUENCIES,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
)
from hms_utils.eeg import bipolar, bridge_gaps, differences_of, read_spectrogram
from hms_utils.images.pixels import DB_RANGE, F_MAX, LOG_TO_DB, N_FRAMES, N_MELS, to_pixels
from hms_utils.threads import one_blas_thread

# Second t of a label window is second t + 275 of its ten minutes.
LEAD = (SPECTROGRAM_SECONDS - EEG_SECONDS) // 2
N_ROWS = SPECTROGRAM_SECONDS // SPECTROGRAM_STEP
_SETTLING = 20  # seconds after which the band-pass does not feel an edge
_BLOCK = 300  # rows
_N_FFT = 1024
_TAPER_SECONDS = 4  # length of the window that a row is made of


def competition_spectrogram(eeg):
    """Compute the spectrogram that the competition published beside each EEG.

    Bipolar differences, zero-phase Butterworth band-pass of 0.5-40 Hz, windows
    of 4 s every 2 s, three DPSS tapers, FFT of length 1,024, mean power over
    tapers and over each chain's differences.

    Parameters
    ----------
    eeg : array-like of float32, shape (n_samples, 20)
        Microvolts, columns as in the file. Gaps are bridged for the filter; a
        chain's row is NaN where more than half of its samples are missing.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        Power in µV²/Hz, columns as in the competition's files. Row k is made of
        seconds 2k to 2k + 4 of `eeg`; in a recording's published spectrogram
        row k is centred at second 2k + 1 of its clock, so that clock starts one
        second into what gives the same rows here.

    Raises
    ------
    ValueError
        If `eeg` has another shape or lasts less than 4 s.
    """
    return _rows_of(bipolar(eeg))


def _rows_of(differences):
    """Compute the rows of `competition_spectrogram` from the 16 differences."""
    n_window, hop = _TAPER_SECONDS * SFREQ, SPECTROGRAM_STEP * SFREQ
    if differences.shape[1] < n_window:
        raise ValueError(
            f"expected at least {_TAPER_SECONDS} s of EEG, found {differences.shape[1] / SFREQ:g} s"
        )
    band = signal.butter(4, (0.5, 40), "bandpass", fs=SFREQ, output="sos")
    filtered = signal.sosfiltfilt(band, bridge_gaps(differences)).astype(np.float32)
    windows = sliding_window_view(filtered, n_window, axis=1)[:, ::hop]
    tapers = signal.windows.dpss(n_window, 2, Kmax=3).astype(np.float32)
    bins = np.round(np.array(FREQUENCIES) * _N_FFT / SFREQ).astype(int)
    power = np.zeros((*windows.shape[:2], len(bins)), np.float32)
    for taper in tapers:
        transform = fft.rfft(windows * taper, _N_FFT)[..., bins]
        power += transform.real**2 + transform.imag**2
    power /= SFREQ * len(tapers)
    chains = power.reshape(len(CHAINS), -1, *power.shape[1:]).mean(axis=1)
    missing = sliding_window_view(np.isnan(differences), n_window, axis=1)[:, ::hop].mean(axis=2)
    chains[missing.reshape(len(CHAINS), -1, missing.shape[1]).mean(axis=1) > 0.5] = np.nan
    return chains.transpose(1, 0, 2).reshape(-1, len(SPECTROGRAM_COLUMNS))


def long_spectrogram(recording, start=0, n_rows=N_ROWS):
    """Compute the competition's spectrogram of a recording around a window.

    Parameters
    ----------
    recording : eeg.Recording
    start : float
        Where the first label window begins, seconds.
    n_rows : int
        How many rows; the default is the ten minutes of this window, and every
        further row adds 2 s.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        As a file of the competition: row k is centred at second 2k + 1 of a clock
        on which the window begins at second 275. NaN where the recording does not
        hold all 4 s of a row.
    """
    # Row k is made of the 4 s from here on, in samples, by the recording's clock.
    first = round((start - LEAD + 1 - _TAPER_SECONDS / 2) * SFREQ)
    hop, window = SPECTROGRAM_STEP * SFREQ, _TAPER_SECONDS * SFREQ
    rows = np.full((n_rows, len(SPECTROGRAM_COLUMNS)), np.nan, np.float32)
    begin = max(0, -(first // hop))
    end = min(n_rows, (recording.n_samples - window - first) // hop + 1)
    for block in range(begin, end, _BLOCK):
        until = min(block + _BLOCK, end)
        before = min(_SETTLING // SPECTROGRAM_STEP, (first + block * hop) // hop)
        stop = first + (until - 1) * hop + window + _SETTLING * SFREQ
        eeg = recording.read(first + (block - before) * hop, min(stop, recording.n_samples))
        rows[block:until] = _rows_of(differences_of(eeg))[before:][: until - block]
    return rows


def read_long_spectrogram(path, recording):
    """Read the spectrogram file that belongs to a recording.

    Parameters
    ----------
    path : path-like
        A parquet file of the competition.
    recording : eeg.Recording
        Its second 0 is second 275 of the file, as in the test set.

    Returns
    -------
    ndarray of float32, shape (n_rows, 400)
        As `long_spectrogram` returns it for the whole recording.

    Raises
    ------
    FileNotFoundError, ValueError
        As `eeg.read_spectrogram`; and if the length is not that of the recording
        and 550 s more, for then their clocks differ.
    """
    rows = read_spectrogram(path)
    expected = n_long_rows(recording)
    if len(rows) != expected:
        raise ValueError(
            f"{path}: expected {expected} rows for an EEG of {recording.seconds:g} s and 275 s "
            f"on both sides, found {len(rows)}; without --spectrogram it is computed from the EEG"
        )
    return rows


def n_long_rows(recording):
    """Return the rows of a spectrogram of all of a recording's label windows."""
    return N_ROWS + int(recording.seconds - EEG_SECONDS) // SPECTROGRAM_STEP


@lru_cache
def _mel_from_frequencies():
    """Return the linear interpolation (128, 100) of file frequencies to mel bands."""
    centres = np.linspace(0, F_MAX, N_MELS + 2)[1:-1]
    units = np.eye(len(FREQUENCIES))
    return np.stack([np.interp(centres, FREQUENCIES, unit) for unit in units], 1).astype(np.float32)


@one_blas_thread
def spectrogram_image(spectrogram, *, db_range=DB_RANGE):
    """Draw ten minutes of a given spectrogram as the view ``kaggle600``.

    The central 512 s, on the frequency axis of `mel.eeg_image`.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (300, 400)
        Power in µV²/Hz, columns as in the competition's files; NaN allowed.
    db_range : tuple of float, or None
        As for `pixels.to_pixels`.

    Returns
    -------
    ndarray of uint8, shape (4, 128, 256)
        Missing values as 0; chain, frequency, time.
    """
    margin = (len(spectrogram) - N_FRAMES) // 2
    central = spectrogram[margin : margin + N_FRAMES]
    decibel = np.log(np.maximum(central, 1e-10)) * LOG_TO_DB
    chains = decibel.reshape(N_FRAMES, len(CHAINS), len(FREQUENCIES)).transpose(1, 2, 0)
    return to_pixels(_mel_from_frequencies() @ chains, db_range)


def likeness(own, given):
    """Compare a recomputed spectrogram with a given one.

    Parameters
    ----------
    own, given : ndarray of float, shape (n_rows, 400)
        Power in µV²/Hz; NaN allowed.

    Returns
    -------
    dict of str to float
        ``n``, how many values both have; the ``correlation`` of their logarithms; ``mean`` and
        ``sd`` of own less given, dB. NaN where there is too little to compare.
    """
    both = np.isfinite(own) & np.isfinite(given) & (own > 0) & (given > 0)
    if both.sum() < 2:
        return {"n": int(both.sum()), "correlation": np.nan, "mean": np.nan, "sd": np.nan}
    logs = np.log(own[both]), np.log(given[both])
    decibels = LOG_TO_DB * (logs[0] - logs[1])
    return {
        "n": int(both.sum()),
        "correlation": float(np.corrcoef(*logs)[0, 1]),
        "mean": float(decibels.mean()),
        "sd": float(decibels.std()),
    }
