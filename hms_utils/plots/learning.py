"""Figures of how networks learn: over the epochs, and by the number of patients."""

import numpy as np

from hms_utils.constants import WELL_VOTED
from hms_utils.plots.style import COLOURS, GREY, NETWORK_COLOURS


def learning_curves(history, ax):
    """Draw the divergence over the epochs of all stages, each fold and their mean.

    Parameters
    ----------
    history : DataFrame
        As `networks.cross_validate` returns it.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    history = history.assign(epoch=history.groupby("fold").cumcount() + 1)
    lines = {
        "loss": ("training rows", GREY),
        "val_loss": ("held-out rows", COLOURS[1]),
        "val_well": (f"held-out rows, >= {WELL_VOTED} votes", COLOURS[0]),
    }
    for column, (label, colour) in lines.items():
        values = history[column].astype(float)
        for _, fold in history.groupby("fold"):
            ax.plot(fold.epoch, values[fold.index], color=colour, alpha=0.3, linewidth=1)
        mean = values.groupby(history.epoch).mean()
        ax.plot(mean.index, mean, color=colour, label=label, linewidth=2.5)
    stages = history[history.fold == history.fold.min()].groupby("stage", sort=False)
    for name, end in stages.epoch.max().items():
        ax.axvline(end + 0.5, color="#BBBBBB", linewidth=0.8, linestyle=":")
        ax.text(end + 0.4, 0.98, name, transform=ax.get_xaxis_transform(), rotation=90,
                ha="right", va="top", fontsize=7, color="#555555")  # fmt: skip
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel="KL divergence")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(lines))
    return ax.figure


def by_patients(table, ax):
    """Draw divergences against the number of patients learnt from, beside prior and floor.

    Parameters
    ----------
    table : DataFrame
        As `scores.by_patients` returns it. Points with bars are of the run, lines with bands
        of the learning curve; those from random weights are dotted.
    ax : matplotlib Axes

    Returns
    -------
    matplotlib Figure
    """
    of_run = table.source == "run"
    marks = table.model.str.startswith(("prior", "floor"))
    for model, lines in table[~of_run & ~marks].groupby("model", sort=False):
        network, _, start = model.partition(", ")
        colour = NETWORK_COLOURS.get(network, COLOURS[3])
        style = {"color": colour, "linestyle": ":" if "random" in start else "-"}
        style["marker"] = "D" if network == "blend" else "o"
        ax.plot(lines.patients, lines.kl, markersize=4, label=f"{model}, curve", **style)
        ax.fill_between(lines.patients, lines.low, lines.high, color=colour, alpha=0.1)
    run = table[of_run & ~marks]
    for place, line in enumerate(run.itertuples()):
        # Beside each other, as all have learnt from as many.
        patients = line.patients * 1.04 ** (place - (len(run) - 1) / 2)
        colour = NETWORK_COLOURS.get(line.model.partition(", ")[0], COLOURS[3])
        error = np.maximum(0, [[line.kl - line.low], [line.high - line.kl]])
        label = f"{line.model}: {line.kl:.2f} ({line.low:.2f} to {line.high:.2f})"
        ax.errorbar(patients, line.kl, error, fmt="o", color=colour, markeredgecolor="black",
                    markersize=9, elinewidth=2, capsize=4, zorder=3, label=label)  # fmt: skip
    for model, lines in table[of_run & marks].groupby("model"):
        ax.axhline(lines.kl.iloc[0], color=GREY, linestyle="--", linewidth=1.2)
        ax.annotate(model, (1, lines.kl.iloc[0]), xycoords=ax.get_yaxis_transform(), color=GREY,
                    xytext=(4, 0), textcoords="offset points", va="center")  # fmt: skip
    for model, lines in table[~of_run & marks].groupby("model"):
        ax.plot(lines.patients, lines.kl, "--", color="#BBBBBB", linewidth=1)
        ax.annotate(f"{model}, curve", (lines.patients.max(), lines.kl.iloc[-1]), color=GREY,
                    xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    sizes = sorted(table.patients.unique())
    ax.set_xscale("log")
    ax.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="patients that a network learnt from", ylim=(0, None))
    ax.set_ylabel(f"KL divergence to the votes, {table.group.iloc[0]}\n(lower is better)")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.08, 0.5))
    return ax.figure
