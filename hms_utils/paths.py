"""Where the data is, where output goes; whole files or none, and damaged ones by name."""

import errno
import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hms_utils.constants import COMPETITION

KAGGLE_INPUT = Path("/kaggle/input")
KAGGLE_WORKING = Path("/kaggle/working")
REPOSITORY = Path(__file__).resolve().parents[1]
# A file that only generated data sets hold.
SYNTHETIC_MARK = "SYNTHETIC.txt"
SYNTHETIC_NOTICE = (
    "This data is SYNTHETIC: drawn by hms_utils.sample, not recorded. Scores on it say that "
    "the code works, nothing about patients or the competition."
)
SYNTHETIC_MODELS_NOTICE = (
    "The models were trained on SYNTHETIC recordings: their answers say nothing about a patient."
)
TRAIN_TABLE, RECORDINGS = "train.csv", ("train_eegs", "train_spectrograms")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# Of the JSON files that one stage leaves to later ones: raised when what they hold, or what it
# means, changes.
FORMAT = 2


class DamagedFileError(ValueError):
    """A file of an earlier stage that is there, but not as the suite wrote it."""


class OtherVersionError(DamagedFileError):
    """A file of an earlier stage that another version of the suite wrote."""


class UnwritableError(OSError):
    """A file that the system does not let us write, by name."""


@dataclass(frozen=True)
class DataLocation:
    """A folder in the competition's layout, and why it was taken.

    Attributes
    ----------
    path : Path
        Absolute path of the folder.
    reason : str
        Which of the places that are searched it was found in.
    """

    path: Path
    reason: str

    @property
    def is_synthetic(self):
        """Whether the folder was written by `sample.generate`."""
        return (self.path / SYNTHETIC_MARK).is_file()


def _root():
    """Return the checkout, or the working directory of an installed package."""
    return REPOSITORY if (REPOSITORY / "notebooks").is_dir() else Path.cwd()


def competition_dir():
    """Return the folder that the competition's data is downloaded to."""
    return _root() / "data" / COMPETITION


def _lacks(path):
    """Return what a folder needs to hold data and has not: EEGs or spectrograms are enough."""
    missing = [] if (path / TRAIN_TABLE).exists() else [TRAIN_TABLE]
    there = any((path / name).exists() for name in RECORDINGS)
    return missing if there else [*missing, *RECORDINGS]


def _require_data(path, reason):
    if missing := _lacks(path):
        found = "no such folder" if not path.is_dir() else "it lacks " + ", ".join(missing)
        raise FileNotFoundError(
            f"{path} ({reason}): expected a folder with {TRAIN_TABLE} and {' or '.join(RECORDINGS)}"
            f"; {found}"
        )
    return DataLocation(path.resolve(), reason)


def find_data_dir(data_dir=None):
    """Find the competition's data.

    The first of these is taken: the argument, ``HMS_DATA_DIR``, a folder below
    ``/kaggle/input``, ``data/<competition>`` in the checkout.

    Parameters
    ----------
    data_dir : path-like, optional
        A folder in the competition's layout; empty counts as not given.

    Returns
    -------
    DataLocation or None
        None where none of the places holds data.

    Raises
    ------
    FileNotFoundError
        If the argument or the environment names a folder without the data:
        what was asked for is never replaced by something else.
    """
    if data_dir:
        return _require_data(Path(data_dir).expanduser(), "given as an argument")
    if os.environ.get("HMS_DATA_DIR"):
        path = Path(os.environ["HMS_DATA_DIR"]).expanduser()
        return _require_data(path, "named by HMS_DATA_DIR")
    for depth in ("*", "*/*", "*/*/*"):
        for table in sorted(KAGGLE_INPUT.glob(f"{depth}/train.csv")):
            if not _lacks(table.parent):
                return DataLocation(table.parent.resolve(), "mounted by Kaggle")
    path = competition_dir()
    if not path.is_dir() or not any(path.iterdir()):
        return None
    return _require_data(path, "the checkout's data folder")


def find_output_dir(output_dir=None):
    """Return the folder for everything that the suite writes.

    Parameters
    ----------
    output_dir : path-like, optional
        Taken if given; otherwise ``/kaggle/working`` on Kaggle, ``outputs`` in
        the checkout elsewhere. It need not exist.

    Returns
    -------
    Path
        Absolute path.
    """
    if output_dir:
        return Path(output_dir).expanduser().resolve()
    return KAGGLE_WORKING if KAGGLE_WORKING.is_dir() else _root() / "outputs"


def require(path, notebook):
    """Return `path`, or say which notebook writes it.

    Parameters
    ----------
    path : Path
        A file of an earlier stage.
    notebook : str
        The notebook that writes it, such as ``"02_spectrograms"``.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run notebooks/{notebook}.ipynb first")
    return path


@contextmanager
def replacing(path):
    """Write a file as a whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write; its folder is made.

    Yields
    ------
    Path
        A temporary file of the same folder and suffixes, which becomes `path` if
        the block ends without an error and is removed otherwise.

    Raises
    ------
    UnwritableError
        If the system does not let us; with the file and, on a full disk, what is free.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path):
    """Have the system's refusal to write name the file, and on a full disk what is free.

    Parameters
    ----------
    path : Path
        What the block writes, a file or all that is in a folder.

    Raises
    ------
    UnwritableError
    """
    try:
        yield
    except UnwritableError:
        raise
    except OSError as error:
        # Libraries put the system's words into their own, without its number.
        full = error.errno in _FULL or re.search(
            "No space left|Disk quota|File too large|requested and", str(error)
        )
        if not full and error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        reason = error.strerror or "no space left"
        if full and "File too large" not in str(error):  # that is a limit, whatever is free
            there = next(each for each in (path, *path.parents) if each.is_dir())
            reason += f"; {shutil.disk_usage(there).free / 1e6:.0f} MB are free in {there}"
        raise UnwritableError(f"{path}: cannot be written: {reason}") from error


def require_writable(folder):
    """Raise UnwritableError unless a file can be written into a folder, which is made."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))


@contextmanager
def filling(folder):
    """Fill a folder as a whole or not at all.

    Parameters
    ----------
    folder : Path
        Must not exist or be empty.

    Yields
    ------
    Path
        A new folder beside it, which takes its place if the block ends without an
        error and is removed otherwise.

    Raises
    ------
    FileExistsError
        If the folder holds anything.
    OSError
        If it cannot be written, or the disk is full.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: expected a new or empty folder, found files in it")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise OSError(f"{folder}: cannot be written ({reason}); nothing is left of it") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@functools.cache  # what runs was read once too
def code_version(*modules):
    """Return a digest of modules' source, for telling stale results from current ones.

    Parameters
    ----------
    *modules : str
        Names within the package, such as ``"spectrograms"``.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for module in modules:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()[:16]


def write_json(path, content):
    """Write `content` as indented JSON, atomically, with null for NaN and infinity."""
    finite = json.loads(json.dumps(content), parse_constant=lambda _: None)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(finite, indent=2) + "\n", encoding="utf-8")


def read_json(path, notebook=""):
    """Read the dict that a JSON file holds, as `read`."""
    return read(path, lambda file: dict(json.loads(file.read_text(encoding="utf-8"))), notebook)


def write_record(path, content):
    """Write the JSON that later stages rely on, by `write_json`, with its `FORMAT`."""
    write_json(path, {"format": FORMAT, **content})


def read_record(path, notebook=""):
    """Read what `write_record` wrote, as `read_json`, or say that another version wrote it.

    Raises
    ------
    OtherVersionError
        If its format is not that of this version.
    DamagedFileError, OSError
        As `read_json`.
    """
    content = read_json(path, notebook)
    if (found := content.pop("format", 1)) != FORMAT:
        again = f"run notebooks/{notebook}.ipynb again, or " if notebook else ""
        raise OtherVersionError(
            f"{path}: expected what this version of hms_utils writes (format {FORMAT}), found "
            f"another's (format {found}); {again}use the version that wrote it"
        )
    return content


def read(path, reader, notebook=""):
    """Read a file that the suite wrote, or say by name that it is damaged.

    Parameters
    ----------
    path : Path
    reader : callable
        Such as ``pandas.read_parquet``.
    notebook : str
        The notebook that writes it again.

    Returns
    -------
    object
        What `reader` returns.

    Raises
    ------
    DamagedFileError
        If its content is not what the reader expects.
    OSError
        If it is not there or cannot be read at all, which may be true of a whole file.
    """
    again = f"; run notebooks/{notebook}.ipynb again" if notebook else ""
    if notebook:
        require(path, notebook)
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise OSError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return reader(path)
    # pyarrow, h5py and NumPy have many words for bytes that are not what they expect.
    except (ValueError, OSError, KeyError, IndexError, TypeError, EOFError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DamagedFileError(
            f"{path}: expected a whole file, found a damaged one ({reason}){again}"
        ) from error


def checksum(path):
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
