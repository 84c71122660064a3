"""Maps of what a network looks at: drawn, and compared with what was planted."""

import numpy as np
import pandas as pd

from hms_utils import bootstrap
from hms_utils.constants import CHAINS, EEG_SECONDS, LABEL_SECONDS, SPECTROGRAM_STEP
from hms_utils.drawing import VIEWS
from hms_utils.spectrograms import F_MAX, N_FRAMES

# Length of each view's time axis; the label is in the middle of all.
VIEW_SECONDS = dict(
    zip(VIEWS, (EEG_SECONDS, LABEL_SECONDS, N_FRAMES * SPECTROGRAM_STEP), strict=True)
)
_ONE_SIDED = 0.8  # the least share of a pattern's power on its side
_COLOUR = "#D55E00"  # stands out from grey for colour-blind eyes too


def draw(image, marks, axes, *, views):
    """Draw all tiles of a window in grey, and over them what a map marks most.

    Parameters
    ----------
    image : ndarray of uint8, shape (n_views, 4, height, width)
    marks : ndarray of float, shape of `image`
        The window's map by `explain.grad_cam`. Of all pixels, the 20 % that
        `explain.deletion_test` hides are coloured and the highest 5 % outlined.
    axes : array of matplotlib Axes, shape (4, n_views)
    views : sequence of str

    Returns
    -------
    matplotlib Figure
    """
    least = marks[marks > 0].min(initial=np.inf) / 2  # what is zero is not marked
    coloured, outlined = np.maximum(np.quantile(marks, [0.8, 0.95]), least)
    for number, view in enumerate(views):
        place = {"origin": "lower", "extent": (0, VIEW_SECONDS[view], 0, F_MAX)}
        tiles = zip(CHAINS, image[number], marks[number], axes[:, number], strict=True)
        for chain, tile, mark, ax in tiles:
            ax.imshow(tile, "Greys", vmin=0, vmax=255, aspect="auto", **place)
            if mark.max() > coloured:
                ax.contourf(mark, [coloured, np.inf], colors=[_COLOUR], alpha=0.4, **place)
            if mark.max() > outlined:
                ax.contour(mark, [outlined], colors=[_COLOUR], linewidths=1.5, **place)
            ax.tick_params(labelsize=7, labelbottom=ax is axes[-1, number], labelleft=number == 0)
            axes[0, number].set_title(view, fontsize=9)
            axes[-1, number].set_xlabel("seconds", fontsize=8)
            if number == 0:
                ax.set_ylabel(f"{chain}\nHz", fontsize=8)
    return axes[0, 0].figure


def planted_shares(maps, planted, views):
    """Measure how much of each map lies where and when a pattern was planted in the sample.

    Parameters
    ----------
    maps : ndarray of float, shape (n_rows, n_views, 4, height, width)
        As `explain.grad_cam` returns them, of the class that was planted.
    planted : DataFrame
        As `sample.read_planted` returns it, for the same rows.
    views : sequence of str
        The names of the maps' views.

    Returns
    -------
    DataFrame
        For each row ``side``, the share of the map in the chains of the side that
        has at least 80 % of the pattern's power, and ``side - chance``, where
        chance is a half; ``time``, the share of the map in the pattern's seconds, in
        the views that reach beyond them, and ``time - chance``, where chance is the
        share of those views' time. NaN where there is no such side or view, or the
        map is zero.

    Raises
    ------
    ValueError
        If the numbers of maps, rows or views differ, or a view is unknown.
    """
    if set(views) - set(VIEW_SECONDS) or maps.shape[:2] != (len(planted), len(views)):
        raise ValueError(
            f"expected maps of {len(planted)} rows and views among {list(VIEW_SECONDS)}, found "
            f"shape {maps.shape} and views {list(views)}"
        )
    left = planted.planted_left.to_numpy()
    clear = np.maximum(left, 1 - left) >= _ONE_SIDED
    sides = np.array([chain.startswith("L") for chain in CHAINS])
    of_side = (left > 0.5)[:, None] == sides
    by_chain, by_time = maps.sum(axis=(1, 3, 4)), maps.sum(axis=(2, 3))
    width = maps.shape[-1]
    steps = (np.arange(width) + 0.5) / width - 0.5
    seconds = np.outer([VIEW_SECONDS[view] for view in views], steps)
    start, stop = planted[["planted_start", "planted_stop"]].to_numpy().T[..., None, None]
    within = (start < seconds) & (seconds < stop)
    beyond = within.any(axis=2, keepdims=True) & ~within.all(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):  # rows that have none
        side = (by_chain * of_side).sum(axis=1) / by_chain.sum(axis=1)
        in_time = (by_time * (within & beyond)).sum(axis=(1, 2))
        in_time /= (by_time * beyond).sum(axis=(1, 2))
        by_chance = (within & beyond).sum(axis=(1, 2)) / (beyond.sum(axis=(1, 2)) * width)
    side = np.where(clear, side, np.nan)
    columns = {"side": side, "side - chance": side - 0.5}
    return pd.DataFrame(columns | {"time": in_time, "time - chance": in_time - by_chance})


def summarise(table, patients):
    """Tabulate the mean of each column, with its 95 % bootstrap interval over patients.

    Parameters
    ----------
    table : DataFrame
        As `planted_shares` or `explain.deletion_test` returns it.
    patients : array-like, shape (n_rows,)

    Returns
    -------
    DataFrame
        Indexed by column: ``mean, low, high`` and the numbers of ``rows`` and
        ``patients``; missing values are left out.
    """
    lines = []
    for name, column in table.items():
        known = column.notna().to_numpy()
        values, of = column[known], np.asarray(patients)[known]
        interval = bootstrap.interval(values, of)
        lines.append((name, values.mean(), *interval, len(values), len(np.unique(of))))
    columns = ["measure", "mean", "low", "high", "rows", "patients"]
    return pd.DataFrame(lines, columns=columns).set_index("measure")
