"""One thread for products of small matrices, worker processes that end with their parent, memory.

Several threads would mostly wait for each other, go on spinning while the network computes,
and round differently from machine to machine, so that the same seed gave other bytes.
"""

import functools
import multiprocessing
import os
import threading
import time
from contextlib import contextmanager, suppress

import numpy  # noqa: F401 - its BLAS is what is looked for
import psutil
from joblib import Parallel
from joblib._parallel_backends import LokyBackend
from threadpoolctl import ThreadpoolController

# Looked for once, when NumPy has loaded its BLAS: that takes longer than a window.
_blas = ThreadpoolController().select(user_api="blas")
one_blas_thread = _blas.wrap(limits=1)

__all__ = ["end_with_parent", "one_blas_thread", "own_memory", "peak_memory", "processes"]


def own_memory(process):
    """Return the memory of a `psutil.Process` that no other could have, in bytes.

    That of mapped files, such as images on disk, is not in it where the system tells: it is
    taken back as soon as it is wanted.
    """
    memory = process.memory_info()
    return memory.rss - getattr(memory, "shared", 0)


@contextmanager
def peak_memory(watched):
    """Watch the memory of processes; the list that is handed out holds the peak of their sum.

    Parameters
    ----------
    watched : callable
        Returns the `psutil.Process` there are now, asked four times a second.
    """
    peak, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.25):
            total = 0
            with suppress(psutil.Error):  # one has ended meanwhile
                for process in watched():
                    with suppress(psutil.Error):
                        total += own_memory(process)
            peak[0] = max(peak[0], total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def processes(n_jobs, **options):
    """Open a joblib pool of this machine's cores, which ends with this process.

    By themselves joblib's processes wait five minutes for more work of a parent that was killed.

    Parameters
    ----------
    n_jobs : int
        Processes; -1 means one for each core.
    **options
        As `joblib.Parallel` takes them.

    Returns
    -------
    joblib.Parallel
    """
    return Parallel(n_jobs, backend=_Ending(), **options)


class _Ending(LokyBackend):
    def configure(self, *args, **kwargs):
        # Not by a job alone, which some of the processes may never get.
        return super().configure(*args, initializer=end_with_parent, **kwargs)


@functools.cache
def end_with_parent():
    """Let one of joblib's worker processes end within seconds of a parent that was killed.

    Elsewhere this does nothing.
    """
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        # It may be another process by now that stands in the parent's place.
        parent = multiprocessing.parent_process().pid
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
