"""Figures.

In come arrays and tables, and axes to draw into; out go figures, which `save` writes as PNG
and SVG. `data` draws votes and images, `traces` EEG, `recordings` what there is of each
patient, `learning` how networks learn, `scores` what they reach, `maps` what they look at;
`draw_card` and `draw_course` make whole pictures of one window and of one recording. All
notebooks use it.
"""

from hms_utils.plots.card import draw_card
from hms_utils.plots.course import draw_course
from hms_utils.plots.data import (
    agreement,
    augmentations,
    class_shares,
    tiles,
    vote_counts,
)
from hms_utils.plots.learning import by_patients, learning_curves
from hms_utils.plots.maps import draw_maps
from hms_utils.plots.recordings import overlap, second_opinions, survey
from hms_utils.plots.scores import (
    confusion,
    entropies,
    ranking,
    reliability,
    scorecard,
    vote_intervals,
)
from hms_utils.plots.style import COLOURS, few_colours, save
from hms_utils.plots.traces import montage, pattern, sensitivity

__all__ = [
    "COLOURS",
    "agreement",
    "augmentations",
    "by_patients",
    "class_shares",
    "confusion",
    "draw_card",
    "draw_course",
    "draw_maps",
    "entropies",
    "few_colours",
    "learning_curves",
    "montage",
    "overlap",
    "pattern",
    "ranking",
    "reliability",
    "save",
    "scorecard",
    "second_opinions",
    "sensitivity",
    "survey",
    "tiles",
    "vote_counts",
    "vote_intervals",
]
