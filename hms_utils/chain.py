"""Run the notebooks in order through papermill."""

import ast
import logging
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from hms_utils import paths
from hms_utils.constants import CHAINS
from hms_utils.eeg import has_no_rows, load_metadata, read_test, select_windows, with_files
from hms_utils.images import drawable_views, reduced_shape
from hms_utils.scores import WELL
from hms_utils.threads import peak_memory

try:
    import resource
except ModuleNotFoundError:  # Windows, where memory is not limited so
    resource = None

NOTEBOOKS = (
    "01_eda",
    "02_spectrograms",
    "03_cnn_baseline",
    "04_efficientnet_b0",
    "05_comparison",
    "06_submission",
)
# The notebooks' own values are quick; these are for the competition's data.
_TRAINING = {
    "VIEWS": "eeg50 eeg10 kaggle600 wave",
    "BATCH_SIZE": 32,
    "AUGMENT": "swap reverse mask gain narrow",
    "SET_ASIDE": 0.1,
    "WELL_LEARNING_RATE": 1e-4,
}
FULL = {
    "02_spectrograms": {"N_FOLDS": 5, "REDUCE": [1, 1], "MAX_PATIENTS": 0},
    "03_cnn_baseline": {**_TRAINING, "EPOCHS": 12, "WELL_EPOCHS": 5, "LEARNING_RATE": 1e-3},
    "04_efficientnet_b0": {
        **_TRAINING,
        "BACKBONE_WEIGHTS": "imagenet",
        "EPOCHS": 4,
    },
}
# What the chain itself passes.
_FOLDERS = ("DATA_DIR", "OUTPUT_DIR")
# The last is what papermill makes of an error that IPython had no memory to show.
_NO_MEMORY = (
    "MemoryError",
    "_ArrayMemoryError",
    "ResourceExhaustedError",
    "TerminatedWorkerError",
    "CellExecutionError",
)
_LEAST_ROOM = 2e9  # bytes of addresses
_LESS = (
    "free some memory, or take fewer patients (MAX_PATIENTS), smaller tiles (REDUCE) or smaller "
    "batches (BATCH_SIZE)"
)
_BUDGET = "TIME_BUDGET_HOURS"


@dataclass(frozen=True)
class Result:
    """What running one notebook took and gave.

    Attributes
    ----------
    notebook : str
    seconds : float
    peak_bytes : int
        Largest resident memory of the kernel and its workers together.
    headline : str
        The notebook's own summary; the error if it failed.
    executed : Path
        The executed copy, as far as it came.
    failed : bool
    out_of_time : bool
        It has ended because the time budget is used up, and the next run goes on.
    """

    notebook: str
    seconds: float
    peak_bytes: int
    headline: str
    executed: Path
    failed: bool
    out_of_time: bool = False


def select(first=None, only=None, last=None):
    """Return the notebooks to run.

    Parameters
    ----------
    first, only, last : str, optional
        A notebook's number, such as ``"03"`` or ``"3"``: where to start, the one to
        run, where to end.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If there is no such number, `only` is not given alone, or the last comes before
        the first.
    """
    if only and (first or last):
        raise ValueError("expected either --from and --to, or --only, found both")
    numbers = [name[:2] for name in NOTEBOOKS]
    for given in (first, only, last):
        if given and given.zfill(2) not in numbers:
            raise ValueError(f"expected a notebook number of {', '.join(numbers)}, found {given}")
    start = numbers.index((first or only or numbers[0]).zfill(2))
    end = numbers.index((last or only or numbers[-1]).zfill(2))
    if end < start:
        raise ValueError(f"expected --to {last} not before --from {first}")
    return NOTEBOOKS[start : end + 1]


def leave_out_submission(notebooks, location):
    """Return the notebooks without the last where there is nothing to answer, and say so.

    Parameters
    ----------
    notebooks : sequence of str
    location : paths.DataLocation

    Returns
    -------
    tuple of str
        All of them if ``test.csv`` has rows, is missing or damaged, or if no other
        notebook was asked for.
    """
    table = location.path / "test.csv"
    if len(notebooks) == 1 or NOTEBOOKS[-1] not in notebooks or not has_no_rows(table):
        return notebooks
    print(f"{table} has no rows: the run ends after {NOTEBOOKS[-2]}, without a submission")
    return notebooks[:-1]


def read_parameters(assignments, notebooks):
    """Turn ``NAME=VALUE`` strings into the parameters of each notebook.

    Parameters
    ----------
    assignments : sequence of str
    notebooks : sequence of str

    Returns
    -------
    dict of str to dict
        By notebook, the parameters among `assignments` that it has.

    Raises
    ------
    ValueError
        If a name is no parameter of any of the notebooks, or a value is of
        another type than the notebook's own.
    """
    known = {name: papermill.inspect_notebook(notebook(name)) for name in notebooks}
    valid = sorted({p for found in known.values() for p in found} - set(_FOLDERS))
    chosen = {name: {} for name in notebooks}
    for assignment in assignments:
        parameter, equals, text = assignment.partition("=")
        if not equals or parameter not in valid:
            raise ValueError(
                f"expected NAME=VALUE with a parameter of {', '.join(notebooks)}, found "
                f'"{assignment}"; the parameters are {", ".join(valid) or "none"} '
                "(the folders are set by --data-dir and --output-dir)"
            )
        for name, found in known.items():
            if parameter in found:
                default = ast.literal_eval(found[parameter]["default"])
                chosen[name][parameter] = _convert(parameter, text, default)
    return chosen


def _convert(parameter, text, default):
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
        if type(value) is type(default):
            return value
        if isinstance(default, float) and type(value) is int:
            return float(value)
    except (ValueError, SyntaxError):
        pass
    kind = type(default).__name__
    raise ValueError(
        f'{parameter}: expected a value of type {kind} like {default!r}, found "{text}"'
    )


def notebook(name):
    """Return the file of one of `NOTEBOOKS`, or say that this is no checkout."""
    path = paths.REPOSITORY / "notebooks" / f"{name}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the suite's notebook; run from a checkout")
    return path


def run(notebooks, parameters, location, output_dir, *, full):
    """Execute notebooks one after the other until one fails.

    Parameters
    ----------
    notebooks : sequence of str
    parameters : dict of str to dict
        As `read_parameters` returns them; they win over the scale's.
    location : paths.DataLocation
    output_dir : Path
        Executed copies go to ``executed/``.
    full : bool
        Use the values of `FULL` rather than the notebooks' own.

    Yields
    ------
    Result
        As soon as a notebook ends; nothing after one that failed or was out of time.
        A ``TIME_BUDGET_HOURS`` among `parameters` is that of all notebooks together:
        each gets what is left.

    Raises
    ------
    ValueError
        If a folder's name holds braces, which papermill would replace, the test
        table is wrong, or the disk is too small for the images.
    FileNotFoundError
        If the test table is missing, or ImageNet weights that are asked for.
    OSError
        If the output folder cannot be written to, or another run writes there.
    MemoryError
        If ``ulimit -v`` leaves less room than libraries need to load.
    KeyboardInterrupt
        If a notebook was interrupted.
    """
    if any(brace in str(output_dir) for brace in "{}"):
        raise ValueError(f"{output_dir}: expected an output folder without braces in its name")
    values = {name: (FULL.get(name, {}) if full else {}) | parameters[name] for name in notebooks}
    _check_needs(values, location)
    if "02_spectrograms" in notebooks:
        _require_disk(
            read_defaults("02_spectrograms") | values["02_spectrograms"], location, output_dir
        )
    for folder in ("executed", "figures", "metrics", ""):
        paths.require_writable(output_dir / folder)
    began = time.perf_counter()
    for position, name in enumerate(notebooks, 1):
        print(f"[{position}/{len(notebooks)}] {name}", flush=True)
        own = papermill.inspect_notebook(notebook(name))
        folders = {"DATA_DIR": str(location.path), "OUTPUT_DIR": str(output_dir)}
        folders = {folder: path for folder, path in folders.items() if folder in own}
        if hours := parameters[name].get(_BUDGET):
            # Never 0, which is no limit.
            left = max(hours - (time.perf_counter() - began) / 3600, 1e-9)
            values[name] = values[name] | {_BUDGET: left}
        result = _execute(name, folders | values[name], output_dir)
        yield result
        if result.failed:
            return


def read_defaults(name):
    """Return the values in a notebook's parameters cell, by parameter."""
    own = papermill.inspect_notebook(notebook(name))
    return {key: ast.literal_eval(found["default"]) for key, found in own.items()}


def _require_disk(values, location, output_dir):
    """Refuse images for which there is no room, unless some are there already."""
    if any((output_dir / "spectrograms").glob("*train*")):
        return
    try:
        table = with_files(load_metadata(location.path, "train"), location.path, quiet=True)
        height, width = reduced_shape(values["REDUCE"])
    except (KeyError, ValueError, OSError):
        return  # the notebook says what is wrong with it
    n_windows = len(select_windows(table, max_patients=values["MAX_PATIENTS"], seed=values["SEED"]))
    needed = n_windows * len(drawable_views(location.path)) * len(CHAINS) * height * width
    there = next(each for each in (output_dir, *output_dir.parents) if each.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise ValueError(
            f"{output_dir}: expected {_megabytes(needed)} MB of disk for the images of {n_windows} "
            f"windows, found {_megabytes(free)}; name another --output-dir, or take fewer patients "
            "(MAX_PATIENTS) or smaller tiles (REDUCE)"
        )


def _megabytes(n_bytes):
    return f"{n_bytes / 1e6:,.1f}" if n_bytes >= 1e5 else f"{n_bytes / 1e6:.2g}"


def _check_needs(values, location):
    """Refuse at once what would fail only after hours of other stages."""
    room = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if 0 <= room < _LEAST_ROOM:
        # In less, OpenBLAS waits for memory for ever and says nothing.
        raise MemoryError(
            f"expected room for {_LEAST_ROOM / 1e9:g} GB of addresses or more, found a limit of "
            f"{room / 1e9:.1f} GB (ulimit -v)"
        )
    if "06_submission" in values:
        read_test(location.path)
    if values.get("04_efficientnet_b0", {}).get("BACKBONE_WEIGHTS") == "imagenet":
        from hms_utils.networks import find_weights

        find_weights("imagenet")


def _execute(name, parameters, output_dir):
    executed = output_dir / "executed" / f"{name}.ipynb"
    metrics = output_dir / "metrics" / f"{name}.json"
    metrics.unlink(missing_ok=True)  # the headline must be of this run
    started, error, out_of_time = time.perf_counter(), None, False
    # When a run is interrupted nobody waits for the cell's task, and it would say so first.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    me = psutil.Process()
    before = set(me.children())  # such as those that made the sample
    with peak_memory(lambda: set(me.children(recursive=True)) - before) as peak:
        try:
            papermill.execute_notebook(
                str(notebook(name)),
                str(executed),
                parameters,
                kernel_name="python3",
                kernel_manager_class=_OwnKernel,
                cwd=str(paths.REPOSITORY),
                progress_bar=sys.stderr.isatty(),
                stdout_file=_Indented(sys.stdout),
                extra_arguments=["--log-level=CRITICAL"],
            )
        except PapermillExecutionError as failure:
            if failure.ename == "KeyboardInterrupt":
                raise KeyboardInterrupt from None
            error = f"cell [{failure.exec_count}]: {failure.ename}: {failure.evalue}"
            if failure.ename in _NO_MEMORY:
                error += f"{'' if failure.evalue else 'too little memory'}; {_LESS}"
            if out_of_time := failure.ename == "TimeIsUp":
                error = failure.evalue
        except DeadKernelError:
            error = f"the kernel died, most likely for lack of memory; {_LESS}"
        except (CellTimeoutError, OSError, RuntimeError) as failure:
            # Such as a kernel that does not start, or a full disk below the executed notebook.
            error = f"{executed}: {str(failure).strip() or type(failure).__name__}"
    headline = error or (paths.read_json(metrics)["headline"] if metrics.is_file() else "")
    seconds = time.perf_counter() - started
    return Result(name, seconds, peak[0], headline, executed, error is not None, out_of_time)


class _OwnKernel(AsyncKernelManager):
    """A kernel of this Python, whatever others are installed under the same name.

    When it is interrupted, what joblib's processes shared is cleaned up behind it without the
    four lines of warnings that would follow the one about the interruption.
    """

    @property
    def kernel_spec(self):
        given = os.environ.get("PYTHONWARNINGS", "")
        warnings = f"{given},ignore:resource_tracker:UserWarning".lstrip(",")
        return KernelSpec(**get_kernel_dict() | {"env": {"PYTHONWARNINGS": warnings}})

    async def _async_signal_kernel(self, signum):
        if signum == signal.SIGINT and hasattr(os, "killpg"):
            # Its processes end with it; those that have only begun would say where they were.
            os.kill(self.provisioner.pid, signum)
        else:
            await super()._async_signal_kernel(signum)


class _Indented:
    """Pass a notebook's output on, indented below its name."""

    def __init__(self, stream):
        self.stream, self.fresh = stream, True

    def write(self, text):
        for line in text.splitlines(keepends=True):  # a progress bar ends its lines in \r
            self.stream.write(("      " if self.fresh else "") + line)
            self.fresh = line.endswith(("\n", "\r"))
        self.stream.flush()

    def flush(self):
        self.stream.flush()


def table(results):
    """Lay out results as lines: notebook, seconds, peak memory, headline.

    Parameters
    ----------
    results : list of Result

    Returns
    -------
    str
    """
    lines = [f"{'notebook':<20}{'seconds':>8}{'memory':>9}  result"]
    for result in results:
        memory = f"{result.peak_bytes / 1e9:.1f} GB"
        headline = f"FAILED in {result.headline}" if result.failed else result.headline
        if result.out_of_time:
            headline = f"OUT OF TIME: {result.headline}"
        lines.append(f"{result.notebook:<20}{result.seconds:>8.0f}{memory:>9}  {headline}")
    lines.append(f"{'all':<20}{sum(result.seconds for result in results):>8.0f}")
    return "\n".join(lines)


def scores(output_dir):
    """Lay out the comparison's scores as lines: models and marks, on all and well-voted rows.

    Parameters
    ----------
    output_dir : Path
        Where ``metrics/05_comparison.json`` is.

    Returns
    -------
    str
    """
    card = paths.read_json(output_dir / "metrics" / "05_comparison.json")["scorecard"]
    groups = [group for group in ("all rows", WELL) if any(cell["group"] == group for cell in card)]
    sizes = {cell["group"]: cell["n_rows"] for cell in card}
    titles = [f"{group} ({sizes[group]})" for group in groups]
    header = "".join(f"{title:<28}" for title in titles)
    lines = [f"{'KL divergence':<20}{header}".rstrip()]
    cells = {(cell["model"], cell["group"]): _score(cell) for cell in card}
    for model in dict.fromkeys(cell["model"] for cell in card):
        columns = [f"{cells.get((model, group), ''):<28}" for group in groups]
        lines.append((f"{model:<20}" + "".join(columns)).rstrip())
    return "\n".join(lines)


def _score(cell):
    if cell["low"] is None:  # of one patient
        return f"{cell['kl']:.3f}"
    return f"{cell['kl']:.3f} ({cell['low']:.3f} to {cell['high']:.3f})"
