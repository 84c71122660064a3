"""Folds on the workers of a real cluster of two processes."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from hms_utils.images import workers
from hms_utils.networks import training
from hms_utils.networks.time_budget import TimeIsUp
from tests.networks import test_training
from tests.networks.test_training import assert_same_history, make_images, predictions, train

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The result of this process, which computes as the workers do."""
    return train(tmp_path_factory.mktemp("here"))


@pytest.fixture(autouse=True)
def on_disk(tmp_path, monkeypatch):
    """The images as `images.load` opens them."""
    opened = {}
    for view, array in make_images().items():
        np.save(tmp_path / f"{view}.npy", array)
        opened[view] = np.load(tmp_path / f"{view}.npy", mmap_mode="r")
    monkeypatch.setattr(test_training, "make_images", lambda: opened)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


def test_a_worker_that_is_killed_is_replaced_and_its_fold_goes_on(
    trained, cluster, tmp_path, capsys
):
    models = tmp_path / "models" / "cnn"

    def begun(fold):
        return any((models / f"fold{fold}{stage}.json").exists() for stage in (".stage0", ""))

    def kill():
        patience = time.monotonic() + 300
        # Of both, as any worker that is busy then has a stage behind it.
        while not (begun(0) and begun(1)) and time.monotonic() < patience:
            time.sleep(0.005)
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            busy = client.processing()
        for worker in cluster.workers.values():
            if any("_train_there" in key for key in busy.get(worker.worker_address, ())):
                killed.append(worker.process.process.pid)
                os.kill(killed[0], signal.SIGKILL)
                return

    killed = []
    killer = threading.Thread(target=kill)
    killer.start()
    oof, history = train(tmp_path, scheduler=cluster.scheduler_address)
    killer.join()
    assert len(killed) == 1
    printed = capsys.readouterr().out
    assert "Dask: 2 workers at tcp://" in printed
    assert printed.count("all rows: already trained") >= 1
    for fold in (0, 1):
        assert f"cnn, fold {fold} of 0-1, well-voted rows, epoch 2 of 2" in printed
    np.testing.assert_array_equal(predictions(oof), predictions(trained[0]))
    assert_same_history(history, trained[1])


def test_time_that_is_up_and_workers_of_other_versions_are_told_in_a_line(
    cluster, tmp_path, monkeypatch
):
    with pytest.raises(TimeIsUp, match=r"fold 0 .* is not begun.* 0 of 2 folds are trained"):
        train(tmp_path, scheduler=cluster.scheduler_address, budget_hours=1e-9)
    with pytest.raises(ValueError, match=r"expected images as images\.load opens them"):
        training._file_names([np.zeros(1)])
    monkeypatch.setattr(training, "versions", lambda: {"tensorflow": "1.15"})
    with pytest.raises(RuntimeError, match=r"a Dask worker has other versions: .*1\.15"):
        train(tmp_path, scheduler=cluster.scheduler_address)


def test_a_cluster_without_workers_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "SCHEDULER_SECONDS", 1)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty,
        pytest.raises(OSError, match=r"expected a worker at .* within 1 s, found none"),
        workers.cluster(empty.scheduler_address),
    ):
        pass


def test_a_line_is_told_once_even_if_workers_hear_each_other(cluster, capsys):
    """As where notebook 2 has drawn before: joblib leaves a client in each worker."""

    def listen():
        from distributed import get_client

        return str(get_client())

    def speak(number):
        from hms_utils.networks.on_cluster import on_worker, versions

        with on_worker(versions()):
            print(f"line {number}")
            time.sleep(1)  # in which others' lines come in

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        names = [worker.worker_address for worker in cluster.workers.values()]
        client.gather([client.submit(listen, workers=[name], pure=False) for name in names])
        client.gather([client.submit(speak, n, workers=[name]) for n, name in enumerate(names)])
        time.sleep(1)
    said = capsys.readouterr().out.splitlines()
    assert sorted(said) == ["line 0", "line 1"]
