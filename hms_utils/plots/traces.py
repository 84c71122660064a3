"""EEG as readers have it: the double banana of a window, and a page of its central 10 s."""

import numpy as np
from matplotlib.figure import Figure
from scipy import signal

from hms_utils.constants import (
    CHAINS,
    DIFFERENCES,
    EEG_COLUMNS,
    EEG_SECONDS,
    LABEL_SECONDS,
    MIDLINE,
    SFREQ,
)
from hms_utils.eeg import bridge_gaps, differences_of
from hms_utils.images import eeg_image, spectrogram_image
from hms_utils.plots.data import tiles
from hms_utils.plots.style import COLOURS

BAND = (0.5, 40.0)  # Hz that are shown, as in the competition's spectrogram
LABEL = ((EEG_SECONDS - LABEL_SECONDS) / 2, (EEG_SECONDS + LABEL_SECONDS) / 2)
SHADE = "#FFF2B3"
_SENSITIVITIES = (2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200)  # µV/mm, those of machines
_BARS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # µV
_TRACE_MM, _SECOND_MM = 8, 30  # of a page: room of a trace, and of a second


def montage(eeg, ax, *, span=None, spacing=None, room=1):
    """Draw a window of EEG as a double banana, negative up as EEG readers have it.

    Parameters
    ----------
    eeg : ndarray of float32, shape (n_samples, 20) or (n_samples, 17)
        Microvolts, as `eeg.differences_of` takes them; filtered here to 0.5 to 40 Hz. Of
        differences, in 17 columns, the two of the midline are not known.
    ax : matplotlib Axes
    span : tuple of float, optional
        From which to which second of the window to draw; by default all.
    spacing : float, optional
        µV from a trace to the next; by default 150, or more if waves are too large for that.
    room : float
        How many times that a wave may be before it is cut.

    Returns
    -------
    matplotlib Figure
    """
    names, signals = _derivations(eeg)
    first, last = span or (0, signals.shape[1] / SFREQ)
    seconds = np.arange(signals.shape[1]) / SFREQ
    chosen = (seconds >= first) & (seconds < last)
    seconds, signals = seconds[chosen], signals[:, chosen]
    if spacing is None:
        known = signals[np.isfinite(signals)]
        large = 1.5 * np.percentile(np.abs(known), 95) if known.size else 0
        spacing = next((step for step in (150, 300, 600, 1500) if step > large), 3000)
    bar, ticks = max(step for step in _BARS if step <= spacing * 2 / 3), []
    for number, trace in enumerate(signals):
        # A gap of half a trace between the chains.
        level = -spacing * (number + 0.5 * (number // 4))
        colour = _colour(number)
        shown = np.clip(trace, -room * spacing, room * spacing)
        ax.plot(seconds, level - shown, color=colour, linewidth=0.5)
        ticks.append(level)
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set(xlabel="seconds of the window", xlim=(first, last))
    ax.set_ylim(ticks[-1] - spacing, spacing)
    beside = first + (last - first) * np.array([1.015, 1.02])
    ax.plot([beside[0]] * 2, [-bar, 0], color="black", clip_on=False, linewidth=1.5)
    ax.text(beside[1], -bar / 2, f"{bar:g} µV", rotation=90, va="center", fontsize=8)
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.5)
    return ax.figure


def filtered(eeg):
    """Return columns of EEG from 0.5 to 40 Hz, without phase; NaN where they had gaps."""
    band = signal.butter(2, BAND, "bandpass", fs=SFREQ, output="sos")
    shown = signal.sosfiltfilt(band, bridge_gaps(eeg.T)).T.astype(np.float32)
    shown[np.isnan(eeg)] = np.nan
    return shown


def draw_heart(eeg, ax, *, span):
    """Draw the EKG, the last column of electrodes as of differences, to a scale of its own."""
    heart = filtered(eeg)[:, -1]
    seconds = np.arange(len(heart)) / SFREQ
    chosen = (seconds >= span[0]) & (seconds < span[1])
    ax.plot(seconds[chosen], heart[chosen], color="#AA0000", linewidth=0.6)
    if np.isnan(heart[chosen]).all():
        ax.text(0.5, 0.5, "no EKG", transform=ax.transAxes, ha="center", va="center")
    else:
        low, high = np.nanpercentile(heart[chosen], [0.05, 99.95]) * 1.2
        ax.set_ylim(low, max(high, low + 1))
    ax.set_yticks([0], ["EKG"], fontsize=7)
    ax.set(xlabel="seconds of the window", xlim=span)


def sensitivity(examples):
    """Return one scale for several windows, µV/mm: the finest of a machine's that cuts few waves.

    Parameters
    ----------
    examples : sequence of eeg.Example

    Returns
    -------
    int
        At which, in half of the windows or more, 99 % of the central 10 s lie within
        the room of a trace on both of its sides.
    """
    central = slice(*(int(second * SFREQ) for second in LABEL))
    traces = [_derivations(example.eeg)[1][:, central] for example in examples]
    largest = [np.nanpercentile(np.abs(part), 99) for part in traces if np.isfinite(part).any()]
    large = np.median(largest) if largest else 0
    return next((step for step in _SENSITIVITIES if step * _TRACE_MM > large), _SENSITIVITIES[-1])


def pattern(example, sensitivity):
    """Draw a window twice: its central 10 s as a reader's page, and all of it beside its images.

    Parameters
    ----------
    example : eeg.Example
    sensitivity : float
        Of the page, µV/mm.

    Returns
    -------
    dict of str to matplotlib Figure
        Two figures by the names of their files.
    """
    name = example.name.lower().replace(", an ", "_")
    return {
        f"page_{name}": _page(example, sensitivity),
        f"pattern_{name}": _overview(example),
    }


def _page(example, sensitivity):
    """Draw the central 10 s to scale: where the figure keeps its size, mm are mm."""
    names, _ = _derivations(example.eeg)
    steps = len(names) + 1 + 0.5 * ((len(names) - 1) // 4)
    height, width, heart, margins = steps * _TRACE_MM, LABEL_SECONDS * _SECOND_MM, 10, (22, 14)
    total = width + sum(margins), height + heart + sum(margins)
    figure = Figure(figsize=(total[0] / 25.4, total[1] / 25.4))
    left, bottom = margins[0] / total[0], (margins[1] + heart) / total[1]
    ax = figure.add_axes((left, bottom, width / total[0], height / total[1]))
    heart_ax = figure.add_axes((left, margins[1] / total[1], width / total[0], heart / total[1]))
    montage(example.eeg, ax, span=LABEL, spacing=sensitivity * _TRACE_MM, room=3)
    draw_heart(example.eeg, heart_ax, span=LABEL)
    for part in (ax, heart_ax):
        part.set_xticks(np.arange(LABEL[0], LABEL[1] + 1))
        part.grid(axis="x", color="#BBBBBB", linewidth=0.8)
    ax.set_xlabel("")
    ax.tick_params(labelbottom=False)
    ax.set_title(
        f"{example.name}: {example.votes} votes. {BAND[0]:g} to {BAND[1]:g} Hz, "
        f"{sensitivity:g} µV/mm, {_SECOND_MM} mm/s, negative up"
    )
    return figure


def _overview(example):
    """Draw all 50 s beside the images that networks see of them, and of the ten minutes."""
    figure = Figure(figsize=(15, 6), layout="constrained")
    grid = figure.add_gridspec(4, 3, width_ratios=(3, 1.4, 1.4))
    traces = figure.add_subplot(grid[:, 0])
    montage(example.eeg, traces)
    traces.axvspan(*LABEL, color=SHADE, zorder=0)
    traces.set_title(f"{example.name}: {example.votes} votes; shaded is what experts judge")
    columns = [[figure.add_subplot(grid[row, 1 + k]) for row in range(4)] for k in range(2)]
    tiles(eeg_image(example.eeg), columns[0], view="eeg50", label="50 s")
    tiles(spectrogram_image(example.spectrogram), columns[1], view="kaggle600", label="ten minutes")
    if np.isnan(example.spectrogram).all():
        columns[1][0].set_title("no spectrogram file", fontsize=10)
    return figure


def _derivations(eeg):
    """Return names and filtered signals of all derivations that can be drawn."""
    shown = filtered(eeg)
    signals, pairs = differences_of(shown), list(DIFFERENCES)
    if shown.shape[1] == len(EEG_COLUMNS):
        ends = [[EEG_COLUMNS.index(name) for name in pair] for pair in MIDLINE]
        signals = np.vstack([signals, *(shown[:, front] - shown[:, back] for front, back in ends)])
        pairs += MIDLINE
    return [f"{front}-{back}" for front, back in pairs], signals


def _colour(number):
    """Return black of the left side, blue of the right, green of the midline."""
    if number >= len(DIFFERENCES):
        return COLOURS[3]
    return "#222222" if list(CHAINS)[number // 4][0] == "L" else COLOURS[1]
