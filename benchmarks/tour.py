"""Write docs/tour.md and the pictures of the docs from the files of one run.

    python -m hms_utils run --output-dir O
    python -m benchmarks.tour --output-dir O

`make figures` does both on the default sample. Run both on the same state of the code: its
commit is written on the page.
"""

import io
from pathlib import Path

import click
from PIL import Image

from benchmarks.measured import state
from hms_utils import answers, eeg, paths, report
from hms_utils.networks import Ensemble
from hms_utils.plots import draw_course, few_colours

DOCS = paths.REPOSITORY / "docs"
TRAINED_ONCE = (
    "In brackets are 95 % intervals over patients, of networks that were trained once: another "
    "seed may change more than a small difference that is called better."
)
MOST_BYTES = 300_000  # of a picture
# By what a picture is called in the docs: the run's figure, heading, and what to see.
PICTURES = {
    "pattern_gpd": (
        "pattern_gpd",
        "One window",
        "Generalised periodic discharges: 50 seconds as a reader has them, their spectrograms, and "
        "that of the minutes around them. The shaded ten seconds are what experts judge.",
    ),
    "comparison": (
        "comparison",
        "The answer",
        "Divergence from the experts' votes on patients that a network has not seen, lower is "
        "better, beside what one reaches who knows nothing and a lower bound.",
    ),
    "by_patients": (
        "by_patients",
        "By number of patients",
        "The same of windows with ten or more votes, at the number of patients that each network "
        "learnt from, with the weights that it started from.",
    ),
    "card": (
        "cases",
        "A second reader's card",
        "A window on which the mixture is far from the panel: EEG, ten minutes, votes beside the "
        "answer with its interval, and the three most similar windows of other patients.",
    ),
    "course": (
        None,
        "A recording over time",
        "Every ten seconds an answer, above the spectrogram of both sides, to a training "
        "recording, whose patient all networks but those of one fold have learnt from.",
    ),
}


def small(picture):
    """Return a picture as PNG of few colours and at most `MOST_BYTES`.

    Parameters
    ----------
    picture : PIL Image
    """
    shown = picture.convert("RGB")
    while len(content := few_colours(shown)) > MOST_BYTES:
        shown = shown.resize([round(side * 0.9) for side in shown.size], Image.Resampling.LANCZOS)
    return content


def course(output_dir):
    """Draw the longest training recording over time, as a PIL Image."""
    source = paths.read_json(output_dir / "spectrograms" / "train" / "source.json")
    files = (Path(source["data"]) / "train_eegs").glob("*.parquet")
    longest = max(sorted(files), key=lambda path: path.stat().st_size)
    recording = eeg.open_recording(longest)
    table, rows = answers.predict_recording(recording, Ensemble(output_dir))
    content = io.BytesIO()
    notes = answers.notices(source["synthetic"])
    draw_course(recording, table, rows, notes=notes).savefig(content, dpi=100)
    return Image.open(content)


def page(output_dir, of):
    """Return the text of the tour.

    Parameters
    ----------
    output_dir : Path
        Of a whole run.
    of : dict of str to str
        As `measured.state` returns it.

    Raises
    ------
    FileNotFoundError
        If the run did not come to notebook 5.
    """
    paths.require(output_dir / "metrics" / "05_comparison.json", "05_comparison")
    result = report.result(output_dir)
    source = paths.read_json(output_dir / "spectrograms" / "train" / "source.json")
    lines = [
        "# A tour without running anything",
        "",
        "This page is for those who want to see what comes out before they install anything. "
        "`make figures` writes it, from one run with the state of the code that is named below.",
        "",
    ]
    if source["synthetic"]:
        lines += [f"**{paths.SYNTHETIC_NOTICE}**", ""]
    for name, (_, heading, text) in PICTURES.items():
        lines += [f"## {heading}", "", text, "", f"![{text}](pictures/{name}.png)", ""]
        if name == "comparison":
            lines += [f"{result['of']}. EfficientNetB0 started from {result['started']}.", ""]
            lines += [TRAINED_ONCE, ""]
            lines += ["```text", *result["scores"].splitlines(), "```", ""]
            lines += [*(f"- {line}" for line in result["said"]), ""]
            lines += ["### How far to trust it", ""]
            lines += [*(f"- {line}" for line in result["doubts"]), ""]
    lines += ["## The submission", "", f"{result['submission']}; ", ""]
    lines[-2] += f"its checks have {len(result['checks'])} remarks."
    lines += ["## Of what the figures are", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {text} |" for name, text in of.items()]
    return "\n".join(lines) + "\n"


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--output-dir", type=click.Path(exists=True, path_type=Path), default="outputs")
def main(output_dir):
    text = page(output_dir, state())
    for name, (figure, _, _) in PICTURES.items():
        with (
            course(output_dir)
            if figure is None
            else Image.open(
                paths.require(output_dir / "figures" / f"{figure}.png", "05_comparison")
            ) as picture
        ):
            content = small(picture)
        with paths.replacing(DOCS / "pictures" / f"{name}.png") as temporary:
            temporary.write_bytes(content)
        print(f"docs/pictures/{name}.png: {len(content) / 1000:.0f} kB")
    with paths.replacing(DOCS / "tour.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
