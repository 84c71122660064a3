"""Open the notebooks in JupyterLab with a real browser, run them and look at what is shown.

    python -m tests.browser [--only 05] [--pictures FOLDER]

`make browser-test` does it, outside of the normal tests, as it takes as long as a whole run
(less where `make run` was before, as stages that are finished are not made again). Notebooks
are opened from a copy of notebooks/, once with the repository's root as JupyterLab's folder
and, the first of them, once more with notebooks/ itself. Needs playwright and a Chromium.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import click
from playwright.sync_api import sync_playwright

from hms_utils import chain, paths
from tests.test_report import FLAGS

PORT = 8899
PATIENCE = 300_000  # ms, for what a busy machine shows late
HOURS = 1  # for a notebook


@contextmanager
def jupyter(folder):
    """Run JupyterLab with this folder as its root, and stop it in the end."""
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += [f"--port={PORT}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={folder}"]
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY)}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(120):
                if server.poll() is not None:
                    raise RuntimeError(f"JupyterLab ended with {server.returncode}")
                try:
                    urlopen(f"http://localhost:{PORT}/api").close()
                    break
                except URLError:
                    time.sleep(1)
            yield
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def run(page, root, notebook, pictures):
    """Run all cells of a notebook, and return what is wrong with the result, lines of text."""
    page.goto(
        f"http://localhost:{PORT}/lab/workspaces/{notebook.stem}/tree/{notebook.relative_to(root)}"
    )
    page.locator(".jp-Notebook").wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    end = time.monotonic() + HOURS * 3600
    while time.monotonic() < end:
        page.wait_for_timeout(3000)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(2000)
        cells = [c for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]
        errors = [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
        if errors or cells[-1]["execution_count"]:
            break
    complaints = [f"{notebook.stem}: {error['ename']}: {error['evalue']}" for error in errors]
    if not errors and not cells[-1]["execution_count"]:
        complaints.append(f"{notebook.stem}: the last cell was not reached")
    if notebook.stem == "05_comparison" and not errors:
        complaints += click_through(page)
    page.screenshot(path=pictures / f"{notebook.stem}.png")
    return complaints


def click_through(page):
    """Click the browser of cards: it has to show another card."""
    card = page.locator("img.widget-image")
    page.locator(".jp-Notebook").evaluate("part => part.scrollTo(0, part.scrollHeight)")
    for _ in range(60):
        if card.count():
            break
        page.keyboard.press("PageUp")
        page.wait_for_timeout(500)
    if not card.count():
        return ["05_comparison: there is no browser of cards"]
    before = card.get_attribute("src")
    card.scroll_into_view_if_needed()
    page.get_by_role("button", name="next", exact=True).click()
    for _ in range(120):
        page.wait_for_timeout(500)
        if card.get_attribute("src") != before:
            return []
    return ["05_comparison: a click on next shows the same card"]


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--only", help="Number of a notebook.")
@click.option("--pictures", type=click.Path(path_type=Path), default="outputs/browser")
def main(only, pictures):
    names = [name for name in chain.NOTEBOOKS if name.startswith(only or "")]
    pictures.mkdir(parents=True, exist_ok=True)
    complaints = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        shutil.copytree(paths.REPOSITORY / "notebooks", root / "notebooks")
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for top, these in ((root, names), (root / "notebooks", names[:1])):
            with jupyter(top):
                for name in these:
                    page = browser.new_page(viewport={"width": 1280, "height": 1000})
                    page.set_default_timeout(PATIENCE)
                    complaints += run(page, top, root / "notebooks" / f"{name}.ipynb", pictures)
                    page.close()
                    print(f"{name} from {top.name}: done", flush=True)
        browser.close()
    print("\n".join(complaints) or f"All as it should be; look at {pictures}")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
