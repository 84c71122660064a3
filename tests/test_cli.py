import os
import shutil
import subprocess
import sys

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hms_utils import paths
from hms_utils.cli import main
from hms_utils.constants import EEG_COLUMNS, PREDICTION_COLUMNS
from hms_utils.eeg import load_metadata, read_eeg


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_import_is_light_and_leaves_nothing(tmp_path):
    code = (
        "import sys, hms_utils, hms_utils.cli, hms_utils.scores, hms_utils.images, "
        "hms_utils.plots, hms_utils.answers; "
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
        "run",
        "--data-dir",
        sample_dir,
        "--output-dir",
        tmp_path,
        "--only",
        "02",
        "--scheduler",
        "udp://nobody:1",
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
    (tmp_path / "other.csv").write_text("id,patient_id\n1,2\n", encoding="utf-8")
    for other, message in (
        (guess.with_name("SYNTHETIC.txt"), "expected a CSV table"),
        (tmp_path / "other.csv", "expected eeg_id in the test table"),
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


@pytest.fixture(scope="module")
def recordings(sample_dir, write_edf, tmp_path_factory):
    """One recording as parquet and as EDF, and files that cannot be predicted."""
    folder = tmp_path_factory.mktemp("recordings")
    path = sorted((sample_dir / "test_eegs").iterdir())[0]
    eeg = read_eeg(path)
    (folder / "good.parquet").write_bytes(path.read_bytes())
    write_edf(folder / "clinic.edf", eeg, sfreq=256)
    (folder / "text.edf").write_text("no EEG")
    names = ["EKG" if name == "EKG" else "" for name in EEG_COLUMNS]
    write_edf(folder / "ekg.edf", eeg, names=names)
    few = [name if name in ("Fp1", "O1", "Cz") else "" for name in EEG_COLUMNS]
    write_edf(folder / "few.edf", eeg, names=few)
    write_edf(folder / "short.edf", eeg[:8000])
    write_edf(folder / "flat.edf", eeg * 0)
    write_edf(folder / "unit.edf", eeg, unit="mV")
    write_edf(folder / "loud.edf", eeg * 10, names=[f"{name}-CLE" for name in EEG_COLUMNS])
    return folder


def probabilities(folder, stem):
    return pd.read_csv(folder / f"{stem}_probabilities.csv", comment="#")[list(PREDICTION_COLUMNS)]


def test_predict_writes_the_same_for_a_clinical_file(recordings, models_dir, tmp_path):
    files = [recordings / "good.parquet", recordings / "clinic.edf"]
    result = invoke("predict", *files, "--models", models_dir, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "Research use only, not a medical device."
    assert "SYNTHETIC" in lines[1]
    for stem in ("good", "clinic"):
        for name in ("probabilities.csv", "annotations.edf", "course.png"):
            assert f"  {tmp_path / stem}_{name}" in lines
            assert (tmp_path / f"{stem}_{name}").is_file()
    good, clinic = (probabilities(tmp_path, stem) for stem in ("good", "clinic"))
    np.testing.assert_allclose(clinic, good, atol=0.02)


def test_predict_goes_on_after_bad_files_and_fails_in_the_end(recordings, models_dir, tmp_path):
    names = ("none", "text", "ekg", "few", "short", "flat", "unit", "clinic")
    files = [recordings / f"{name}.edf" for name in names]
    result = invoke("predict", *files, "--models", models_dir, "--out", tmp_path)
    assert result.exit_code == 1
    for name, reason in (
        ("none.edf", "found no such file"),
        ("text.edf", "expected EDF, found a file without its header"),
        ("ekg.edf", "expected electrodes such as Fp1, found 1 channels: EKG"),
        ("few.edf", "expected the electrodes of four chains, missing ['F3',"),
        ("short.edf", "expected 50 s or more, found 40 s"),
        ("flat.edf", "expected a signal in 8 of 16 differences, found it in none"),
        ("unit.edf", "expected EEG in microvolts, 3 to 65 µV as usual from 1 to 20 Hz, found "),
    ):
        line = next(
            line for line in result.output.splitlines() if f"/{name}: " in line and "Failed" in line
        )
        assert line.startswith(f"Failed: {recordings / name}: ")
        assert reason in line
    assert "Error: 7 of 8 files failed" in result.output
    assert sorted(path.name.split("_")[0] for path in tmp_path.iterdir()) == ["clinic"] * 3


def test_what_is_odd_is_said_beside_the_answer(recordings, models_dir, tmp_path):
    for command, *file in (("predict",), ("card", "--eeg")):
        out = tmp_path / command / "a.png" if command == "card" else tmp_path / command
        given = (*file, recordings / "loud.edf", "--models", models_dir, "--out", out)
        result = invoke(command, *given)
        assert result.exit_code == 0, result.output
        (line,) = [line for line in result.output.splitlines() if "loud.edf: 50 s" in line]
        assert ", reference CLE, unusual amplitude: expected 3 to 65 µV as usual from" in line


def test_predict_takes_a_given_spectrogram(sample_dir, models_dir, tmp_path):
    row = load_metadata(sample_dir, "test").iloc[0]
    eeg = sample_dir / "test_eegs" / f"{row.eeg_id}.parquet"
    given = sample_dir / "test_spectrograms" / f"{row.spectrogram_id}.parquet"
    for folder, more in (("with", ["--spectrogram", given]), ("without", [])):
        result = invoke("predict", eeg, "--models", models_dir, "--out", tmp_path / folder, *more)
        assert result.exit_code == 0, result.output
    first, second = (probabilities(tmp_path / name, row.eeg_id) for name in ("with", "without"))
    assert np.abs(first - second).to_numpy().max() > 0.001  # ten minutes are not 50 s


def test_predict_by_another_engine_is_the_same(recordings, models_dir, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    shutil.copytree(models_dir, tmp_path / "models")
    command = ["predict", recordings / "good.parquet", "--models", tmp_path / "models"]
    for engine in ("tensorflow", "onnx"):
        result = invoke(*command, "--engine", engine, "--out", tmp_path / engine)
        assert result.exit_code == 0, result.output
    first, second = (probabilities(tmp_path / name, "good") for name in ("tensorflow", "onnx"))
    pd.testing.assert_frame_equal(first, second, atol=1e-4, rtol=0)
    result = invoke(*command, "--engine", "torch")
    assert result.exit_code == 1
    assert "expected an engine of ('tensorflow', 'onnx'), found 'torch'" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE...'"),
        (["a.edf", "b.edf", "--spectrogram", "s.parquet"], "--spectrogram belongs to one FILE"),
        (["x/a.edf", "y/a.parquet"], "named after their files, found ['a'] several times"),
        (["a.edf", "--step", "half"], "'half' is not a valid integer"),
    ],
)
def test_predict_refuses_what_makes_no_sense(arguments, message):
    result = invoke("predict", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_predict_without_models_says_which_notebook_makes_them(recordings, tmp_path):
    result = invoke("predict", recordings / "good.parquet", "--models", tmp_path)
    assert result.exit_code == 1
    assert "blend.json is missing: run notebooks/05_comparison.ipynb first" in result.output


def test_card_is_drawn_with_and_without_models(recordings, models_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    result = invoke("card", "--eeg", recordings / "clinic.edf", "--votes", "3,0,1,0,0,8")
    assert result.exit_code == 0, result.output
    assert f"No prediction: no trained models in {tmp_path}/outputs" in result.output
    picture = tmp_path / "outputs" / "predictions" / "clinic_card.png"
    assert matplotlib.image.imread(picture).shape == (1000, 1400, 4)
    result = invoke(
        "card",
        "--eeg",
        recordings / "good.parquet",
        "--at",
        25,
        "--models",
        models_dir,
        "--out",
        tmp_path / "new" / "card.png",
    )
    assert result.exit_code == 0, result.output
    assert "Seizure 0." in result.output
    assert "Research use only, not a medical device." in result.output
    assert (tmp_path / "new" / "card.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eeg", "good.parquet", "--at", "26"], "expected a centre from 25 to 25 s, found 26 s"),
        (["--eeg", "good.parquet", "--votes", "1,2"], "expected votes for Seizure, LPD"),
        (["--eeg", "good.parquet", "--models", "none"], "none/blend.json is missing"),
        (["--eeg", "text.edf"], "expected EDF, found a file without its header"),
        (["--eeg", "unit.edf"], "unit.edf: expected EEG in microvolts, 3 to 65 µV as usual"),
    ],
)
def test_card_refuses_in_one_line(recordings, monkeypatch, arguments, message):
    monkeypatch.chdir(recordings)
    result = invoke("card", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp932"])
def test_a_redirected_output_may_lack_letters(sample_dir, tmp_path, encoding):
    command = [sys.executable, "-m", "hms_utils", "check", tmp_path / "größe_脳波_данные.csv"]
    done = subprocess.run(
        [*command, "--test", sample_dir / "test.csv"], cwd=paths.REPOSITORY, capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b""
    assert b"_" in done.stdout.splitlines()[-1]
    assert done.stdout.splitlines()[-1].endswith(b".csv: 1 errors, 0 warnings")
