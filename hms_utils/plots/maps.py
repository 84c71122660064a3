"""Maps of what a network looks at, drawn over its images."""

import numpy as np

from hms_utils.constants import CHAINS
from hms_utils.images import F_MAX
from hms_utils.plots.data import time_axis

_COLOUR = "#D55E00"  # stands out from grey for colour-blind eyes too


def draw_maps(image, marks, axes, *, views):
    """Draw all tiles of a window in grey, bright for power, and over them what a map marks most.

    Parameters
    ----------
    image : ndarray of uint8, shape (n_views, 4, height, width)
    marks : ndarray of float, shape of `image`
        The window's map by `networks.explain`. Of all pixels, the 20 % that
        the deletion test hides are coloured and the highest 5 % outlined.
    axes : array of matplotlib Axes, shape (4, n_views)
    views : sequence of str

    Returns
    -------
    matplotlib Figure
    """
    least = marks[marks > 0].min(initial=np.inf) / 2  # what is zero is not marked
    coloured, outlined = np.maximum(np.quantile(marks, [0.8, 0.95]), least)
    for number, view in enumerate(views):
        start, stop, unit = time_axis(view)
        place = {"origin": "lower", "extent": (start, stop, 0, F_MAX)}
        tiles = zip(CHAINS, image[number], marks[number], axes[:, number], strict=True)
        for chain, tile, mark, ax in tiles:
            ax.imshow(tile, "gray", vmin=0, vmax=255, aspect="auto", **place)
            if mark.max() > coloured:
                ax.contourf(mark, [coloured, np.inf], colors=[_COLOUR], alpha=0.4, **place)
            if mark.max() > outlined:
                ax.contour(mark, [outlined], colors=[_COLOUR], linewidths=1.5, **place)
            ax.tick_params(labelsize=7, labelbottom=ax is axes[-1, number], labelleft=number == 0)
            axes[0, number].set_title(view, fontsize=9)
            axes[-1, number].set_xlabel(unit, fontsize=8)
            if number == 0:
                ax.set_ylabel(chain if view == "wave" else f"{chain}\nHz", fontsize=8)
            if view == "wave":
                ax.set_yticks([])
    return axes[0, 0].figure
