"""What recordings are like: how much is missing, how large they are, how much mains."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal

from hms_utils.constants import EEG_SECONDS, ELECTRODES, SFREQ
from hms_utils.eeg.files import cut, has_eegs, read_eeg, source_files
from hms_utils.eeg.montage import F_HIGH, amplitude, bipolar, fill_gaps
from hms_utils.progress import progress

_MAINS = 50, 60  # Hz
_HUM = 6  # dB above what is beside it, from where on there is mains


def survey(windows, data_dir, *, n_recordings=100):
    """Measure one window of each of some recordings, evenly spaced in the table.

    Parameters
    ----------
    windows : DataFrame
        As `tables.select_windows` returns it.
    data_dir : path-like
    n_recordings : int

    Returns
    -------
    table : DataFrame
        By ``eeg_id``, of those that can be read: ``missing``, the share of the electrodes'
        values; ``longest_gap`` in seconds, of any electrode; ``lost``, how many electrodes
        have no value or no change; ``amplitude`` in µV as of `montage.amplitude`; ``mains``
        in Hz, 0 where neither 50 nor 60 Hz is 6 dB above what is beside it; ``fast``, the
        share of power that lies above 20 Hz.
    spectra : DataFrame
        By frequency in Hz, for each recording the median of its differences, dB re 1 µV²/Hz.
        Both are empty of data without EEGs.
    """
    if not has_eegs(data_dir):
        print("No EEG is there to measure: left out are the pictures of recordings")
        return pd.DataFrame(), pd.DataFrame()
    rows = windows.drop_duplicates("eeg_id")
    rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, n_recordings).astype(int))]
    lines, spectra = {}, {}
    with progress("Recordings", len(rows), items=rows.itertuples()) as steps:
        for row in steps:
            path, _ = source_files(Path(data_dir), "train", row.eeg_id, row.spectrogram_id)
            try:
                eeg = cut(read_eeg(path), row.eeg_label_offset_seconds, EEG_SECONDS, SFREQ, path)
            except ValueError:  # it is named where images are drawn
                continue
            lines[row.eeg_id], spectra[row.eeg_id] = _measure(eeg)
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("eeg_id")
    return table, pd.DataFrame(spectra, index=pd.Index(_FREQUENCIES, name="Hz"))


_FREQUENCIES = np.arange(0, SFREQ / 2 + 0.5, 0.5)  # of windows of 2 s


def _measure(eeg):
    electrodes = eeg[:, : len(ELECTRODES)]
    gaps = np.isnan(electrodes)
    differences = bipolar(eeg)
    power = signal.welch(fill_gaps(differences), SFREQ, nperseg=2 * SFREQ)[1]
    alive = power.sum(axis=1) > 0
    usual = np.median(power[alive], axis=0) if alive.any() else power[0]
    decibel = 10 * np.log10(np.maximum(usual, 1e-10))
    known = _FREQUENCIES >= 0.5
    line = {
        "missing": gaps.mean(),
        "longest_gap": max(_longest(column) for column in gaps.T) / SFREQ,
        "lost": int((np.isnan(electrodes) | (electrodes == electrodes[0])).all(axis=0).sum()),
        "amplitude": amplitude(differences),
        "mains": _mains(decibel),
        "fast": usual[_FREQUENCIES > F_HIGH].sum() / max(usual[known].sum(), 1e-10),
    }
    return line, decibel


def _longest(gaps):
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], gaps, [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _mains(decibel):
    """Return which of 50 and 60 Hz stands out, 0 if neither."""
    heights = []
    for hertz in _MAINS:
        distance = np.abs(_FREQUENCIES - hertz)
        beside = (distance >= 2) & (distance <= 4)
        heights.append(decibel[distance < 1].max() - np.median(decibel[beside]))
    return _MAINS[int(np.argmax(heights))] if max(heights) > _HUM else 0
