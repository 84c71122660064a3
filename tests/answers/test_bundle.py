import ast
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
from click.testing import CliRunner

from hms_utils import paths
from hms_utils.answers import bundle
from hms_utils.cli import main
from hms_utils.constants import COMPETITION
from hms_utils.networks import Ensemble
from tests.networks.test_ensemble import seal, train


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    train(folder)
    seal(folder)
    return folder


@pytest.fixture(scope="module")
def written(outputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("kaggle") / "mine [a]; b" / "new"  # marks of pip
    bundle.write_bundle(outputs, out, "someone")
    return out


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """Keep the name of whoever runs the tests out."""
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def read_notebook(written):
    return nbformat.read(written / "kernel" / "hms-submission.ipynb", as_version=4)


def test_the_archive_holds_package_and_sealed_models(outputs, written, tmp_path):
    # Kaggle unpacks what it takes for an archive, and leaves folders out.
    assert {path.suffix for path in (written / "dataset").iterdir()} == {".bin", ".json"}
    with ZipFile(written / "dataset" / bundle.ARCHIVE) as archive:
        archive.extractall(tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    models = {f"models/cnn/fold{fold}.keras" for fold in (0, 1)}
    assert files == {"blend.json", wheel.name} | models
    assert Ensemble(tmp_path).settings == Ensemble(outputs).settings


def test_the_wheel_holds_the_package_and_nothing_else(written, tmp_path):
    with ZipFile(written / "dataset" / bundle.ARCHIVE) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".whl"))
        archive.extract(name, tmp_path)
    assert name.endswith("-py3-none-any.whl")
    with ZipFile(tmp_path / name) as wheel:
        files = [file for file in wheel.namelist() if ".dist-info/" not in file]
        package = (paths.REPOSITORY / "hms_utils").rglob("*.*")
        own = [file.relative_to(paths.REPOSITORY).as_posix() for file in package]
        assert sorted(files) == sorted(file for file in own if "__pycache__" not in file)
        for file in files:
            assert wheel.read(file) == (paths.REPOSITORY / file).read_bytes()


def test_metadata_names_what_kaggle_asks_for(written):
    dataset = paths.read_json(written / "dataset" / "dataset-metadata.json")
    kernel = paths.read_json(written / "kernel" / "kernel-metadata.json")
    assert kernel["dataset_sources"] == [dataset["id"]] == ["someone/hms-submission-models"]
    assert kernel["id"] == "someone/hms-submission" != dataset["id"]
    assert kernel["competition_sources"] == [COMPETITION]
    assert kernel["enable_internet"] is False
    assert (kernel["language"], kernel["kernel_type"]) == ("python", "notebook")
    assert (written / "kernel" / kernel["code_file"]).is_file()
    assert len(dataset["licenses"]) == 1
    for metadata in (dataset, kernel):  # Kaggle makes the name of the title, 6 to 50 letters
        assert metadata["id"].split("/")[1] == metadata["title"].lower().replace(" ", "-")
        assert 6 <= len(metadata["title"]) <= 50


def test_the_notebook_unpacks_and_then_is_notebook_6(written):
    notebook = read_notebook(written)
    nbformat.validate(notebook)
    own = nbformat.read(paths.REPOSITORY / "notebooks" / "06_submission.ipynb", as_version=4)
    assert notebook.cells[3:] == own.cells
    unpack, require_data = (cell.source for cell in notebook.cells[1:3])
    assert "--no-index" in unpack
    archive = written / "dataset" / bundle.ARCHIVE
    assert sha256(archive.read_bytes()).hexdigest() in unpack
    for source in (unpack, require_data):
        ast.parse(source)
        assert len(source.splitlines()) <= 15


def run_unpack(written, kaggle, monkeypatch):
    """Run the cell with other folders than /kaggle; return pip's arguments."""
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    source = read_notebook(written).cells[1].source.replace("/kaggle/", f"{kaggle}/")
    exec(source, {})
    return commands


@pytest.mark.parametrize("mount", ["hms", "datasets/someone/hms"])
def test_the_archive_is_found_wherever_it_is_mounted(written, tmp_path, monkeypatch, mount):
    folder = tmp_path / "input" / mount
    folder.mkdir(parents=True)
    (folder / bundle.ARCHIVE).write_bytes((written / "dataset" / bundle.ARCHIVE).read_bytes())
    ((*_, wheel),) = run_unpack(written, tmp_path, monkeypatch)
    assert wheel.is_file()
    assert (tmp_path / "working" / "blend.json").is_file()


def test_another_version_of_the_archive_is_refused(written, tmp_path, monkeypatch):
    (tmp_path / "input" / "hms").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"with that checksum and no \.\., found none"):
        run_unpack(written, tmp_path, monkeypatch)
    (tmp_path / "input" / "hms" / bundle.ARCHIVE).write_bytes(b"of last week")
    with pytest.raises(ValueError, match=r"found \[.*hms/hms-submission\.bin"):
        run_unpack(written, tmp_path, monkeypatch)


def test_a_session_without_the_competition_is_refused(written, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    with pytest.raises(ValueError, match=r"expected the data of hms-.*found none: attach it"):
        exec(read_notebook(written).cells[2].source, {})


def test_writing_again_gives_the_same_bytes(outputs, written):
    before = {file: (written / file).read_bytes() for file in bundle.FILES}
    bundle.write_bundle(outputs, written, "someone")
    files = [path.relative_to(written).as_posix() for path in written.rglob("*.*")]
    assert sorted(files) == sorted(before)
    assert {file: (written / file).read_bytes() for file in files} == before
    assert list(written.parent.iterdir()) == [written]


def test_other_peoples_files_are_never_replaced(outputs, tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.csv").write_text("1")
    for out in (tmp_path, tmp_path / "dataset" / "mine.csv"):
        with pytest.raises(FileExistsError, match=r"a new folder or an earlier bundle.*mine\.csv"):
            bundle.write_bundle(outputs, out, "someone")
    assert (tmp_path / "dataset" / "mine.csv").read_text() == "1"


def test_a_wheel_that_cannot_be_built_leaves_the_earlier_bundle(outputs, written, monkeypatch):
    before = (written / "dataset" / bundle.ARCHIVE).read_bytes()
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(RuntimeError, match="pip install 'setuptools>=77'"):
        bundle.write_bundle(outputs, written, "someone")
    assert (written / "dataset" / bundle.ARCHIVE).read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def invoke(*arguments):
    return CliRunner().invoke(main, ["bundle", *map(str, arguments)])


def test_command_says_what_to_type_next_and_warns_of_synthetic_models(outputs, tmp_path):
    result = invoke("--output-dir", outputs, "--out", tmp_path / "new", "--user", "Someone")
    assert result.exit_code == 0, result.output
    assert "cnn (2 folds)" in result.output
    assert "SYNTHETIC" in result.output
    for line in (
        f"kaggle datasets create -p {tmp_path}/new/dataset\n",
        f"kaggle kernels push -p {tmp_path}/new/kernel\n",
        f"kaggle competitions submit {COMPETITION} -k someone/hms-submission -v 1 ",
    ):
        assert line in result.output


def test_command_refuses_in_one_line(tmp_path, nobody):
    result = invoke("--output-dir", tmp_path)
    assert result.exit_code == 1
    assert "expected your user name on Kaggle" in result.output
    result = invoke("--output-dir", tmp_path, "--user", "me")
    assert "blend.json is missing: run notebooks/05_comparison.ipynb first" in result.output
    result = invoke("--output-dir", tmp_path, "--user", "a name")
    assert 'found "a name"' in result.output
    train(tmp_path)
    seal(tmp_path)
    (tmp_path / "models" / "cnn" / "fold1.keras").write_bytes(b"another model")
    result = invoke("--output-dir", tmp_path, "--user", "me")
    assert "fold1.keras: expected the model that blend.json was made with" in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "kaggle").exists()


def test_user_is_taken_from_the_option_the_environment_or_the_token(nobody, monkeypatch):
    (nobody / ".kaggle").mkdir()
    (nobody / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "third", "key": "x"}))
    assert bundle.find_user() == "third"
    monkeypatch.setenv("KAGGLE_USERNAME", "second")
    assert bundle.find_user() == "second"
    assert bundle.find_user("First") == "first"


def test_help():
    result = invoke("--help")
    assert result.exit_code == 0
    for option in ("--output-dir", "--out", "--user"):
        assert option in result.output
