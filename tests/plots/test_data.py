import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hms_utils import plots
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
    for size, bar in ((30, "100 µV"), (100, "200 µV"), (5000, "2000 µV")):
        axes.clear()
        plots.montage(rng.normal(0, size / 2, (2000, 20)).astype(np.float32), axes)
        assert bar in [text.get_text() for text in axes.texts]


def test_montage_names_its_traces_even_of_gaps(axes):
    eeg = np.random.default_rng(0).normal(0, 30, (2000, 20)).astype(np.float32)
    eeg[:, 0] = np.nan
    plots.montage(eeg, axes)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "Fp1-F7"
    assert len(labels) == 16


def test_tiles_share_one_scale():
    figure, axes = plt.subplots(4)
    image = np.arange(4 * 8 * 16, dtype=np.uint16).reshape(4, 8, 16).astype(np.uint8)
    plots.tiles(image, axes, seconds=50)
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
    eeg = np.random.default_rng(0).normal(0, 30, (10_000, 20)).astype(np.float32)
    drawings = []
    for name in ("first", "second"):
        figure, ax = plt.subplots(figsize=(9, 5))
        plots.montage(eeg, ax)
        plots.save(figure, tmp_path, name)
        plt.close(figure)
        drawings.append((tmp_path / "figures" / f"{name}.svg").read_bytes())
    assert drawings[0] == drawings[1]
    assert drawings[0].count(b"<image") == 1  # the traces
    assert b"<text" not in drawings[0]  # which needs a font
    assert len(drawings[0]) < 1_000_000
