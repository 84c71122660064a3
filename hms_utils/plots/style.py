"""Colours, and how figures are saved."""

import io

import matplotlib as mpl
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from PIL import Image

from hms_utils import paths

# Okabe-Ito in the order of CLASSES: told apart with colour-blind eyes.
COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#7F7F7F")
GREY = "#7F7F7F"
# The same in every figure of scores.
NETWORK_COLOURS = {"cnn": COLOURS[1], "efficientnet_b0": COLOURS[4], "blend": COLOURS[0]}
# In the same order as the classes, as small dots need more than colour.
MARKERS = ("o", "s", "^", "D", "v", "X")
DPI = 110
# Points of a line or a scatter from which on an SVG holds it as pixels.
HEAVY = 2000
# Letters as outlines look the same without the font; no random ids and no date.
_SVG = {"svg.fonttype": "path", "svg.hashsalt": "hms"}


def save(figure, output_dir, name):
    """Write a figure to ``<output_dir>/figures/``, as ``<name>.png`` and ``<name>.svg``.

    Parameters
    ----------
    figure : matplotlib Figure
        The same figure gives the same bytes. In the SVG, lines and scatters of
        more than `HEAVY` points are pixels, as images are: 50 s of EEG as
        outlines would take megabytes.
    output_dir : Path
    name : str
    """
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, bbox_inches="tight")
    path = output_dir / "figures" / f"{name}.png"
    with paths.replacing(path) as temporary, Image.open(content) as picture:
        temporary.write_bytes(few_colours(picture))
    for artist in figure.findobj(_is_heavy):
        artist.set_rasterized(True)
    with (
        paths.replacing(output_dir / "figures" / f"{name}.svg") as temporary,
        mpl.rc_context(_SVG),
    ):
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight", metadata={"Date": None})


def few_colours(picture):
    """Return a picture as PNG of 256 colours, which are enough and take a third of the bytes.

    Parameters
    ----------
    picture : PIL Image

    Returns
    -------
    bytes
    """
    content = io.BytesIO()
    few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=0)
    few.save(content, "PNG", optimize=True)
    return content.getvalue()


def _is_heavy(artist):
    if isinstance(artist, Line2D):
        return len(artist.get_xdata()) > HEAVY
    return isinstance(artist, PathCollection) and len(artist.get_offsets()) > HEAVY
