"""Figures of votes and images; each draws into given axes and returns their figure."""

import numpy as np
import seaborn as sns

from hms_utils.constants import CHAINS, CLASSES, EEG_SECONDS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import DB_RANGE, F_MAX, VIEW_SECONDS
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


def time_axis(view):
    """Return where a view's time axis begins and ends, and its label.

    Of one window everything is on the same clock: seconds of its 50, the ten that experts judge
    from 20 to 30; what is longer than the window in minutes from the label's middle.
    """
    half, middle = VIEW_SECONDS[view] / 2, EEG_SECONDS / 2
    if half > middle:
        return -half / 60, half / 60, "minutes from the label"
    return middle - half, middle + half, "seconds of the window"


def tiles(image, axes, *, view, label=""):
    """Draw the four chains of one view, one above the other.

    Parameters
    ----------
    image : ndarray of uint8, shape (4, height, width)
    axes : sequence of four matplotlib Axes
    view : str
        Among `images.VIEWS`; of the long one, lines mark the 50 s, and traces have no
        scale of decibels.
    label : str
        Title of the first.

    Returns
    -------
    matplotlib Figure
    """
    start, stop, unit = time_axis(view)
    spectral = view != "wave"
    for chain, tile, ax in zip(CHAINS, image, axes, strict=True):
        picture = ax.imshow(
            tile,
            "magma" if spectral else "Greys",
            vmin=0,
            vmax=255,
            origin="lower",
            aspect="auto",
            extent=(start, stop, 0, F_MAX),
        )
        ax.set_ylabel(f"{chain}\nHz" if spectral else chain, fontsize=9)
        if "minutes" in unit:
            ax.vlines(np.array([-0.5, 0.5]) * EEG_SECONDS / 60, 0, F_MAX, "white", ":", linewidth=1)
        if ax is not axes[-1]:
            ax.set_xticklabels([])
        if not spectral:
            ax.set_yticks([])
    axes[0].set_title(label, fontsize=10)
    axes[-1].set_xlabel(unit)
    if spectral:
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
