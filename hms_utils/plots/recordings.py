"""Figures of patients and their recordings."""

import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator

from hms_utils.constants import CLASSES, EEG_SECONDS, LABEL_SECONDS
from hms_utils.eeg import F_HIGH, USUAL
from hms_utils.plots.style import COLOURS

_MOST_ROWS = 40  # of a recording that is drawn


def second_opinions(table, ax):
    """Draw what another expert says where one has named a class.

    Parameters
    ----------
    table : DataFrame
        As `scores.second_opinions` returns it.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    sns.heatmap(table, annot=True, fmt=".0%", cmap="Blues", vmin=0, vmax=1, cbar=False, ax=ax)
    ax.set(xlabel="another says", ylabel="one expert says", title="What a second expert says")
    return ax.figure


def overlap(metadata, ax):
    """Draw the label windows of a recording with many, each where it lies.

    Parameters
    ----------
    metadata : DataFrame
        As `eeg.load_metadata` returns it of the training rows.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    sizes = metadata.groupby("eeg_id").eeg_id.transform("size")
    several = metadata[sizes <= _MOST_ROWS] if (sizes <= _MOST_ROWS).any() else metadata
    shown = metadata[metadata.eeg_id == several.eeg_id.mode()[0]]
    lead = (EEG_SECONDS - LABEL_SECONDS) / 2
    for number, row in enumerate(shown.sort_values("eeg_label_offset_seconds").itertuples()):
        start, colour = row.eeg_label_offset_seconds, COLOURS[CLASSES.index(row.expert_consensus)]
        ax.broken_barh([(start, EEG_SECONDS)], (number, 0.8), color=colour, alpha=0.35)
        ax.broken_barh([(start + lead, LABEL_SECONDS)], (number, 0.8), color=colour)
    names = [name for name in CLASSES if (shown.expert_consensus == name).any()]
    for name in names:
        ax.bar(0, 0, color=COLOURS[CLASSES.index(name)], label=name)
    ax.legend(frameon=False, loc="upper left")
    ax.set(xlabel="seconds of the recording", ylabel="its rows in train.csv")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_title(f"EEG {shown.eeg_id.iloc[0]}: windows of 50 s, dark what was judged")
    return ax.figure


def survey(table, spectra, axes):
    """Draw how large recordings are, how much of them is missing, and their spectrum.

    Parameters
    ----------
    table, spectra : DataFrame
        As `eeg.survey` returns them.
    axes : sequence of three matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    size, gaps, spectrum = axes
    known = table.amplitude.dropna()
    bins = np.geomspace(min(known.min(), USUAL[0]) / 1.2, max(known.max(), USUAL[1]) * 1.2, 25)
    size.hist(known, bins, color=COLOURS[1])
    size.axvspan(*USUAL, color="#EEEEEE", zorder=0)
    size.set(xscale="log", xlabel="RMS amplitude, 1 to 20 Hz, µV", ylabel="recordings")
    size.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    size.xaxis.set_major_formatter("{x:g}")
    size.xaxis.set_minor_formatter("")
    size.set_title("How large (grey: usual)")
    order = np.sort(table.missing[table.missing > 0].to_numpy())[::-1] * 100
    gaps.bar(np.arange(1, len(order) + 1), order, width=1, color=COLOURS[0])
    gaps.set(xlabel="recordings with gaps, most missing first", ylabel="values missing, %")
    gaps.set_yscale("log")  # seconds of one electrode beside minutes of all
    gaps.set(title="How much is missing", xlim=(0.5, max(10, len(order)) + 0.5))
    low, middle, high = np.quantile(spectra, [0.1, 0.5, 0.9], axis=1)
    spectrum.fill_between(spectra.index, low, high, color=COLOURS[1], alpha=0.25, linewidth=0)
    spectrum.plot(spectra.index, middle, color=COLOURS[1])
    spectrum.axvspan(F_HIGH, spectra.index[-1], color="#EEEEEE", zorder=0)
    spectrum.set(xlabel="Hz", ylabel="dB re 1 µV²/Hz", xlim=(0.5, spectra.index[-1]))
    spectrum.set_title("Median and 80 % of them (grey: networks see none)", fontsize=10)
    return size.figure
