import numpy as np
import pandas as pd
import pytest

from hms_utils import images
from hms_utils.constants import EEG_COLUMNS, ELECTRODES
from hms_utils.eeg import Recording, describe, load_metadata, open_recording, read_eeg, read_window


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 30, (1_700 * 200, 20)).astype(np.float32)
    return Recording("noise", len(eeg), lambda start, stop: eeg[start:stop])


def test_a_parquet_file_is_read_as_it_is(sample_dir):
    path = next((sample_dir / "test_eegs").iterdir())
    opened = open_recording(str(path))
    np.testing.assert_array_equal(opened.read(0, opened.n_samples), read_eeg(path))
    assert opened.seconds == 50
    assert opened.start is None
    assert describe(opened) == "50 s"


@pytest.fixture
def write_parquet(sample_dir, tmp_path):
    frame = pd.read_parquet(sorted((sample_dir / "test_eegs").iterdir())[0])

    def write(change):
        change(frame).to_parquet(tmp_path / "a.parquet")
        return tmp_path / "a.parquet"

    return write


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_a_parquet_file_in_another_unit_is_refused(write_parquet, scale):
    path = write_parquet(lambda frame: frame * scale)
    with pytest.raises(ValueError, match=r"a\.parquet: expected EEG in microvolts, .* found "):
        open_recording(path)


def test_what_is_odd_in_a_parquet_file_is_noted(write_parquet):
    opened = open_recording(write_parquet(lambda frame: frame * 10))
    assert [note[:30] for note in opened.notes] == ["unusual amplitude: expected 3 "]
    opened = open_recording(write_parquet(lambda frame: frame.assign(Fp1=frame.Fp1 + 5_000)))
    assert opened.notes == ()
    opened = open_recording(write_parquet(lambda frame: frame.assign(T3=None, Cz=np.nan)))
    assert opened.notes == ("without T3, Cz, which count as gaps",)
    opened = open_recording(write_parquet(lambda frame: frame.replace(frame.Fp1[7], np.inf)))
    assert opened.notes == ("infinite values, taken as missing",)
    assert np.isnan(opened.read(7, 8)[0, 0])


def test_a_parquet_file_without_a_chain_is_refused(write_parquet):
    path = write_parquet(lambda frame: frame.assign(F7=np.nan, T3=np.nan))
    message = (
        r"a\.parquet: expected the electrodes of four chains, missing \['F7', 'T3'\]: LL keeps 1 of"
    )
    with pytest.raises(ValueError, match=message):
        open_recording(path)


@pytest.mark.parametrize("value", [-32768, 9999, 0])
def test_one_value_in_all_electrodes_of_a_parquet_file_is_a_gap(write_parquet, value):
    blank = np.r_[2000:2600, 4000:4020]

    def put(frame, columns):
        frame = frame.copy()
        frame.loc[frame.index[blank], columns] = value
        return frame

    opened = open_recording(write_parquet(lambda frame: put(frame, list(ELECTRODES))))
    missing = np.isnan(opened.read(0, opened.n_samples))[:, :19]
    assert missing[blank].all() and not missing[2600:4000].all(axis=1).any()
    note = "all electrodes at one value for 3.1 s of the 50 s that were looked at, taken as missing"
    assert opened.notes == (note,)
    opened = open_recording(write_parquet(lambda frame: put(frame, ["T3"])))
    missing = np.isnan(opened.read(0, opened.n_samples))[:, 5]
    assert missing[2000:2600].all() == (value != 0)
    assert not missing[2600:].any()
    opened = open_recording(write_parquet(lambda frame: frame.assign(T3=value)))
    assert opened.notes == (("without T3, which count as gaps",) if value else ())


@pytest.mark.parametrize("name", ["none.parquet", "none.edf"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=rf"{name}: expected a recording, found no such"):
        open_recording(tmp_path / name)


@pytest.mark.parametrize("name", ["notes.txt", "EEG"])
def test_other_files_are_refused_by_their_names(tmp_path, name):
    (tmp_path / name).write_text("Fp1 F3")
    with pytest.raises(ValueError, match=rf"{name}: expected a \.parquet, \.edf or \.bdf"):
        open_recording(tmp_path / name)


def test_less_than_a_window_is_refused(sample_dir, write_edf, tmp_path):
    short = read_eeg(next((sample_dir / "test_eegs").iterdir()))[:8000]
    pd.DataFrame(short, columns=list(EEG_COLUMNS)).to_parquet(tmp_path / "a.parquet")
    for path in (tmp_path / "a.parquet", write_edf(tmp_path / "a.edf", short)):
        with pytest.raises(ValueError, match="expected 50 s or more, found 40 s"):
            open_recording(path)


def test_windows_lie_within_the_recording(noise):
    window = read_window(noise, 12.5)
    np.testing.assert_array_equal(window, noise.read(2500, 12_500))
    for start in (-5, 1651):
        with pytest.raises(ValueError, match=r"noise: expected a centre from 25 to 1675 s, found"):
            read_window(noise, start)


@pytest.mark.parametrize("start", [0, 6, 700, 701.5, 1650])
def test_the_spectrogram_is_cut_out_of_that_of_the_whole(noise, start):
    whole_recording = noise.read(0, noise.n_samples)
    # Rows are 2 s apart: begin where one of them does.
    offset = round((start * 200) % 400)
    whole = images.competition_spectrogram(whole_recording[offset:])
    first = round((start - 276) / 2 - offset / 400)  # row of the window's first
    expected = np.full((300, 400), np.nan, np.float32)
    rows = np.arange(first, first + 300)
    held = (rows >= 0) & (rows < len(whole))
    expected[held] = whole[rows[held]]
    # The filter begins elsewhere, which its first seconds show.
    held[:12] = False
    found = images.long_spectrogram(noise, start)
    assert (np.isnan(found) == np.isnan(expected)).all()
    np.testing.assert_allclose(found[held], expected[held], rtol=2e-3)


def test_rows_of_a_night_are_those_of_its_windows(noise):
    night = images.long_spectrogram(noise, 0, images.n_long_rows(noise))
    assert len(night) == 300 + 1650 // 2
    for start in (0, 300, 1600, 1650):
        window = images.long_spectrogram(noise, start)
        np.testing.assert_allclose(night[start // 2 :][:300], window, rtol=2e-3)


def test_a_burst_stands_where_it_was(noise):
    quiet = noise.read(0, 60 * 200) * 0.01
    quiet[33 * 200 : 34 * 200] *= 10_000  # around second 33.5 of the recording
    burst = Recording("burst", len(quiet), lambda start, stop: quiet[start:stop])
    for start in (0, 4, 10):
        rows = images.long_spectrogram(burst, start)
        power = np.nan_to_num(rows).sum(axis=1)
        largest = np.flatnonzero(power > 0.5 * power.max())
        # Row k is centred at second 2k + 1, on whose clock the window begins at 275.
        assert abs((2 * largest + 1).mean() - (33.5 - start + 275)) < 1


def test_a_given_spectrogram_is_that_of_the_recording(sample_dir):
    test = load_metadata(sample_dir, "test")
    for row in test.itertuples():
        opened = open_recording(sample_dir / "test_eegs" / f"{row.eeg_id}.parquet")
        path = sample_dir / "test_spectrograms" / f"{row.spectrogram_id}.parquet"
        given, own = images.read_long_spectrogram(path, opened), images.long_spectrogram(opened)
        known = np.isfinite(own[:, 0]) & np.isfinite(given[:, 0])
        assert known.sum() >= 20
        inner = np.flatnonzero(known)[5:-5]  # the filter of the given one had more around it
        assert np.median(np.abs(own[inner] - given[inner]) / (given[inner] + 1e-9)) < 0.02


def test_a_spectrogram_of_another_recording_is_refused(sample_dir, tmp_path):
    test = load_metadata(sample_dir, "test").iloc[0]
    opened = open_recording(sample_dir / "test_eegs" / f"{test.eeg_id}.parquet")
    path = sample_dir / "test_spectrograms" / f"{test.spectrogram_id}.parquet"
    pd.read_parquet(path)[:299].to_parquet(tmp_path / "short.parquet")
    with pytest.raises(ValueError, match=r"short\.parquet: expected 300 rows .* found 299"):
        images.read_long_spectrogram(tmp_path / "short.parquet", opened)
