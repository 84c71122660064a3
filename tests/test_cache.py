import shutil

import numpy as np
import pandas as pd
import pytest

from hms_utils import cache, data, paths, spectrograms
from hms_utils.constants import VOTE_COLUMNS


@pytest.fixture(scope="module")
def windows(sample_dir):
    return cache.select_windows(data.load_metadata(sample_dir, "train")).head(6)


def test_select_windows_takes_the_middle_of_equal_votes(sample_dir):
    metadata = data.load_metadata(sample_dir, "train")
    windows = cache.select_windows(metadata)
    assert not windows.duplicated(["eeg_id", *VOTE_COLUMNS]).any()
    assert len(windows) == len(metadata.drop_duplicates(["eeg_id", *VOTE_COLUMNS]))
    assert (windows.n_votes == windows[list(VOTE_COLUMNS)].sum(axis=1)).all()

    template = metadata.iloc[[0] * 5].assign(eeg_label_offset_seconds=[0.0, 2.0, 4.0, 6.0, 8.0])
    assert cache.select_windows(template).eeg_label_offset_seconds.tolist() == [4.0]


def test_select_windows_draws_patients(sample_dir):
    metadata = data.load_metadata(sample_dir, "train")
    few = cache.select_windows(metadata, max_patients=3, seed=5)
    assert few.patient_id.nunique() == 3
    pd.testing.assert_frame_equal(few, cache.select_windows(metadata, max_patients=3, seed=5))


def test_build_draws_each_window(sample_dir, windows, tmp_path):
    folder = cache.build(windows, sample_dir, tmp_path, "train", reduce=2, n_jobs=2)
    images, index = cache.load(folder)
    pd.testing.assert_frame_equal(index, windows)
    for number, row in enumerate(windows.itertuples()):
        eeg = data.read_eeg(sample_dir / "train_eegs" / f"{row.eeg_id}.parquet")
        start = int(row.eeg_label_offset_seconds * 200)
        expected = spectrograms.eeg_image(eeg[start : start + 10_000])
        np.testing.assert_array_equal(images[0][number], spectrograms.reduce_image(expected, 2))
        path = sample_dir / "train_spectrograms" / f"{row.spectrogram_id}.parquet"
        start = int(row.spectrogram_label_offset_seconds / 2)
        expected = spectrograms.spectrogram_image(data.read_spectrogram(path)[start : start + 300])
        np.testing.assert_array_equal(images[1][number], spectrograms.reduce_image(expected, 2))


def test_second_build_does_nothing_and_a_changed_file_is_drawn_again(
    sample_dir, windows, tmp_path, monkeypatch, capsys
):
    copy = tmp_path / "data"
    shutil.copytree(sample_dir, copy)
    cache.build(windows, copy, tmp_path, "train", reduce=4, n_jobs=1)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_draw", lambda *_: pytest.fail("drawn again"))
        cache.build(windows, copy, tmp_path, "train", reduce=4, n_jobs=1)
        assert "up to date" in capsys.readouterr().out
    drawn = []
    draw = cache._draw
    monkeypatch.setattr(cache, "_draw", lambda *a: drawn.append(a[2].eeg_id.iloc[0]) or draw(*a))
    path = copy / "train_eegs" / f"{windows.eeg_id[0]}.parquet"
    path.touch()
    cache.build(windows, copy, tmp_path, "train", reduce=4, n_jobs=1)
    assert drawn == [windows.eeg_id[0]]
    cache.build(windows, copy, tmp_path, "train", reduce=8, n_jobs=1)
    assert len(drawn) == 1 + windows.eeg_id.nunique()


def test_interrupted_build_goes_on_where_it_stopped(sample_dir, windows, tmp_path, monkeypatch):
    draw, drawn = cache._draw, []

    def interrupt(data_dir, split, rows, reduce):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(rows.eeg_id.iloc[0])
        return draw(data_dir, split, rows, reduce)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_draw", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cache.build(windows, sample_dir, tmp_path / "a", "train", reduce=4, n_jobs=1)
    with pytest.raises(FileNotFoundError, match="02_spectrograms"):
        cache.load(tmp_path / "a" / "spectrograms" / "train")
    first = list(drawn)
    monkeypatch.setattr(cache, "_draw", lambda *a: drawn.append(a[2].eeg_id.iloc[0]) or draw(*a))
    resumed = cache.build(windows, sample_dir, tmp_path / "a", "train", reduce=4, n_jobs=1)
    assert sorted(drawn) == sorted(windows.eeg_id.unique())
    assert drawn[:2] == first
    whole = cache.build(windows, sample_dir, tmp_path / "b", "train", reduce=4, n_jobs=1)
    for view in cache.VIEWS:
        assert (resumed / f"{view}.npy").read_bytes() == (whole / f"{view}.npy").read_bytes()


def test_interruption_at_the_very_end_is_survived(sample_dir, windows, tmp_path, monkeypatch):
    cache.build(windows[:2], sample_dir, tmp_path, "train", reduce=8, n_jobs=1)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_remove", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cache.build(windows, sample_dir, tmp_path, "train", reduce=8, n_jobs=1)
    _, index = cache.load(cache.build(windows, sample_dir, tmp_path, "train", reduce=8, n_jobs=1))
    assert len(index) == len(windows)


def test_source_is_the_folder_that_was_named_last(sample_dir, windows, tmp_path):
    folder = cache.build(windows[:1], sample_dir, tmp_path, "train", reduce=8, n_jobs=1)
    (tmp_path / "moved").symlink_to(sample_dir)
    cache.build(windows[:1], tmp_path / "moved", tmp_path, "train", reduce=8, n_jobs=1)
    source = paths.read_json(folder / "source.json")
    assert source == {"data": str(tmp_path / "moved"), "synthetic": True}


def test_bad_recordings_are_refused_by_name(sample_dir, windows, tmp_path):
    beyond = windows.assign(eeg_label_offset_seconds=1000.0)
    with pytest.raises(ValueError, match=rf"train_eegs/{windows.eeg_id[0]}.*expected 1050 s"):
        cache.build(beyond, sample_dir, tmp_path, "train", n_jobs=1)
    unknown = windows.assign(eeg_id=7)
    with pytest.raises(FileNotFoundError, match=r"train_eegs/7\.parquet"):
        cache.build(unknown, sample_dir, tmp_path, "train", n_jobs=2)
    with pytest.raises(ValueError, match="reduce to be 1, 2, 4 or 8, found 3"):
        cache.build(windows, sample_dir, tmp_path, "train", reduce=3)
    assert not (tmp_path / "spectrograms" / "train").exists()


@pytest.mark.real_data
def test_real_recordings_become_images(real_dir, tmp_path):
    windows = cache.select_windows(data.load_metadata(real_dir, "test"))
    images, index = cache.load(cache.build(windows, real_dir, tmp_path, "test", n_jobs=2))
    assert len(index) == 6
    assert all(view.shape == (6, 4, 128, 256) for view in images)
    assert all(view.std(axis=(1, 2, 3)).min() > 1 for view in images)
