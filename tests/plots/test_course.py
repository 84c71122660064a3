import datetime
import sys

import matplotlib.image
import mne
import numpy as np
import pandas as pd
import pytest

from hms_utils import answers, plots
from hms_utils.answers import over_time
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, RESEARCH_NOTICE, SPECTROGRAM_COLUMNS
from hms_utils.eeg import Recording
from hms_utils.images import n_long_rows


@pytest.fixture
def course(tmp_path):
    """A recording and answers that some windows share."""

    def make(seconds, start=None):
        recording = Recording(tmp_path / "a.edf", seconds * 200, None, start=start)
        centres = np.arange(25.0, seconds - 24, 10)
        shares = np.random.default_rng(0).dirichlet(np.full(6, 0.3), len(centres))
        table = pd.DataFrame(
            np.repeat(shares, 3, axis=0)[: len(centres)], columns=list(PREDICTION_COLUMNS)
        )
        table.insert(0, "seconds", centres)
        if start:
            table.insert(1, "clock", pd.Timestamp(start) + pd.to_timedelta(centres, unit="s"))
        rows = np.full((n_long_rows(recording), len(SPECTROGRAM_COLUMNS)), np.nan, np.float32)
        rows[138:-138] = 10
        return recording, table, rows

    return make


def test_equal_answers_are_joined():
    rows = np.full((6, 6), 0.1)
    for row, (number, value) in enumerate(((5, 0.5), (5, 0.7), (1, 0.5), (1, 0.5), (0, 0.9))):
        rows[row, number] = value
    rows[3] = np.nan
    table = pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))[:5]
    for step, width in ((10, 10), (4, 4), (30, 10)):
        table["seconds"] = 25.0 + step * np.arange(5)
        parts = over_time.merge(table)
        assert [part[2] for part in parts] == ["Other", "LPD", "Seizure"]
        assert [part[0] + width / 2 for part in parts] == [25, 25 + 2 * step, 25 + 4 * step]
        assert [part[1] for part in parts] == [step + width, width, width]
        np.testing.assert_allclose([part[3] for part in parts], [0.6, 0.5, 0.9])


def test_table_annotations_and_picture_agree(course, tmp_path):
    recording, table, rows = course(200, start=datetime.datetime(2021, 3, 4, 23, 59, 30))
    written = answers.write_predictions(recording, table, rows, tmp_path / "new", synthetic=True)
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


def test_without_edfio_the_rest_is_written(course, tmp_path, monkeypatch, capsys):
    recording, table, rows = course(60)
    table["seconds"] += 1_000_000  # days
    monkeypatch.setitem(sys.modules, "edfio", None)
    written = answers.write_predictions(recording, table, rows, tmp_path / "new", synthetic=False)
    assert [path.suffix for path in written] == [".csv", ".png"]
    assert sorted(written) == sorted((tmp_path / "new").iterdir())
    assert "they need the package edfio: pip install edfio" in capsys.readouterr().out
    assert "SYNTHETIC" not in written[0].read_text()
    assert pd.read_csv(written[0], comment="#").seconds.tolist() == table.seconds.tolist()


@pytest.mark.parametrize(
    ("start", "seconds", "labels", "axis"),
    [
        (None, 50, ["0:00:00", "0:00:05", "0:00:10"], "time since the beginning"),
        (None, 90_000, ["0:00", "4:00", "8:00"], "time since the beginning"),
        (datetime.datetime(2021, 3, 4, 22, 13, 5), 36_000, ["23:00", "0:00", "1:00"], "clock"),
    ],
)
def test_the_course_has_round_times(start, seconds, labels, axis, course):
    recording, table, rows = course(seconds, start=start)
    figure = plots.draw_course(recording, table, rows, notes=["a note", "another"])
    last = figure.axes[2]
    assert [label.get_text() for label in last.get_xticklabels()[:3]] == labels
    assert last.get_xlabel().startswith(axis)
    assert figure.get_supxlabel() == "a note  another"
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == [*CLASSES, "no answer"]
