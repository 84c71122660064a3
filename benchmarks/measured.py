"""Write the scores of the default run into docs/measured.md, from the metrics of one run.

    python -m hms_utils run --data-dir D --output-dir O
    python benchmarks/measured.py --output-dir O

Run both on the same state of the code: its commit, the machine and the versions are
written beside the figures. What stands between the page's two marks is replaced.
"""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import click
import pandas as pd

from hms_utils import paths, scores
from hms_utils.scores import sentences

PAGE = paths.REPOSITORY / "docs" / "measured.md"
BEGIN, END = "<!-- begin: benchmarks/measured.py -->\n", "<!-- end -->\n"
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pandas")


def state():
    """Return the lines that say of what the figures are."""
    git = ["git", "-C", str(paths.REPOSITORY)]
    commit, changes = (
        subprocess.run(git + words, capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno"])
    )
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "commit": f"`{commit}`" + (", with changes that are not committed" if changes else ""),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, {versions}",
    }


def block(output_dir, of):
    """Return the text between the marks.

    Parameters
    ----------
    output_dir : Path
        Where the run wrote ``metrics/``.
    of : dict of str to str
        As `state` returns it.
    """
    metrics = output_dir / "metrics"
    found = paths.read_json(paths.require(metrics / "05_comparison.json", "05_comparison"))
    drawn = paths.read_json(paths.require(metrics / "02_spectrograms.json", "02_spectrograms"))
    card = _table(found["scorecard"])
    wide = scores.side_by_side(card[card.group.isin(["all rows", scores.WELL])]).T
    sizes = [f"{group} ({wide[group]['n_rows']})" for group in wide]
    lines = [f"| {name} | {text} |" for name, text in of.items()]
    lines = ["| of what the figures are | |", "| --- | --- |", *lines, ""]
    lines += [f"{drawn['headline']}. KL divergence:", ""]
    lines += [f"| | {' | '.join(sizes)} |", "| --- " * (1 + len(sizes)) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in wide[2:].iterrows()]
    return "\n".join([*lines, "", *_said(found)]) + "\n"


def _said(found):
    """Return what notebook 5 says, as the lines of a list."""
    names = ("against_marks", "closed", "calibration_error", "doubt", "coverage", "alarms")
    tables = {name: _table(found[name]) for name in names}
    for name in ("calibration_error", "doubt"):
        shown = tables[name].answer.isin(["blend", "true opinion"])
        tables[name] = tables[name][shown].set_index("answer")
    tests = _table(found["deletion"] + found["planted"])
    texts = [
        sentences.blend(found["blend"]),
        sentences.places(tables["against_marks"]),
        sentences.closed(tables["closed"]),
        "\n".join(
            f"Calibration error of {line}"
            for line in sentences.calibration(tables["calibration_error"]).splitlines()
        ),
        sentences.doubt(tables["doubt"]),
        sentences.coverage(tables["coverage"]),
        "\n".join(f"Blend, {line}" for line in sentences.alarms(tables["alarms"]).splitlines()),
        *(
            f"{name}'s map {sentences.maps(lines.set_index('measure'))}"
            for name, lines in tests.groupby("model", sort=False)
        ),
    ]
    lines = [line for text in texts for line in text.splitlines()]
    return [re.sub("^ *", r"\g<0>- ", line) for line in lines]  # what is indented is a list below


def _table(records):
    """Return records as of JSON, in which a number that is none is null."""
    table = pd.DataFrame(records)
    return table.astype({name: float for name in table if table[name].isna().all()})


def replaced(page, text):
    """Return the page with what stands between its marks replaced.

    Raises
    ------
    ValueError
        If the page has not both marks once.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"expected {BEGIN.strip()} and {END.strip()} once each in the page")
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1]


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--output-dir", type=click.Path(exists=True, path_type=Path), required=True)
def main(output_dir):
    text = block(output_dir, state())
    with paths.replacing(PAGE) as temporary:
        temporary.write_text(replaced(PAGE.read_text("utf-8"), text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
