"""Maps of what a network looks at, drawn over its images."""

import numpy as np

from hms_utils.images import F_MAX
from hms_utils.plots.data import time_axis

_COLOUR = "#D55E00"  # stands out from grey for colour-blind eyes too


def draw_maps(image, marks, axes, *, views):
    """Draw each view of a window in grey, and over it what a map marks most.

    Chains are averaged: networks read several in one place, so a map cannot tell which of
    them speaks.

    Parameters
    ----------
    image : ndarray of uint8, shape (n_views, 4, height, width)
    marks : ndarray of float, shape of `image`
        The window's map by `networks.explain`. Of all pixels, the 20 % with most are coloured
        and the highest 5 % outlined.
    axes : sequence of n_views matplotlib Axes
    views : sequence of str

    Returns
    -------
    matplotlib Figure
    """
    pictures, marks = image.mean(axis=1), marks.sum(axis=1)
    least = marks[marks > 0].min(initial=np.inf) / 2  # what is zero is not marked
    coloured, outlined = np.maximum(np.quantile(marks, [0.8, 0.95]), least)
    for view, picture, mark, ax in zip(views, pictures, marks, axes, strict=True):
        start, stop, unit = time_axis(view)
        place = {"origin": "lower", "extent": (start, stop, 0, F_MAX)}
        ax.imshow(picture, "gray", vmin=0, vmax=255, aspect="auto", **place)
        if mark.max() > coloured:
            ax.contourf(mark, [coloured, np.inf], colors=[_COLOUR], alpha=0.4, **place)
        if mark.max() > outlined:
            ax.contour(mark, [outlined], colors=[_COLOUR], linewidths=1.5, **place)
        ax.tick_params(labelsize=8)
        ax.set_title(view, fontsize=9)
        ax.set_xlabel(unit, fontsize=8)
        if view == "wave":
            ax.set_yticks([])
    axes[0].set_ylabel("mean of chains\nHz", fontsize=8)
    return axes[0].figure
