"""Commands as a user types them, on a data set that is small enough to train in a minute."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from hms_utils import paths, sample

# Parameters of each stage; 04 is left out, as it takes as long as all others together.
STAGES = {
    "02": ["REDUCE=[8,8]", "N_FOLDS=2"],
    "03": ["EPOCHS=2", "WELL_EPOCHS=1", "BATCH_SIZE=4"],
    "05": ["NETWORKS=cnn", "EXPLAINED=4"],
    "06": [],
}
SECRET = "planted-9f2c1e"
# Where programs that people use beside this one keep what lets them in.
VARIABLES = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
FILES = (".kaggle/kaggle.json", ".kaggle/access_token", ".aws/credentials", ".netrc")
FILES += (".cache/huggingface/token",)


class Chain:
    """A data set, what the chain made of it and said, and the seconds that each stage took."""

    def __init__(self, folder):
        self.folder, self.seconds, self.said = folder, {}, []
        self.data, self.outputs = folder / "data", folder / "outputs"
        home = folder / "home"
        for name in FILES:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(f'{{"username": "somebody", "key": "{SECRET}"}}', "utf-8")
        self.env = os.environ | {
            **dict.fromkeys(VARIABLES, SECRET),
            "HOME": str(home),
            "PYTHONPATH": str(paths.REPOSITORY),
            "KERAS_HOME": str(folder / "keras"),
        }
        self.env.pop("HMS_DATA_DIR", None)
        sample.generate(self.data, n_patients=6, seed=1, max_eegs=1)

    def command(self, number, outputs=None, data=None):
        """Return the words that run a stage."""
        folders = ["--data-dir", data or self.data, "--output-dir", outputs or self.outputs]
        words = [sys.executable, "-m", "hms_utils", "run", "--only", number, *folders]
        words += [part for value in STAGES.get(number, []) for part in ("-p", value)]
        return list(map(str, words))

    def run(self, number, outputs=None, *, data=None, before=(), cwd=None, **env):
        """Run a stage to its end, as ``before`` its words says; return what came of it."""
        started = time.perf_counter()
        done = run([*before, *self.command(number, outputs, data)], self.env | env, cwd)
        self.seconds.setdefault(number, time.perf_counter() - started)
        self.said.append(done.stdout)
        return done

    def copy(self, folder):
        """Copy the outputs."""
        shutil.copytree(self.outputs, folder)
        return folder

    @property
    def submission(self):
        return (self.outputs / "submission.csv").read_bytes()


def run(words, env, cwd=None):
    """Return a finished process, with all it said as one text."""
    return subprocess.run(
        list(map(str, words)), env=env, cwd=cwd or paths.REPOSITORY, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=600,
    )  # fmt: skip


def as_shell(words):
    return shlex.join(map(str, words))


def last_line(text):
    """Return what a user reads last."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Report:", "The notebook as far"))]
    return lines[-1] if lines else ""


def left_over(mark):
    """Return processes that carry a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HMS_MARK") == mark and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def outputs_of(folder):
    """Return the bytes of what later stages and users read."""
    names = ["submission.csv", "blend.json", "oof/cnn.parquet", "folds.parquet"]
    return {name: Path(folder, name).read_bytes() for name in names}
