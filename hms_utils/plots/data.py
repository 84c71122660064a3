"""Figures of votes, EEG and images; each draws into given axes and returns their figure."""

import numpy as np
import seaborn as sns

from hms_utils.constants import CHAINS, CLASSES, DIFFERENCES, SFREQ, VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import differences_of
from hms_utils.images import DB_RANGE, F_MAX
from hms_utils.plots.style import COLOURS


def class_shares(index, ax):
    """Draw the mean vote share of each class, of windows with few and with many votes.

    Parameters
    ----------
    index : DataFrame
        With the vote columns.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    votes = index[list(VOTE_COLUMNS)]
    shares = votes.div(votes.sum(axis=1), axis=0).set_axis(list(CLASSES), axis=1)
    many = np.where(votes.sum(axis=1) >= WELL_VOTED, f"{WELL_VOTED} or more", f"below {WELL_VOTED}")
    long = shares.assign(votes=many).melt("votes", var_name="class", value_name="share")
    order = [f"below {WELL_VOTED}", f"{WELL_VOTED} or more"]
    palette = dict(zip(order, ("#B0B0B0", COLOURS[1]), strict=True))
    sns.barplot(
        long,
        x="class",
        y="share",
        hue="votes",
        hue_order=order,
        palette=palette,
        ax=ax,
        errorbar=None,
    )
    ax.set(xlabel="", ylabel="mean share of votes", title="What experts see")
    ax.legend(title="votes per window", frameon=False)
    return ax.figure


def vote_counts(index, ax):
    """Draw how many experts voted on a window.

    Parameters
    ----------
    index : DataFrame
        With the vote columns.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    counts = index[list(VOTE_COLUMNS)].sum(axis=1).value_counts()
    ax.bar(
        counts.index,
        counts,
        color=[COLOURS[1] if n >= WELL_VOTED else "#B0B0B0" for n in counts.index],
    )
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="votes per window", ylabel="windows", title="How many experts were asked")
    return ax.figure


def agreement(index, ax):
    """Draw the largest vote share of windows with many votes, by consensus class.

    Parameters
    ----------
    index : DataFrame
        With the vote columns and ``expert_consensus``.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    votes = index[list(VOTE_COLUMNS)]
    total = votes.sum(axis=1)
    if (total >= WELL_VOTED).any():
        index, votes, total = (part[total >= WELL_VOTED] for part in (index, votes, total))
    largest, rng = votes.max(axis=1) / total, np.random.default_rng(0)
    for number, (name, colour) in enumerate(zip(CLASSES, COLOURS, strict=True)):
        shares = largest[index.expert_consensus == name]
        places = number + rng.uniform(-0.2, 0.2, len(shares))  # side by side, always the same
        ax.scatter(places, shares, s=12, color=colour, alpha=0.5, linewidths=0)
    ax.set_xticks(range(len(CLASSES)), CLASSES)
    ax.set(xlabel="consensus", ylabel="share of experts who agree", ylim=(0, 1.05))
    ax.set_title("How far experts agree")
    return ax.figure


def montage(eeg, ax):
    """Draw a window of EEG as a double banana, negative up as EEG readers have it.

    Parameters
    ----------
    eeg : ndarray of float32, shape (n_samples, 20) or (n_samples, 17)
        Microvolts, as `eeg.differences_of` takes them.
    ax : matplotlib Axes
        Traces are 150 µV apart, or more if these are too large for that; what
        is still larger is cut there.

    Returns
    -------
    matplotlib Figure
    """
    signals = differences_of(eeg)
    seconds = np.arange(signals.shape[1]) / SFREQ
    known = signals[np.isfinite(signals)]
    large = 1.5 * np.percentile(np.abs(known), 95) if known.size else 0
    ticks, spacing = [], next((step for step in (150, 300, 600, 1500) if step > large), 3000)
    bar = spacing * 2 // 3
    for number, signal in enumerate(signals):
        # A gap of half a trace between the chains.
        level = -spacing * (number + 0.5 * (number // 4))
        centred = signal - np.nanmedian(signal) if np.isfinite(signal).any() else signal
        colour = "#222222" if list(CHAINS)[number // 4][0] == "L" else COLOURS[1]
        ax.plot(seconds, level - np.clip(centred, -spacing, spacing), color=colour, linewidth=0.5)
        ticks.append(level)
    ax.set_yticks(ticks, [f"{front}-{back}" for front, back in DIFFERENCES], fontsize=8)
    ax.set(xlabel="seconds", xlim=(seconds[0], seconds[-1]))
    ax.set_ylim(ticks[-1] - spacing, spacing)
    ax.plot([seconds[-1] * 1.015] * 2, [-bar, 0], color="black", clip_on=False, linewidth=1.5)
    ax.text(seconds[-1] * 1.02, -bar / 2, f"{bar} µV", rotation=90, va="center", fontsize=8)
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.5)
    return ax.figure


def tiles(image, axes, *, seconds, label=""):
    """Draw the four chains of one view, one above the other.

    Parameters
    ----------
    image : ndarray of uint8, shape (4, height, width)
    axes : sequence of four matplotlib Axes
    seconds : float
        Length of the time axis.
    label : str
        Title of the first.

    Returns
    -------
    matplotlib Figure
    """
    for chain, tile, ax in zip(CHAINS, image, axes, strict=True):
        picture = ax.imshow(
            tile,
            "magma",
            vmin=0,
            vmax=255,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, F_MAX),
        )
        ax.set_ylabel(f"{chain}\nHz", fontsize=9)
        if ax is not axes[-1]:
            ax.set_xticklabels([])
    axes[0].set_title(label, fontsize=10)
    axes[-1].set_xlabel("seconds")
    bar = axes[0].figure.colorbar(picture, ax=list(axes), fraction=0.03, pad=0.02)
    low, high = DB_RANGE
    bar.set_ticks([0, 127.5, 255], labels=[f"{low:g}", f"{(low + high) / 2:g}", f"{high:g}"])
    bar.set_label("dB re 1 µV²/Hz", fontsize=9)
    return axes[0].figure


def augmentations(examples, axes):
    """Draw both temporal chains of an image's first view as augmentation changes them.

    Parameters
    ----------
    examples : dict of str to ndarray of uint8, shape (n_views, 4, height, width)
        As `networks.augmentation_examples` returns them.
    axes : array of matplotlib Axes, shape (2, n_examples)
        Above the left temporal chain, below the right one.

    Returns
    -------
    matplotlib Figure
    """
    for column, (name, image) in enumerate(examples.items()):
        for row, chain in enumerate(("LL", "RL")):
            ax = axes[row, column]
            tile = image[0, list(CHAINS).index(chain)]
            ax.imshow(tile, "magma", vmin=0, vmax=255, origin="lower", aspect="auto")
            ax.set(xticks=[], yticks=[])
            axes[row, 0].set_ylabel(f"{chain}\nfrequency", fontsize=8)
        axes[0, column].set_title(name, fontsize=9)
        axes[1, column].set_xlabel("time", fontsize=8)
    return axes[0, 0].figure
