"""Where the data is, where output goes, and writing without half-written files."""

import functools
import hashlib
import json
import os
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
DATA_FILES = ("train.csv", "train_eegs", "train_spectrograms")


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


def _require_data(path, reason):
    missing = [name for name in DATA_FILES if not (path / name).exists()]
    if missing:
        found = "no such folder" if not path.is_dir() else "it lacks " + ", ".join(missing)
        raise FileNotFoundError(
            f"{path} ({reason}): expected a folder with {', '.join(DATA_FILES)}; {found}"
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
            if all((table.parent / name).exists() for name in DATA_FILES):
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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def read_json(path):
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
