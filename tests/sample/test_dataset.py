import hashlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hms_utils import images, paths, sample
from hms_utils.constants import (
    CLASSES,
    EEG_COLUMNS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    VOTE_COLUMNS,
)
from hms_utils.eeg import bipolar, load_metadata, read_eeg, read_spectrogram, vote_shares
from hms_utils.sample import courses, dataset, experts
from hms_utils.sample.reality import REAL_TABLE, draw_table, table_figures
from hms_utils.scores import metric


@pytest.fixture(scope="module")
def train(sample_dir):
    return load_metadata(sample_dir, "train")


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in files}


def test_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path):
    for name, jobs in (("a", 1), ("b", 2)):
        sample.generate(tmp_path / name, n_patients=2, seed=3, n_jobs=jobs)
    sample.generate(tmp_path / "c", n_patients=2, seed=4, n_jobs=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_files_are_as_long_as_the_table_says(sample_dir, train):
    for eeg_id, rows in train.groupby("eeg_id"):
        file = pq.ParquetFile(sample_dir / "train_eegs" / f"{eeg_id}.parquet")
        seconds = rows.eeg_label_offset_seconds.max() + EEG_SECONDS
        assert file.metadata.num_rows == seconds * SFREQ
        assert tuple(file.schema_arrow.names) == EEG_COLUMNS
    for spectrogram_id, rows in train.groupby("spectrogram_id"):
        path = sample_dir / "train_spectrograms" / f"{spectrogram_id}.parquet"
        file = pq.ParquetFile(path)
        assert file.metadata.num_rows == (rows.spectrogram_label_offset_seconds.max() + 600) / 2
        assert tuple(file.schema_arrow.names) == ("time", *SPECTROGRAM_COLUMNS)
    assert (train.eeg_label_offset_seconds % 2 == 0).all()
    assert (train.groupby("eeg_id").size() > 1).any()


def test_test_recordings_are_fifty_seconds_and_ten_minutes(sample_dir, train):
    test = load_metadata(sample_dir, "test")
    assert not set(test.patient_id) & set(train.patient_id)
    row = test.iloc[0]
    assert read_eeg(sample_dir / "test_eegs" / f"{row.eeg_id}.parquet").shape == (10_000, 20)
    path = sample_dir / "test_spectrograms" / f"{row.spectrogram_id}.parquet"
    assert read_spectrogram(path).shape == (300, 400)
    assert str(pq.ParquetFile(path).schema_arrow.field("time").type) == "int16"
    guess = pd.read_csv(sample_dir / "sample_submission.csv")
    assert guess.eeg_id.tolist() == test.eeg_id.tolist()


def test_table_is_consistent(train):
    votes = train[list(VOTE_COLUMNS)].to_numpy()
    assert (train.expert_consensus == np.array(CLASSES)[votes.argmax(axis=1)]).all()
    assert not {8, 9} & set(votes.sum(axis=1))
    assert train.label_id.is_unique
    assert train.groupby("spectrogram_id").patient_id.nunique().max() == 1


@pytest.fixture(scope="module")
def large_table():
    return draw_table(1000)


@pytest.fixture(scope="module")
def large_figures(large_table):
    return table_figures(large_table)


@pytest.mark.parametrize("name", REAL_TABLE)
def test_a_large_sample_has_the_real_tables_figures(large_figures, name):
    real, tolerance = REAL_TABLE[name]
    assert large_figures[name] == pytest.approx(real, abs=tolerance)


def test_vote_counts_are_the_real_ones(large_table):
    n_votes = large_table[list(VOTE_COLUMNS)].sum(axis=1)
    assert set(n_votes) <= {*range(1, 8), *range(10, 29)}
    assert n_votes.max() > 24
    assert n_votes.mode()[0] == 3


def test_floor_prior_and_uniform_are_far_apart(large_table):
    rows = large_table.drop_duplicates(["eeg_id", *VOTE_COLUMNS])
    prior = vote_shares(rows).mean(axis=0)
    well = rows[rows[list(VOTE_COLUMNS)].sum(axis=1) >= 10]
    truth = well[[f"true_{name}" for name in VOTE_COLUMNS]].to_numpy()
    shares = vote_shares(well)
    assert metric.kl_divergence(shares, truth) == pytest.approx(0.124, abs=0.02)
    constant = np.tile(prior, (len(well), 1))
    assert metric.kl_divergence(shares, constant) == pytest.approx(0.95, abs=0.05)


def band_powers(signals):
    """Return the logarithm of the power of each signal in five bands."""
    power, frequencies = np.abs(np.fft.rfft(signals)) ** 2, np.fft.rfftfreq(2000, 1 / SFREQ)
    bands = [(frequencies >= low) & (frequencies < 2 * low) for low in (1, 2, 4, 8, 16)]
    # Bridged electrodes have no difference.
    return np.log([power[:, band].mean(axis=1) + 1 for band in bands]).ravel()


def test_other_recordings_of_a_patient_give_the_answer_away():
    """The five nearest windows tell far more where they may be of the same patient."""
    windows, opinions, patients = [], [], []
    for number in range(30):
        patient, planned = dataset.plan_patient((3, number), "train", 4)
        for unit, recordings in enumerate(planned):
            rng = np.random.default_rng((3, number, unit))
            course, _ = courses.simulate_course(rng, recordings, patient)
            for recording in recordings:
                start = (1 + recording.start + 20 + recording.offsets[0]) * SFREQ
                windows.append(band_powers(bipolar(course[start : start + 2000])))
                opinions.append(experts.opinion(recording.looks[0], "10+"))
                patients.append(number)
    windows, opinions, patients = map(np.array, (windows, opinions, patients))
    windows = (windows - windows.mean(axis=0)) / windows.std(axis=0)
    distance = np.linalg.norm(windows[:, None] - windows[None], axis=2)
    same = patients[:, None] == patients[None]
    several = same.sum(axis=1) > 1
    results = []
    for hidden in (np.eye(len(windows), dtype=bool), same):
        nearest = np.where(hidden, np.inf, distance).argsort(axis=1)[:, :5]
        answers = 0.8 * opinions[nearest].mean(axis=1) + 0.2 * opinions.mean(axis=0)
        results.append(metric.kl_divergence(opinions[several], answers[several]))
    by_row, by_patient = results
    assert by_row < 0.93 * by_patient


def test_spectrograms_have_two_decimals_and_exact_zeros(sample_dir):
    zeros = 0
    for path in (sample_dir / "train_spectrograms").iterdir():
        values = read_spectrogram(path)
        present = values[~np.isnan(values)]
        assert (present >= 0).all()
        np.testing.assert_array_equal(present, present.round(2))
        zeros += (present == 0).sum()
    assert zeros > 0


def test_spectrogram_is_of_the_same_signal(sample_dir, train):
    """Second t of the EEG window is second t + 275 of the spectrogram window."""
    compared = 0
    for row in train.drop_duplicates("eeg_id").itertuples():
        eeg = read_eeg(sample_dir / "train_eegs" / f"{row.eeg_id}.parquet")
        path = sample_dir / "train_spectrograms" / f"{row.spectrogram_id}.parquet"
        given = read_spectrogram(path)
        own = images.competition_spectrogram(eeg[: EEG_SECONDS * SFREQ])
        first = int(row.spectrogram_label_offset_seconds - row.eeg_label_offset_seconds) // 2 + 138
        # The filter needs some seconds on either side.
        own, given = own[4:20], given[first + 4 : first + 20]
        if np.isnan(eeg[: EEG_SECONDS * SFREQ]).any() or np.isnan(given).any():
            continue
        # The file has two decimals.
        own, given = np.log(own + 0.02), np.log(given + 0.02)
        correlation = np.corrcoef(own.ravel(), given.ravel())[0, 1]
        assert correlation > 0.999
        compared += 1
    assert compared >= 3


def test_truth_is_a_distribution_and_beats_every_constant(sample_dir, train):
    truth = sample.read_truth(sample_dir, train.label_id)
    np.testing.assert_allclose(truth.sum(axis=1), 1)
    votes = train[list(VOTE_COLUMNS)].to_numpy()
    constant = np.tile(vote_shares(train).mean(axis=0), (len(train), 1))
    assert metric.kl_divergence(votes, truth) < 0.7 * metric.kl_divergence(votes, constant)
    assert sample.read_truth(sample_dir / "train_eegs", train.label_id) is None


def test_planted_place_is_around_the_label(sample_dir, train, tmp_path):
    planted = sample.read_planted(sample_dir, train.label_id)
    assert planted.index.tolist() == train.label_id.tolist()
    assert planted.planted_left.between(0, 1).all()
    assert (planted.planted_start <= -8).all()  # the label's five seconds, and three more
    assert (planted.planted_stop >= 8).all()
    truth = sample.read_truth(sample_dir, train.label_id)
    one_sided = truth[:, CLASSES.index("LPD")] + truth[:, CLASSES.index("LRDA")] > 0.7
    assert one_sided.any()
    assert (planted.planted_left[one_sided] - 0.5).abs().min() > 0.2
    assert sample.read_planted(sample_dir / "train_eegs", train.label_id) is None
    old = pd.read_parquet(sample_dir / "truth.parquet").drop(columns="planted_left")
    old.to_parquet(tmp_path / "truth.parquet")
    with pytest.raises(ValueError, match=r"missing \['planted_left'\]; generate it again"):
        sample.read_planted(tmp_path, train.label_id)


def test_bad_targets_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one patient, found 0"):
        sample.generate(tmp_path / "new", n_patients=0, seed=0)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="expected a new or empty folder"):
        sample.generate(tmp_path, n_patients=2, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_interrupted_generation_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "_write_tables", fail)
    with pytest.raises(KeyboardInterrupt):
        sample.generate(tmp_path / "new", n_patients=1, seed=0, n_jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_locate_makes_the_sample_once_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setattr(dataset, "DEFAULT_PATIENTS", 1)
    monkeypatch.chdir(tmp_path)
    location = sample.locate("", tmp_path / "out")
    assert location.path == tmp_path / "out" / "sample_data"
    assert location.is_synthetic
    assert "SYNTHETIC" in capsys.readouterr().out
    mark = location.path / paths.SYNTHETIC_MARK
    before = mark.stat().st_mtime_ns
    assert sample.locate("", tmp_path / "out") == location
    assert mark.stat().st_mtime_ns == before
    # One made by other code is made anew.
    monkeypatch.setattr(paths, "code_version", lambda *_: "other")
    sample.locate("", tmp_path / "out")
    assert mark.stat().st_mtime_ns != before


def test_locate_leaves_alone_what_it_has_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sample_data"
    folder.mkdir()
    (folder / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="new or empty"):
        sample.locate("", tmp_path)
    assert (folder / "mine.txt").exists()
    (folder / "mine.txt").unlink()
    sample.generate(folder, n_patients=1, seed=7)
    monkeypatch.setattr(paths, "code_version", lambda *_: "other")
    before = contents(folder)
    assert sample.locate("", tmp_path).path == folder
    assert contents(folder) == before
