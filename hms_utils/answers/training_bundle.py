"""Pack the training for a GPU session on Kaggle, and fetch what it leaves.

The package and the notebooks travel inside of the one notebook that is pushed, so
that nothing has to be uploaded and waited for first. A session that is out of time
leaves what it has trained as its output, which the next one, a notebook with another
name, mounts as an input.
"""

import base64
import hashlib
import io
import lzma
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nbformat

from hms_utils import paths
from hms_utils.constants import COMPETITION

NOTEBOOK = "hms-training.ipynb"
_FILES = (NOTEBOOK, "kernel-metadata.json")
_SOURCES = ("hms_utils", "notebooks", "pyproject.toml", "LICENSE")
_KINDS = (".py", ".ipynb", ".j2")  # whatever else lies there, such as keys, stays there
_WIDTH = 120_000  # letters of the source in a line

_INTRODUCTION = """\
*Written by `python -m hms_utils bundle --train`.* Trains the networks of the suite on Kaggle:
notebooks 1 to 5 at the scale for the competition's data. What the submission needs is left in the
output; images are kept elsewhere, as they would not fit. If time is up before all folds are
trained, `bundle --train --session 2` packs the session that goes on."""
_PARAMETERS = """\
TIME_BUDGET_HOURS = 11.0  # training ends before; a session is cut off after 12
NEEDS_GPU = True  # without one a session would end long before the training"""
_UNPACK = """\
import base64
import hashlib
import io
import sys
import tarfile
from pathlib import Path

packed = base64.b64decode("".join(SOURCE))
if hashlib.sha256(packed).hexdigest() != "{checksum}":
    raise ValueError("expected the source with its checksum, found another: push the folder again")
source = Path("/tmp/hms")
tarfile.open(fileobj=io.BytesIO(packed)).extractall(source, filter="data")
sys.path.insert(0, str(source))"""
_REQUIRE = f"""\
import shutil

from hms_utils import paths

if paths.find_data_dir() is None:
    raise ValueError("expected the data of {COMPETITION}, found none: accept its rules")
if NEEDS_GPU and not shutil.which("nvidia-smi"):
    raise ValueError("expected a GPU, found none: see the quota, `kaggle quota`")"""
_RUN = """\
import subprocess

working, images = Path("/kaggle/working"), Path("/tmp/hms_images")
images.mkdir()
(working / "spectrograms").symlink_to(images)  # elsewhere, where they do not count as output
command = [sys.executable, "-m", "hms_utils", "run", "--output-dir", working, "--to", "05"]
command += ["-p", f"TIME_BUDGET_HOURS={TIME_BUDGET_HOURS}"]
pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
with subprocess.Popen(command, cwd=source, **pipe) as run:
    for line in run.stdout:
        print(line, end="", flush=True)"""
_KEEP = """\
(working / "spectrograms").unlink()
for path in sorted(working.iterdir()):
    files = path.rglob("*") if path.is_dir() else [path]
    print(f"kept: {path.name}, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")
if run.returncode == 75:
    print("Time is up, the training is not: push the next session")
elif run.returncode:
    raise RuntimeError("the run has failed; what it said is above")"""

_NEXT_STEPS = """
Next, with Kaggle's command line (python -m pip install kaggle):
  kaggle kernels push -p {out}
It starts the session; what it is doing, and in the end whether it is complete:
  kaggle kernels logs {kernel} --follow
  kaggle kernels status {kernel}
Then, if it has said that time is up, go on in another session:
  python -m hms_utils bundle --train --session {following} --user {user}
and otherwise pack the submission:
  python -m hms_utils bundle --from-kaggle{session} --user {user}"""


def write_training(out, user, session=1):
    """Write the folder for ``kaggle kernels push`` that trains, in place of an earlier one.

    The same code gives the same bytes.

    Parameters
    ----------
    out : path-like
        New, empty, or an earlier one.
    user : str
        As `bundle.find_user` returns it.
    session : int
        From the second one on it goes on from the output of the one before.

    Returns
    -------
    str
        What to type next, for people.

    Raises
    ------
    FileNotFoundError
        If this is not a checkout with its notebooks.
    FileExistsError
        If `out` holds anything else.
    ValueError
        If `session` is below one.
    """
    out = Path(out)
    if session < 1:
        raise ValueError(f"expected a session of 1 or more, found {session}")
    if not (paths.REPOSITORY / "notebooks").is_dir():
        raise FileNotFoundError(f"{paths.REPOSITORY}: expected notebooks; run from a checkout")
    for file in [out] if out.is_file() else out.rglob("*"):
        if file.name not in _FILES or file.parent != out:
            raise FileExistsError(f"{out}: expected a new folder or an earlier bundle, has {file}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        nbformat.write(_notebook(), new / NOTEBOOK)
        kernel = _kernel(session)
        metadata = {
            "id": f"{user}/{kernel}",
            "title": kernel.replace("hms", "HMS").replace("-", " "),
            "code_file": NOTEBOOK,
            "language": "python",
            "kernel_type": "notebook",
            "is_private": True,
            "enable_gpu": True,
            "machine_shape": "NvidiaTeslaT4",  # two of them; a P100 is not in the image any more
            "enable_internet": True,  # for the ImageNet weights
            "docker_image_pinning_type": "original",
            "dataset_sources": [],
            "competition_sources": [COMPETITION],
            "kernel_sources": [f"{user}/{_kernel(session - 1)}"] if session > 1 else [],
        }
        paths.write_json(new / _FILES[1], metadata)
        if out.exists():
            out.rename(Path(temporary) / "old")
        new.rename(out)
    return _NEXT_STEPS.format(
        out=shlex.quote(str(out)),
        kernel=metadata["id"],
        user=user,
        session=f" --session {session}" if session > 1 else "",
        following=session + 1,
    )


def fetch_training(folder, user, session=1):
    """Download what a training session on Kaggle has left.

    Parameters
    ----------
    folder : path-like
        Where it goes; files of the same name are replaced.
    user : str
    session : int

    Raises
    ------
    ModuleNotFoundError
        If Kaggle's command line is not installed.
    RuntimeError
        If it fails: no token, another user, no such notebook.
    ValueError
        If the session has not trained all folds.
    """
    folder, kernel = Path(folder), f"{user}/{_kernel(session)}"
    command = shutil.which("kaggle") or shutil.which("kaggle", path=Path(sys.executable).parent)
    if command is None:
        raise ModuleNotFoundError(
            "expected Kaggle's command line, found none: python -m pip install kaggle"
        )
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Downloading the output of {kernel} to {folder}", flush=True)
    arguments = ["kernels", "output", kernel, "-p", str(folder), "--force"]
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        raise RuntimeError(f"kaggle kernels output {kernel} failed: {lines[-1]}")
    if not (folder / "blend.json").is_file():
        raise ValueError(
            f"{folder}: expected blend.json in the output of {kernel}, found none. If it still "
            f"runs, wait (kaggle kernels status {kernel}); if its time was up, go on with "
            f"python -m hms_utils bundle --train --session {session + 1}"
        )


def _kernel(session):
    return "hms-training" if session == 1 else f"hms-training-{session}"


def _notebook():
    packed = _pack()
    text = base64.b64encode(packed).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    unpack = _UNPACK.format(checksum=hashlib.sha256(packed).hexdigest())
    sources = [
        _PARAMETERS,
        "SOURCE = [\n" + "".join(f'    "{line}",\n' for line in lines) + "]",
        unpack,
        _REQUIRE,
        _RUN,
        _KEEP,
    ]
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(_INTRODUCTION, id="kaggle-00")],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    content.cells += [
        nbformat.v4.new_code_cell(source, id=f"kaggle-{number:02}")
        for number, source in enumerate(sources, 1)
    ]
    nbformat.validate(content)
    return content


def _pack():
    """Return the package and its notebooks as an archive, the same bytes for the same files."""
    files = [path for name in _SOURCES for path in _files(paths.REPOSITORY / name)]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as packed:
        for path in sorted(files):
            member = tarfile.TarInfo(path.relative_to(paths.REPOSITORY).as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as file:
                packed.addfile(member, file)
    return lzma.compress(plain.getvalue(), preset=9)


def _files(path):
    if path.is_file():
        return [path]
    return [
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.suffix in _KINDS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
