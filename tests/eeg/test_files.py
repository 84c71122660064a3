import decimal
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hms_utils.constants import EEG_COLUMNS, SPECTROGRAM_COLUMNS, VOTE_COLUMNS
from hms_utils.eeg import (
    TEST_COLUMNS,
    TRAIN_COLUMNS,
    clearest,
    cut,
    find_examples,
    load_metadata,
    read_eeg,
    read_label_window,
    read_spectrogram,
    survey,
    vote_shares,
    with_files,
    write_eeg,
)


@pytest.fixture
def table(sample_dir):
    return pd.read_csv(sample_dir / "train.csv")


def test_sample_has_the_competitions_columns_and_types(sample_dir):
    train = load_metadata(sample_dir, "train")
    assert tuple(train.columns) == TRAIN_COLUMNS
    assert train.eeg_label_offset_seconds.dtype == np.float64
    assert all(train[name].dtype == np.int64 for name in ("eeg_id", "label_id", *VOTE_COLUMNS))
    assert tuple(load_metadata(sample_dir, "test").columns) == TEST_COLUMNS


def test_clearest_row_has_agreement_of_many():
    votes = pd.DataFrame(0, index=range(4, 8), columns=list(VOTE_COLUMNS))
    votes["lpd_vote"], votes["other_vote"] = [3, 13, 14, 0], [0, 1, 14, 20]
    votes["n_votes"] = votes.sum(axis=1)
    assert clearest(votes, ["LPD", "LRDA"]) == 1
    assert clearest(votes, ["Other"]) == 3
    assert clearest(votes, ["GPD"]) == 3  # nobody saw one, so it is any class


def test_missing_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"test\.csv"):
        load_metadata(tmp_path, "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="lpd_vote"), r"missing \['lpd_vote'\]"),
        (lambda t: t.iloc[:0], "at least one row"),
        (lambda t: t.assign(gpd_vote="many"), "numbers in gpd_vote"),
        (lambda t: t.assign(patient_id=np.nan), "no gaps in patient_id"),
        (lambda t: t.assign(other_vote=-1), "whole votes of zero"),
        (lambda t: t.assign(other_vote=0.5), "whole votes of zero"),
        (lambda t: t.assign(other_vote=t.lpd_vote > 0), "numbers in other_vote"),
        (lambda t: pd.concat([t, t[["lpd_vote"]]], axis=1), r"once, found \['lpd_vote'\] again"),
        (lambda t: t.assign(patient_id=range(len(t))), "one patient for each eeg_id"),
        (lambda t: t.assign(spectrogram_id=7), "one patient for each spectrogram_id"),
        (lambda t: t.assign(eeg_id="1.63E+09"), r"whole numbers in eeg_id, found 1.63E\+09"),
        (lambda t: t.assign(**dict.fromkeys(VOTE_COLUMNS, 0)), "whole votes of zero"),
    ],
)
def test_bad_train_table_is_refused_by_name(table, tmp_path, change, message):
    change(table).to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "train_spectrograms").mkdir()
    (tmp_path / "train_spectrograms" / "7.parquet").touch()
    with pytest.raises(ValueError, match=rf"train\.csv: expected .*{message}"):
        load_metadata(tmp_path, "train")


def test_patients_may_share_the_id_of_a_spectrogram_that_is_not_there(table, tmp_path):
    table.assign(spectrogram_id=7).to_csv(tmp_path / "train.csv", index=False)
    assert (load_metadata(tmp_path, "train").spectrogram_id == 7).all()


def test_exponents_with_all_digits_are_read(table, tmp_path):
    table.assign(eeg_id=table.eeg_id.map("{:.9e}".format)).to_csv(tmp_path / "train.csv")
    assert load_metadata(tmp_path, "train").eeg_id.equals(table.eeg_id)


def test_empty_file_and_repeated_test_ids_are_refused(sample_dir, tmp_path):
    (tmp_path / "train.csv").touch()
    with pytest.raises(ValueError, match="CSV table"):
        load_metadata(tmp_path, "train")
    test = pd.read_csv(sample_dir / "test.csv")
    pd.concat([test, test[:1]]).to_csv(tmp_path / "test.csv", index=False)
    pd.testing.assert_frame_equal(load_metadata(tmp_path, "test"), test)  # each counts once
    again = test[:1].assign(patient_id=-1)
    pd.concat([test, again]).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(ValueError, match="one row per eeg_id"):
        load_metadata(tmp_path, "test")


def test_vote_shares_add_to_one(table):
    shares = vote_shares(table)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


def write_columns(path, **changes):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 20)).astype(np.float32), columns=list(EEG_COLUMNS))
    frame = frame.assign(**changes)
    frame.to_parquet(path)
    return frame


def test_read_eeg_orders_columns_and_keeps_gaps(tmp_path):
    path = tmp_path / "1.parquet"
    frame = write_columns(path)
    frame.loc[3, "T3"] = np.nan
    frame[list(EEG_COLUMNS[::-1])].to_parquet(path)
    eeg = read_eeg(path)
    assert eeg.dtype == np.float32
    np.testing.assert_array_equal(eeg, frame.to_numpy())


def test_damaged_eegs_are_refused_by_name(tmp_path):
    path = tmp_path / "1.parquet"
    with pytest.raises(FileNotFoundError, match=r"1\.parquet"):
        read_eeg(path)
    frame = write_columns(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"1\.parquet: expected a whole parquet file"):
        read_eeg(path)
    frame.drop(columns=["T3", "EKG"]).to_parquet(path)
    with pytest.raises(ValueError, match=r"expected 20 channels, missing \['T3', 'EKG'\]"):
        read_eeg(path)
    write_columns(path, Cz="text")
    with pytest.raises(ValueError, match="numbers in Cz"):
        read_eeg(path)


def test_eegs_of_other_programs_are_read(tmp_path):
    path = tmp_path / "1.parquet"
    frame = write_columns(path)
    other = {"Fp1": "FP1", "Fz": "fz", "T3": "T7", "T4": "t8", "T5": "P7", "T6": "P8", "EKG": "ekg"}
    frame.rename(columns=other).to_parquet(path)
    np.testing.assert_array_equal(read_eeg(path), frame)
    # Exact names come before others.
    frame.assign(T7=0.0).to_parquet(path)
    np.testing.assert_array_equal(read_eeg(path), frame)
    frame.drop(columns="EKG").to_parquet(path)
    read = read_eeg(path)
    np.testing.assert_array_equal(read[:, :19], frame.to_numpy()[:, :19])
    assert np.isnan(read[:, 19]).all()
    frame.rename(columns={"T3": "T7"}).assign(t3=0.0).to_parquet(path)
    with pytest.raises(ValueError, match=r"expected one column for T3, found \['T7', 't3'\]"):
        read_eeg(path)


@pytest.mark.parametrize(
    "kind",
    [
        pa.decimal128(12, 4),
        pa.decimal256(40, 2),
        pa.float16(),
        pa.float64(),
        pa.int16(),
        pa.int64(),
    ],
)
def test_numbers_of_any_kind_are_read(tmp_path, kind):
    values = [decimal.Decimal(n) for n in range(-50, 50)]
    column = pa.array(np.arange(-50, 50).astype(np.float16) if kind == pa.float16() else values)
    table = pa.table({name: column.cast(kind) for name in EEG_COLUMNS})
    pq.write_table(table, tmp_path / "1.parquet")
    expected = np.arange(-50, 50, dtype=np.float32)[:, None].repeat(20, axis=1)
    np.testing.assert_array_equal(read_eeg(tmp_path / "1.parquet"), expected)
    null = table.set_column(3, "P3", pa.nulls(100))
    gaps = null.set_column(4, "F7", pa.concat_arrays([pa.nulls(1, kind), column.cast(kind)[1:]]))
    pq.write_table(gaps, tmp_path / "1.parquet")
    read = read_eeg(tmp_path / "1.parquet")
    assert np.isnan(read[:, 3]).all()
    assert np.isnan(read).sum() == 101
    np.testing.assert_array_equal(read[1:, 4:], expected[1:, 4:])


PLACES = np.arange(400)
CLOCK = pd.date_range("2021-03-04 23:59:59", periods=401, freq="5ms")


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("time", PLACES * 5),
        ("time", PLACES / 200 + 7),
        ("Time (s)", PLACES // 200),
        ("time_us", PLACES * 5_000),
        ("timestamp", 1_614_899_999_000 + PLACES * 5),
        ("timestamp", CLOCK[:400].floor("s")),
        ("sample", PLACES + 1),
        ("Unnamed: 0", PLACES[::-1]),
        ("index", PLACES.astype(float)),
        ("sample", PLACES[::-1].astype(np.uint16)),
        ("sample", PLACES % 150),
        ("time", CLOCK[:400].strftime("%H:%M:%S.%f")),
        ("datetime", CLOCK[:400].strftime("%d.%m.%Y %H:%M:%S.%f")),
        ("time", (PLACES * 5).astype(str)),
        ("time", "unknown"),
        ("sample_id", 17),
        ("T9", PLACES % 7),
        ("sample quality", PLACES % 3),
        ("sfreq", 200),
    ],
)
def test_times_of_the_rate_are_fine(tmp_path, name, times):
    path = tmp_path / "1.parquet"
    frame = write_columns(path, **{name: times})
    np.testing.assert_array_equal(read_eeg(path), frame[list(EEG_COLUMNS)])
    frame.set_index(name).to_parquet(path)
    np.testing.assert_array_equal(read_eeg(path), frame[list(EEG_COLUMNS)])


BREAK = PLACES + (PLACES > 100)


@pytest.mark.parametrize(
    ("name", "times", "message"),
    [
        ("time", PLACES * 4, "expected a sample every 5 ms, found a step of 4 ms in time"),
        ("time", PLACES, "found a step of 1 ms in time"),
        ("time_ms", PLACES, "found a step of 1 ms in time_ms"),
        ("Time [ms]", PLACES / 0.256, r"found a step of 3\.906 ms in Time \[ms\]"),
        ("time", (PLACES / 0.256).astype(int), "found a step of 3 ms in time"),
        ("milliseconds", BREAK * 5, "found a step of 10 ms in milliseconds"),
        ("seconds", PLACES // 50, "found a step of 17.54 ms in seconds"),
        ("timestamp", CLOCK[PLACES // 2 * 2], "found a step of 0 ms in timestamp"),
        ("sample", PLACES * 2, "expected all samples, found a step of 2 in sample"),
        ("sample", BREAK, "expected all samples, found a step of 2 in sample"),
        ("Unnamed: 0", np.roll(PLACES, 5), "found a step of -399 in Unnamed: 0"),
        ("time", CLOCK[BREAK].strftime("%H:%M:%S.%f"), "found a step of 10 ms in time"),
        ("time", (PLACES * 4).astype(str), "found a step of 4 ms in time"),
        ("sfreq", 256, "expected 200 Hz, found 256 in sfreq"),
        ("Sampling rate (Hz)", "500", "expected 200 Hz, found 500 in Sampling rate"),
    ],
)
def test_times_of_another_rate_are_refused(tmp_path, name, times, message):
    path = tmp_path / "1.parquet"
    times = np.resize(times, 400) if np.ndim(times) else times
    frame = write_columns(path, **{name: times})
    with pytest.raises(ValueError, match=rf"1\.parquet: .*{message}"):
        read_eeg(path)
    frame.set_index(name).to_parquet(path)
    with pytest.raises(ValueError, match=rf"1\.parquet: .*{message}"):
        read_eeg(path)


def test_every_second_row_and_a_rate_beside_the_columns_are_refused(tmp_path):
    path = tmp_path / "1.parquet"
    frame = write_columns(path)
    frame[::2].to_parquet(path)
    with pytest.raises(ValueError, match="expected all samples, found a step of 2 in index"):
        read_eeg(path)
    frame[100:].to_parquet(path)
    assert len(read_eeg(path)) == 300
    frame.attrs["sfreq"] = 256.0
    frame.to_parquet(path)
    with pytest.raises(ValueError, match="expected 200 Hz, found 256 in sfreq"):
        read_eeg(path)


def test_read_spectrogram(tmp_path):
    path = tmp_path / "2.parquet"
    values = np.random.default_rng(0).random((5, 400), np.float32)
    frame = pd.DataFrame(values, columns=list(SPECTROGRAM_COLUMNS))
    frame.insert(0, "time", np.arange(1, 11, 2, dtype=np.int16))
    frame[frame.columns[::-1]].to_parquet(path)
    np.testing.assert_array_equal(read_spectrogram(path), values)

    frame.assign(time=[1, 3, 5, 9, 11]).to_parquet(path)
    with pytest.raises(ValueError, match=r"2\.parquet: expected time 1, 3, 5, …, found 9 in row 3"):
        read_spectrogram(path)
    frame.drop(columns=frame.columns[10:20]).to_parquet(path)
    with pytest.raises(ValueError, match=r"expected 401 columns, missing .* and 5 more"):
        read_spectrogram(path)


@pytest.mark.real_data
def test_real_files_can_be_read(real_dir):
    train = load_metadata(real_dir, "train")
    row = train.iloc[0]
    assert read_eeg(real_dir / "train_eegs" / f"{row.eeg_id}.parquet").shape == (10_000, 20)
    path = real_dir / "train_spectrograms" / f"{row.spectrogram_id}.parquet"
    assert read_spectrogram(path).shape == (300, 400)


@pytest.mark.parametrize("start", [0, 0.29, 1.005, 1.1, 2.3, 17.29, 49.99])
def test_a_window_begins_at_its_sample_and_is_whole(tmp_path, start):
    recording = np.arange(20_000)
    window = cut(recording, start, 50, 200, tmp_path)
    assert len(window) == 10_000
    assert window[0] == round(start * 200)


def test_a_bad_disk_is_found_by_checksums(tmp_path):
    path = tmp_path / "a.parquet"
    eeg = np.random.default_rng(0).normal(0, 30, (10_000, 20)).astype(np.float32)
    write_eeg(path, eeg)
    np.testing.assert_array_equal(read_eeg(path), eeg)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="expected a whole parquet file"):
        read_eeg(path)


def test_a_comma_at_the_end_of_each_row_shifts_no_column(table, tmp_path):
    head, *rows = table.to_csv(index=False).splitlines()
    text = "\n".join([head, *(f"{row}," for row in rows)])
    (tmp_path / "train.csv").write_text(text)
    pd.testing.assert_frame_equal(load_metadata(tmp_path, "train"), table)


def test_rows_without_an_eeg_are_counted_and_left_out(table, sample_dir, tmp_path, capsys):
    folder = tmp_path / "data"
    shutil.copytree(sample_dir, folder)
    gone = table.eeg_id.unique()[:3]
    for eeg_id in gone:
        (folder / "train_eegs" / f"{eeg_id}.parquet").unlink()
    spectrogram = table.spectrogram_id[~table.eeg_id.isin(gone)].iloc[0]
    (folder / "train_spectrograms" / f"{spectrogram}.parquet").unlink()
    rest = with_files(table, folder)
    pd.testing.assert_frame_equal(rest, table[~table.eeg_id.isin(gone)].reset_index(drop=True))
    said, missing = capsys.readouterr().out, table.eeg_id.isin(gone).sum()
    assert said.count("\n") == 1
    assert f"left out are {missing} rows of 3 EEGs that are not there" in said
    assert f"{(rest.spectrogram_id == spectrogram).sum()} rows have no spectrogram file" in said
    with pytest.raises(FileNotFoundError, match=r"train_eegs: expected an EEG.*found none of 1"):
        with_files(table.assign(eeg_id=1), folder)


def test_without_any_eeg_rows_need_their_spectrogram(table, sample_dir, tmp_path, capsys):
    few = tmp_path / "few"
    shutil.copytree(sample_dir, few, ignore=shutil.ignore_patterns("train_eegs"))
    gone = table.spectrogram_id.iloc[0]
    (few / "train_spectrograms" / f"{gone}.parquet").unlink()
    rest = with_files(table, few)
    pd.testing.assert_frame_equal(rest, table[table.spectrogram_id != gone].reset_index(drop=True))
    said = capsys.readouterr().out
    n_gone = (table.spectrogram_id == gone).sum()
    assert said.count("\n") == 1 and "no EEG is there" in said
    assert f"left out are {n_gone} rows of 1 spectrograms" in said
    eeg, rows = read_label_window(few, rest.iloc[0])
    assert eeg.shape == (10_000, 20) and np.isnan(eeg).all() and np.isfinite(rows).any()
    assert find_examples(rest, few) == [] and all(part.empty for part in survey(rest, few))
    assert capsys.readouterr().out.count("No EEG is there") == 2
    (few / "train_eegs").mkdir()
    near = f"train_eegs/{rest.eeg_id[0]}.parquet"
    (few / near).symlink_to(sample_dir / near)
    assert with_files(table, few).eeg_id.unique().tolist() == [rest.eeg_id[0]]
    n_far = (table.spectrogram_id != gone).sum()
    assert f"would stand on spectrograms alone, {n_far} rows" in capsys.readouterr().out
    shutil.rmtree(few / "train_eegs")
    shutil.rmtree(few / "train_spectrograms")
    with pytest.raises(FileNotFoundError, match=r"a spectrogram of train\.csv.*, and no EEG$"):
        with_files(table, few, quiet=True)


def test_a_label_window_is_whole_even_without_its_spectrogram(table, sample_dir, tmp_path):
    row = table.iloc[5]
    eeg, rows = read_label_window(sample_dir, row)
    path = sample_dir / "train_eegs" / f"{row.eeg_id}.parquet"
    start = int(row.eeg_label_offset_seconds * 200)
    np.testing.assert_array_equal(eeg, read_eeg(path)[start : start + 10_000])
    assert rows.shape == (300, 400)
    assert np.isfinite(rows).any()
    (tmp_path / "train_eegs").symlink_to(sample_dir / "train_eegs")
    np.testing.assert_array_equal(read_label_window(tmp_path, row)[0], eeg)
    assert np.isnan(read_label_window(tmp_path, row)[1]).all()
