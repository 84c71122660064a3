"""One thread for products of small matrices, and worker processes that end with their parent.

Several threads would mostly wait for each other, go on spinning while the network computes,
and round differently from machine to machine, so that the same seed gave other bytes.
"""

import functools
import multiprocessing
import os
import threading
import time

import numpy  # noqa: F401 - its BLAS is what is looked for
from threadpoolctl import ThreadpoolController

# Looked for once, when NumPy has loaded its BLAS: that takes longer than a window.
_blas = ThreadpoolController().select(user_api="blas")
one_blas_thread = _blas.wrap(limits=1)

__all__ = ["end_with_parent", "one_blas_thread"]


@functools.cache
def end_with_parent():
    """Let one of joblib's worker processes end within seconds of a parent that was killed.

    By itself it would wait five minutes for more work. Elsewhere this does nothing.
    """
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
