"""The browser of cards: there where someone can click, and nowhere else."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hms_utils import answers
from hms_utils.answers.browse import BY_PATIENT
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.eeg import load_metadata, select_windows

PNG = b"\x89PNG"


@pytest.fixture
def index():
    votes = 12 * np.eye(6, dtype=int)[[0, 1, 1, 5]]
    return pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(patient_id=[9, 7, 8, 7])


@pytest.fixture
def alone(monkeypatch):
    for name in ("KAGGLE_KERNEL_RUN_TYPE", "JPY_SESSION_NAME", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)


def prediction(shares):
    """Answers with this share for the first class and the rest for all others alike."""
    first = np.asarray(shares, float)[:, None]
    return np.hstack([first, np.repeat((1 - first) / 5, 5, axis=1)])


def browser(index, monkeypatch):
    drawn = []

    def draw(row):
        drawn.append(row)
        if row == 2:
            raise ValueError("train_eegs/2.parquet: expected a whole parquet file")
        return plt.figure()

    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/05_comparison.ipynb")
    box = answers.browse(draw, index, np.arange(4), prediction([0.9, 0.9, 0.5, 0.1]))
    choice, steps, card = box.children
    return drawn, (*choice.children, *steps.children), card


def test_nothing_is_made_where_nobody_clicks(index, alone, monkeypatch):
    assert answers.browse(None, index, np.arange(4), prediction([0.5] * 4)) is None
    monkeypatch.setenv("JPY_SESSION_NAME", "a")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert answers.browse(None, index, np.arange(4), prediction([0.5] * 4)) is None


def test_clicks_lead_through_the_windows_and_what_cannot_be_drawn_is_said(
    index, alone, monkeypatch
):
    drawn, (which, order, back, onwards, place), card = browser(index, monkeypatch)
    assert drawn == [1]  # whose class was thought least probable
    assert bytes(card.value).startswith(PNG)
    onwards.click()
    assert drawn[-1] == 2
    assert bytes(card.value) == b""
    assert "2 of 4: train_eegs/2.parquet" in place.value
    onwards.click()
    back.click()
    back.click()
    back.click()
    assert drawn[2:] == [3, 2, 1, 0]  # from the first back to the last
    which.value = "LPD"
    assert (drawn[-1], place.value) == (1, "1 of 2")
    which.value, order.value = "all classes", BY_PATIENT
    onwards.click()
    assert drawn[-1] == 3  # the other window of the first patient


def test_panels_come_before_few_raters(index, alone, monkeypatch):
    index.loc[1, list(VOTE_COLUMNS)] //= 6  # two raters, further from the answer than any panel
    drawn, (_, _, _, onwards, _), _ = browser(index, monkeypatch)
    for _ in range(3):
        onwards.click()
    assert drawn == [2, 3, 0, 1]


def test_a_card_has_the_cases_and_their_votes(sample_dir):
    index = select_windows(load_metadata(sample_dir, "train"))
    shares = np.full((len(index), 6), 1 / 6)
    pictures = {"eeg50": np.zeros((len(index), 4, 8, 16), np.uint8)}
    figure = answers.card_with_cases(
        2,
        data_dir=sample_dir,
        index=index,
        prediction=shares,
        cases={2: [0, 5, 1]},
        pictures=pictures,
    )
    last = figure.subfigs[2]
    titles = [ax.get_title() for ax in last.axes[::2]]
    assert titles == [f"EEG {index.eeg_id[case]}" for case in (0, 5, 1)]
    widths = [[bar.get_width() for bar in ax.patches] for ax in last.axes[1::2]]
    assert widths == index.loc[[0, 5, 1], list(VOTE_COLUMNS)].to_numpy().tolist()
    alone = answers.card_with_cases(
        3, data_dir=sample_dir, index=index, prediction=shares, cases={}, pictures=pictures
    )
    assert len(alone.subfigs) == 2
