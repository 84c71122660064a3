"""Windows to look at, and what recordings are like."""

import shutil

import numpy as np
import pandas as pd
import pytest

from hms_utils.constants import CLASSES, EEG_COLUMNS, SFREQ, SPECTROGRAM_COLUMNS
from hms_utils.eeg import ARTEFACT, find_examples, load_metadata, select_windows, survey


@pytest.fixture(scope="module")
def windows(sample_dir):
    return select_windows(load_metadata(sample_dir, "train"))


@pytest.fixture
def write(tmp_path, windows):
    """Return a function that replaces the EEG of some rows in a copy of the data."""

    def write(data_dir, eegs):
        shutil.copytree(data_dir, tmp_path / "data")
        for row, eeg in eegs.items():
            path = tmp_path / "data" / "train_eegs" / f"{windows.eeg_id[row]}.parquet"
            pd.DataFrame(eeg, columns=list(EEG_COLUMNS)).to_parquet(path)
        return tmp_path / "data"

    return write


def votes_for(windows, rows, name, count=15):
    columns = [f"{each.lower()}_vote" for each in CLASSES]
    changed = windows.copy()
    changed.loc[rows, columns] = 0
    changed.loc[rows, f"{name.lower()}_vote"] = count
    return changed.assign(n_votes=changed[columns].sum(axis=1), eeg_label_offset_seconds=0.0)


def put_spectrogram(data_dir, spectrogram_id, power):
    table = pd.DataFrame(power, columns=list(SPECTROGRAM_COLUMNS))
    table.insert(0, "time", np.arange(1, 600, 2))
    table.to_parquet(data_dir / "train_spectrograms" / f"{spectrogram_id}.parquet")


def noise(seed):
    return np.random.default_rng(seed).normal(0, 20, (50 * SFREQ, 20)).astype(np.float32)


def test_each_class_has_the_clearest_window_that_can_be_read(sample_dir, windows, tmp_path, capsys):
    whole = {each.name: each for each in find_examples(windows, sample_dir)}
    named = windows[[f"{name.lower()}_vote" for name in CLASSES]].sum() > 0
    expected = [name for name, some in zip(CLASSES, named, strict=True) if some]
    assert [name for name in whole if name != ARTEFACT] == expected
    folder = tmp_path / "data"
    shutil.copytree(sample_dir, folder)
    path = folder / "train_eegs" / f"{whole['LPD'].eeg_id}.parquet"
    path.write_bytes(path.read_bytes()[:3000])
    found = {each.name: each for each in find_examples(windows, folder)}
    assert f"passed over: train_eegs/{path.name}" in capsys.readouterr().out
    assert "LPD" not in found or found["LPD"].eeg_id != whole["LPD"].eeg_id


def test_a_seizure_is_the_one_that_stands_out_of_its_ten_minutes(sample_dir, windows, tmp_path):
    rows = windows.drop_duplicates("spectrogram_id").index[:3]
    shutil.copytree(sample_dir, tmp_path / "data")
    for number, row in enumerate(rows):
        power = np.ones((300, 400), np.float32)
        power[135:165] = (1, 100, np.nan)[number]
        put_spectrogram(tmp_path / "data", windows.spectrogram_id[row], power)
    seizures = votes_for(windows, rows, "Seizure").loc[rows]
    seizures = seizures.assign(spectrogram_label_offset_seconds=0.0)
    found = find_examples(seizures, tmp_path / "data")
    assert [each.eeg_id for each in found] == [windows.eeg_id[rows[1]]]


@pytest.mark.parametrize("gaps", [1, 2])
def test_the_clearest_without_a_gap_is_shown_if_there_is_one(sample_dir, windows, tmp_path, gaps):
    rows = windows.drop_duplicates("spectrogram_id").index[:2]
    shutil.copytree(sample_dir, tmp_path / "data")
    for number, row in enumerate(rows):
        power = np.ones((300, 400), np.float32)
        power[140:150] = np.nan if number < gaps else 1
        put_spectrogram(tmp_path / "data", windows.spectrogram_id[row], power)
        eeg = pd.DataFrame(noise(number), columns=list(EEG_COLUMNS))
        eeg.to_parquet(tmp_path / "data" / "train_eegs" / f"{windows.eeg_id[row]}.parquet")
    clear = votes_for(windows, rows, "LPD").loc[rows]
    clear = clear.assign(spectrogram_label_offset_seconds=0.0)
    found = find_examples(clear, tmp_path / "data")
    assert [each.eeg_id for each in found] == [windows.eeg_id[rows[gaps % 2]]]


def test_the_artefact_is_the_window_with_the_largest_second(write, sample_dir, windows):
    calm, bursting = windows.drop_duplicates("eeg_id").index[:2]
    eeg = noise(1)
    eeg[26 * SFREQ : 27 * SFREQ, 3] *= 30
    data_dir = write(sample_dir, {calm: noise(0), bursting: eeg})
    changed = votes_for(windows, [calm, bursting], "Other").loc[[calm, bursting]]
    found = {each.name: each.eeg_id for each in find_examples(changed, data_dir)}
    assert found[ARTEFACT] == windows.eeg_id[bursting]
    assert found["Other"] == windows.eeg_id[calm]


def test_an_example_says_which_side_is_larger(write, sample_dir, windows):
    row = windows.index[0]
    eeg = noise(2)
    left = [EEG_COLUMNS.index(name) for name in ("F7", "T3", "T5", "F3", "C3", "P3")]
    eeg[:, left] *= 4
    data_dir = write(sample_dir, {row: eeg})
    found = find_examples(votes_for(windows, [row], "LPD").loc[[row]], data_dir)
    assert "15 of 15 votes" in str(found[0])
    assert "the left side has" in str(found[0])


def test_survey_finds_gaps_mains_and_lost_electrodes(write, sample_dir, windows):
    row = windows.index[0]
    eeg = noise(3)
    eeg += 200 * np.sin(2 * np.pi * 50 * np.arange(len(eeg)) / SFREQ)[:, None] * np.arange(20) / 20
    eeg[1000:1600, 0], eeg[:, 5] = np.nan, np.nan
    one = windows.assign(eeg_label_offset_seconds=0.0).loc[[row]]
    table, spectra = survey(one, write(sample_dir, {row: eeg}))
    found = table.iloc[0]
    assert (found.lost, found.mains, found.longest_gap) == (1, 50, 50)
    assert found.missing == pytest.approx((600 + 10_000) / (19 * 10_000))
    assert found.fast > 0.5
    assert spectra.index[spectra.iloc[:, 0].argmax()] == 50


def test_survey_is_of_as_many_recordings_as_asked_for(sample_dir, windows):
    table, spectra = survey(windows, sample_dir, n_recordings=4)
    assert len(table) == 4
    assert set(table.index) <= set(windows.eeg_id)
    assert spectra.shape == (201, 4)
    assert table.amplitude.between(0.5, 200).all()
