from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hms_utils.answers import over_time, predict_recording
from hms_utils.constants import BIPOLAR_COLUMNS, EEG_COLUMNS, PREDICTION_COLUMNS
from hms_utils.eeg import Recording, bipolar, load_metadata, open_recording, read_eeg
from hms_utils.images import VIEWS, n_long_rows, read_long_spectrogram, streaming
from hms_utils.networks import Ensemble
from hms_utils.plots import draw_course


def by_brightness(images):
    """Answer windows by how bright each view's chains are."""
    means = np.concatenate([images[view].mean(axis=(2, 3)) for view in VIEWS], axis=1)
    logits = means @ np.random.default_rng(0).normal(0, 0.05, (means.shape[1], 6))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# Stands for trained models.
BRIGHTNESS = SimpleNamespace(
    settings={
        "images": {"reduce": [4, 4], "db_range": [-20, 40], "views": list(VIEWS)},
        "synthetic": False,
    },
    predict=by_brightness,
)


def repeat(eeg, seconds, **more):
    """A recording that goes on with the same samples."""
    whole = np.resize(eeg, (seconds * 200, 20))
    return Recording("", len(whole), lambda start, stop: whole[start:stop], **more)


@pytest.fixture(scope="module")
def eeg(sample_dir):
    paths = sorted((sample_dir / "test_eegs").iterdir())
    return np.concatenate([read_eeg(path) for path in paths])


@pytest.fixture
def named(eeg, tmp_path):
    def make(seconds, **more):
        recording = repeat(eeg, seconds, **more)
        return Recording(tmp_path / "a.edf", recording.n_samples, recording.read, **more)

    return make


def test_windows_are_drawn_as_notebook_6_draws_them(sample_dir, models_dir):
    ensemble, answers = Ensemble(models_dir), []
    for row in load_metadata(sample_dir, "test").itertuples():
        ids = row.eeg_id, row.spectrogram_id
        images, _, _ = streaming._draw(sample_dir, *ids, ensemble.settings["images"])
        answers.append(ensemble.predict(images)[0])
        opened = open_recording(sample_dir / "test_eegs" / f"{row.eeg_id}.parquet")
        path = sample_dir / "test_spectrograms" / f"{row.spectrogram_id}.parquet"
        table, _ = predict_recording(opened, ensemble, given=read_long_spectrogram(path, opened))
        np.testing.assert_allclose(table[list(PREDICTION_COLUMNS)], answers[-1:], atol=1e-5)
    nothing = ensemble.predict({view: np.zeros_like(image) for view, image in images.items()})
    assert np.ptp([*answers, *nothing], axis=0).max() > 0.2  # models that see a difference


def test_blocks_and_steps_change_nothing(named, monkeypatch):
    recording = named(400)
    table, rows = predict_recording(recording, BRIGHTNESS)
    assert table.seconds.tolist() == list(range(25, 376, 10))
    assert "clock" not in table
    assert rows.shape == (n_long_rows(recording), 400)
    monkeypatch.setattr(over_time, "_BLOCK", 7)
    again, same = predict_recording(recording, BRIGHTNESS)
    pd.testing.assert_frame_equal(again, table, atol=0.01)
    np.testing.assert_allclose(same, rows, rtol=5e-3)
    coarse, _ = predict_recording(recording, BRIGHTNESS, step=50)
    expected = table[::5].reset_index(drop=True)
    pd.testing.assert_frame_equal(coarse, expected, atol=0.01)


def test_bipolar_derivations_have_the_answers_of_their_electrodes(eeg, write_edf, tmp_path):
    eeg = eeg[: 70 * 200]
    themselves = np.column_stack([bipolar(eeg).T, eeg[:, -1]])
    answers = []
    for columns, names in ((eeg, EEG_COLUMNS), (themselves, BIPOLAR_COLUMNS)):
        opened = open_recording(write_edf(tmp_path / "a.edf", columns, names=names))
        table, rows = predict_recording(opened, BRIGHTNESS)
        answers.append((table[list(PREDICTION_COLUMNS)], rows))
    assert opened.notes == ("bipolar derivations, taken as they are",)
    assert answers[0][0].notna().all(axis=None)
    np.testing.assert_allclose(answers[1][0], answers[0][0], atol=0.01)
    np.testing.assert_allclose(answers[1][1], answers[0][1], rtol=0.05, atol=0.2)


def test_what_is_kept_does_not_grow_with_a_recording(named, monkeypatch):
    recording = named(400)
    table, rows = predict_recording(recording, BRIGHTNESS)
    monkeypatch.setattr(over_time, "_COURSE", 120)
    again, means = predict_recording(recording, BRIGHTNESS)
    pd.testing.assert_frame_equal(again, table)
    assert len(rows) == 475
    assert len(means) == 119
    np.testing.assert_allclose(means[60], np.nanmean(rows[240:244], axis=0), rtol=1e-5)
    ends = [
        draw_course(recording, table, part, notes=[]).axes[1].images[0].get_extent()
        for part in (rows, means)
    ]
    np.testing.assert_allclose(*ends, atol=8)
    assert means.shape[0] * 8 - 275 >= 400  # s


@pytest.mark.parametrize("step", [0, -2, 5])
def test_steps_between_rows_are_refused(named, step):
    with pytest.raises(ValueError, match=f"expected an even step of 2 s or more, found {step}"):
        predict_recording(named(60), BRIGHTNESS, step=step)


def test_windows_without_signal_have_no_answer(eeg, tmp_path):
    dead = np.resize(eeg, (200 * 200, 20)).copy()
    dead[60 * 200 : 100 * 200] = 0
    dead[150 * 200 :, :14] = np.nan
    recording = Recording(tmp_path / "a.edf", len(dead), lambda start, stop: dead[start:stop])
    table, _ = predict_recording(recording, BRIGHTNESS)
    silent = table.p_other.isna().to_numpy()
    assert table.seconds[silent].tolist() == [65, 75, 85, 95, 155, 165, 175]
    assert table[list(PREDICTION_COLUMNS)].isna().any(axis=1).tolist() == silent.tolist()
    onsets = [(onset, onset + duration) for onset, duration, *_ in over_time.merge(table)]
    assert not any(begin < 100 and end > 60 for begin, end in onsets)
    dead[:] = 3
    with pytest.raises(
        ValueError, match=r"expected a signal in 8 of 16 differences, found it in none"
    ):
        predict_recording(recording, BRIGHTNESS)


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
            table, _ = predict_recording(file, ensemble)
            results.append(table[list(PREDICTION_COLUMNS)].to_numpy()[0])
    assert np.ptp(answers, axis=0).max() > 0.2  # models that see a difference
    assert np.abs(np.subtract(again, answers)).max() <= 0.02
