"""Rehearse Kaggle: training in sessions that end in time, then both runs of the submission.

``make rehearsal``. Not part of the normal tests: the first time it builds an
environment with the versions of Kaggle's image, which needs the network; the sessions
have none. Linux only; see ``rehearsal_session.py``.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import click
import pandas as pd

from hms_utils import paths, sample
from hms_utils.answers import PRIOR, bundle, training_bundle
from hms_utils.constants import COMPETITION

HERE = Path(__file__).resolve().parent
PINS = HERE / "requirements-kaggle.txt"
UNSHARE = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
USER = "rehearsal"
PATIENTS = 80  # whose test recordings are a quarter as many
MINUTES = 0.75  # of the first training session, which must not be enough; each has twice the last
SESSIONS = 7
TRAINED = "is not trained again"  # what a session says of the output of the one before


@click.command(context_settings={"show_default": True})
@click.option("--output-dir", help="Where rehearsal/ is written [default: outputs].")
@click.option("--venv", default=paths.REPOSITORY / ".venv-kaggle", type=Path, help="Kept.")
def main(output_dir, venv):
    """Rehearse training and submission as Kaggle runs them, without the network."""
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"]).returncode:
        sys.exit(
            "The rehearsal needs Linux with unshare, as root or with user namespaces: without them "
            "neither the network can be cut off nor /kaggle be mounted. Nothing was rehearsed."
        )
    output_dir = paths.find_output_dir(output_dir)
    work = output_dir / "rehearsal"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    hms = [sys.executable, "-m", "hms_utils"]
    with step(f"environment with {PINS.name}: {venv}"):
        make_environment(venv.absolute())
    with step("recordings, one of the test damaged"):
        sample.generate(work / "data", n_patients=PATIENTS, seed=1)
        damaged = sorted((work / "data" / "test_eegs").iterdir())[0]
        damaged.write_bytes(b"not a parquet file")
    trained = train(work, venv.absolute(), hms)
    with step("bundle"):
        folders = ["--output-dir", trained, "--out", work / "bundle"]
        run([*hms, "bundle", *folders, "--user", USER], work / "bundle.log")
    test = pd.read_csv(work / "data" / "test.csv")
    # The run that is saved sees one recording, the run that is scored all of them.
    wrong = [int(damaged.stem)]
    for name, rows, expected in (("saved", test[-1:], []), ("scored", test, wrong)):
        mount(work, work / name, rows)
        attach_bundle(work, work / name)
        with step(f"{name}: notebook on {len(rows)} recordings, offline"):
            run_notebook(venv.absolute(), work / name, f"{bundle.KERNEL}.ipynb")
        with step(f"{name}: submission.csv checked"):
            csv = work / name / "working" / "submission.csv"
            table = work / name / "input" / "competitions" / COMPETITION / "test.csv"
            run([*hms, "check", csv, "--test", table], work / name / "check.log")
            print(indented((work / name / "check.log").read_text()))
        with step(f"{name}: all recordings answered by the models but {expected}"):
            problems = pd.read_csv(csv.with_name("submission_problems.csv"))
            # Others may have a note and their answer all the same.
            unanswered = problems[problems.reason.str.endswith(PRIOR)]
            if unanswered.eeg_id.tolist() != expected:
                sys.exit(f"FAILED: found problems with\n{indented(problems.to_string())}")
    print("Rehearsal green")


@contextmanager
def step(title):
    """Print what is done, then the seconds it took."""
    print(f"{title} ...", flush=True)
    started = time.perf_counter()
    yield
    print(f"    OK, {time.perf_counter() - started:.0f} s", flush=True)


def indented(text):
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


def run(command, log, **options):
    """Run with the output in a file, and end with its last lines if it fails."""
    with log.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-40:])
        sys.exit(f"{indented(tail)}\nFAILED with exit code {done.returncode}; the whole: {log}")


def make_environment(venv):
    """Build the environment, unless it was built with these versions."""
    built = venv / PINS.name
    if built.is_file() and built.read_text() == PINS.read_text():
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", PINS]
    subprocess.run(install, check=True)
    shutil.copy(PINS, built)


def train(work, venv, hms):
    """Play training sessions, each with the output of the one before, until all is trained."""
    minutes, before = MINUTES, None
    for number in range(1, SESSIONS + 1):
        session = work / f"training{number}"
        with step(f"training session {number}, {minutes:g} minutes, offline"):
            folders = ["--train", "--session", str(number), "--out", session / "push"]
            session.mkdir()
            run([*hms, "bundle", *folders, "--user", USER], session / "bundle.log")
            mount(work, session, pd.read_csv(work / "data" / "test.csv"), trained_on=True)
            (source,) = paths.read_json(session / "push" / "kernel-metadata.json")[
                "kernel_sources"
            ] or [None]
            if source:
                shutil.copytree(
                    before / "working", session / "input" / "notebooks" / source,
                    copy_function=os.link,
                )  # fmt: skip
            notebook = (session / "push" / training_bundle.NOTEBOOK).read_text()
            for given, here in (
                ("TIME_BUDGET_HOURS = 11.0", f"TIME_BUDGET_HOURS = {minutes / 60}"),
                ("NEEDS_GPU = True", "NEEDS_GPU = False"),
            ):
                if given not in notebook:
                    sys.exit(f"FAILED: expected {given} in the notebook")
                notebook = notebook.replace(given, here)
            (session / training_bundle.NOTEBOOK).write_text(notebook)
            run_notebook(venv, session, training_bundle.NOTEBOOK)
            log = (session / "session.log").read_text()
            said = ("out of time", TRAINED, "already trained", "kept: ")
            print(indented("\n".join(x for x in log.splitlines() if any(y in x for y in said))))
            if (session / "working" / "spectrograms").exists():
                sys.exit("FAILED: expected no images in the output, found them")
        if (session / "working" / "blend.json").is_file():
            if TRAINED not in log:
                sys.exit("FAILED: expected a session that goes on from another, found none")
            return session / "working"
        before, minutes = session, 2 * minutes
    sys.exit(f"FAILED: expected {SESSIONS} sessions to be enough")


def mount(work, session, rows, *, trained_on=False):
    """Lay out ``input`` as Kaggle mounts it, with `rows` as the test set, and ``working``."""
    competition = session / "input" / "competitions" / COMPETITION
    for split, ids in (("eegs", rows.eeg_id), ("spectrograms", rows.spectrogram_id)):
        (competition / f"test_{split}").mkdir(parents=True)
        for number in ids:
            file = f"test_{split}/{number}.parquet"
            os.link(work / "data" / file, competition / file)
        (competition / f"train_{split}").mkdir()
        if trained_on:
            for file in (work / "data" / f"train_{split}").iterdir():
                os.link(file, competition / f"train_{split}" / file.name)
    for name in ("train.csv", "truth.parquet", paths.SYNTHETIC_MARK):
        os.link(work / "data" / name, competition / name)
    rows.to_csv(competition / "test.csv", index=False)
    (session / "working").mkdir()


def attach_bundle(work, session):
    """Mount the data set, and take the notebook that unpacks it."""
    dataset = session / "input" / "datasets" / USER / bundle.DATASET
    dataset.mkdir(parents=True)
    os.link(work / "bundle" / "dataset" / bundle.ARCHIVE, dataset / bundle.ARCHIVE)
    shutil.copy(work / "bundle" / "kernel" / f"{bundle.KERNEL}.ipynb", session)


def run_notebook(venv, session, notebook):
    python = venv / "bin" / "python"
    # What the last session has installed.
    run([python, "-m", "pip", "uninstall", "--yes", "hms-utils"], session / "uninstall.log")
    (session / "root").mkdir()
    command = [*UNSHARE, python, HERE / "rehearsal_session.py", session, notebook]
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}
    run(command, session / "session.log", env=environment)
    lines = (session / "session.log").read_text().splitlines()
    print("\n".join(f"    {line[2:]}" for line in lines if line.startswith("# ")))


if __name__ == "__main__":
    main()
