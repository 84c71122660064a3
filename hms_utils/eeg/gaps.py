"""What stands in a recording for "nothing", where it is no NaN."""

import numpy as np

from hms_utils.constants import SFREQ

GAP_SECONDS = 1  # a channel that does not move for so long is taken for a gap
_LEAST_ALIKE = 8  # electrodes that never have the same value unless there is none


def stands_still(samples, rate):
    """Return where a signal keeps one value for a second or more: many formats have no NaN.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
    rate : float
        Samples a second.

    Returns
    -------
    ndarray of bool, shape (n_samples,)
    """
    gaps = np.zeros(len(samples), bool)
    edges = np.flatnonzero(np.diff(samples, prepend=np.nan, append=np.nan))
    for still in np.flatnonzero(np.diff(edges) >= rate * GAP_SECONDS):
        gaps[edges[still] : edges[still + 1]] = True
    return gaps


def is_blank(electrodes):
    """Return where all electrodes have the same value, such as -32768 or 0 for "nothing".

    Parameters
    ----------
    electrodes : ndarray, shape (n_samples, n_electrodes)
        NaN where one has no signal.

    Returns
    -------
    ndarray of bool, shape (n_samples,)
        False where fewer than eight have a signal.
    """
    # Of a number and NaN, fmax and fmin take the number.
    same = np.fmax.reduce(electrodes, axis=1) == np.fmin.reduce(electrodes, axis=1)
    return same & ((~np.isnan(electrodes)).sum(axis=1) >= _LEAST_ALIKE)


def blank_note(electrodes):
    """Return a note if all electrodes (n_samples, n_electrodes) are missing in part."""
    share = np.isnan(electrodes).all(axis=1).mean() if len(electrodes) else 0
    if not 0 < share < 1:
        return []
    return [
        f"all electrodes at one value for {share * len(electrodes) / SFREQ:g} s of the "
        f"{len(electrodes) / SFREQ:g} s that were looked at, taken as missing"
    ]
