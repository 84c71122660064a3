"""Open the notebooks in JupyterLab with a real browser, run them and look at what is shown.

    python -m tests.browser [--pictures FOLDER]

`make browser-test` does it, outside of the normal tests, as it takes minutes. Package and
notebooks are copied, so that nothing of the checkout's outputs/ is used or changed, and run on
a small sample: all notebooks with the repository's root as JupyterLab's folder, then all of
them once more with notebooks/ itself, where what was trained is found again. Needs playwright
and a Chromium.
"""

import json
import os
import shutil
import socket
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

from hms_utils import chain, paths, sample
from tests.test_report import FLAGS

PATIENCE = 300_000  # ms, for what a busy machine shows late
HOURS = 1  # for a notebook
PATIENTS = 36  # of the sample


@contextmanager
def jupyter(folder, environment):
    """Run JupyterLab with this folder as its root, yield its address, and stop it in the end."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={folder}"]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as workspaces:
        # Or the tabs of an earlier time would be opened again.
        command += [f"--LabApp.workspaces_dir={workspaces}"]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(120):
                if server.poll() is not None:
                    raise RuntimeError(f"JupyterLab ended with {server.returncode}")
                try:
                    urlopen(f"http://localhost:{port}/api").close()
                    break
                except URLError:
                    time.sleep(1)
            yield f"http://localhost:{port}/lab"
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def run(page, address, root, notebook, picture):
    """Run all cells of a notebook, and return what is wrong with the result, lines of text."""
    page.goto(f"{address}/workspaces/{notebook.stem}/tree/{notebook.relative_to(root)}")
    page.locator(".jp-Notebook").wait_for()
    # The notebook's own sign says idle before there is a kernel, and what is run then is lost.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
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
    complaints = [f"{picture.name}: {error['ename']}: {error['evalue']}" for error in errors]
    if not errors and not cells[-1]["execution_count"]:
        complaints.append(f"{picture.name}: the last cell was not reached")
    if notebook.stem == "05_comparison" and not errors:
        complaints += [f"{picture.name}: {text}" for text in click_through(page)]
        page.screenshot(path=picture.with_name(f"{picture.name}-clicked.png"))
    for part, share in (("top", 0), ("middle", 0.5), ("end", 1)):
        for _ in range(5):  # heights are guesses until cells are drawn; a page of nothing ends it
            page.locator(".jp-WindowedPanel-outer").evaluate(
                f"part => part.scrollTo(0, {share} * (part.scrollHeight - 1.8 * part.clientHeight))"
            )
            page.wait_for_timeout(500)
        page.screenshot(path=picture.with_name(f"{picture.name}-{part}.png"))
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
        return ["there is no browser of cards"]
    before = card.get_attribute("src")
    card.scroll_into_view_if_needed()
    page.get_by_role("button", name="next", exact=True).click()
    for _ in range(120):
        page.wait_for_timeout(500)
        if card.get_attribute("src") != before:
            return []
    return ["a click on next shows the same card"]


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--pictures", type=click.Path(path_type=Path), default="outputs/browser")
def main(pictures):
    pictures.mkdir(parents=True, exist_ok=True)
    complaints = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "repository"
        shutil.copytree(paths.REPOSITORY / "hms_utils", root / "hms_utils")
        data = Path(folder) / "data"
        sample.generate(data, n_patients=PATIENTS, seed=0)
        environment = os.environ | {"PYTHONPATH": str(root), "HMS_DATA_DIR": str(data)}
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for top in (root, root / "notebooks"):
            # Without the outputs of the time before, by which the end would be seen at once.
            shutil.rmtree(root / "notebooks", ignore_errors=True)
            shutil.copytree(paths.REPOSITORY / "notebooks", root / "notebooks")
            with jupyter(top, environment) as address:
                for name in chain.NOTEBOOKS:
                    started = time.monotonic()
                    page = browser.new_page(viewport={"width": 1280, "height": 1000})
                    page.set_default_timeout(PATIENCE)
                    notebook, picture = root / "notebooks" / f"{name}.ipynb", f"{top.name}-{name}"
                    complaints += run(page, address, top, notebook, pictures / picture)
                    page.close()
                    seconds = time.monotonic() - started
                    print(f"{name} from {top.name}/: {seconds:.0f} s", flush=True)
        browser.close()
    print("\n".join(complaints) or f"All as it should be; look at {pictures}")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
