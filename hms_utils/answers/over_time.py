"""A recording's answers over time: predicted window by window, and written as files."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
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
from hms_utils.eeg import differences_of, has_signal
from hms_utils.images import N_ROWS, draw_window, long_spectrogram, n_long_rows
from hms_utils.plots import draw_course
from hms_utils.progress import progress

_BLOCK = 128  # windows that are in memory together, if they begin in so many
_BLOCK_SECONDS = 1200
_COURSE = 2000  # rows of a spectrogram that are kept of a recording, for its picture


def predict_recording(recording, ensemble, *, step=LABEL_SECONDS, given=None):
    """Predict a recording's label windows, block by block.

    Parameters
    ----------
    recording : eeg.Recording
    ensemble : networks.Ensemble
    step : int
        Seconds from one window to the next; even, as a spectrogram's rows last 2 s.
    given : ndarray of float32, shape (n_rows, 400), optional
        As `images.read_long_spectrogram` returns it; by default it is computed.

    Returns
    -------
    table : DataFrame
        One row a window: ``seconds`` of its centre, ``clock`` if the recording
        knows it, and `constants.PREDICTION_COLUMNS`, NaN where fewer than 8 of the
        16 differences have a signal in the central 10 s.
    rows : ndarray of float32, shape (n_rows, 400)
        The spectrogram that was looked at, as `images.long_spectrogram` returns it; of
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
    course, done = _Course(n_long_rows(recording)), 0
    rows = np.empty((0, len(SPECTROGRAM_COLUMNS)), np.float32)
    with progress(recording.path.name, len(starts)) as bar:
        size = min(_BLOCK, max(1, _BLOCK_SECONDS // step))
        for first in range(0, len(starts), size):
            part = starts[first : first + size]
            begin, until = part[[0, -1]] // SPECTROGRAM_STEP + (0, N_ROWS)
            if given is None:
                new = long_spectrogram(recording, done * SPECTROGRAM_STEP, until - done)
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
            f"{recording.path}: expected a signal in 8 of 16 differences, found "
            f"it in none of {len(starts)} windows: electrodes are flat or missing"
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
            drawn.append(draw_window(differences, long, **settings))
    views = settings["views"]
    return seen, {view: np.array([images[view] for images in drawn]) for view in views}


def notices(synthetic):
    """Return what must stand on everything that is predicted, lines of text."""
    return [RESEARCH_NOTICE] + [paths.SYNTHETIC_MODELS_NOTICE] * synthetic


def write_predictions(recording, table, rows, folder, *, synthetic):
    """Write a recording's table, annotations and picture.

    Parameters
    ----------
    recording : eeg.Recording
    table, rows
        As `predict_recording` returns them.
    folder : path-like
        Where ``<stem>_probabilities.csv``, ``<stem>_annotations.edf`` and
        ``<stem>_course.png`` go.
    synthetic : bool
        Whether the models were trained on synthetic recordings.

    Returns
    -------
    list of Path
        What was written; without edfio the annotations are not.
    """
    folder, stem = Path(folder), recording.path.stem
    written = [folder / f"{stem}_probabilities.csv"]
    with paths.replacing(written[0]) as temporary:
        comments = "".join(f"# {line}\n" for line in notices(synthetic))
        rounded = table.round(dict.fromkeys(PREDICTION_COLUMNS, 5))
        temporary.write_text(comments + rounded.to_csv(index=False), encoding="utf-8")
    try:
        with paths.replacing(folder / f"{stem}_annotations.edf") as temporary:
            _write_annotations(recording, table, temporary)
        written.append(folder / f"{stem}_annotations.edf")
    except ModuleNotFoundError:
        print("No annotations: they need the package edfio: pip install edfio")
    written.append(folder / f"{stem}_course.png")
    with paths.replacing(written[-1]) as temporary:
        draw_course(recording, table, rows, notes=notices(synthetic)).savefig(temporary, dpi=110)
    return written


def merge(table):
    """Join windows that follow each other and have the same most probable class.

    Parameters
    ----------
    table : DataFrame
        As `predict_recording` returns it.

    Returns
    -------
    list of (float, float, str, float)
        Onset and duration in seconds, the class, its mean probability; what no
        window's central 10 s cover is left out at both ends.
    """
    starts = table.seconds.to_numpy()
    width = min(starts[1] - starts[0], LABEL_SECONDS) if len(starts) > 1 else LABEL_SECONDS
    values = table[list(PREDICTION_COLUMNS)].to_numpy()
    best = np.where(np.isnan(values[:, 0]), -1, values.argmax(axis=1))
    parts = []
    for number, group in groupby(range(len(table)), key=best.__getitem__):
        windows = list(group)
        if number >= 0:
            onset, end = starts[windows[0]] - width / 2, starts[windows[-1]] + width / 2
            parts.append((onset, end - onset, CLASSES[number], values[windows, number].mean()))
    return parts


def _write_annotations(recording, table, path):
    """Write an EDF+ file of annotations alone, on the clock of the recording."""
    import edfio

    start = recording.start
    if start and not 1985 <= start.year <= 2084:  # what the format can say
        start = None
    edfio.Edf(
        [],
        recording=edfio.Recording(
            startdate=start.date() if start else None, equipment_code="research_use_only"
        ),
        starttime=start.replace(microsecond=0).time() if start else None,
        annotations=[
            edfio.EdfAnnotation(onset, duration, f"{name} {probability:.2f}")
            for onset, duration, name, probability in merge(table)
        ],
    ).write(path)
