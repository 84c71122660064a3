"""Predict the label windows of one recording over time."""

import sys

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from hms_utils import drawing, paths
from hms_utils.constants import (
    CLASSES,
    EEG_SECONDS,
    LABEL_SECONDS,
    PREDICTION_COLUMNS,
    RESEARCH_NOTICE,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_STEP,
)
from hms_utils.montage import differences_of
from hms_utils.recording import N_ROWS, count_rows, spectrogram

_BLOCK = 128  # windows that are in memory together, if they begin in so many
_BLOCK_SECONDS = 1200
_FLAT = 1.0  # µV between lowest and highest; a difference that stays within has no signal
_MIN_DIFFERENCES = 8  # of 16, with a signal
_COURSE = 2000  # rows of a spectrogram that are kept of a recording, for its picture


def predict(recording, ensemble, *, step=LABEL_SECONDS, given=None):
    """Predict a recording's label windows, block by block.

    Parameters
    ----------
    recording : recording.Recording
    ensemble : ensemble.Ensemble
    step : int
        Seconds from one window to the next; even, as a spectrogram's rows last 2 s.
    given : ndarray of float32, shape (n_rows, 400), optional
        As `recording.read_given` returns it; by default it is computed.

    Returns
    -------
    table : DataFrame
        One row a window: ``seconds`` of its centre, ``clock`` if the recording
        knows it, and `constants.PREDICTION_COLUMNS`, NaN where fewer than 8 of the
        16 differences have a signal in the central 10 s.
    rows : ndarray of float32, shape (n_rows, 400)
        The spectrogram that was looked at, as `recording.spectrogram` returns it; of
        more than 2,000 rows the means of as many neighbours as it takes.

    Raises
    ------
    ValueError
        If `step` is not even, or no window has a signal.
    """
    if step < SPECTROGRAM_STEP or step % SPECTROGRAM_STEP:
        raise ValueError(f"expected an even step of 2 s or more, found {step}")
    starts = np.arange(0, int(recording.seconds - EEG_SECONDS) + 1, step)
    answers = np.full((len(starts), len(CLASSES)), np.nan)
    course, done = _Course(count_rows(recording)), 0
    rows = np.empty((0, len(SPECTROGRAM_COLUMNS)), np.float32)
    name, n_windows, single = recording.path.name, len(starts), len(starts) == 1
    with tqdm(
        None, name, n_windows, unit=" windows", file=sys.stdout, mininterval=2, disable=single
    ) as bar:
        size = min(_BLOCK, max(1, _BLOCK_SECONDS // step))
        for first in range(0, len(starts), size):
            part = starts[first : first + size]
            begin, until = part[[0, -1]] // SPECTROGRAM_STEP + (0, N_ROWS)
            if given is None:
                new = spectrogram(recording, done * SPECTROGRAM_STEP, until - done)
            else:
                new = given[done:until]
            course.add(done, new)
            rows, done = np.concatenate([rows, new])[begin - until :], until
            seen, images = _draw(recording, part, rows, ensemble.settings["images"])
            if seen.any():
                answers[first : first + len(part)][seen] = ensemble.predict(images)
            bar.update(len(part))
    if np.isnan(answers).all():
        raise ValueError(
            f"{recording.path}: expected a signal in {_MIN_DIFFERENCES} of 16 differences, found "
            f"it in none of {n_windows} windows: electrodes are flat or missing"
        )
    table = pd.DataFrame(answers, columns=list(PREDICTION_COLUMNS))
    table.insert(0, "seconds", starts + EEG_SECONDS / 2)
    if recording.start:
        clock = pd.Timestamp(recording.start) + pd.to_timedelta(table.seconds, unit="s")
        table.insert(1, "clock", clock.dt.floor("s"))
    return table, course.means()


class _Course:
    """Means of neighbouring rows, so that what is kept does not grow with a recording."""

    def __init__(self, n_rows):
        self.stride = -(-n_rows // _COURSE)
        shape = -(-n_rows // self.stride), len(SPECTROGRAM_COLUMNS)
        self.sums, self.counts = np.zeros(shape), np.zeros(shape, np.int32)

    def add(self, first, rows):
        places = np.arange(first, first + len(rows)) // self.stride
        np.add.at(self.sums, places, np.nan_to_num(rows))
        np.add.at(self.counts, places, np.isfinite(rows))

    def means(self):
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as meant
            return (self.sums / self.counts).astype(np.float32)


# Threads that share such small matrices mostly wait for each other.
@threadpool_limits.wrap(limits=1, user_api="blas")
def _draw(recording, starts, rows, settings):
    """Return which windows have a signal, and the images of these."""
    offset = starts[0] * SFREQ
    eeg = recording.read(offset, (starts[-1] + EEG_SECONDS) * SFREQ)
    seen, drawn = np.zeros(len(starts), bool), []
    for number, start in enumerate(starts):
        differences = differences_of(eeg[start * SFREQ - offset :][: EEG_SECONDS * SFREQ])
        seen[number] = has_signal(differences)
        if seen[number]:
            long = rows[(start - starts[0]) // SPECTROGRAM_STEP :][:N_ROWS]
            drawn.append(drawing.draw_window(differences, long, **settings))
    return seen, {view: np.array([images[view] for images in drawn]) for view in drawing.VIEWS}


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


def notices(synthetic):
    """Return what must stand on everything that is predicted, lines of text."""
    return [RESEARCH_NOTICE] + [paths.SYNTHETIC_MODELS_NOTICE] * synthetic
