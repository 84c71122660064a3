"""One writer at a time in an output folder."""

import json
import os
import re
import socket
from contextlib import contextmanager
from datetime import datetime

import psutil

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where nothing is locked
    fcntl = None

from hms_utils.paths import writing

_NAME = ".lock"


@contextmanager
def locked(folder):
    """Keep all others from writing into an output folder.

    A process and what it starts hold the lock together; it ends with the process that
    took it, however that ends. What a killed writer left half written is removed.

    Parameters
    ----------
    folder : Path
        It is made.

    Raises
    ------
    BlockingIOError
        If another process holds the lock; with its number, computer and start.
    UnwritableError
        If the folder cannot be written to.
    """
    path = folder / _NAME
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        if not _lock(file):
            _refuse_others(folder, file)
            yield
            return
        if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise BlockingIOError(f"{folder}: another run has ended here just now; try again")
        with writing(path):
            file.truncate(0)
            since = datetime.now().astimezone().isoformat(" ", "seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            file.write(json.dumps(holder))
            file.flush()
        _sweep(folder)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(file):
    """Lock an open file until it is closed, or return False if another one has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        print(f"{file.name}: cannot be locked ({error.strerror}): start no second run here")
    return True


def _refuse_others(folder, file):
    """Raise unless the lock is held by this process or one that it was started by."""
    file.seek(0)
    try:
        holder = json.loads(file.read())
        pid, host, since = holder["pid"], holder["host"], holder["since"]
    except (ValueError, KeyError, TypeError):
        raise BlockingIOError(f"{folder}: another run is beginning to write here") from None
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    if host != socket.gethostname() or pid not in ours:
        raise BlockingIOError(
            f"{folder}: another run writes here, process {pid} on {host} since {since}; wait for "
            "it, end it, or name another output folder"
        )


def _sweep(folder):
    """Remove temporary files of `replacing` whose process was killed."""
    for path in folder.rglob(".*"):
        writer = re.match(r"\.(\d+)\.", path.name)
        if writer and path.is_file() and not psutil.pid_exists(int(writer[1])):
            path.unlink(missing_ok=True)
