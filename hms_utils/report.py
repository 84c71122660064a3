"""One page of the whole chain: the executed notebooks, for reading without Jupyter."""

import base64
import contextlib
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from hms_utils import paths
from hms_utils.chain import NOTEBOOKS, scores
from hms_utils.plots import few_colours
from hms_utils.scores import sentences

TITLE = "HMS harmful brain activity: from EEG to submission"
# What the comparison says of itself, by the name of its table in the metrics.
_SAID = {
    "by_patients": sentences.by_patients,
    "closed": sentences.closed,
    "differences": sentences.difference,
    "doubt": lambda table: sentences.doubt(
        table[table.answer.isin(["blend", "true opinion"])].set_index("answer")
    ),
    "coverage": sentences.coverage,
    "alarms": sentences.alarms,
    "cases": lambda table: sentences.cases(table.set_index("measure")),
}
_RESULT = ("by_patients", "closed", "differences")  # the others say how far to trust it
_HEAVY = 50_000  # bytes of a picture, from where on 256 colours are enough
_PNG = "data:image/png;base64,"
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def write(output_dir, results):
    """Write the executed notebooks of a folder as one page, ``<output_dir>/report.html``.

    The page asks nothing of any network and runs no script: images are embedded,
    code is folded away.

    Parameters
    ----------
    output_dir : Path
        All of the chain's notebooks that are in its ``executed/`` are taken.
    results : sequence of chain.Result
        Of the run that ends with this page. Notebooks that it did not run are
        marked so, and have their headline from ``metrics/<notebook>.json``.

    Returns
    -------
    Path
        The page.
    """
    exporter = _exporter()
    ran = {result.notebook: result for result in results}
    files = [output_dir / "executed" / f"{name}.ipynb" for name in NOTEBOOKS]
    parts = [
        _part(exporter, path, output_dir, ran.get(path.stem)) for path in files if path.is_file()
    ]
    page = exporter.environment.get_template("report.html.j2").render(
        title=TITLE,
        result=result(output_dir),
        parts=parts,
        seconds=sum(result.seconds for result in results),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        notice=paths.SYNTHETIC_NOTICE,
        synthetic=[part["name"] for part in parts if paths.SYNTHETIC_NOTICE in part["body"]],
    )
    with paths.replacing(output_dir / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return output_dir / "report.html"


def result(output_dir):
    """Return what the page opens with: scores, submission and doubts of the last whole run.

    Returns
    -------
    dict or None
        None as long as nothing was compared.
    """
    found = {name: output_dir / "metrics" / f"{name}.json" for name in NOTEBOOKS}
    metrics = {name: paths.read_json(path) for name, path in found.items() if path.is_file()}
    comparison = metrics.get("05_comparison", {})
    if "scorecard" not in comparison:
        return None
    said = {}
    for name, say in _SAID.items():
        table = pd.DataFrame(comparison.get(name, [])).fillna(np.nan)  # for what JSON has as null
        if len(table):
            # A table that an earlier version wrote may lack what is said now.
            with contextlib.suppress(KeyError, AttributeError):
                said[name] = say(table).splitlines()
    figure, submission = output_dir / "figures" / "comparison.png", metrics.get("06_submission")
    return {
        "of": metrics.get("02_spectrograms", {}).get("headline", ""),
        "started": metrics.get("04_efficientnet_b0", {}).get("backbone_weights", ""),
        "figure": _embedded(figure.read_bytes()) if figure.is_file() else None,
        "scores": scores(output_dir),
        "said": [line for name in said if name in _RESULT for line in said[name]],
        "doubts": [line for name in said if name not in _RESULT for line in said[name]],
        "submission": submission and submission["headline"],
        "checks": submission.get("checks", []) if submission else [],
    }


def _embedded(content):
    """Return a PNG as the address of an image in the page, of few colours if it is large."""
    if len(content) > _HEAVY:
        with Image.open(io.BytesIO(content)) as picture:
            content = min(content, few_colours(picture), key=len)
    return _PNG + base64.b64encode(content).decode()


def _exporter():
    from jinja2 import FileSystemLoader  # of nbconvert, which takes a second to import
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    settings = Config()
    settings.CoalesceStreamsPreprocessor.enabled = True  # papermill stores a print at a time
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_cell_tags = ["papermill-error-cell-tag"]
    # No scripts and no widgets: these have a text or an image as well.
    settings.NbConvertBase.display_data_priority = [
        "text/html",
        "text/markdown",
        "image/svg+xml",
        "image/png",
        "image/jpeg",
        "text/plain",
    ]
    return HTMLExporter(
        config=settings,
        extra_loaders=[FileSystemLoader(Path(__file__).parent / "templates")],
        template_file="notebook.html.j2",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )


def _part(exporter, path, output_dir, result):
    """Return what the page's template asks of one notebook."""
    import nbformat
    from bs4 import BeautifulSoup

    metrics = output_dir / "metrics" / f"{path.stem}.json"  # written by a notebook's last cell
    failed = result.failed if result else not metrics.is_file()
    part = {"name": path.stem, "title": path.stem, "result": result, "failed": failed}
    try:
        part["headline"] = "it did not finish"
        if result:
            part["headline"] = result.headline
        elif not failed:
            part["headline"] = paths.read(metrics, lambda file: paths.read_json(file)["headline"])
        notebook = nbformat.read(path, as_version=4)
        page, _ = exporter.from_notebook_node(notebook)
    except paths.DamagedFileError as error:
        return part | {"failed": True, "headline": str(error), "body": ""}
    except Exception as error:  # cut off when a run was killed, or anything but a notebook
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        return part | {"failed": True, "headline": f"{path} cannot be read: {reason}", "body": ""}
    soup = BeautifulSoup(page, "html.parser")
    _tidy(soup, path.stem)
    title = soup.find("h2")
    if title:
        part["title"] = title.extract().get_text()
    error = soup.find(class_="error")
    if error:
        part["error"] = error["id"] = f"{path.stem}-error"
    return part | {
        "when": notebook.metadata.get("papermill", {}).get("start_time", "")[:16].replace("T", " "),
        "headings": [(heading["id"], heading.get_text()) for heading in soup.find_all("h3")],
        "body": str(soup),
    }


def _tidy(soup, name):
    """Fit a notebook into the page: headings one level down, no id twice, images described."""
    for element in soup(["script", "link"]):
        element.decompose()
    for element in soup.select("[id^='cell-id=']"):
        del element["id"]
    for number, heading in enumerate(soup(_HEADINGS), start=1):
        heading.name = f"h{min(int(heading.name[1]) + 1, 6)}"
        heading["id"] = f"{name}-{number}"
    for number, image in enumerate(soup.select(".jp-OutputArea-output img"), start=1):
        if image["src"].startswith(_PNG):
            image["src"] = _embedded(base64.b64decode(image["src"].removeprefix(_PNG)))
        heading = image.find_previous(_HEADINGS)
        image["alt"] = f"{heading.get_text() if heading else name}, figure {number}"
