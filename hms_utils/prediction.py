"""The course of one recording: probabilities over time as a table, annotations and a picture."""

import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from hms_utils import drawing, paths
from hms_utils.clinical import PACKAGES
from hms_utils.constants import (
    CLASSES,
    EEG_SECONDS,
    FREQUENCIES,
    LABEL_SECONDS,
    PREDICTION_COLUMNS,
    RESEARCH_NOTICE,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_STEP,
)
from hms_utils.montage import bipolar
from hms_utils.plots import COLOURS
from hms_utils.recording import LEAD, N_ROWS, count_rows, spectrogram
from hms_utils.spectrograms import DB_RANGE

_BLOCK = 128  # windows that are in memory together
_FLAT = 1.0  # µV between lowest and highest; a difference that stays within has no signal
_MIN_DIFFERENCES = 8  # of 16, with a signal
_UNKNOWN = "#E0E0E0"  # colour of what no window or row covers
_TICKS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)  # seconds apart


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
        The spectrogram that was looked at, as `recording.spectrogram` returns it.

    Raises
    ------
    ValueError
        If `step` is not even, or no window has a signal.
    """
    if step < SPECTROGRAM_STEP or step % SPECTROGRAM_STEP:
        raise ValueError(f"expected an even step of 2 s or more, found {step}")
    starts = np.arange(0, int(recording.seconds - EEG_SECONDS) + 1, step)
    answers = np.full((len(starts), len(CLASSES)), np.nan)
    rows = given
    if given is None:
        rows = np.full((count_rows(recording), len(SPECTROGRAM_COLUMNS)), np.nan, np.float32)
    done = 0
    name, n_windows, single = recording.path.name, len(starts), len(starts) == 1
    with tqdm(
        None, name, n_windows, unit=" windows", file=sys.stdout, mininterval=2, disable=single
    ) as bar:
        for first in range(0, len(starts), _BLOCK):
            part = starts[first : first + _BLOCK]
            if given is None:
                until = part[-1] // SPECTROGRAM_STEP + N_ROWS
                rows[done:until] = spectrogram(recording, done * SPECTROGRAM_STEP, until - done)
                done = until
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
    return table, rows


# Threads that share such small matrices mostly wait for each other.
@threadpool_limits.wrap(limits=1, user_api="blas")
def _draw(recording, starts, rows, settings):
    """Return which windows have a signal, and the images of these."""
    offset = starts[0] * SFREQ
    eeg = recording.read(offset, (starts[-1] + EEG_SECONDS) * SFREQ)
    seen, drawn = np.zeros(len(starts), bool), []
    for number, start in enumerate(starts):
        differences = bipolar(eeg[start * SFREQ - offset :][: EEG_SECONDS * SFREQ])
        seen[number] = has_signal(differences)
        if seen[number]:
            long = rows[start // SPECTROGRAM_STEP :][:N_ROWS]
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


def write(recording, table, rows, folder, *, synthetic):
    """Write a recording's table, annotations and picture.

    Parameters
    ----------
    recording : recording.Recording
    table, rows
        As `predict` returns them.
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
    with paths.replacing(written[0]) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("".join(f"# {line}\n" for line in notices(synthetic)))
        table.to_csv(file, index=False, float_format="%.5g")
    try:
        with paths.replacing(folder / f"{stem}_annotations.edf") as temporary:
            _write_annotations(recording, table, temporary)
        written.append(folder / f"{stem}_annotations.edf")
    except ModuleNotFoundError:
        print(f"No annotations: they need {PACKAGES}")
    written.append(folder / f"{stem}_course.png")
    with paths.replacing(written[-1]) as temporary:
        draw_course(recording, table, rows, synthetic=synthetic).savefig(temporary, dpi=110)
    return written


def notices(synthetic):
    """Return what must stand on everything that is predicted, lines of text."""
    return [RESEARCH_NOTICE] + [paths.SYNTHETIC_MODELS_NOTICE] * synthetic


def merge(table):
    """Join windows that follow each other and have the same most probable class.

    Parameters
    ----------
    table : DataFrame
        As `predict` returns it.

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


def draw_course(recording, table, rows, *, synthetic):
    """Draw the probabilities over time above the spectrogram of both hemispheres.

    Parameters
    ----------
    recording, table, rows, synthetic
        As for `write`.

    Returns
    -------
    matplotlib Figure
    """
    figure = Figure(figsize=(14, 7), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    centres = table.seconds.to_numpy()
    width = centres[1] - centres[0] if len(centres) > 1 else LABEL_SECONDS
    edges = np.append(centres, centres[-1] + width) - width / 2
    values = table[list(PREDICTION_COLUMNS)].to_numpy()
    tops = np.hstack([np.zeros((len(values), 1)), np.cumsum(values, axis=1)])
    tops = np.vstack([tops, tops[-1:]])  # the last step has a right side too
    for number, name in enumerate(CLASSES):
        axes[0].fill_between(
            *(edges, tops[:, number], tops[:, number + 1]),
            step="post",
            color=COLOURS[number],
            linewidth=0,
            label=name,
        )
    axes[0].fill_between([], [], color=_UNKNOWN, label="no answer")
    axes[0].set(ylim=(0, 1), ylabel="probability", facecolor=_UNKNOWN)
    axes[0].legend(ncols=7, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    # By chain, frequency and time; row k lasts from second 2k - 275 to the next.
    decibel = 10 * np.log10(np.maximum(rows, 1e-10)).T.reshape(4, len(FREQUENCIES), -1)
    extent = (-LEAD, SPECTROGRAM_STEP * len(rows) - LEAD, FREQUENCIES[0], FREQUENCIES[-1])
    for ax, side, chains in ((axes[1], "left", (0, 2)), (axes[2], "right", (1, 3))):
        picture = ax.imshow(
            decibel[list(chains)].mean(axis=0),
            "magma",
            aspect="auto",
            origin="lower",
            extent=extent,
            vmin=DB_RANGE[0],
            vmax=DB_RANGE[1],
        )
        ax.set_ylabel(f"{side} hemisphere\nHz")
        ax.set_facecolor(_UNKNOWN)
    figure.colorbar(picture, ax=axes[1:], pad=0.01, label="dB re 1 µV²/Hz")
    _label_time(axes[-1], recording)
    figure.suptitle(recording.path.name)
    figure.supxlabel("  ".join(notices(synthetic)), fontsize=9, color="#AA0000")
    return figure


def _label_time(ax, recording):
    """Mark round times, of the clock if it is known."""
    spacing = next((gap for gap in _TICKS if recording.seconds / gap <= 12), _TICKS[-1])
    start = recording.start
    offset = start.hour * 3600 + start.minute * 60 + start.second if start else 0
    ticks = np.arange(-(-offset // spacing) * spacing, offset + recording.seconds + 1, spacing)
    labels = []
    for tick in ticks.astype(int).tolist():
        hours = tick // 3600 % 24 if start else tick // 3600
        seconds = f":{tick % 60:02}" if spacing < 60 else ""
        labels.append(f"{hours}:{tick // 60 % 60:02}{seconds}")
    ax.set_xticks(ticks - offset, labels)
    ax.set_xlim(0, recording.seconds)
    since = f"clock, from {start:%Y-%m-%d %H:%M:%S}" if start else "time since the beginning"
    ax.set_xlabel(f"{since} (hours:minutes{':seconds' if spacing < 60 else ''})")
