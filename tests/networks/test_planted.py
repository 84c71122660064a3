import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hms_utils import networks, plots, scores

mpl.use("Agg")
VIEWS = ("eeg50", "eeg10")


def planted(*rows):
    return pd.DataFrame(rows, columns=["planted_left", "planted_start", "planted_stop"])


def test_planted_shares_are_those_of_side_and_time():
    marks = np.zeros((2, 2, 4, 8, 20))
    marks[:, 0, 0, :, :4] = 3  # LL, the first ten seconds
    marks[:, 0, 3, :, 15] = 4  # RP, within the pattern
    marks[:, 1, 1] = 1  # a view that does not reach beyond the pattern
    shares = networks.planted_shares(marks, planted((1.0, -10, 40), (0.1, -10, 40)), [1, 2], VIEWS)
    total = 12 + 4 + 20
    np.testing.assert_allclose(shares.side, [12 / total, 24 / total])
    np.testing.assert_allclose(shares.time, 4 / 16)
    np.testing.assert_allclose(shares["time - chance"], 0)  # all look at the same seconds


def test_chance_is_what_maps_of_other_patients_have_there():
    """A network that looks at the middle of every window finds the patterns that are there."""
    marks = np.zeros((4, 1, 4, 8, 20))
    marks[:, 0, 0, :, 9:11] = 1  # always the middle, always on the left
    rows = planted((1.0, -5, 5), (1.0, -5, 5), (0.0, -5, 5), (1.0, 10, 20))
    shares = networks.planted_shares(marks, rows, [1, 1, 2, 3], VIEWS[:1])
    np.testing.assert_allclose(shares.time, [1, 1, 1, 0])
    np.testing.assert_allclose(shares.side, [1, 1, 0, 1])
    for name in ("side", "time"):
        np.testing.assert_allclose(shares[f"{name} by chance"], shares[name])
        np.testing.assert_allclose(shares[f"{name} - chance"], 0)
    marks[3] = np.roll(marks[3], 6, axis=-1)  # that window's map alone follows its pattern
    shares = networks.planted_shares(marks, rows, [1, 1, 2, 3], VIEWS[:1])
    np.testing.assert_allclose(shares["time by chance"], [0.5, 0.5, 2 / 3, 0])
    assert shares["time - chance"][3] == 1
    assert networks.planted_shares(marks[:0], rows[:0], [], VIEWS[:1]).empty
    alone = networks.planted_shares(marks, rows, [1, 1, 1, 1], VIEWS[:1])
    assert alone["time - chance"].isna().all() and alone.time.notna().all()


def test_even_maps_have_what_chance_gives():
    rows = planted((0.9, -7.5, 100), (0.05, -100, 12.5))
    shares = networks.planted_shares(np.ones((2, 2, 4, 8, 20)), rows, [1, 2], VIEWS)
    np.testing.assert_allclose(shares.side, 0.5)
    np.testing.assert_allclose(shares["time - chance"], 0, atol=1e-12)
    np.testing.assert_allclose(shares["side - chance"], 0, atol=1e-12)


def test_what_cannot_be_judged_is_missing():
    marks = np.ones((3, 2, 4, 8, 20))
    marks[2] = 0
    rows = planted((0.6, -100, 100), (np.nan, -6, 6), (1.0, -6, 6))
    shares = networks.planted_shares(marks, rows, [1, 2, 3], VIEWS)
    assert shares.side.isna().all()
    assert shares.time.isna().tolist() == [True, False, True]


def test_summary_leaves_out_what_is_missing():
    table = pd.DataFrame({"a": [1.0, 3, np.nan, 2], "b": [np.nan] * 4})
    summary = scores.summarise(table, [7, 8, 9, 8])
    assert summary.loc["a", ["mean", "n_rows", "n_patients"]].tolist() == [2, 3, 2]
    assert 1 <= summary.low["a"] < 2 < summary.high["a"] <= 2.5
    assert summary.loc["b", ["mean", "low", "high"]].isna().all()
    assert summary.n_rows["b"] == 0


def test_maps_of_other_rows_or_views_are_refused():
    with pytest.raises(ValueError, match="maps of 1 rows and views among"):
        networks.planted_shares(np.ones((2, 2, 4, 8, 20)), planted((0.6, -9, 9)), [1], VIEWS)
    with pytest.raises(ValueError, match="'eeg51'"):
        networks.planted_shares(np.ones((1, 1, 4, 8, 20)), planted((0.6, -9, 9)), [1], ["eeg51"])


def test_picture_has_all_views_and_colours_what_is_marked():
    image, marks = np.full((2, 4, 8, 20), 100, np.uint8), np.zeros((2, 4, 8, 20))
    marks[1, 2, :, 5:9] = 1
    figure, axes = plt.subplots(1, 2)
    assert plots.draw_maps(image, marks, axes, views=VIEWS) is figure
    assert [ax.get_title() for ax in axes] == list(VIEWS)
    assert [ax.get_xlim() for ax in axes] == [(0, 50), (20, 30)]
    assert [bool(ax.collections) for ax in axes] == [False, True]
    (path,) = axes[1].collections[0].get_paths()
    seconds = path.get_extents().intervalx
    np.testing.assert_allclose(seconds, [22.5, 24.5], atol=0.5)
    plt.close(figure)


def test_picture_of_an_empty_map_is_the_image_alone():
    figure, axes = plt.subplots(1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty = np.zeros((2, 4, 8, 20), np.uint8)
        plots.draw_maps(empty, empty.astype(float), axes, views=VIEWS)
    assert not any(ax.collections for ax in axes)
    plt.close(figure)
