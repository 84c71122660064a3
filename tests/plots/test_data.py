import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hms_utils import eeg, plots, scores
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.eeg import load_metadata, select_windows, vote_shares

mpl.use("Agg")


@pytest.fixture
def axes():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="module")
def windows(sample_dir):
    return select_windows(load_metadata(sample_dir, "train"))


@pytest.mark.parametrize("draw", [plots.class_shares, plots.vote_counts, plots.agreement])
def test_vote_pictures_have_labels(draw, windows, axes):
    assert draw(windows, axes) is axes.figure
    assert axes.get_ylabel()
    assert axes.get_title()


def test_class_shares_are_the_mean_votes(windows, axes):
    plots.class_shares(windows, axes)
    many = windows[windows.n_votes >= 10]
    expected = vote_shares(many).mean(axis=0)
    heights = [bar.get_height() for bar in axes.containers[1]]
    np.testing.assert_allclose(heights, expected, rtol=1e-5)


def test_montage_of_large_waves_has_a_coarser_scale(axes):
    rng = np.random.default_rng(0)
    slow = np.sin(2 * np.pi * 5 * np.arange(2000) / 200)[:, None] * rng.normal(0, 1, 20)
    for size, bar in ((30, "100 µV"), (100, "200 µV"), (5000, "2000 µV")):
        axes.clear()
        plots.montage((size * slow).astype(np.float32), axes)
        assert bar in [text.get_text() for text in axes.texts]


def test_montage_names_its_traces_even_of_gaps(axes):
    signals = np.random.default_rng(0).normal(0, 30, (2000, 20)).astype(np.float32)
    signals[:, 0] = np.nan
    plots.montage(signals, axes)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert (labels[0], *labels[-2:]) == ("Fp1-F7", "Fz-Cz", "Cz-Pz")
    assert len(labels) == 18
    axes.clear()
    plots.montage(signals[:, :17], axes)  # of a recording that holds the differences
    assert len(axes.get_yticklabels()) == 16


def test_montage_shows_the_seconds_and_frequencies_that_are_asked_for(axes):
    seconds = np.arange(10_000)[:, None] / 200
    signals = np.zeros((10_000, 20), np.float32)
    signals[:, :1] = 50 * np.sin(2 * np.pi * 10 * seconds) + 500 * np.sin(2 * np.pi * 60 * seconds)
    plots.montage(signals, axes, span=(20, 30), spacing=80)
    line = axes.lines[0]
    assert (line.get_xdata()[0], axes.get_xlim()) == (20, (20, 30))
    assert 40 < np.abs(line.get_ydata()).max() < 100  # of 550 with mains


def test_a_page_is_drawn_to_scale(windows, sample_dir):
    examples = eeg.find_examples(windows, sample_dir, n_candidates=2)
    chosen = plots.sensitivity(examples)
    figures = plots.pattern(examples[0], chosen)
    name = examples[0].name.lower()
    assert list(figures) == [f"page_{name}", f"pattern_{name}"]
    page = figures[f"page_{name}"]
    box, ax = page.get_size_inches() * 25.4, page.axes[0]
    bounds = ax.get_position()
    assert bounds.width * box[0] == pytest.approx(300)
    low, high = ax.get_ylim()
    assert (high - low) / (bounds.height * box[1]) == pytest.approx(chosen)
    assert f"{chosen} µV/mm" in ax.get_title()
    labels = [ax.get_xlabel() for ax in figures[f"pattern_{name}"].axes]
    assert "minutes from the label" in labels


def test_one_clock_for_all_views():
    figure, axes = plt.subplots(4, 3)
    for column, view in zip(axes.T, ("eeg50", "eeg10", "kaggle600"), strict=True):
        plots.tiles(np.zeros((4, 8, 16), np.uint8), column, view=view)
    limits = [ax.get_xlim() for ax in axes[-1]]
    assert limits == [(0, 50), (20, 30), (-512 / 120, 512 / 120)]
    plt.close(figure)


def test_what_recordings_are_like_is_drawn_with_units(windows, sample_dir):
    figure, axes = plt.subplots(1, 3)
    plots.survey(*eeg.survey(windows, sample_dir, n_recordings=4), axes)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)
    plt.close(figure)


def test_windows_of_a_recording_lie_where_they_are(sample_dir, axes):
    metadata = load_metadata(sample_dir, "train")
    plots.overlap(metadata, axes)
    largest = metadata[metadata.eeg_id == metadata.eeg_id.mode()[0]]
    bars = [bar.get_paths()[0].get_extents() for bar in axes.collections[::2]]
    starts = sorted(largest.eeg_label_offset_seconds)
    np.testing.assert_allclose([bar.x0 for bar in bars], starts)
    np.testing.assert_allclose([bar.width for bar in bars], 50)


def test_second_opinions_are_drawn(axes):
    table = scores.second_opinions(pd.DataFrame([[3, 2, 1, 1, 1, 1]], columns=list(VOTE_COLUMNS)))
    plots.second_opinions(table, axes)
    assert len(axes.texts) == 36


def test_tiles_share_one_scale():
    figure, axes = plt.subplots(4)
    image = np.arange(4 * 8 * 16, dtype=np.uint16).reshape(4, 8, 16).astype(np.uint8)
    plots.tiles(image, axes, view="eeg50")
    pictures = [ax.images[0] for ax in axes]
    assert {picture.get_clim() for picture in pictures} == {(0, 255)}
    assert [ax.get_ylabel()[:2] for ax in axes] == ["LL", "RL", "LP", "RP"]
    plt.close(figure)


def test_augmentations_are_drawn_side_by_side():
    image = np.zeros((2, 4, 8, 16), np.uint8)
    image[0, 1] = 7
    figure, axes = plt.subplots(2, 2)
    plots.augmentations({"as it is": image, "swap": image + 1}, axes)
    assert [ax.get_title() for ax in axes[0]] == ["as it is", "swap"]
    means = [[ax.images[0].get_array().mean() for ax in row] for row in axes]
    assert means == [[0, 1], [7, 8]]
    plt.close(figure)


def test_svg_is_small_and_the_same_each_time(tmp_path):
    signals = np.random.default_rng(0).normal(0, 30, (10_000, 20)).astype(np.float32)
    drawings = []
    for name in ("first", "second"):
        figure, ax = plt.subplots(figsize=(9, 5))
        plots.montage(signals, ax)
        plots.save(figure, tmp_path, name)
        plt.close(figure)
        drawings.append((tmp_path / "figures" / f"{name}.svg").read_bytes())
    assert drawings[0] == drawings[1]
    assert drawings[0].count(b"<image") == 1  # the traces
    assert b"<text" not in drawings[0]  # which needs a font
    assert len(drawings[0]) < 1_000_000
