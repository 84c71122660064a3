import shutil

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


@pytest.mark.parametrize("by_environment", [False, True])
def test_folder_that_was_asked_for_is_never_replaced(tmp_path, monkeypatch, by_environment):
    missing = tmp_path / "nothing"
    if by_environment:
        monkeypatch.setenv("HMS_DATA_DIR", str(missing))
    with pytest.raises(FileNotFoundError, match=r"nothing.*no such folder"):
        paths.find_data_dir(None if by_environment else missing)
    missing.mkdir()
    (missing / "train.csv").touch()
    with pytest.raises(FileNotFoundError, match="lacks train_eegs, train_spectrograms"):
        paths.find_data_dir(missing)


def test_output_goes_to_the_checkout_or_to_kaggle(tmp_path, monkeypatch):
    assert paths.find_output_dir() == paths.REPOSITORY / "outputs"
    assert paths.find_output_dir(tmp_path) == tmp_path
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path)
    assert paths.find_output_dir() == tmp_path


def test_require_names_the_notebook(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run notebooks/02_spectrograms\.ipynb first"):
        paths.require(tmp_path / "folds.parquet", "02_spectrograms")


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
