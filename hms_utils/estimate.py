"""What a run will cost, before it starts."""

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from multiprocessing import get_context

import numpy as np
import psutil

from hms_utils import chain, eeg, images, networks, scores
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, WELL_VOTED

_SPREAD = 1.25  # of the range around an estimate
_RECORDINGS = 16  # that are drawn to time it, after as many that start the processes
# Seconds of each notebook that do not grow with the data: the kernel's start, imports,
# pictures; where `import hms_utils.networks` takes so long. Of the default run of docs/measured.md.
_PAGES = {"01": 11, "02": 8, "03": 7, "04": 7, "05": 20, "06": 11}
_IMPORT_SECONDS = 3.3
# Passes through a network for a window that is explained, of the default run.
_EXPLAINING = 12
_CARDS = {"03": 3, "04": 3, "05": 8}  # how many times a notebook computes a scorecard or the like
_LARGEST_BATCH = 8  # of whole images without a GPU, so that a step takes no minute
_PYTHON_BYTES = 0.35e9  # of a kernel without TensorFlow, and of a process that draws


@dataclass(frozen=True)
class Cost:
    """What a notebook takes.

    Attributes
    ----------
    notebook : str
    seconds : float
    memory, disk : float
        Bytes: the most that is resident, and what is written.
    cheaper : str
        What would make it cheaper.
    """

    notebook: str
    seconds: float
    memory: float
    disk: float
    cheaper: str


def estimate(notebooks, parameters, location, *, full):
    """Time small parts of a run on this machine and add them up.

    Parameters
    ----------
    notebooks, parameters, location, full
        As for `chain.run`.

    Returns
    -------
    list of Cost
        One for each notebook.

    Raises
    ------
    FileNotFoundError, ValueError
        As `eeg.load_metadata`; and if no recording can be drawn.
    """
    values = {name[:2]: _values(name, parameters.get(name, {}), full) for name in chain.NOTEBOOKS}
    drawn = values["02"]
    windows = eeg.select_windows(
        eeg.with_files(eeg.load_metadata(location.path, "train"), location.path, quiet=True),
        max_patients=drawn["MAX_PATIENTS"],
        seed=drawn["SEED"],
    )
    size = f"{len(windows)} windows of {windows.patient_id.nunique()} patients"
    print(f"Estimate for {size}; timing small parts of it", flush=True)
    views = images.drawable_views(location.path)
    page = _page_factor()
    window_seconds, window_bytes, shape = _time_drawing(windows, location.path, drawn)
    card = _time_scorecard(windows) if {"03", "04", "05"} & {n[:2] for n in notebooks} else 0.0
    paces = {}
    for number in ("03", "04"):
        if {number, "05", "06"} & {name[:2] for name in notebooks}:
            seen = images.choose_views(values[number]["VIEWS"].split(), views)
            paces[number] = _time_network(number, values[number], len(seen), shape)
    n_folds = drawn["N_FOLDS"]
    costs = []
    for name in notebooks:
        number = name[:2]
        seconds = page * _PAGES[number] + card * _CARDS.get(number, 0)
        memory, disk, cheaper = _PYTHON_BYTES, 1e6, ""
        if number == "02":
            seconds += window_seconds * len(windows)
            memory += _PYTHON_BYTES * psutil.cpu_count()
            disk, cheaper = (
                len(windows) * window_bytes,
                "more cores or --scheduler; MAX_PATIENTS, REDUCE",
            )
        if number in paces:
            own = paces[number]
            seconds += _training_seconds(number, values[number], own, windows, n_folds)
            memory, disk = own["memory"], 4 * own["parameters"] * n_folds
            cheaper = "a GPU, --scheduler; fewer EPOCHS, N_FOLDS; MAX_PATIENTS, REDUCE"
        elif number == "05":
            explained = min(values["05"]["EXPLAINED"], len(windows))
            seconds += explained * _EXPLAINING * sum(pace["predict"] for pace in paces.values())
            # Cases are looked for among all windows that a fold's network has learnt, by the
            # network that answers most, which may be the slower one.
            learnt = (n_folds - 1) * len(windows)
            seconds += learnt * max(pace["predict"] for pace in paces.values())
            memory, cheaper = max(pace["memory"] for pace in paces.values()), "fewer EXPLAINED"
        elif number == "06":
            n_images = 4 * n_folds * len(eeg.read_test(location.path))
            seconds += n_images * sum(pace["predict"] for pace in paces.values())
            memory = max(pace["memory"] for pace in paces.values())
            cheaper = "ENGINE=onnx on a CPU; TIME_BUDGET_HOURS"
        costs.append(Cost(name, seconds, memory, disk, cheaper))
    return costs


def table(costs):
    """Lay out costs as lines: notebook, time with a range, memory, disk, what is cheaper.

    Parameters
    ----------
    costs : list of Cost

    Returns
    -------
    str
    """
    whole = Cost(
        "all", sum(cost.seconds for cost in costs), max(cost.memory for cost in costs),
        sum(cost.disk for cost in costs), "",
    )  # fmt: skip
    rows = [("notebook", "time", "range", "memory", "disk", "cheaper")]
    for cost in (*costs, whole):
        least, most = (_time(cost.seconds * factor) for factor in (1 / _SPREAD, _SPREAD))
        sizes = (f"{size / 1e9:.1f} GB" for size in (cost.memory, cost.disk))
        rows.append(
            (cost.notebook, _time(cost.seconds), f"{least} to {most}", *sizes, cost.cheaper)
        )
    name, *numbers, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        "  ".join((row[0].ljust(name), *map(str.rjust, row[1:-1], numbers), row[-1])).rstrip()
        for row in rows
    )


def _time(seconds):
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _values(name, chosen, full):
    """Return the parameters that a notebook will have."""
    return chain.read_defaults(name) | (chain.FULL.get(name, {}) if full else {}) | chosen


def _page_factor():
    """Return how much longer than on the machine of `_PAGES` imports take."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import hms_utils.networks"], check=True)
    return (time.perf_counter() - started) / _IMPORT_SECONDS


def _time_drawing(windows, data_dir, values):
    """Return a window's seconds with all cores, its bytes, and the shape of a tile."""
    ids = np.random.default_rng(0).permutation(windows.eeg_id.unique())
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (ids[:_RECORDINGS], ids[-_RECORDINGS:]):
            rows = windows[windows.eeg_id.isin(part)]
            started = time.perf_counter()
            with redirect_stdout(StringIO()):
                drawn = images.build(rows, data_dir, folder, reduce=values["REDUCE"])
                views, _ = images.load(drawn)
            seconds.append((time.perf_counter() - started) / len(rows))
        n_bytes = sum(view[0].nbytes for view in views.values())
        return min(seconds), n_bytes, next(iter(views.values())).shape[2:]


def _time_scorecard(windows):
    """Return the seconds of one scorecard of all windows, bootstrap and all."""
    rng = np.random.default_rng(0)
    answers = rng.dirichlet(np.ones(len(CLASSES)), len(windows))
    oof = windows.assign(fold=windows.patient_id % 5, **dict.fromkeys(PREDICTION_COLUMNS, 0.0))
    started = time.perf_counter()
    scores.scorecard(oof, {"any": answers})
    return time.perf_counter() - started


def _time_network(number, values, n_views, shape):
    name = values.get("NETWORK", "efficientnet_b0")
    batch_size = values["BATCH_SIZE"]
    if np.prod(shape) > 64 * 128:
        batch_size = min(batch_size, _LARGEST_BATCH)
    options = {"batch_size": batch_size, "augment": values["AUGMENT"].split()}
    # In a process of its own, whose memory is the network's.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pace = pool.submit(networks.measure_pace, name, n_views, shape, **options).result()
    print(
        f"{name}: {1 / pace['train']:.0f} images/s in training, {1 / pace['predict']:.0f} in "
        f"prediction, {pace['compile']:.0f} s to compile",
        flush=True,
    )
    return pace


def _training_seconds(number, values, pace, windows, n_folds):
    """Return what all stages of all folds take."""
    held = len(windows) / n_folds
    known = len(windows) - held
    train = known * (1 - values["SET_ASIDE"])
    well = train * (windows.n_votes >= WELL_VOTED).mean()
    random = values.get("BACKBONE_WEIGHTS") == "none"
    epochs = values["EPOCHS_RANDOM" if random else "EPOCHS"]
    n_epochs = epochs + values["WELL_EPOCHS"]
    passes = epochs * train + values["WELL_EPOCHS"] * well
    answered = n_epochs * (held + known - train) + 4 * held
    fold = passes * pace["train"] + answered * pace["predict"]
    return 2 * pace["compile"] + n_folds * fold  # with and without statistics
