"""What was predicted of a recording over time, above its spectrogram."""

import numpy as np
from matplotlib.figure import Figure

from hms_utils.constants import (
    CLASSES,
    FREQUENCIES,
    LABEL_SECONDS,
    PREDICTION_COLUMNS,
    SPECTROGRAM_STEP,
)
from hms_utils.images import DB_RANGE, LEAD, n_long_rows
from hms_utils.plots.style import COLOURS

_UNKNOWN = "#E0E0E0"  # colour of what no window or row covers
_TICKS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)  # seconds apart


def draw_course(recording, table, rows, *, notes):
    """Draw the probabilities over time above the spectrogram of both hemispheres.

    Parameters
    ----------
    recording : eeg.Recording
    table : DataFrame
        ``seconds`` of each window's centre and `constants.PREDICTION_COLUMNS`, NaN where
        there is no answer.
    rows : ndarray of float32, shape (n_rows, 400)
        The recording's spectrogram, as `images.long_spectrogram` returns it, or means of
        as many neighbouring rows each.
    notes : sequence of str
        Lines below the picture.

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
            edges,
            tops[:, number],
            tops[:, number + 1],
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
    seconds = SPECTROGRAM_STEP * -(-n_long_rows(recording) // len(rows))
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
    figure.supxlabel("  ".join(notes), fontsize=9, color="#AA0000")
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
