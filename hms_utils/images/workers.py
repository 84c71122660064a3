"""The processes that draw: this machine's, or those of a cluster."""

import os
from contextlib import contextmanager

from joblib import Parallel, parallel_config

from hms_utils.threads import processes

SCHEDULER_SECONDS = 20  # how long to wait for a cluster's scheduler


@contextmanager
def cluster(scheduler=""):
    """Connect to a Dask cluster, if there is one.

    Parameters
    ----------
    scheduler : str
        Address of a Dask scheduler; without it ``DASK_SCHEDULER_ADDRESS`` counts.

    Yields
    ------
    distributed.Client or None
        None where neither names a scheduler.

    Raises
    ------
    ModuleNotFoundError
        If a scheduler is named and Dask is not installed.
    OSError
        If it does not answer, or has no workers.
    """
    scheduler = scheduler or os.environ.get("DASK_SCHEDULER_ADDRESS")
    if not scheduler:
        yield None
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the Dask scheduler {scheduler} needs the package distributed: pip install distributed"
        ) from error
    with Client(scheduler, timeout=SCHEDULER_SECONDS) as client:
        try:
            client.wait_for_workers(1, timeout=SCHEDULER_SECONDS)
        except TimeoutError:
            raise OSError(
                f"Dask: expected a worker at {scheduler} within {SCHEDULER_SECONDS} s, found none"
            ) from None
        print(f"Dask: {len(client.scheduler_info()['workers'])} workers at {scheduler}")
        yield client


@contextmanager
def workers(scheduler, n_jobs):
    """Open a joblib pool of this machine's cores, or of a Dask cluster's workers.

    Parameters
    ----------
    scheduler : str
        As for `cluster`; without a cluster this machine works.
    n_jobs : int
        Processes on this machine; -1 means one for each core.

    Yields
    ------
    joblib.Parallel
        It returns results one by one, as they come.

    Raises
    ------
    ModuleNotFoundError, OSError
        As `cluster`.
    """
    with cluster(scheduler) as client:
        if client is None:
            yield processes(n_jobs, return_as="generator_unordered")
            return
        with parallel_config("dask", client=client):
            yield Parallel(return_as="generator_unordered")
