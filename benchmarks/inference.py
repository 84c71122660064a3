"""Speed and memory of predicting the test set, at full image size.

    python -m benchmarks.inference [--engine onnx] [--recordings 200]

The networks are untrained, which takes as long; recordings are those of a small sample
under many ids. `--engine tensorflow` compares with `keras.Model.predict` as well.
"""

import multiprocessing
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
import psutil

from hms_utils import answers, eeg, paths, sample
from hms_utils.images import VIEWS, streaming
from hms_utils.threads import peak_memory
from tests.damage import make_data
from tests.untrained import seal_untrained

N_FOLDS, ALL_RECORDINGS, N_PATIENTS = 5, 2600, 20
N_WINDOWS, N_TURNS = 8, 5  # of the comparison
NETWORKS = ("cnn", "efficientnet_b0")


def apart(function, *arguments):
    """Call a function in a new process, whose memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def watch_command(words):
    """Run a command; return its seconds and peak memory in bytes, its processes included."""
    started = time.perf_counter()
    process = psutil.Popen([*map(str, words)], cwd=paths.REPOSITORY, stdout=subprocess.DEVNULL)
    with peak_memory(lambda: [process, *process.children(recursive=True)]) as peak:
        process.wait()
    if process.returncode:
        raise click.ClickException(f"this has failed: {' '.join(map(str, words))}")
    return time.perf_counter() - started, peak[0]


def write_models(folder, names, n_folds):
    """Write untrained networks for images at full size."""
    from hms_utils.networks import NETWORKS as TABLE

    builders = {name: (TABLE[name].build, 20) for name in names}
    seal_untrained(folder, builders, reduce=(1, 1), n_folds=n_folds)


def whole(models, data, engine, number):
    """Return seconds and peak memory in GB of predicting so many recordings."""
    from hms_utils.networks import Ensemble

    me = psutil.Process()
    with peak_memory(lambda: [me, *me.children(recursive=True)]) as peak:
        opened = Ensemble(models, engine)
        test = eeg.read_test(data)[:number]
        started = time.perf_counter()
        _, problems = answers.predict_test(test, data, opened, budget_hours=8)
        seconds = time.perf_counter() - started
    if len(problems):
        raise RuntimeError(f"expected no problems, found {problems.reason[0]}")
    return seconds, peak[0] / 1e9


def draw(data, number):
    """Return the images of the first recordings, by view."""
    settings = {"reduce": [1, 1], "db_range": [-20, 40]}
    test = eeg.read_test(data)[:number]
    rows = test[["eeg_id", "spectrogram_id"]].itertuples(index=False)
    drawn = [streaming._draw(data, *ids, settings)[0] for ids in rows]
    return {view: np.concatenate([images[view] for images in drawn]) for view in VIEWS}


def against_predict(folder, data, engine):
    """Return for each network seconds a recording, mirror images included, of predict and ours."""
    from hms_utils.networks import Ensemble, engines, fitter

    images, seconds = draw(data, N_WINDOWS), {}
    for name in NETWORKS:
        model = engines.load(folder / name / "models" / name / "fold0.keras")
        opened, views = Ensemble(folder / name, engine), list(images.values())
        ways = (
            lambda model=model, views=views: fitter.predict(model, views, range(N_WINDOWS)),
            lambda opened=opened: opened.predict(images),
        )
        theirs, ours = (way() for way in ways)
        times = [[], []]
        for _ in range(N_TURNS):
            for way, taken in zip(ways, times, strict=True):
                started = time.perf_counter()
                way()
                taken.append((time.perf_counter() - started) / N_WINDOWS)
        seconds[name] = [statistics.median(taken) for taken in times]
        seconds[name].append(float(np.abs(theirs - ours).max()))
    return seconds


def one(folder, data, engine):
    """Return for each network ms from parquet to probabilities, of one image and of its four."""
    from hms_utils.networks import Ensemble

    test, milliseconds = eeg.read_test(data), {}
    for name in NETWORKS:
        opened = Ensemble(folder / name, engine)
        for flipped in (False, True):
            taken = []
            for row in test[:20].itertuples():
                started = time.perf_counter()
                settings = opened.settings["images"]
                images, _, _ = streaming._draw(data, row.eeg_id, row.spectrogram_id, settings)
                opened.predict(images, flipped=flipped, n_folds=1)
                taken.append(1e3 * (time.perf_counter() - started))
            milliseconds[name, flipped] = statistics.median(taken[3:])
    return milliseconds


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--engine", default="onnx", show_default=True, help="Or tensorflow.")
@click.option("--recordings", default=200, show_default=True, help="To extrapolate from.")
def main(engine, recordings):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = folder / "data"
        sample.generate(folder / "sample", n_patients=4 * N_PATIENTS, seed=0)
        make_data(folder / "sample", data, recordings, 0)
        apart(write_models, folder / "all", NETWORKS, N_FOLDS)
        for name in NETWORKS:
            apart(write_models, folder / name, [name], 1)
        compared = apart(against_predict, folder, data, engine)
        for name, (theirs, ours, difference) in compared.items():
            print(
                f"{name}, one fold and mirror images: {1 / theirs:.2f} recordings/s by "
                f"keras.Model.predict, {1 / ours:.2f} by {engine}: {theirs / ours:.2f} times; "
                f"answers differ by {difference:.0e}"
            )
        theirs, ours, _ = np.sum(list(compared.values()), axis=0)
        print(f"both networks: {theirs / ours:.2f} times (asked: 1.5)")
        for (name, flipped), taken in apart(one, folder, data, engine).items():
            what = "mirror images too" if flipped else "one image"
            print(f"one recording from parquet on, {name}, {what}: {taken:.0f} ms (asked: 100)")
        apart(whole, folder / "all", data, engine, 1)  # exports
        few, some = (
            apart(whole, folder / "all", data, engine, number)
            for number in (recordings // 2, recordings)
        )
        each = (some[0] - few[0]) / (recordings - recordings // 2)
        total = some[0] + each * (ALL_RECORDINGS - recordings)
        print(
            f"{engine}, {N_FOLDS} folds of both networks and mirror images: {some[0]:.0f} s for "
            f"{recordings} recordings, {each:.2f} s each; {total / 60:.0f} minutes for "
            f"{ALL_RECORDINGS} (asked: 60)\n"
            f"memory: {few[1]:.2f} GB at most for {recordings // 2} recordings, {some[1]:.2f} GB "
            f"for {recordings} (asked: 3)"
        )


if __name__ == "__main__":
    main()
