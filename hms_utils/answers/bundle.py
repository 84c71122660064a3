"""Pack what a submission needs into two folders for Kaggle's command line.

Kaggle's image has every library that notebook 6 imports; only this package and
the trained networks are brought along. They travel as one file: Kaggle's command
line leaves folders out by itself. Its name does not tell that it is a zip file,
as Kaggle unpacks such files, and a wheel or a ``.keras`` file, which are zip
files too, may arrive as folders that neither pip nor Keras can open.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import nbformat

from hms_utils import paths
from hms_utils.constants import COMPETITION

DATASET = "hms-submission-models"
KERNEL = "hms-submission"  # a notebook and a data set cannot share a name
ARCHIVE = "hms-submission.bin"
FILES = (
    f"dataset/{ARCHIVE}",
    "dataset/dataset-metadata.json",
    f"kernel/{KERNEL}.ipynb",
    "kernel/kernel-metadata.json",
)

_INTRODUCTION = f"""\
*Written by `python -m hms_utils bundle`.* Package and networks come from the data set `{DATASET}`.
Their checksum stands in the next cell: after an update Kaggle attaches the previous version until
the new one is ready, and that must not pass unnoticed."""
_UNPACK = """\
import hashlib
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

CHECKSUM = "{checksum}"
found = [f for n in (1, 2, 3) for f in Path("/kaggle/input").glob("*/" * n + "{archive}")]
fitting = [f for f in found if hashlib.sha256(f.read_bytes()).hexdigest() == CHECKSUM]
if not fitting or any(".." in name for name in ZipFile(fitting[0]).namelist()):
    raise ValueError(f"expected {archive} with that checksum and no .., found {{found or 'none'}}")
working = Path("/kaggle/working")
ZipFile(fitting[0]).extractall(working)
pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
subprocess.run([*pip, working / "{wheel}"], check=True)"""
_REQUIRE_DATA = f"""\
from hms_utils import paths

if paths.find_data_dir() is None:
    raise ValueError("expected the data of {COMPETITION}, found none: attach it")"""

_NEXT_STEPS = """
Next, with Kaggle's command line (python -m pip install kaggle):
  kaggle datasets create -p {out}/dataset
  kaggle kernels push -p {out}/kernel
  kaggle competitions submit {competition} -k {user}/{kernel} -v 1 -f submission.csv -m HMS
Before the second, wait until the data set is ready:
  kaggle datasets status {user}/{dataset}
Before the third, until the notebook is complete; its version (-v) is what the push has said:
  kaggle kernels status {user}/{kernel}
From the second time on, the first is:
  kaggle datasets version -p {out}/dataset -m "new models\""""


def find_user(user=None):
    """Return the user's name on Kaggle.

    Parameters
    ----------
    user : str, optional
        Taken if given; otherwise ``KAGGLE_USERNAME``, then ``~/.kaggle/kaggle.json``.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If none of them gives one.
    """
    token = Path.home() / ".kaggle" / "kaggle.json"
    user = user or os.environ.get("KAGGLE_USERNAME")
    if not user and token.is_file():
        user = paths.read_json(token).get("username")
    if not user:
        raise ValueError(
            "expected your user name on Kaggle, as in kaggle.com/<name>, found none: give --user, "
            f"set KAGGLE_USERNAME, or save your API key as {token}"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", user):
        raise ValueError(f'expected a user name as in kaggle.com/<name>, found "{user}"')
    return user.lower()


def write_bundle(output_dir, out, user):
    """Write the folders ``dataset`` and ``kernel``, which replace those of an earlier call.

    The same models and code give the same bytes.

    Parameters
    ----------
    output_dir : path-like
        Where ``blend.json`` and ``models/`` are.
    out : path-like
        New, empty, or an earlier bundle.
    user : str
        As `find_user` returns it.

    Returns
    -------
    dict
        ``blend.json``, as `networks.seal` wrote it.

    Raises
    ------
    FileNotFoundError, ValueError
        As `networks.Ensemble`; also if this is not a checkout with its notebooks.
    FileExistsError
        If `out` holds anything else.
    RuntimeError
        If the wheel cannot be built.
    """
    from hms_utils.networks import Ensemble

    output_dir, out = Path(output_dir), Path(out)
    notebook = paths.REPOSITORY / "notebooks" / "06_submission.ipynb"
    if not notebook.is_file():
        raise FileNotFoundError(f"{notebook}: expected notebook 6; run from a checkout")
    for file in [out] if out.is_file() else out.rglob("*"):
        if not file.is_dir() and file.relative_to(out).as_posix() not in FILES:
            raise FileExistsError(f"{out}: expected a new folder or an earlier bundle, has {file}")
    settings = Ensemble(output_dir).settings
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        new = Path(temporary) / "new"
        (new / "dataset").mkdir(parents=True)
        (new / "kernel").mkdir()
        wheel = _build_wheel(temporary)
        archive = new / "dataset" / ARCHIVE
        _pack(archive, wheel, output_dir, settings)
        metadata = {"id": f"{user}/{DATASET}", "title": "HMS submission models"}
        metadata["licenses"] = [{"name": "other"}]  # Kaggle wants exactly one
        paths.write_json(new / "dataset" / "dataset-metadata.json", metadata)
        _write_kernel(new, notebook, archive, wheel.name, user)
        if out.exists():
            out.rename(Path(temporary) / "old")
        new.rename(out)
    return settings


def next_steps(out, user):
    """Return what to type next, for people, with the paths and names of this bundle."""
    names = {"kernel": KERNEL, "dataset": DATASET, "competition": COMPETITION}
    return _NEXT_STEPS.format(out=shlex.quote(str(out)), user=user, **names)


def _build_wheel(folder):
    """Build from a copy, where setuptools finds nothing of earlier builds and leaves nothing."""
    source = Path(folder) / "source"
    package = paths.REPOSITORY / "hms_utils"
    shutil.copytree(package, source / "hms_utils", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(paths.REPOSITORY / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    # From within: in a path pip takes [ and ; for marks of its own.
    command = [*pip, "--no-build-isolation", "--wheel-dir", folder, "."]
    env = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}  # 1980, as `ZipInfo` dates files
    done = subprocess.run(
        command, cwd=source, env=env, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise RuntimeError(
            f"the wheel of hms_utils could not be built:\n{done.stderr.strip()}\n"
            "If the builder is missing or too old: python -m pip install 'setuptools>=77'"
        )
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def _pack(archive, wheel, output_dir, settings):
    members = {wheel.name: wheel, "blend.json": output_dir / "blend.json"}
    for name, part in settings["models"].items():
        for file in part["folds"]:
            members[f"models/{name}/{file}"] = output_dir / "models" / name / file
    with ZipFile(archive, "w") as packed:
        for name, file in members.items():
            packed.writestr(ZipInfo(name), file.read_bytes())


def _write_kernel(new, notebook, archive, wheel, user):
    """Write notebook 6 behind the cells that unpack, and what ``kaggle kernels push`` reads."""
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    unpack = _UNPACK.format(archive=archive.name, checksum=checksum, wheel=wheel)
    content = nbformat.read(notebook, as_version=4)
    content.cells[:0] = [
        nbformat.v4.new_markdown_cell(_INTRODUCTION, id="kaggle-00"),
        nbformat.v4.new_code_cell(unpack, id="kaggle-01"),
        nbformat.v4.new_code_cell(_REQUIRE_DATA, id="kaggle-02"),
    ]
    nbformat.validate(content)
    nbformat.write(content, new / "kernel" / f"{KERNEL}.ipynb")
    paths.write_json(
        new / "kernel" / "kernel-metadata.json",
        {
            "id": f"{user}/{KERNEL}",
            "title": "HMS submission",
            "code_file": f"{KERNEL}.ipynb",
            "language": "python",
            "kernel_type": "notebook",
            "enable_gpu": False,  # fast enough without, as the rehearsal
            "enable_internet": False,
            "dataset_sources": [f"{user}/{DATASET}"],
            "competition_sources": [COMPETITION],
        },
    )
