"""The picture of a second-reader card: EEG, ten minutes of spectrogram, votes, prediction."""

import numpy as np
from matplotlib.figure import Figure

from hms_utils.constants import (
    CHAINS,
    CLASSES,
    EEG_SECONDS,
    FREQUENCIES,
    LABEL_SECONDS,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
)
from hms_utils.images import DB_RANGE, F_MAX, N_FRAMES
from hms_utils.plots.style import COLOURS
from hms_utils.plots.traces import BAND, LABEL, SHADE, draw_heart, montage
from hms_utils.scores import sentences, vote_intervals

N_EXPERTS = 12  # of an imagined panel, where nobody has voted
_INTERVAL = "prediction, 80 % interval"  # that of `scores.vote_intervals`


def draw_card(
    eeg,
    rows,
    *,
    votes=None,
    prediction=None,
    concentration=None,
    maps=None,
    cases=(),
    title="",
    notes=(),
):
    """Draw a window's EEG, ten minutes of its spectrogram, votes and prediction.

    Parameters
    ----------
    eeg : ndarray of float32, shape (10000, 20) or (10000, 17)
        The 50 s around the label, microvolts, as `recording.Recording` reads them;
        NaN allowed.
    rows : ndarray of float32, shape (300, 400)
        Spectrogram of the ten minutes around it, as in the competition's files; NaN allowed.
    votes : array-like of int, shape (6,), optional
    prediction : array-like of float, shape (6,), optional
    concentration : float, optional
        Of votes around the prediction, by `scores.fit_concentration`; without it
        the prediction has no intervals.
    maps : dict of str to ndarray, shape (4, height, width), optional
        What a map such as Grad-CAM marks, from 0, by `images.VIEWS`; chain, frequency
        and time as in the images.
    cases : sequence of (str, ndarray of uint8, ndarray of int)
        Windows like this one: what to call them, their image of the 50 s, shape
        (4, height, width), and their votes, shape (6,).
    title : str
    notes : sequence of str
        Lines below the picture.

    Returns
    -------
    matplotlib Figure
    """
    figure = Figure(figsize=(14, 12.5 if cases else 10), layout="constrained")
    heights = (7, 3, 2.2) if cases else (7, 3)
    above, below, *last = figure.subfigures(len(heights), 1, height_ratios=heights)
    trace_ax, heart_ax = above.subplots(2, 1, sharex=True, height_ratios=(14, 1))
    _draw_eeg(eeg, trace_ax, heart_ax)
    *tiles, panel = below.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1.5))
    _draw_spectrograms(rows, tiles)
    _draw_panel(votes, prediction, concentration, panel)
    if maps:
        # Which chain of several a network reads cannot be told from its map.
        maps = {v: np.broadcast_to(np.mean(m, axis=0), np.shape(m)) for v, m in maps.items()}
        _mark_eeg(maps, trace_ax)
        if "kaggle600" in maps:
            _mark_spectrograms(maps["kaggle600"], tiles)
    if cases:
        _draw_cases(cases, *last)
    figure.suptitle(title)
    figure.supxlabel("  ".join(notes), fontsize=10, color="#AA0000")
    return figure


def _draw_eeg(eeg, ax, heart_ax):
    """Draw the double banana and the EKG below it, filtered as readers do."""
    montage(eeg, ax)
    draw_heart(eeg, heart_ax, span=(0, EEG_SECONDS))
    for axis in (ax, heart_ax):
        axis.axvspan(*LABEL, color=SHADE, zorder=0)
        axis.set_xticks(range(0, EEG_SECONDS + 1, 5))
        axis.set_xticks(range(EEG_SECONDS + 1), minor=True)
        axis.grid(axis="x", which="minor", color="#DDDDDD", linewidth=0.5)
        axis.grid(axis="x", color="#AAAAAA", linewidth=0.8)
    ax.set_xlabel("")
    ax.tick_params(labelbottom=False)
    ax.set_title(
        f"{BAND[0]:g} to {BAND[1]:g} Hz, negative up; experts judge the shaded {LABEL_SECONDS} s",
        fontsize=10,
    )


def _draw_spectrograms(rows, axes):
    decibel = 10 * np.log10(np.maximum(rows, 1e-10))
    half = SPECTROGRAM_SECONDS / 120  # minutes
    edge = EEG_SECONDS / 120
    tiles = decibel.reshape(-1, len(CHAINS), len(FREQUENCIES)).transpose(1, 2, 0)
    for chain, tile, ax in zip(CHAINS, tiles, axes, strict=True):
        picture = ax.imshow(
            tile,
            "magma",
            origin="lower",
            aspect="auto",
            extent=(-half, half, FREQUENCIES[0], FREQUENCIES[-1]),
            vmin=DB_RANGE[0],
            vmax=DB_RANGE[1],
        )
        ax.set_facecolor("#BBBBBB")  # where there is none
        for side in (-edge, edge):
            ax.axvline(side, color="white", linewidth=1)
        ax.set(title=chain, xlabel="minutes from the label", yticks=range(5, 20, 5))
        if ax is axes[0]:
            ax.set_ylabel("Hz")
        else:
            ax.set_yticklabels([])
    bar = axes[0].figure.colorbar(picture, ax=axes, pad=0.01, fraction=0.02)
    bar.set_label("dB re 1 µV²/Hz", fontsize=8)


def _draw_panel(votes, prediction, concentration, ax):
    """Draw the votes as bars, the prediction as dots with its interval."""
    n_experts = N_EXPERTS if votes is None else int(np.sum(votes))
    heights = np.arange(len(CLASSES))
    labels = list(CLASSES)
    if votes is not None:
        ax.barh(heights, votes, color=COLOURS, alpha=0.6)
    if prediction is not None:
        expected = np.asarray(prediction) * n_experts
        labels = [f"{name}  {p:.0%}" for name, p in zip(CLASSES, prediction, strict=True)]
        error, meaning = None, "prediction"
        if concentration:
            bounds = vote_intervals(np.atleast_2d(prediction), n_experts, concentration)
            low, high = (bound[0] for bound in bounds)
            error, meaning = np.maximum(0, [expected - low, high - expected]), _INTERVAL
            labels = [f"{label}, {a}–{b}" for label, a, b in zip(labels, low, high, strict=True)]
        ax.errorbar(expected, heights, xerr=error, fmt="o", color="black", capsize=4, label=meaning)
    ax.set_yticks(heights, labels)
    ax.set(xlim=(0, n_experts), ylim=(len(CLASSES) - 0.5, -0.5))
    ax.xaxis.get_major_locator().set_params(integer=True)
    asked = f"experts of {n_experts}" + (", if so many were asked" if votes is None else "")
    said = []
    if prediction is not None and concentration:
        said = sentences.vote_interval(prediction, n_experts, concentration).partition(" (")
        said = [said[0], "(" + said[2]]
    ax.set_xlabel("\n".join([asked, *said]), fontsize=9)
    if prediction is None:
        ax.plot([], [], " ", label="no prediction")
    if votes is not None:  # grey, as bars have the colours of classes
        ax.plot([], [], "s", color="#999999", markersize=9, label="votes")
    ax.legend(ncols=2, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1), fontsize=9)
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.5)
    ax.set_axisbelow(True)


def _draw_cases(cases, part):
    """Draw windows like this one: their chains one above the other, and who voted for what."""
    axes = part.subplots(1, 2 * len(cases), width_ratios=(2, 1.2) * len(cases))
    heights = np.arange(len(CLASSES))
    for (name, image, votes), ax, bars in zip(cases, axes[::2], axes[1::2], strict=True):
        ax.imshow(
            np.vstack(image[::-1]),  # upwards, as frequencies run
            "magma",
            vmin=0,
            vmax=255,
            origin="lower",
            aspect="auto",
            extent=(0, EEG_SECONDS, 0, len(CHAINS)),
        )
        ax.set_yticks(np.arange(len(CHAINS)) + 0.5, list(CHAINS)[::-1], fontsize=8)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("seconds of the window", fontsize=8)
        bars.barh(heights, votes, color=COLOURS, alpha=0.6)
        bars.set_yticks(heights, CLASSES, fontsize=8)
        bars.set(ylim=(len(CLASSES) - 0.5, -0.5), xlim=(0, max(1, np.sum(votes))))
        bars.set_xlabel(f"experts of {np.sum(votes)}", fontsize=8)
        bars.xaxis.get_major_locator().set_params(integer=True)
    part.suptitle("Cases like this one, of other patients, by what the network makes of them")


def _mark_eeg(maps, ax):
    """Shade each chain's traces where the map marks them."""
    grid = np.linspace(0, EEG_SECONDS, 2 * N_FRAMES)
    weight = np.zeros((len(CHAINS), len(grid)))
    for view, (begin, end) in (("eeg50", (0, EEG_SECONDS)), ("eeg10", LABEL), ("wave", LABEL)):
        if view in maps:
            profiles = np.asarray(maps[view]).mean(axis=1)
            step = (end - begin) / profiles.shape[1]
            centres = begin + step * (np.arange(profiles.shape[1]) + 0.5)
            here = (grid >= begin) & (grid <= end)
            for chain, profile in zip(weight, profiles, strict=True):
                chain[here] = np.maximum(chain[here], np.interp(grid[here], centres, profile))
    ticks, limits = ax.get_yticks(), ax.get_ylim()
    half = (ticks[0] - ticks[1]) * 0.7
    weight /= max(weight.max(), 1e-9)
    for chain, profile in enumerate(weight):
        extent = (0, EEG_SECONDS, ticks[4 * chain + 3] - half, ticks[4 * chain] + half)
        ax.imshow(
            np.ones_like(profile)[None],
            "Reds",
            extent=extent,
            aspect="auto",
            alpha=0.5 * profile[None],
            vmin=0,
            vmax=1.4,
            zorder=0.5,
        )
    ax.set(ylim=limits, xlim=(0, EEG_SECONDS))
    ax.set_title(f"{ax.get_title()}; red: what the network's map marks", fontsize=10)


def _mark_spectrograms(chains, axes):
    """Draw lines around what the map marks."""
    half = N_FRAMES * SPECTROGRAM_STEP / 120  # minutes that the image shows
    largest = np.max(chains)
    for tile, ax in zip(chains, axes, strict=True):
        if largest > 0:
            ax.contour(
                tile,
                levels=[largest * 0.5, largest * 0.75],
                extent=(-half, half, 0, F_MAX),
                colors=["#7FFFD4", "white"],
                linewidths=1.2,
            )
