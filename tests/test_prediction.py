import datetime
import sys
from types import SimpleNamespace

import matplotlib.image
import mne
import numpy as np
import pandas as pd
import pytest

from hms_utils import cache, data, drawing, prediction
from hms_utils.constants import (
    CLASSES,
    EEG_COLUMNS,
    PREDICTION_COLUMNS,
    RESEARCH_NOTICE,
    SPECTROGRAM_COLUMNS,
)
from hms_utils.ensemble import Ensemble
from hms_utils.recording import Recording, count_rows, open_recording, read_given


def by_brightness(images):
    """Answer windows by how bright each view's chains are."""
    means = np.concatenate([images[view].mean(axis=(2, 3)) for view in drawing.VIEWS], axis=1)
    logits = means @ np.random.default_rng(0).normal(0, 0.05, (means.shape[1], 6))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# Stands for trained models.
BRIGHTNESS = SimpleNamespace(
    settings={"images": {"reduce": [4, 4], "db_range": [-20, 40]}, "synthetic": False},
    predict=by_brightness,
)


def repeat(eeg, seconds, **more):
    """A recording that goes on with the same samples."""
    whole = np.resize(eeg, (seconds * 200, 20))
    return Recording("", len(whole), lambda start, stop: whole[start:stop], **more)


@pytest.fixture(scope="module")
def eeg(sample_dir):
    paths = sorted((sample_dir / "test_eegs").iterdir())
    return np.concatenate([data.read_eeg(path) for path in paths])


@pytest.fixture
def named(eeg, tmp_path):
    def make(seconds, **more):
        recording = repeat(eeg, seconds, **more)
        return Recording(tmp_path / "a.edf", recording.n_samples, recording.read, **more)

    return make


def test_windows_are_drawn_as_the_cache_draws_them(sample_dir, tmp_path, models_dir):
    windows = cache.select_windows(data.load_metadata(sample_dir, "test"))
    folder = cache.build(windows, sample_dir, tmp_path, "test", reduce=(4, 4), n_jobs=1)
    images, index = cache.load(folder)
    ensemble = Ensemble(models_dir)
    expected = ensemble.predict(images)
    assert np.ptp(expected, axis=0).max() > 0.2  # models that see a difference
    for row, answer in zip(index.itertuples(), expected, strict=True):
        opened = open_recording(sample_dir / "test_eegs" / f"{row.eeg_id}.parquet")
        path = sample_dir / "test_spectrograms" / f"{row.spectrogram_id}.parquet"
        table, _ = prediction.predict(opened, ensemble, given=read_given(path, opened))
        np.testing.assert_allclose(table[list(PREDICTION_COLUMNS)], [answer], atol=1e-5)


def test_blocks_and_steps_change_nothing(named, monkeypatch, capsys):
    recording = named(400)
    table, rows = prediction.predict(recording, BRIGHTNESS)
    assert table.seconds.tolist() == list(range(25, 376, 10))
    assert "clock" not in table
    assert rows.shape == (count_rows(recording), 400)
    assert "36/36" in capsys.readouterr().out  # progress
    monkeypatch.setattr(prediction, "_BLOCK", 7)
    again, same = prediction.predict(recording, BRIGHTNESS)
    pd.testing.assert_frame_equal(again, table, atol=0.01)
    np.testing.assert_allclose(same, rows, rtol=5e-3)
    coarse, _ = prediction.predict(recording, BRIGHTNESS, step=50)
    expected = table[::5].reset_index(drop=True)
    pd.testing.assert_frame_equal(coarse, expected, atol=0.01)


@pytest.mark.parametrize("step", [0, -2, 5])
def test_steps_between_rows_are_refused(named, step):
    with pytest.raises(ValueError, match=f"expected an even step of 2 s or more, found {step}"):
        prediction.predict(named(60), BRIGHTNESS, step=step)


def test_windows_without_signal_have_no_answer(eeg, tmp_path):
    dead = np.resize(eeg, (200 * 200, 20)).copy()
    dead[60 * 200 : 100 * 200] = 0
    dead[150 * 200 :, :14] = np.nan
    recording = Recording(tmp_path / "a.edf", len(dead), lambda start, stop: dead[start:stop])
    table, _ = prediction.predict(recording, BRIGHTNESS)
    silent = table.p_other.isna().to_numpy()
    assert table.seconds[silent].tolist() == [65, 75, 85, 95, 155, 165, 175]
    assert table[list(PREDICTION_COLUMNS)].isna().any(axis=1).tolist() == silent.tolist()
    onsets = [(onset, onset + duration) for onset, duration, *_ in prediction.merge(table)]
    assert not any(begin < 100 and end > 60 for begin, end in onsets)
    dead[:] = 3
    with pytest.raises(
        ValueError, match=r"expected a signal in 8 of 16 differences, found it in none"
    ):
        prediction.predict(recording, BRIGHTNESS)


def test_equal_answers_are_joined():
    rows = np.full((6, 6), 0.1)
    for row, (number, value) in enumerate(((5, 0.5), (5, 0.7), (1, 0.5), (1, 0.5), (0, 0.9))):
        rows[row, number] = value
    rows[3] = np.nan
    table = pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))[:5]
    for step, width in ((10, 10), (4, 4), (30, 10)):
        table["seconds"] = 25.0 + step * np.arange(5)
        parts = prediction.merge(table)
        assert [part[2] for part in parts] == ["Other", "LPD", "Seizure"]
        assert [part[0] + width / 2 for part in parts] == [25, 25 + 2 * step, 25 + 4 * step]
        assert [part[1] for part in parts] == [step + width, width, width]
        np.testing.assert_allclose([part[3] for part in parts], [0.6, 0.5, 0.9])


def test_table_annotations_and_picture_agree(named, tmp_path):
    start = datetime.datetime(2021, 3, 4, 23, 59, 30)
    recording = named(200, start=start)
    table, rows = prediction.predict(recording, BRIGHTNESS)
    written = prediction.write(recording, table, rows, tmp_path / "new", synthetic=True)
    assert [path.name for path in written] == [
        "a_probabilities.csv",
        "a_annotations.edf",
        "a_course.png",
    ]
    assert sorted(written) == sorted((tmp_path / "new").iterdir())
    text = written[0].read_text()
    assert text.startswith(f"# {RESEARCH_NOTICE}\n# The models were trained on SYNTHETIC")
    read = pd.read_csv(written[0], comment="#")
    assert tuple(read.columns) == ("seconds", "clock", *PREDICTION_COLUMNS)
    np.testing.assert_allclose(read[list(PREDICTION_COLUMNS)].sum(axis=1), 1, atol=1e-3)
    assert read.clock[0] == "2021-03-04 23:59:55"
    assert read.clock[1] == "2021-03-05 00:00:05"
    marks = mne.read_annotations(written[1])
    best = np.array(CLASSES)[read[list(PREDICTION_COLUMNS)].to_numpy().argmax(axis=1)]
    for second, name in zip(read.seconds, best, strict=True):
        inside = (marks.onset <= second) & (second < marks.onset + marks.duration)
        assert [text.split()[0] for text in marks.description[inside]] == [name]
    assert marks.duration.sum() == 10 * len(read)
    assert b"04-MAR-2021" in written[1].read_bytes()[:200]
    assert matplotlib.image.imread(written[2]).shape == (770, 1540, 4)


def test_without_edfio_the_rest_is_written(named, tmp_path, monkeypatch, capsys):
    recording = named(60)
    table, rows = prediction.predict(recording, BRIGHTNESS)
    monkeypatch.setitem(sys.modules, "edfio", None)
    written = prediction.write(recording, table, rows, tmp_path / "new", synthetic=False)
    assert [path.suffix for path in written] == [".csv", ".png"]
    assert sorted(written) == sorted((tmp_path / "new").iterdir())
    assert "pip install mne edfio" in capsys.readouterr().out
    assert "SYNTHETIC" not in written[0].read_text()


@pytest.mark.parametrize(
    ("start", "seconds", "labels", "axis"),
    [
        (None, 50, ["0:00:00", "0:00:05", "0:00:10"], "time since the beginning"),
        (None, 90_000, ["0:00", "4:00", "8:00"], "time since the beginning"),
        (datetime.datetime(2021, 3, 4, 22, 13, 5), 36_000, ["23:00", "0:00", "1:00"], "clock"),
    ],
)
def test_the_course_has_round_times(start, seconds, labels, axis, tmp_path):
    recording = Recording(tmp_path / "a.edf", seconds * 200, None, start=start)
    table = pd.DataFrame(np.full((2, 6), 1 / 6), columns=list(PREDICTION_COLUMNS))
    table.insert(0, "seconds", [25.0, 35.0])
    rows = np.ones((count_rows(recording), len(SPECTROGRAM_COLUMNS)), np.float32)
    figure = prediction.draw_course(recording, table, rows, synthetic=True)
    last = figure.axes[2]
    assert [label.get_text() for label in last.get_xticklabels()[:3]] == labels
    assert last.get_xlabel().startswith(axis)
    assert figure.get_supxlabel().startswith(RESEARCH_NOTICE)
    assert "SYNTHETIC" in figure.get_supxlabel()
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == [*CLASSES, "no answer"]


@pytest.mark.real_data
@pytest.mark.parametrize(("sfreq", "limit"), [(200, 0), (256, 0), (500, 0), (200, 33_000)])
def test_a_clinical_file_gives_the_answers_of_its_parquet(
    real_dir, write_edf, tmp_path, models_dir, sfreq, limit
):
    ensemble = Ensemble(models_dir)
    new = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
    answers, again = [], []
    for path in sorted((real_dir / "train_eegs").iterdir()):
        opened = open_recording(path)
        eeg = opened.read(0, opened.n_samples)
        names = [f"EEG {new.get(name, name)}-Ref" for name in EEG_COLUMNS]
        clinical = write_edf(tmp_path / "a.edf", eeg, sfreq=sfreq, names=names, limit=limit)
        for file, results in ((opened, answers), (open_recording(clinical), again)):
            table, _ = prediction.predict(file, ensemble)
            results.append(table[list(PREDICTION_COLUMNS)].to_numpy()[0])
    assert np.ptp(answers, axis=0).max() > 0.2  # models that see a difference
    assert np.abs(np.subtract(again, answers)).max() <= 0.02
