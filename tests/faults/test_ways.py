"""The chain's commands on spectrograms alone, and on the workers of a cluster."""

import json
import shutil
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hms_utils.images import VIEWS
from tests.faults.commands import STAGES, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


def test_spectrograms_alone_come_to_a_submission(chain, tmp_path, note):
    data, outputs = tmp_path / "data", tmp_path / "outputs"
    shutil.copytree(chain.data, data, ignore=shutil.ignore_patterns("train_eegs", "test_eegs"))
    said = {}
    for number in ("01", *STAGES):
        done = chain.run(number, outputs, data=data)
        assert done.returncode == 0, done.stdout
        said[number] = done.stdout
    assert said["01"].count("No EEG is there") == 2
    assert "no EEG is there, so that all is of spectrograms alone" in said["02"]
    line = "Views: kaggle600; left out are eeg10 wave, which the data has no EEG for"
    assert line in said["03"]
    blend = json.loads((outputs / "blend.json").read_text("utf-8"))
    assert blend["models"]["cnn"]["views"] == blend["images"]["views"] == ["kaggle600"]
    submission = pd.read_csv(outputs / "submission.csv", index_col="eeg_id")
    assert submission.index.tolist() == pd.read_csv(data / "test.csv").eeg_id.tolist()
    assert not submission.duplicated().any() and len(submission) > 1  # none is the prior
    note("spectrograms alone", "said, and went on", line)


def test_a_scheduler_gives_the_same_images_and_networks(chain, tmp_path, note):
    pytest.importorskip("distributed")
    outputs, address = tmp_path / "outputs", f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    port = address.rpartition(":")[2]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = ["worker", address, "--nthreads", "1", "--local-directory", str(tmp_path)]
    started = [
        subprocess.Popen(
            [*dask, *words], env=chain.env, cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )
        for words in (scheduler, worker, worker)
        for log in [(tmp_path / "dask.log").open("a")]
    ]  # fmt: skip
    try:
        for number in ("02", "03"):
            words = [*chain.command(number, outputs), "--scheduler", address]
            done = run(words, chain.env)
            assert done.returncode == 0, done.stdout
            assert f"workers at {address}" in done.stdout
    finally:
        for process in reversed(started):  # the scheduler last
            process.terminate()
            process.wait(60)
    for view in VIEWS:
        here, there = (
            np.load(folder / "spectrograms" / "train" / f"{view}.npy")
            for folder in (chain.outputs, outputs)
        )
        np.testing.assert_array_equal(there, here)
    path = "oof/cnn.parquet"
    assert (outputs / path).read_bytes() == (chain.outputs / path).read_bytes()
    note("a scheduler and two workers", "as without it")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
