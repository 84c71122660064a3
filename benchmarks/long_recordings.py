"""Seconds and memory of `predict` on recordings of a night and of a day.

    python -m benchmarks.long_recordings [--engine onnx] [--hours 8 --hours 24]

The recordings are a sample's, one after the other and again, in an EDF file; the network
is one untrained fold of the CNN at the sample's size of images.
"""

import sys
import tempfile
from pathlib import Path

import click
import edfio
import numpy as np

from benchmarks.inference import apart, watch_command
from hms_utils import sample
from hms_utils.constants import EEG_COLUMNS, SFREQ
from hms_utils.eeg import read_eeg

REDUCE = (2, 2)
TOP = 3200  # µV; with 16 bits a step of 0.1


def write_model(folder):
    from hms_utils.networks import NETWORKS
    from tests.untrained import seal_untrained

    seal_untrained(folder, {"cnn": (NETWORKS["cnn"].build, 20)}, reduce=REDUCE, n_folds=1)


def write_recording(path, data, hours):
    """Write an EDF file of so many hours."""
    eeg = np.concatenate([read_eeg(file) for file in sorted((data / "train_eegs").iterdir())])
    stored = np.clip(np.nan_to_num(eeg) / TOP, -1, 1) * (2**15 - 1)
    scaling = {"physical_range": (-TOP, TOP), "digital_range": (1 - 2**15, 2**15 - 1)}
    signals = [
        edfio.EdfSignal.from_digital(
            np.resize(column.astype(np.int16), int(hours * 3600) * SFREQ),
            SFREQ, label=name, physical_dimension="uV", **scaling,
        )
        for column, name in zip(stored.T, EEG_COLUMNS, strict=True)
    ]  # fmt: skip
    edfio.Edf(signals).write(path)


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--engine", default="tensorflow", show_default=True, help="Or onnx.")
@click.option("--hours", multiple=True, default=(1.0, 8.0, 24.0), show_default=True)
def main(engine, hours):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sample.generate(folder / "data", n_patients=4, seed=0)
        apart(write_model, folder / "models")
        for number in hours:
            path = folder / f"{number:g}h.edf"
            write_recording(path, folder / "data", number)
            size = path.stat().st_size / 1e6
            words = [sys.executable, "-m", "hms_utils", "predict", path, "--engine", engine]
            words += ["--models", folder / "models", "--out", folder / "out"]
            seconds, peak = watch_command(words)
            path.unlink()
            print(
                f"{number:g} h, {size:.0f} MB: {seconds:.0f} s, {peak / 1e6:.0f} MB at most",
                flush=True,
            )


if __name__ == "__main__":
    main()
