"""The processes that draw: this machine's, or those of a cluster."""

import os
from contextlib import contextmanager

from joblib import Parallel, parallel_config

SCHEDULER_SECONDS = 20  # how long to wait for a cluster's scheduler


@contextmanager
def workers(scheduler, n_jobs):
    """Open a joblib pool of this machine's cores, or of a Dask cluster's workers.

    Parameters
    ----------
    scheduler : str
        Address of a Dask scheduler; without it ``DASK_SCHEDULER_ADDRESS``
        counts, and without either this machine works.
    n_jobs : int
        Processes on this machine; -1 means one for each core.

    Yields
    ------
    joblib.Parallel
        It returns results one by one, as they come.

    Raises
    ------
    ModuleNotFoundError
        If a scheduler is named and Dask is not installed.
    OSError
        If it does not answer.
    """
    scheduler = scheduler or os.environ.get("DASK_SCHEDULER_ADDRESS")
    if not scheduler:
        yield Parallel(n_jobs=n_jobs, return_as="generator_unordered")
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the Dask scheduler {scheduler} needs the package distributed: pip install distributed"
        ) from error
    with (
        Client(scheduler, timeout=SCHEDULER_SECONDS) as client,
        parallel_config("dask", client=client),
    ):
        print(f"Dask: {len(client.scheduler_info()['workers'])} workers at {scheduler}")
        yield Parallel(return_as="generator_unordered")
