import errno
import shutil

import pandas as pd
import pytest

from hms_utils import paths


def make_data(folder):
    folder.mkdir(parents=True)
    (folder / "train.csv").touch()
    (folder / "train_eegs").mkdir()
    (folder / "train_spectrograms").mkdir()
    return folder


def test_argument_wins_over_environment(tmp_path, monkeypatch):
    first, second = make_data(tmp_path / "a"), make_data(tmp_path / "b")
    monkeypatch.setenv("HMS_DATA_DIR", str(second))
    assert paths.find_data_dir(first).path == first
    found = paths.find_data_dir()
    assert found.path == second
    assert "HMS_DATA_DIR" in found.reason


def test_kaggle_mount_is_searched_in_subfolders(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "KAGGLE_INPUT", tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train.csv").touch()  # another data set's table
    folder = make_data(tmp_path / "competitions" / "hms")
    found = paths.find_data_dir()
    assert found.path == folder
    assert "Kaggle" in found.reason


def test_data_folder_of_the_checkout_is_the_last_place(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    (tmp_path / "notebooks").mkdir()
    assert paths.find_data_dir() is None
    (tmp_path / "data" / "hms-harmful-brain-activity-classification").mkdir(parents=True)
    assert paths.find_data_dir() is None  # of a download that has not begun
    shutil.rmtree(tmp_path / "data")
    folder = make_data(tmp_path / "data" / "hms-harmful-brain-activity-classification")
    assert paths.find_data_dir().path == folder


@pytest.mark.parametrize("kind", ["train_eegs", "train_spectrograms"])
def test_eegs_or_spectrograms_are_enough(tmp_path, kind):
    (make_data(tmp_path / "a") / kind).rmdir()
    assert paths.find_data_dir(tmp_path / "a").path == tmp_path / "a"
    (tmp_path / "a" / "train.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks train\.csv$"):
        paths.find_data_dir(tmp_path / "a")


@pytest.mark.parametrize("by_environment", [False, True])
def test_folder_that_was_asked_for_is_never_replaced(tmp_path, monkeypatch, by_environment):
    missing = tmp_path / "nothing"
    if by_environment:
        monkeypatch.setenv("HMS_DATA_DIR", str(missing))
    with pytest.raises(FileNotFoundError, match=r"nothing.*no such folder"):
        paths.find_data_dir(None if by_environment else missing)
    missing.mkdir()
    (missing / "train.csv").touch()
    with pytest.raises(FileNotFoundError, match=r"lacks train_eegs, train_spectrograms$"):
        paths.find_data_dir(missing)


def test_output_goes_to_the_checkout_or_to_kaggle(tmp_path, monkeypatch):
    assert paths.find_output_dir() == paths.REPOSITORY / "outputs"
    assert paths.find_output_dir(tmp_path) == tmp_path
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path)
    assert paths.find_output_dir() == tmp_path


def test_require_names_the_notebook(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run notebooks/02_spectrograms\.ipynb first"):
        paths.require(tmp_path / "folds.parquet", "02_spectrograms")


@pytest.mark.parametrize("written", [{}, {"format": 1}, {"format": 999}])
def test_a_record_of_another_version_is_named(tmp_path, written):
    path = tmp_path / "record.json"
    paths.write_record(path, {"a": 1})
    assert paths.read_record(path, "05_comparison") == {"a": 1}
    paths.write_json(path, written | {"a": 1})
    found = written.get("format", 1)
    with pytest.raises(paths.DamagedFileError) as caught:
        paths.read_record(path, "05_comparison")
    assert str(caught.value) == (
        f"{path}: expected what this version of hms_utils writes (format {paths.FORMAT}), found "
        f"another's (format {found}); run notebooks/05_comparison.ipynb again, or use the version "
        "that wrote it"
    )
    with pytest.raises(paths.DamagedFileError, match=r"\); use the version that wrote it$"):
        paths.read_record(path)


def test_replacing_leaves_the_old_file_or_the_whole_new_one(tmp_path):
    path = tmp_path / "new" / "file.json"
    paths.write_json(path, {"a": float("nan")})
    assert paths.read_json(path) == {"a": None}
    paths.write_json(path, {"a": 1})

    def fail():
        with paths.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert paths.read_json(path) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device; [0-9]+ MB are",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded; [0-9]+ MB are"),
        (OSError("66 requested and 36 written"), "no space left; [0-9]+ MB are free in"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system$"),
        (OSError("h5py: errno = 28, error message = 'No space left on device'"), "no space left;"),
    ],
    ids=["disk full", "quota", "disk full, as NumPy says it", "read-only", "disk full, as HDF5"],
)
def test_what_cannot_be_written_is_named_with_what_is_free(tmp_path, error, reason):
    path = tmp_path / "new" / "file.npy"
    words = rf"file\.npy: cannot be written: .*{reason}"
    with (
        pytest.raises(paths.UnwritableError, match=words),
        paths.writing(tmp_path),
        paths.replacing(path),
    ):
        raise error
    assert list(path.parent.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), paths.replacing(tmp_path / "x"):
        raise FileNotFoundError("another file")


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        (b"", pd.read_parquet),
        (b"{", None),
        (b"[1]", None),
        (b"\xff\xfe", None),
        (b"PAR1 and no more", pd.read_parquet),
    ],
    ids=["parquet of no bytes", "JSON cut off", "JSON list", "no UTF-8", "parquet cut off"],
)
def test_a_damaged_file_is_named_and_so_is_who_writes_it(tmp_path, content, reader):
    path = tmp_path / "state"
    path.write_bytes(content)
    expected = r"state: expected a whole file, .* damaged one \(.+\); run notebooks/05_comparison"
    with pytest.raises(paths.DamagedFileError, match=expected):
        if reader:
            paths.read(path, reader, "05_comparison")
        else:
            paths.read_json(path, "05_comparison")


def test_what_cannot_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(OSError, match=r"cannot be read: Is a directory") as error:
        paths.read_json(tmp_path)
    assert not isinstance(error.value, paths.DamagedFileError)
    with pytest.raises(FileNotFoundError, match=r"no\.json is missing: run notebooks/02_spec"):
        paths.read_json(tmp_path / "no.json", "02_spectrograms")
