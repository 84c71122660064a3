import ast
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from hms_utils import chain, paths
from hms_utils.answers import training_bundle
from hms_utils.cli import main
from hms_utils.constants import COMPETITION
from tests.networks.test_ensemble import seal, train


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "new"
    training_bundle.write_training(out, "someone")
    return out


def cells(folder):
    notebook = nbformat.read(folder / "hms-training.ipynb", as_version=4)
    nbformat.validate(notebook)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_metadata_asks_for_gpus_the_network_and_the_competition(written):
    metadata = paths.read_json(written / "kernel-metadata.json")
    assert metadata["id"] == "someone/hms-training"
    assert metadata["enable_gpu"] is metadata["enable_internet"] is metadata["is_private"] is True
    assert metadata["machine_shape"] == "NvidiaTeslaT4"
    assert metadata["competition_sources"] == [COMPETITION]
    assert metadata["kernel_sources"] == []
    assert (written / metadata["code_file"]).is_file()


def test_a_later_session_has_its_own_name_and_mounts_the_one_before(tmp_path):
    for session, before in ((2, "someone/hms-training"), (3, "someone/hms-training-2")):
        text = training_bundle.write_training(tmp_path / "new", "someone", session)
        metadata = paths.read_json(tmp_path / "new" / "kernel-metadata.json")
        assert metadata["id"] == f"someone/hms-training-{session}"
        assert metadata["kernel_sources"] == [before]
        # Kaggle makes the name of the title.
        assert metadata["id"].split("/")[1] == metadata["title"].lower().replace(" ", "-")
        assert f"--from-kaggle --session {session} " in text
        assert f"--train --session {session + 1} " in text


def test_the_source_is_unpacked_where_the_checksum_is_right(written, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    _, source, unpack, *rest = cells(written)
    for cell in (unpack, *rest):
        ast.parse(cell)
        assert len(cell.splitlines()) <= 15
    unpack = unpack.replace("/tmp/hms", str(tmp_path / "hms"))
    variables = {}
    exec(source, variables)
    exec(unpack, variables)
    for folder in ("hms_utils", "notebooks"):
        for path in (paths.REPOSITORY / folder).rglob("*.[pij]*"):
            if path.suffix != ".pyc" and path.is_file():
                copy = tmp_path / "hms" / path.relative_to(paths.REPOSITORY)
                assert copy.read_bytes() == path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "hms_utils", "run", "--help"],
        cwd=tmp_path / "hms", capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": ""}, check=False,
    )  # fmt: skip
    assert "TIME_BUDGET_HOURS" in done.stdout, done.stderr
    variables["SOURCE"][0] = variables["SOURCE"][0].replace("A", "B", 1)
    with pytest.raises(ValueError, match="expected the source with its checksum, found another"):
        exec(unpack, variables)


def test_a_session_without_data_or_gpu_is_refused(written, monkeypatch, tmp_path):
    require = cells(written)[3]
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    with pytest.raises(ValueError, match=r"expected the data of hms-.*accept its rules"):
        exec(require, {"NEEDS_GPU": False})
    monkeypatch.setattr(paths, "find_data_dir", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    exec(require, {"NEEDS_GPU": False})
    with pytest.raises(ValueError, match="expected a GPU, found none: see the quota"):
        exec(require, {"NEEDS_GPU": True})


@pytest.mark.parametrize(
    ("code", "said"), [(0, "kept: models"), (75, "push the next session"), (1, "")]
)
def test_the_run_leaves_what_the_submission_needs_and_no_images(
    written, tmp_path, capsys, code, said
):
    """The cells as they are, but for the folders and the command that they start."""
    working = tmp_path / "working"
    working.mkdir()
    program = (
        "import pathlib, sys; pathlib.Path('spectrograms/train').mkdir(); "
        "pathlib.Path('models').mkdir(); pathlib.Path('models/a').write_bytes(bytes(10**6)); "
        f"print(*sys.argv[1:]); sys.exit({code})"
    )
    run, keep = cells(written)[4:]
    run = run.replace("/kaggle/working", str(working)).replace("/tmp/hms_images", f"{tmp_path}/i")
    run = run.replace('"-m", "hms_utils"', f'"-c", {program!r}')
    variables = {"Path": Path, "sys": sys, "source": working, "TIME_BUDGET_HOURS": 11.0}
    exec(run, variables)
    arguments = capsys.readouterr().out.split()
    assert arguments == [
        "run", "--output-dir", str(working), "--to", "05", "-p", "TIME_BUDGET_HOURS=11.0"
    ]  # fmt: skip
    chain.read_parameters(arguments[-1:], chain.select(last="05"))
    if code == 1:
        with pytest.raises(RuntimeError, match="the run has failed"):
            exec(keep, variables)
    else:
        exec(keep, variables)
    assert said in capsys.readouterr().out
    assert (tmp_path / "i" / "train").is_dir()
    assert [path.name for path in working.iterdir()] == ["models"]


def test_the_archive_is_small_and_the_same_again(written, tmp_path):
    first = (written / "hms-training.ipynb").read_bytes()
    assert len(first) < 500_000
    training_bundle.write_training(tmp_path / "again", "someone")
    assert (tmp_path / "again" / "hms-training.ipynb").read_bytes() == first
    with tarfile.open(fileobj=io.BytesIO(training_bundle._pack())) as packed:
        assert not [name for name in packed.getnames() if "pycache" in name or name[0] in "/."]


def test_only_sources_are_packed(tmp_path, monkeypatch):
    names = {"hms_utils/a.py", "hms_utils/templates/a.j2", "notebooks/01.ipynb", "pyproject.toml"}
    names |= {"LICENSE"}
    others = ["notebooks/.env", "notebooks/kaggle.json", "hms_utils/.a.py", "hms_utils/key.pem"]
    others += ["notebooks/.ipynb_checkpoints/01.ipynb", "hms_utils/a.pyc"]
    for name in (*names, *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    with tarfile.open(fileobj=io.BytesIO(training_bundle._pack())) as packed:
        assert set(packed.getnames()) == names


def bundle(*arguments):
    return CliRunner().invoke(main, ["bundle", *map(str, arguments)])


def test_command_packs_the_training_and_replaces_nothing_else(tmp_path):
    result = bundle("--train", "--output-dir", tmp_path, "--user", "me")
    assert result.exit_code == 0, result.output
    assert f"kaggle kernels push -p {tmp_path}/kaggle_train\n" in result.output
    assert "--from-kaggle --user me" in result.output
    (tmp_path / "kaggle_train" / "mine.txt").write_text("1")
    for options, message in (
        (["--output-dir", tmp_path], "expected a new folder or an earlier bundle, has"),
        (["--out", tmp_path / "x", "--session", 0], "expected a session of 1 or more, found 0"),
        (["--from-kaggle"], "expected --train or --from-kaggle, found both"),
    ):
        result = bundle("--train", "--user", "me", *options)
        assert result.exit_code and message in result.output
    assert (tmp_path / "kaggle_train" / "mine.txt").is_file()


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A command ``kaggle`` that does what a line of shell says."""
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")

    def set_up(line):
        (tools / "kaggle").write_text(f"#!/bin/sh\n{line}\n")
        (tools / "kaggle").chmod(0o755)

    return set_up


def test_what_was_trained_there_is_fetched_and_packed(tmp_path, kaggle):
    trained = tmp_path / "trained"
    trained.mkdir()
    train(trained)
    seal(trained)
    kaggle(f'echo "$@" > {tmp_path}/asked; cp -r {trained}/. "$5"')
    result = bundle("--from-kaggle", "--output-dir", tmp_path / "out", "--user", "me")
    assert result.exit_code == 0, result.output
    fetched = tmp_path / "out" / "from_kaggle"
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["kernels", "output", "me/hms-training", "-p", str(fetched), "--force"]
    assert "cnn (2 folds)" in result.output
    assert (tmp_path / "out" / "kaggle" / "dataset" / "hms-submission.bin").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("echo 'You need to authenticate.' >&2; exit 1", "failed: You need to authenticate."),
        ("echo '403 Client Error'; exit 1", "kernels output me/hms-training-2 failed: 403 Client"),
        ('mkdir -p "$5"', r"expected blend.json in the output of me/hms-training-2, found none"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_one_line(tmp_path, kaggle, line, message):
    kaggle(line)
    options = ["--output-dir", tmp_path / "out", "--user", "me", "--session", 2]
    result = bundle("--from-kaggle", *options)
    assert result.exit_code == 1
    (error,) = [part for part in result.output.splitlines() if part.startswith("Error: ")]
    assert message in error


def test_a_missing_command_line_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    result = bundle("--from-kaggle", "--output-dir", tmp_path, "--user", "me")
    assert "expected Kaggle's command line, found none: python -m pip install kaggle" in (
        result.output
    )
