"""Figures of scores; each function draws into given axes and returns their figure."""

import numpy as np
import seaborn as sns

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.plots.style import COLOURS, GREY, MARKERS, NETWORK_COLOURS
from hms_utils.scores import (
    calibration_error,
    confusion_counts,
    entropy,
    expert_entropy,
    group_label,
)
from hms_utils.scores import vote_intervals as intervals_of_votes

# What frames the models: not to be taken for one of them.
_MARKS = {
    "uniform": ("#BBBBBB", "s"),
    "prior of all rows": ("#9C9C9C", "s"),
    "prior": (GREY, "s"),
    "prior by votes": (GREY, "P"),
    "floor": ("#222222", "D"),
    "floor (estimate)": ("#999999", "D"),
}


def _shades(models):
    """Return each model's colour and marker, the same in every figure."""
    others = iter((COLOURS[3], COLOURS[2]) * len(models))
    return {
        name: _MARKS.get(name) or (NETWORK_COLOURS.get(name) or next(others), "o")
        for name in models
    }


def scorecard(table, ax):
    """Draw models and marks against each other on each group of rows, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        As `scores.scorecard` returns it.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    groups, models = list(table.group.unique()), list(table.model.unique())
    for number, (model, (colour, marker)) in enumerate(_shades(models).items()):
        lines = table[table.model == model]
        shift = 0.12 * (number - (len(models) - 1) / 2)
        height = [groups.index(group) + shift for group in lines.group]
        # Rounding can put a bound on the wrong side of a mean that all rows share.
        error = np.maximum(0, [lines.kl - lines.low, lines.high - lines.kl])
        ax.errorbar(lines.kl, height, xerr=error, fmt=marker, color=colour, label=model,
                    markersize=5, elinewidth=1.5, capsize=2)  # fmt: skip
    sizes = table.drop_duplicates("group").set_index("group")
    ax.set_yticks(
        range(len(groups)),
        [
            f"{group_label(name, sizes.n_patients[name])}\n"
            f"{sizes.n_rows[name]} rows, {sizes.n_patients[name]} patients"
            for name in groups
        ],
    )
    for edge in range(1, len(groups)):
        ax.axhline(edge - 0.5, color="#E5E5E5", linewidth=0.8)
    ax.invert_yaxis()
    ax.set(xlabel="KL divergence to the votes (lower is better)", xlim=(0, None))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax.figure


def ranking(tables, axes):
    """Draw how well each class is told from the rest, with 95 % intervals.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By model, as `scores.per_class` returns it.
    axes : sequence of two matplotlib Axes
        For the area under the ROC curve and the average precision.

    Returns
    -------
    matplotlib Figure
    """
    first = next(iter(tables.values()))
    prevalence = first.n_rows / first.n_rows.sum()
    for ax, figure, label, chance in (
        (axes[0], "auroc", "area under the ROC curve", [0.5] * len(CLASSES)),
        (axes[1], "ap", "average precision", prevalence),
    ):
        for number, (model, (colour, marker)) in enumerate(_shades(tables).items()):
            table = tables[model]
            height = np.arange(len(CLASSES)) + 0.22 * (number - (len(tables) - 1) / 2)
            low, high = table[f"{figure}_low"], table[f"{figure}_high"]
            error = np.maximum(0, [table[figure] - low, high - table[figure]])
            ax.errorbar(table[figure], height, xerr=error, fmt=marker, color=colour, label=model,
                        markersize=4, capsize=2)  # fmt: skip
        ax.scatter(chance, range(len(CLASSES)), marker="|", s=250, color=GREY, label="by chance")
        ax.set(xlabel=label, xlim=(0, 1.02), yticks=range(len(CLASSES)))
        ax.grid(axis="x", color="#E5E5E5", linewidth=0.7)
    labels = zip(CLASSES, first.n_patients, first.n_rows, strict=True)
    axes[0].set_yticklabels([f"{group_label(name, of)} {rows}" for name, of, rows in labels])
    axes[1].set_yticklabels([])
    for ax in axes:
        ax.invert_yaxis()
    axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return axes[0].figure


def confusion(table, prediction, ax):
    """Draw where rows of each consensus go: the class that is predicted first.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.
    prediction : ndarray, shape (n_rows, 6)
    ax : matplotlib Axes
        Counts of rows that have a `consensus`, shaded by their share of the row of the
        matrix. Of several
        axes side by side only the first gets the names of the rows.

    Returns
    -------
    matplotlib Figure
    """
    counts = confusion_counts(table, prediction)
    sns.heatmap(
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
        annot=counts,
        fmt="d",
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        xticklabels=CLASSES,
        yticklabels=CLASSES,
        ax=ax,
    )
    ax.set_xlabel("most probable to the model\n(shading is the share of the row)")
    ax.set_ylabel("experts' consensus")
    ax.tick_params(labelsize=8)
    ax.tick_params(axis="y", labelrotation=0)
    ax.label_outer()
    return ax.figure


def reliability(curves, axes):
    """Draw voted against predicted shares, class by class, before and after the temperature.

    Parameters
    ----------
    curves : dict of str to DataFrame
        By name, as `scores.reliability` returns them. The last one is drawn
        with its intervals.
    axes : array of six matplotlib Axes
        Their scales are square roots, as most shares are small.

    Returns
    -------
    matplotlib Figure
    """
    colours = dict(zip(curves, (GREY, COLOURS[1], COLOURS[0]), strict=False))
    errors = {name: calibration_error(curve) for name, curve in curves.items()}
    *_, last = curves
    for ax, label in zip(axes.flat, CLASSES, strict=True):
        ax.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
        for name, curve in curves.items():
            part = curve[curve["class"] == label]
            text = f"{name}: {errors[name][label]:.3f}"
            ax.plot(part.predicted, part.voted, "o-", color=colours[name], markersize=4,
                    linewidth=1, label=text, clip_on=False)  # fmt: skip
            if name == last:
                ax.vlines(part.predicted, part.low, part.high, color=colours[name], alpha=0.5)
        ax.set(title=label, xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        ax.set_xscale("function", functions=(np.sqrt, np.square))
        ax.set_yscale("function", functions=(np.sqrt, np.square))
        ticks = (0, 0.05, 0.2, 0.5, 1)
        ax.set(xticks=ticks, xticklabels=map(str, ticks), yticks=ticks, yticklabels=map(str, ticks))
        ax.legend(frameon=False, fontsize=7, loc="upper left", handlelength=1)
    axes[0, 0].figure.supxlabel("predicted share (square-root scales)", fontsize=10)
    axes[0, 0].figure.supylabel("share of votes", fontsize=10)
    return axes[0, 0].figure


def entropies(table, prediction, ax):
    """Draw the entropy of predictions against that of the experts' opinions.

    Parameters
    ----------
    table : DataFrame
        With the vote columns; rows of about ten or more votes.
    prediction : ndarray, shape (n_rows, 6)
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    model, experts = entropy(prediction), expert_entropy(table)
    first = table[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
    for number, name in enumerate(CLASSES):
        rows = first == number
        ax.scatter(experts[rows], model[rows], s=28, color=COLOURS[number], marker=MARKERS[number],
                   label=name, alpha=0.8, linewidths=0)  # fmt: skip
    most = np.log(len(CLASSES))
    ax.plot([0, most], [0, most], color="#BBBBBB", linewidth=0.8)
    ax.set(xlabel="entropy of the experts, nats", ylabel="entropy of the model, nats")
    ax.set_aspect("equal")
    ax.legend(
        frameon=False, fontsize=8, title="most votes", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    return ax.figure


def vote_intervals(table, prediction, concentration, ax, *, level=0.8):
    """Draw how many experts would vote for the most probable class, and how many did.

    Parameters
    ----------
    table : DataFrame
        With the vote columns.
    prediction : ndarray, shape (n_rows, 6)
    concentration : float
        As `scores.fit_concentration` returns it.
    ax : matplotlib Axes
        A bar for each row, sorted by the predicted share; votes outside are ringed.
    level : float

    Returns
    -------
    matplotlib Figure
    """
    votes = table[list(VOTE_COLUMNS)].to_numpy()
    total, top = votes.sum(axis=1), prediction.argmax(axis=1)[:, None]
    low, high = intervals_of_votes(prediction, total, concentration, level=level)
    low, high, cast = (
        np.take_along_axis(part, top, axis=1)[:, 0] / total for part in (low, high, votes)
    )
    order = np.argsort(np.take_along_axis(prediction, top, axis=1)[:, 0], kind="stable")
    low, high, cast, top = low[order], high[order], cast[order], top[order, 0]
    place, inside = np.arange(len(order)), (low <= cast) & (cast <= high)
    label = f"{level:.0%} interval"
    ax.vlines(place, low, high, color="#D5D5D5", linewidth=2, label=label, zorder=0)
    for number, name in enumerate(CLASSES):
        rows = top == number
        ax.scatter(place[rows], cast[rows], s=32, color=COLOURS[number], marker=MARKERS[number],
                   label=name, linewidths=0)  # fmt: skip
    ax.scatter(place[~inside], cast[~inside], s=90, facecolors="none", edgecolors="black",
               label="outside its interval")  # fmt: skip
    ax.set(xlabel="windows, by the model's confidence", ylim=(-0.02, 1.02), xticks=[])
    ax.set_ylabel("share of the panel for\nthe model's first answer")
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax.figure
