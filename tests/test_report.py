"""The report: what a browser makes of it, and what it says of runs that went wrong."""

import base64
import io
import re
import shutil

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from hms_utils import chain, paths, report

mpl.use("Agg")

TRICKY = "<b>&amp; </pre>" + "x" * 3000
# Debian's browser runs as root only without its sandbox.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def png(width):
    buffer = io.BytesIO()
    plt.figure(figsize=(width / 100, 2)).savefig(buffer, dpi=100)
    plt.close()
    return base64.b64encode(buffer.getvalue()).decode()


def display(**data):
    return new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})


def save(output_dir, name, *cells):
    (output_dir / "executed").mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), output_dir / "executed" / f"{name}.ipynb")


def result(name, headline, *, failed=False):
    return chain.Result(name, 12.3, 1_200_000_000, headline, "", failed)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of a good notebook, one that failed and one of an earlier run."""
    tmp_path = tmp_path_factory.mktemp("report")
    table = pd.DataFrame({f"column {number}": ["<b>&"] for number in range(30)})
    save(
        tmp_path,
        "01_eda",
        new_markdown_cell(f"# Eins & `zwei`\n\n`{TRICKY}`\n\n```\n# no heading\n```"),
        new_code_cell("EPOCHS = 3", execution_count=1, metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Votes\n\n### By class\n\nText.\n\n## Votes"),
        new_code_cell(
            f"print(1)  # {TRICKY}",
            execution_count=2,
            outputs=[
                new_output("stream", text=f"{paths.SYNTHETIC_NOTICE}\n"),
                new_output("stream", text=f"{TRICKY}\n"),
                display(image_png=png(1500), text_plain="<Figure>"),
                display(text_html=table.to_html(), text_plain="table"),
                display(text_html="<script src='https://example.org/a.js'></script><i>rest</i>"),
                display(application_javascript="fetch('https://example.org')", text_plain="js"),
            ],
        ),
        new_code_cell(
            "pass",
            execution_count=3,
            outputs=[new_output("stream", text=f"line {n}\n") for n in range(40)],
        ),
    )
    save(
        tmp_path,
        "02_spectrograms",
        new_markdown_cell(
            "An Exception was encountered", metadata={"tags": ["papermill-error-cell-tag"]}
        ),
        new_markdown_cell("# Zwei\n\n## Votes"),
        new_code_cell(
            "boom()",
            execution_count=1,
            outputs=[
                new_output(
                    "error",
                    ename="ValueError",
                    evalue=TRICKY,
                    traceback=["\x1b[31mValueError\x1b[0m", "\x1b[38;5;28mfrom\x1b[39m", TRICKY],
                )
            ],
        ),
        new_code_cell("after()"),
    )
    drawing = new_code_cell("draw()", execution_count=1, outputs=[display(image_png=png(300))])
    save(tmp_path, "05_comparison", drawing)
    paths.write_json(tmp_path / "metrics" / "05_comparison.json", {"headline": "KL <0.5> & less"})
    results = [
        result("01_eda", "8 rows & <more>"),
        result("02_spectrograms", f"cell [1]: {TRICKY}", failed=True),
    ]
    path = report.write(tmp_path, results)
    assert path == tmp_path / "report.html"
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A report of a whole run, as far as its numbers go."""
    output = tmp_path_factory.mktemp("whole")
    save(output, "05_comparison", new_markdown_cell("# Fünf\n\n" + "Long words. " * 200))
    cell = {"low": 0.4, "high": 0.6, "n_rows": 99, "n_patients": 50, "group": "all rows"}
    card = [{"model": name, "kl": 0.5} | cell for name in ("prior", "cnn", "blend", "floor")]
    closed = {"model": "cnn", "group": "all rows", "floor": "floor", "closed": 0.25}
    closed |= {"low": 0.1, "high": 0.4, "n_patients": 50}
    level = {"level": 0.8, "covered": 0.7, "low": 0.6, "high": 0.75, "attainable": 0.82}
    level["n_patients"] = 50
    added = {"source": "run", "model": "b0", "patients": 85, "n_patients": 50}
    added |= {"difference": 0.2, "difference_low": 0.1, "difference_high": 0.3, "against": "cnn"}
    first = dict.fromkeys(added) | {"source": "run", "model": "cnn"}
    metrics = {"headline": "KL", "scorecard": card, "closed": [closed], "coverage": [level]}
    metrics["by_patients"] = [first, added]
    paths.write_json(output / "metrics" / "05_comparison.json", metrics)
    checks = [{"level": "warning", "finding": "two <rows> are equal"}]
    submission = {"headline": "99 recordings answered", "checks": checks}
    paths.write_json(output / "metrics" / "06_submission.json", submission)
    (output / "figures").mkdir()
    (output / "figures" / "comparison.png").write_bytes(base64.b64decode(png(900)))
    return report.write(output, [])


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the path of this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, written):
    """The report on a screen of a phone's width; in the end nothing may have gone wrong."""
    complaints, requests = [], []
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(written.as_uri())
    yield page
    page.close()
    assert complaints == []
    assert written.as_uri() in requests
    assert [url for url in requests if not url.startswith(("file://", "data:"))] == []


def test_a_browser_shows_it_whole_on_a_phone(page):
    headings = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]"
        ".map(heading => heading.tagName + ' ' + heading.textContent)"
    )
    assert headings == [
        f"H1 {report.TITLE}",
        "H2 Contents",
        "H2 What ran",
        "H2 Eins & zwei",
        "H3 Votes",
        "H4 By class",
        "H3 Votes",
        "H2 Zwei",
        "H3 Votes",
        "H2 05_comparison",
    ]
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths == [1500, 300]
    alts = page.evaluate("[...document.images].map(image => image.alt)")
    assert alts == ["Votes, figure 1", "05_comparison, figure 1"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_every_link_in_the_browser_leads_somewhere(page):
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(part => part.id)")
    assert len(ids) == len(set(ids))
    links = page.evaluate("[...document.links].map(link => link.getAttribute('href'))")
    assert {"#01_eda", "#02_spectrograms", "#05_comparison", "#02_spectrograms-error"} < set(links)
    assert {link.removeprefix("#") for link in links} <= {*ids, ""}


def test_code_and_long_prints_are_folded_but_where_it_failed(page):
    assert page.get_by_text("boom()").is_visible()
    assert page.get_by_text("Code, not run").is_visible()
    assert page.get_by_text("An Exception was encountered").count() == 0  # papermill's own mark
    for title, text in (("Parameters [", "EPOCHS = 3"), ("Printed, 40 lines", "line 39")):
        assert not page.get_by_text(text).is_visible()
        page.get_by_text(title).click()
        assert page.get_by_text(text).is_visible()


def test_text_is_shown_as_it_is(page):
    shown = page.locator("pre").all_text_contents()
    assert sum(TRICKY in text for text in shown) == 3  # a comment, a print and a traceback
    assert page.locator("td", has_text=re.compile("^<b>&$")).count() == 30
    assert page.locator("i").all_text_contents() == ["rest"]  # of what came with a script


def test_the_table_tells_this_run_from_earlier_ones(page):
    rows = [
        [cell.strip() for cell in row.locator("td").all_text_contents()]
        for row in page.locator(".runs tbody tr").all()
    ]
    assert rows == [
        ["01_eda", "12", "1.2 GB", "8 rows & <more>"],
        ["02_spectrograms", "12", "1.2 GB", f"FAILED: cell [1]: {TRICKY}"],
        ["05_comparison", "", "", "KL <0.5> & less (of an earlier run)"],
    ]
    notice = page.locator(".notice").text_content()
    assert notice == f"{paths.SYNTHETIC_NOTICE} That is 01_eda."


def test_nothing_is_asked_of_a_network(written):
    text = written.read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|iframe|object|embed)\b", text) == []
    assert set(re.findall(r"""src(?:set)?=["']?([^,"'>]*)""", text)) == {"data:image/png;base64"}
    assert re.findall(r"<link .*", text) == ['<link rel="icon" href="data:,">']
    assert re.findall(r"@import|url\(", text) == []
    assert "default-src 'none'" in text


def test_a_report_of_real_data_has_no_notice_and_says_what_did_not_finish(tmp_path):
    save(tmp_path, "01_eda", new_markdown_cell("# Eins"))
    save(tmp_path, "03_cnn_baseline", new_markdown_cell("# Drei"))
    (tmp_path / "executed" / "03_cnn_baseline.ipynb").write_text('{"cells": [')
    paths.write_json(tmp_path / "metrics" / "03_cnn_baseline.json", {"headline": "KL 0.5"})
    text = report.write(tmp_path, []).read_text(encoding="utf-8")
    assert "SYNTHETIC" not in text
    assert "it did not finish" in text
    assert re.search(r"executed/03_cnn_baseline.ipynb cannot be read: .*JSON", text)
    assert "KL 0.5" not in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# Of each text its contrast with what is behind it, as WCAG 2.1 defines it.
CONTRASTS = """() => {
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = part => {
    for (; part; part = part.parentElement) {
      const colour = numbers(getComputedStyle(part).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const part of document.querySelectorAll('body *')) {
    if (![...part.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (!part.checkVisibility()) continue;
    const ends = [light(numbers(getComputedStyle(part).color).slice(0, 3)), light(behind(part))];
    const ratio = (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
    if (ratio < 4.5) low.push(part.tagName + ' ' + ratio.toFixed(1) + ' ' + part.textContent);
  }
  return low;
}"""


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("which", ["written", "whole"])
def test_nothing_overflows_and_all_text_can_be_read(browser, request, which, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(request.getfixturevalue(which).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate("[...document.images].every(image => image.alt)")
    page.close()


def test_the_report_opens_with_the_result(browser, whole):
    page = browser.new_page()
    page.goto(whole.as_uri())
    headings = page.locator("h2").all_text_contents()
    assert headings[:3] == ["The result", "Contents", "What ran"]
    text = page.locator("body").inner_text()
    result, doubts = text.partition("How far to trust it")[::2]
    assert "prior to the floor: 25% (10% to 40%) in all rows" in result
    assert "0.500 (0.400 to 0.600)" in result
    assert "b0 against cnn: from 85 patients +0.200 (+0.100 to +0.300), worse" in result
    assert "Submission: 99 recordings answered. Its checks have 1 remarks:" in result
    assert "warning: two <rows> are equal" in result
    assert "80% intervals cover 70%" in doubts.partition("Contents")[0]
    assert page.evaluate("document.images[0].alt").startswith("Divergence of each network")
    page.close()


def test_large_pictures_have_few_colours(tmp_path):
    rng = np.random.default_rng(0)
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (300, 300, 3), np.uint8)).save(content, "PNG")
    shown = base64.b64encode(content.getvalue()).decode()
    save(tmp_path, "01_eda", new_code_cell("draw()", outputs=[display(image_png=shown)]))
    page = report.write(tmp_path, []).read_text(encoding="utf-8")
    (embedded,) = re.findall(r"data:image/png;base64,([^\"]+)", page)
    with Image.open(io.BytesIO(base64.b64decode(embedded))) as picture:
        assert (picture.mode, picture.size) == ("P", (300, 300))
    assert len(embedded) < len(shown) / 2
