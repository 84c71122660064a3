"""What grows with the size of the data, and how, up to the competition's 106,800 rows.

    python -m hms_utils sample --patients 400 --max-eegs 8 --seed 5 --out D
    python -m benchmarks.whole_size --data-dir D --work W

W gets copies of the sample, each of files and ids of its own: 30 GB of recordings and 11 GB of
images with eleven of them. It must not be there, and is removed at the end.
"""

import functools
import shutil
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil

from benchmarks.inference import apart, watch_command
from hms_utils import answers, eeg, images, scores
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.threads import peak_memory

IDS = ("eeg_id", "spectrogram_id", "patient_id", "label_id")
COPIES = (1, 4, 11)  # a tenth, a third and all of the competition's size
N_STEPS, BATCH = 200, 32
FOLDER = click.Path(file_okay=False, path_type=Path)


def enlarge(data, work, copies):
    """Add copies of a sample up to a number of them; a copy's number leads its ids."""
    work.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(data / "train.csv")
    room = 10 ** len(str(table[list(IDS)].to_numpy().max()))
    for path in data.iterdir():
        if path.name.startswith("test_"):
            shutil.copytree(path, work / path.name, dirs_exist_ok=True)
        elif path.suffix in (".csv", ".txt"):
            shutil.copy(path, work)
    parts = []
    for copy in range(1, copies + 1):
        part = table.assign(**{name: table[name] + copy * room for name in IDS})
        parts.append(part)
        for kind in ("eeg", "spectrogram"):
            folder = f"train_{kind}s"
            (work / folder).mkdir(exist_ok=True)
            for old in table[f"{kind}_id"].unique():
                new = work / folder / f"{old + copy * room}.parquet"
                if not new.exists():
                    shutil.copyfile(data / folder / f"{old}.parquet", new)
    pd.concat(parts).to_csv(work / "train.csv", index=False)
    return table[list(IDS)].nunique() * copies


def run_notebook(data, out, number):
    """Return seconds and peak memory of a notebook at full scale."""
    words = [sys.executable, "-m", "hms_utils", "run", "--full", "--only", number]
    words += ["--data-dir", data, "--output-dir", out]
    return watch_command(words)


def timed(function, *arguments):
    """Return seconds of a call in this process, and its peak memory."""
    with peak_memory(lambda: [psutil.Process()]) as peak:
        time.sleep(0.3)  # at least one look
        started = time.perf_counter()
        function(*arguments)
        seconds = time.perf_counter() - started
        time.sleep(0.3)
    return seconds, peak[0]


def tables(data):
    """Time what is made of tables alone: windows, folds, scores, blend, check."""
    metadata = eeg.load_metadata(data, "train")
    windows = eeg.select_windows(metadata)
    folds = images.make_folds(windows.patient_id, 5).set_index("patient_id").fold
    oof = windows.assign(fold=folds[windows.patient_id].to_numpy())
    rng = np.random.default_rng(0)
    votes = oof[list(VOTE_COLUMNS)].to_numpy()
    shares, answered = votes / votes.sum(axis=1, keepdims=True), {}
    for name in ("cnn", "efficientnet_b0"):
        guess = 0.5 * shares + 0.5 * rng.dirichlet(np.ones(6), len(oof))
        answered[name] = guess / guess.sum(axis=1, keepdims=True)
    return {
        "load_metadata": timed(eeg.load_metadata, data, "train"),
        "select_windows": timed(eeg.select_windows, metadata),
        "make_folds": timed(images.make_folds, windows.patient_id, 5),
        "scorecard": timed(scores.scorecard, oof, answered),
        "blend_out_of_fold": timed(scores.blend_out_of_fold, votes, answered, oof.fold.to_numpy()),
        "diagnose, a row for each window": timed(_diagnose, oof, answered["cnn"]),
    }


def _diagnose(oof, prediction):
    test = pd.DataFrame({"eeg_id": np.arange(len(oof))})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "submission.csv"
        answers.write_submission(test.eeg_id, prediction, test, path)
        found = answers.diagnose(path, test)
    if (found.level == "error").any():
        raise RuntimeError(f"expected a submission without errors, found {found.finding[0]}")


def steps(out):
    """Time steps of the basic CNN on all views at full image size, by the second of two passes."""
    from hms_utils.networks import AUGMENTATIONS, NETWORKS, Stage
    from hms_utils.networks.fitter import Fitter

    pictures, index = images.load(out / "spectrograms" / "train")
    seen = list(pictures.values())
    build = functools.partial(NETWORKS["cnn"].build, len(seen), seen[0].shape[2:])
    augment = tuple(name for name in AUGMENTATIONS if name != "mixup")
    fitter = Fitter(build, seen, index, batch_size=BATCH, augment=augment)
    # From all over the files, as training takes them; the first pass compiles.
    rows = np.random.default_rng(0).permutation(len(index))[: N_STEPS * BATCH // 2]
    stage, history = Stage("all rows", 2, 1e-3), []
    arguments = {"held_out": rows[:BATCH], "choose": rows[:0], "seed": 0, "label": "steps"}
    _, peak = timed(lambda: history.extend(fitter.fit(stage, rows, **arguments)))
    return history[-1]["seconds"] / max(len(rows) // BATCH, 1) * N_STEPS, peak


def measure(data, out):
    """Return seconds and peak memory by what was done."""
    shutil.rmtree(out, ignore_errors=True)
    lines = {"notebook 1": run_notebook(data, out, "01")}
    lines["notebook 2"] = run_notebook(data, out, "02")
    lines |= apart(tables, data)
    lines[f"{N_STEPS} steps of the CNN"] = apart(steps, out)
    return lines


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", required=True, type=FOLDER, help="A sample.")
@click.option("--work", required=True, type=FOLDER, help="New folder for copies and images.")
def main(data_dir, work):
    if work.exists():
        raise click.BadParameter(f"{work} is there already", param_hint="--work")
    columns = {}
    try:
        for number in COPIES:
            counts = enlarge(data_dir, work / "data", number)
            name = (
                f"{counts.label_id:,} rows, {counts.patient_id:,} patients, {counts.eeg_id:,} EEGs"
            )
            print(name, flush=True)
            columns[name] = measure(work / "data", work / "out")
            for what, (seconds, peak) in columns[name].items():
                print(f"  {what}: {seconds:.3g} s, {peak / 1e9:.2f} GB", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    table = pd.DataFrame(columns).map(lambda pair: f"{pair[0]:.3g} s, {pair[1] / 1e9:.2f} GB")
    print(table.to_string())


if __name__ == "__main__":
    main()
