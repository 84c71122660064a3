import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from hms_utils import paths
from hms_utils.cli import main


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_import_is_light_and_leaves_nothing(tmp_path):
    code = (
        "import sys, hms_utils, hms_utils.cli, hms_utils.scoring, hms_utils.cache; "
        "print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_module_runs_and_helps():
    done = subprocess.run(
        [sys.executable, "-m", "hms_utils", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--data-dir", "--output-dir", "--quick / --full", "--from", "--only", "-p NAME"):
        assert option in done.stdout


def test_run_hands_the_scheduler_to_the_notebooks(sample_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "")  # restored in the end
    result = invoke(
        *("run", "--data-dir", sample_dir, "--output-dir", tmp_path, "--only", "02"),
        *("--scheduler", "udp://nobody:1"),
    )
    assert result.exit_code == 1
    assert "unknown address scheme 'udp'" in result.output


def test_sample_writes_a_data_set(tmp_path):
    result = invoke("sample", "--out", tmp_path / "new", "--patients", 1, "--seed", 5)
    assert result.exit_code == 0
    assert "SYNTHETIC" in result.output
    assert len(pd.read_csv(tmp_path / "new" / "train.csv"))
    assert paths.find_data_dir(tmp_path / "new").is_synthetic


@pytest.mark.parametrize(
    ("patients", "message"), [(0, "at least one patient"), (2, "new or empty")]
)
def test_sample_refuses_in_one_line(tmp_path, patients, message):
    (tmp_path / "file").touch()
    result = invoke("sample", "--out", tmp_path, "--patients", patients)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert result.output.count("\n") == 1


def test_sample_refuses_what_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    result = invoke("sample", "--out", tmp_path / "file" / "new", "--patients", 1)
    assert result.exit_code == 1
    expected = f"Error: {tmp_path}/file/new: cannot be written (Not a directory); nothing is left"
    assert result.output.startswith(expected)
    assert result.output.count("\n") == 1


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(tmp_path):
    # A limit to the size of files stands in for the disk.
    limited = (
        "import resource, sys; from hms_utils.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)); "
        "main(['sample', '--out', sys.argv[1], '--patients', '3'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path / "new")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "cannot be written (File too large); nothing is left of it" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_accepts_and_refuses(sample_dir, tmp_path):
    guess = sample_dir / "sample_submission.csv"
    result = invoke("check", guess, "--test", sample_dir / "test.csv")
    assert result.exit_code == 0
    assert "warning  it is sample_submission.csv, unchanged\n" in result.output
    assert "sample_submission.csv: valid, 4 rows, 2 warnings" in result.output
    pd.read_csv(guess)[1:].to_csv(tmp_path / "short.csv", index=False)
    result = invoke("check", tmp_path / "short.csv", "--test", sample_dir / "test.csv")
    assert result.exit_code == 1
    assert "error    submission lacks ids: 1" in result.output
    assert "short.csv: 1 errors, 1 warnings" in result.output
    for other, message in (
        (guess.with_name("SYNTHETIC.txt"), "expected eeg_id in the test table"),
        (tmp_path / "none.csv", "No such file"),
        (tmp_path, "Is a directory"),
    ):
        result = invoke("check", guess, "--test", other)
        assert result.exit_code == 1
        assert message in result.output
        assert "Traceback" not in result.output


def test_download_goes_to_the_checkout(tmp_path, monkeypatch):
    import kagglehub

    def fetch(handle, **_):
        folder = tmp_path / "cache" / handle
        for name in ("train_eegs", "train_spectrograms"):
            (folder / name).mkdir(parents=True)
        (folder / "train.csv").touch()
        return str(folder)

    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(kagglehub, "competition_download", fetch)
    for word in ("Complete", "Already there"):
        result = invoke("download")
        assert result.exit_code == 0, result.output
        assert f"{word}: {paths.find_data_dir().path}" in result.output


@pytest.mark.parametrize("error", [PermissionError("not authenticated"), TimeoutError()])
def test_download_that_fails_says_what_is_needed(tmp_path, monkeypatch, error):
    import kagglehub

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(kagglehub, "competition_download", fail)
    result = invoke("download", "--out", tmp_path / "data")
    assert result.exit_code == 1
    for words in (type(error).__name__, "accepted the rules", "API token", "26 GB"):
        assert words in result.output
