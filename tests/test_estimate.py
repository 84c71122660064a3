"""The estimate of a run: what it adds up, and that it measures what it says."""

import re
import time

import numpy as np
import pytest
from click.testing import CliRunner

from hms_utils import chain, eeg, estimate, images, networks, paths
from hms_utils.cli import main

PACE = {"compile": 10.0, "train": 0.1, "predict": 0.01, "memory": 2e9, "parameters": 10**6}


@pytest.fixture
def paces(monkeypatch):
    """Networks of a known pace, imports and pictures that take no time."""
    monkeypatch.setattr(estimate, "_time_network", lambda number, values, n_views, shape: PACE)
    monkeypatch.setattr(estimate, "_page_factor", lambda: 0.0)
    monkeypatch.setattr(estimate, "_time_scorecard", lambda windows: 0.0)
    monkeypatch.setattr(estimate, "_time_drawing", lambda *_: (0.5, 1e5, (32, 64)))


def costs(sample_dir, *assignments, only=None, full=False):
    notebooks = chain.select(only=only)
    parameters = chain.read_parameters(assignments, notebooks)
    location = paths.DataLocation(sample_dir, "of the test")
    found = estimate.estimate(notebooks, parameters, location, full=full)
    return {cost.notebook[:2]: cost for cost in found}


def test_epochs_folds_and_windows_add_up(sample_dir, paces):
    windows = eeg.select_windows(eeg.load_metadata(sample_dir, "train"))
    n = len(windows)
    quick = costs(sample_dir)
    assert list(quick) == ["01", "02", "03", "04", "05", "06"]
    assert quick["02"].seconds == pytest.approx(0.5 * n)
    assert quick["02"].disk == n * 1e5
    one, two = (costs(sample_dir, f"EPOCHS={e}", "WELL_EPOCHS=0", only="03") for e in (1, 2))
    # Of three folds each row is trained on twice an epoch and answered once.
    assert two["03"].seconds - one["03"].seconds == pytest.approx(n * (2 * 0.1 + 0.01))
    assert one["03"].seconds == pytest.approx(2 * 10 + n * (2 * 0.1 + 0.01 + 4 * 0.01))
    assert one["03"].disk == 4 * 10**6 * 3


def test_full_scale_has_its_folds_and_sets_patients_aside(sample_dir, paces):
    n = len(eeg.select_windows(eeg.load_metadata(sample_dir, "train")))
    one, two = (
        costs(sample_dir, f"EPOCHS={e}", "WELL_EPOCHS=0", only="04", full=True) for e in (1, 2)
    )
    # Nine tenths of the rows of the other four folds are trained on, the rest is answered.
    trained, answered = 0.9 * 0.8 * n * 5, (0.2 + 0.1 * 0.8) * n * 5
    assert two["04"].seconds - one["04"].seconds == pytest.approx(0.1 * trained + 0.01 * answered)


def test_the_table_has_a_range_and_a_sum(sample_dir, paces):
    text = estimate.table(list(costs(sample_dir).values()))
    lines = text.splitlines()
    assert [line.split()[0] for line in lines] == ["notebook", *chain.NOTEBOOKS, "all"]
    assert estimate.table([estimate.Cost("all", 7200.0, 2e9, 3e9, "")]).splitlines()[1].split() == (
        ["all", "2.0", "h", "1.6", "h", "to", "2.5", "h", "2.0", "GB", "3.0", "GB"]
    )


def test_columns_stay_apart_however_long_the_numbers_are():
    many = [
        estimate.Cost("01_eda", 1164.0, 2e9, 3e9, "fewer"),
        estimate.Cost("04_efficientnet_b0", 3.6e7, 1e14, 1e15, "a GPU"),
    ]
    header, *lines = estimate.table(many).splitlines()
    cells = [re.split(r" {2,}", line) for line in lines]
    assert cells[0] == ["01_eda", "19.4 min", "15.5 min to 24.2 min", "2.0 GB", "3.0 GB", "fewer"]
    assert cells[1][1:4] == ["10000.0 h", "8000.0 h to 12500.0 h", "100000.0 GB"]
    ends = [[match.end() for match in re.finditer(r"\S+(?: \S+)*", line)][1:5] for line in lines]
    assert ends == [ends[0]] * 3
    assert [header[:end].split()[-1] for end in ends[0]] == ["time", "range", "memory", "disk"]


def test_the_pace_is_that_of_steps_and_images(monkeypatch):
    monkeypatch.setattr("hms_utils.networks.pace._SECONDS", 0.5)
    # Of this process, however busy the machine is.
    monkeypatch.setattr("hms_utils.networks.pace.time.perf_counter", time.process_time)
    options = {"batch_size": 8, "augment": ("swap",)}
    small, large = (networks.measure_pace("cnn", 2, (8 * k, 16 * k), **options) for k in (2, 24))
    assert large["train"] > 2 * small["train"]
    assert large["predict"] > 0 and large["memory"] > small["memory"] / 2
    assert small["compile"] > small["train"] * 8
    assert small["parameters"] > 10_000
    assert small["memory"] > 1e8


def test_drawing_is_timed_on_some_recordings(sample_dir):
    windows = eeg.select_windows(eeg.load_metadata(sample_dir, "train"))
    values = {"REDUCE": [4, 8]}
    seconds, n_bytes, shape = estimate._time_drawing(windows, sample_dir, values)
    assert shape == (32, 32)
    assert n_bytes == len(images.VIEWS) * 4 * 32 * 32
    assert 0 < seconds < 10
    assert estimate._time_scorecard(windows) > 0


def test_command_runs_nothing(sample_dir, tmp_path, paces):
    arguments = ["run", "--estimate", "--data-dir", sample_dir, "--output-dir", tmp_path / "out"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--only", "3"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "03_cnn_baseline" in result.output and "cheaper" in result.output
    assert np.all([name not in result.output for name in ("01_eda", "06_submission")])
    assert not (tmp_path / "out").exists()
