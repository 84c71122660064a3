import datetime

import numpy as np
import pytest

from hms_utils import answers, scores
from hms_utils.answers import cards
from hms_utils.constants import CLASSES, EEG_COLUMNS, RESEARCH_NOTICE
from hms_utils.eeg import (
    Recording,
    bipolar,
    load_metadata,
    open_recording,
    read_eeg,
    read_spectrogram,
    select_windows,
)
from hms_utils.networks import Ensemble
from hms_utils.plots import COLOURS, draw_card


@pytest.fixture(scope="module")
def window(sample_dir):
    test = load_metadata(sample_dir, "test").iloc[0]
    eeg = read_eeg(sample_dir / "test_eegs" / f"{test.eeg_id}.parquet")
    path = sample_dir / "test_spectrograms" / f"{test.spectrogram_id}.parquet"
    return eeg, read_spectrogram(path)


@pytest.fixture
def shares():
    return np.array([0.1, 0.5, 0.05, 0.2, 0.05, 0.1])


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_eeg_is_a_double_banana_with_its_ekg(window):
    figure = draw_card(*window, title="a recording", notes=["a note"])
    traces, heart = figure.subfigs[0].axes
    labels = [label.get_text() for label in traces.get_yticklabels()]
    assert labels[:2] == ["Fp1-F7", "F7-T3"]
    assert len(labels) == len(traces.lines) - 1 == 18  # and the amplitude bar
    assert {*traces.get_xticks(), *traces.get_xticks(minor=True)} == {*range(51)}
    shaded = [patch.get_x() for patch in (traces.patches[0], heart.patches[0])]
    assert shaded == [20, 20]
    assert [patch.get_width() for patch in (traces.patches[0], heart.patches[0])] == [10, 10]
    assert any("µV" in text.get_text() for text in traces.texts)
    assert [label.get_text() for label in heart.get_yticklabels()] == ["EKG"]
    assert figure.get_suptitle() == "a recording"
    assert figure.get_supxlabel() == "a note"


def test_a_recording_of_differences_is_drawn_alike(window):
    eeg = np.nan_to_num(window[0])
    derived = np.column_stack([bipolar(eeg).T, eeg[:, -1]])
    figures = [draw_card(part, window[1]).subfigs[0].axes for part in (eeg, derived)]
    for ax, other in zip(*figures, strict=True):
        # Electrodes give two traces of the midline besides.
        for line, same in zip(ax.lines[:16], other.lines[:16], strict=True):
            np.testing.assert_allclose(line.get_ydata(), same.get_ydata(), atol=0.02)


def test_negative_is_up(window):
    eeg = window[0].copy()
    eeg[5000:5040, EEG_COLUMNS.index("Fp1")] -= 300
    traces = draw_card(eeg, window[1]).subfigs[0].axes[0]
    before = draw_card(*window).subfigs[0].axes[0]
    change = traces.lines[0].get_ydata() - before.lines[0].get_ydata()
    assert change[5010:5030].mean() > 100


def test_mains_are_filtered_and_gaps_stay_gaps(window):
    eeg = window[0].copy()
    eeg[:, 0] += 500 * np.sin(2 * np.pi * 60 * np.arange(10_000) / 200)
    eeg[1000:1500, EEG_COLUMNS.index("F7")] = np.nan
    eeg[:, EEG_COLUMNS.index("EKG")] = np.nan
    traces, heart = draw_card(eeg, window[1]).subfigs[0].axes
    trace = traces.lines[8].get_ydata()[300:-300]  # Fp1-F3
    calm = draw_card(*window).subfigs[0].axes[0].lines[8].get_ydata()[300:-300]
    assert np.abs(trace - calm).mean() < 25
    gap = np.flatnonzero(np.isnan(traces.lines[0].get_ydata()))
    assert gap.tolist() == list(range(1000, 1500))
    assert [text.get_text() for text in heart.texts] == ["no EKG"]


def test_the_ten_minutes_have_the_window_marked(window):
    tiles = draw_card(*window).subfigs[1].axes[:4]
    assert [ax.get_title() for ax in tiles] == ["LL", "RL", "LP", "RP"]
    for number, ax in enumerate(tiles):
        marks = [line.get_xdata()[0] * 60 for line in ax.lines]
        np.testing.assert_allclose(marks, [-25, 25])
        assert ax.images[0].get_extent()[:2] == [-5, 5]
        shown = ax.images[0].get_array()
        expected = 10 * np.log10(np.maximum(window[1][:, 100 * number : 100 * number + 100], 1e-10))
        np.testing.assert_allclose(shown, np.ma.masked_invalid(expected.T), rtol=1e-5)


def test_votes_stand_beside_the_prediction(window, shares):
    votes = np.array([1, 9, 0, 2, 0, 3])
    panel = draw_card(*window, votes=votes, prediction=shares, concentration=20).subfigs[1].axes[4]
    assert [bar.get_width() for bar in panel.patches] == votes.tolist()
    np.testing.assert_allclose(panel.lines[0].get_xdata(), shares * 15)
    asked, *said = panel.get_xlabel().split("\n")
    assert asked == "experts of 15"
    assert " ".join(said) == scores.sentences.vote_interval(shares, 15, 20)
    labels = [label.get_text() for label in panel.get_yticklabels()]
    low, high = scores.vote_intervals(shares[None], 15, 20)
    assert labels[1] == f"LPD  50%, {low[0, 1]}–{high[0, 1]}"
    ends = np.array([line[:, 0] for line in panel.collections[0].get_segments()])
    np.testing.assert_allclose(ends[:, 1], np.maximum(high[0], shares * 15))
    assert {*texts(panel)} == {"votes", "prediction, 80 % interval"}
    swatch = panel.get_legend().legend_handles[texts(panel).index("votes")]
    assert swatch.get_color() not in COLOURS  # of one class


def test_a_card_says_how_wide_its_interval_is(window, shares):
    """As the fitted scatter has it, not as if the panel drew from the prediction itself."""
    said = [
        draw_card(*window, prediction=shares, concentration=c).subfigs[1].axes[4].get_xlabel()
        for c in (3, 1e6)
    ]
    said = [text.replace("\n", " ") for text in said]
    assert "of 12 experts, 1 to 11 would say LPD (80% interval, 10 votes wide)" in said[0]
    assert "of 12 experts, 4 to 8 would say LPD (80% interval, 4 votes wide)" in said[1]


def test_what_is_not_known_is_said(window, shares):
    panel = draw_card(*window).subfigs[1].axes[4]
    assert texts(panel) == ["no prediction"]
    assert [label.get_text() for label in panel.get_yticklabels()] == list(CLASSES)
    panel = draw_card(*window, votes=[0, 0, 0, 0, 0, 3]).subfigs[1].axes[4]
    assert texts(panel) == ["no prediction", "votes"]
    panel = draw_card(*window, prediction=shares).subfigs[1].axes[4]
    assert panel.get_xlabel() == "experts of 12, if so many were asked"
    assert texts(panel) == ["prediction"]


def test_maps_are_drawn_where_they_point(window, shares):
    maps = {view: np.zeros((4, 8, 50)) for view in ("eeg50", "eeg10", "kaggle600")}
    maps["eeg50"][1, :, 10] = 1  # RL, seconds 10 to 11
    maps["kaggle600"][2, 2:4, 20:30] = 1
    figure = draw_card(*window, prediction=shares, maps=maps)
    traces, tiles = figure.subfigs[0].axes[0], figure.subfigs[1].axes[:4]
    strength = np.array([image.get_alpha()[0] for image in traces.images])
    assert strength.shape == (4, 512)
    # Of all chains alike, as a map cannot tell which of them speaks.
    np.testing.assert_array_equal(strength, np.tile(strength[1], (4, 1)))
    assert abs(np.linspace(0, 50, 512)[strength[1].argmax()] - 10.5) < 0.1
    assert "red" in traces.get_title()
    lines = [[path for path in ax.collections[0].get_paths() if len(path)] for ax in tiles]
    assert [len(line) for line in lines] == [2, 2, 2, 2]  # at a half and three quarters
    edges = np.concatenate([path.vertices for path in lines[2]])
    # Columns 20 to 30 of 50 lie in the middle of 512 s, less some to the left.
    assert -1.1 < edges[:, 0].min() < edges[:, 0].max() < 1.1


def test_a_card_of_a_recording_is_that_of_its_window(sample_dir, window, models_dir):
    test = load_metadata(sample_dir, "test").iloc[0]
    opened = open_recording(sample_dir / "test_eegs" / f"{test.eeg_id}.parquet")
    ensemble = Ensemble(models_dir)
    figure, answer = cards.card_of_recording(opened, given=window[1], ensemble=ensemble)
    table, _ = answers.predict_recording(opened, ensemble, given=window[1])
    np.testing.assert_allclose(answer, table.filter(like="p_").to_numpy()[0], atol=1e-6)
    assert figure.get_suptitle() == f"{test.eeg_id}.parquet, 50 s around second 25"
    assert "SYNTHETIC" in figure.get_supxlabel()


def test_a_card_without_models_or_signal_has_no_prediction(window, models_dir, tmp_path):
    eeg = np.concatenate([window[0], np.zeros((10_000, 20), np.float32)])
    start = datetime.datetime(2021, 3, 4, 22, 13, 5)
    recording = Recording(tmp_path / "a.edf", 20_000, lambda a, b: eeg[a:b], start)
    figure, answer = cards.card_of_recording(recording, 40.5)
    assert answer is None
    assert figure.get_suptitle() == "a.edf, 50 s around second 40.5, 2021-03-04 22:13:45"
    assert figure.get_supxlabel() == RESEARCH_NOTICE
    _, answer = cards.card_of_recording(recording, 70, ensemble=Ensemble(models_dir))
    assert answer is None
    with pytest.raises(ValueError, match="expected a centre from 25 to 75 s, found 80 s"):
        cards.card_of_recording(recording, 80)


def test_a_given_spectrogram_is_cut_where_the_window_begins(window, tmp_path):
    eeg = np.concatenate([window[0], window[0][:600]])
    recording = Recording(tmp_path / "a.edf", 10_600, lambda a, b: eeg[a:b])
    given = np.concatenate([window[1], window[1][:1]])
    figure, _ = cards.card_of_recording(recording, 28, given=given)
    (tile,) = figure.subfigs[1].axes[0].images
    expected = 10 * np.log10(np.maximum(given[1:, :100], 1e-10))
    np.testing.assert_allclose(tile.get_array().T, expected, rtol=1e-6)


def test_a_card_of_a_training_window_shows_it(sample_dir, tmp_path):
    table = select_windows(load_metadata(sample_dir, "train"))
    row = table.loc[table.eeg_label_offset_seconds.idxmax()]
    figure = cards.card_of_window(sample_dir, row, title="worst")
    near = sample_dir / "train_eegs" / f"{row.eeg_id}.parquet"
    start = int(row.eeg_label_offset_seconds * 200)
    expected = draw_card(read_eeg(near)[start:][:10_000], np.full((300, 400), np.nan))
    lines = [card.subfigs[0].axes[0].lines[0].get_ydata() for card in (figure, expected)]
    np.testing.assert_array_equal(*lines)
    assert figure.get_suptitle() == "worst"
    assert np.isfinite(figure.subfigs[1].axes[0].images[0].get_array()).any()
    (tmp_path / "train_eegs").mkdir()
    (tmp_path / "train_eegs" / near.name).symlink_to(near)
    figure = cards.card_of_window(tmp_path, row)
    assert not np.isfinite(figure.subfigs[1].axes[0].images[0].get_array()).any()


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5,6,7", "1,2,3,4,5,x", "1,2,3,4,5,-6"])
def test_votes_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="expected votes for Seizure, LPD, GPD, LRDA, GRDA, Other"):
        cards.parse_votes(text)


def test_votes_are_read():
    assert cards.parse_votes("3,0, 1,0,0,8").tolist() == [3, 0, 1, 0, 0, 8]
    with pytest.raises(ValueError, match="at least one vote"):
        cards.parse_votes("0,0,0,0,0,0")
