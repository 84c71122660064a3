"""What was predicted of a recording, as files: a table, annotations and a picture of its course."""

from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hms_utils import paths
from hms_utils.constants import (
    CLASSES,
    FREQUENCIES,
    LABEL_SECONDS,
    PREDICTION_COLUMNS,
    SPECTROGRAM_STEP,
)
from hms_utils.plots import COLOURS
from hms_utils.prediction import notices
from hms_utils.recording import LEAD, count_rows
from hms_utils.spectrograms import DB_RANGE

_UNKNOWN = "#E0E0E0"  # colour of what no window or row covers
_TICKS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)  # seconds apart


def write(recording, table, rows, folder, *, synthetic):
    """Write a recording's table, annotations and picture.

    Parameters
    ----------
    recording : recording.Recording
    table, rows
        As `prediction.predict` returns them.
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
        draw_course(recording, table, rows, synthetic=synthetic).savefig(temporary, dpi=110)
    return written


def merge(table):
    """Join windows that follow each other and have the same most probable class.

    Parameters
    ----------
    table : DataFrame
        As `prediction.predict` returns it.

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
    # By chain, frequency and time; row k lasts from second 2k - 275 to the next, or a
    # mean of several as much longer.
    seconds = SPECTROGRAM_STEP * -(-count_rows(recording) // len(rows))
    decibel = 10 * np.log10(np.maximum(rows, 1e-10)).T.reshape(4, len(FREQUENCIES), -1)
    extent = (-LEAD, seconds * len(rows) - LEAD, FREQUENCIES[0], FREQUENCIES[-1])
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
