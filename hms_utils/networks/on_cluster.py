"""Folds trained by the workers of a Dask cluster, side by side."""

import sys
import threading
from contextlib import contextmanager, redirect_stdout, suppress

import numpy as np

from hms_utils.networks.backend import keras, tf
from hms_utils.networks.time_budget import TimeIsUp

_ONE = threading.Lock()  # a worker with several threads still has its GPUs once


def versions():
    """Return the versions that results depend on, by package."""
    return {package.__name__: package.__version__ for package in (tf, keras, np)}


def run_on_workers(client, function, items):
    """Call a function with each item, on the workers, and wait for all.

    The call of a worker that dies is made again by another.

    Parameters
    ----------
    client : distributed.Client
    function : callable
        Of this package, which workers have too; of one item.
    items : list

    Returns
    -------
    list
        What `function` has returned or, for `TimeIsUp`, the error, in the order of `items`.

    Raises
    ------
    RuntimeError
        If the scheduler has gone, or workers die again and again.
    """
    from concurrent.futures import CancelledError

    from distributed import KilledWorker, wait

    address = client.scheduler.address
    futures = [client.submit(function, item, pure=False) for item in items]
    with suppress(CancelledError, OSError):
        wait(futures)
    results = []
    for future in futures:
        if future.status not in ("finished", "error"):
            raise RuntimeError(
                f"Dask: the scheduler at {address} has gone; what is trained is kept, and the "
                "next run goes on there"
            )
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise RuntimeError(f"Dask at {address}: workers died again and again: {error}")
        if error and not isinstance(error, TimeIsUp):
            raise error
        results.append(error or future.result())
    return results


@contextmanager
def on_worker(expected):
    """Make sure that this worker computes the same, alone, and that what it says is seen.

    Parameters
    ----------
    expected : dict
        As `versions` returns it where the work is asked for.

    Raises
    ------
    RuntimeError
        If this worker has other versions.
    """
    if (found := versions()) != expected:
        raise RuntimeError(
            f"a Dask worker has other versions: expected {expected}, found {found}; install the "
            "same on all"
        )
    with _ONE, redirect_stdout(_ToClient()):
        yield


class _ToClient:
    """A file whose lines are printed here and where the work was asked for.

    Of this thread alone: a worker that has drawn images is a client too, which prints what the
    others say; told again, each line would go round for ever.
    """

    def __init__(self):
        self.line, self.own, self.thread = "", sys.stdout, threading.get_ident()

    def write(self, text):
        from distributed import print as tell

        if threading.get_ident() != self.thread:
            self.own.write(text)
            return
        *lines, self.line = (self.line + text).split("\n")
        with redirect_stdout(self.own):  # to which it prints as well
            for line in lines:
                tell(line)

    def flush(self):
        pass
