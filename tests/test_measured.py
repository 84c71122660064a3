"""The page's figures are those of the run's metrics."""

import pytest

from benchmarks import measured
from hms_utils import paths

OF = {"commit": "`abc1234`", "machine": "2 cores", "versions": "Python 3.11"}


def cell(model, group, kl, low, n_patients=60):
    part = {"model": model, "group": group, "kl": kl, "low": low, "high": low and low + 0.2}
    return part | {"n_rows": 123, "n_patients": n_patients}


@pytest.fixture
def metrics(tmp_path):
    groups = ("all rows", "edge", ">= 10 votes")
    scorecard = [
        cell(model, group, kl, low)
        for group in groups
        for model, kl, low in (("prior", 0.9, 0.8), ("blend", 0.469, 0.41), ("floor", 0.1, None))
    ]
    bounds = {"low": 0.45, "high": 0.63}
    mark = {"model": "blend", "group": "all rows", "mark": "prior", "difference": -0.15}
    mark["n_patients"] = 60
    error = {"error": 0.05, "expected": 0.03, "low": 0.02, "high": 0.04}
    line = {"model": "blend", "group": "all rows", "floor": "floor", "closed": 0.55}
    line["n_patients"] = error["n_patients"] = 60
    doubt = {"rank": 0.03, "rank_low": -0.14, "rank_high": 0.2, "model": 1.13, "experts": 0.77}
    doubt |= {"gap": 0.37, "gap_low": 0.29, "gap_high": 0.44, "n_patients": 60}
    level = {"level": 0.5, "attainable": 0.61, "covered": 0.5, "n_patients": 60}
    alarm = {"threshold": 0.2, "n_rows": 0, "n_patients": 0, "found": 0}
    alarm |= {"n_others": 108, "n_other_patients": 60, "false_alarms": 2}
    alarm |= {"sensitivity": None, "sensitivity_low": None, "sensitivity_high": None}
    alarm |= {"false_rate": 0.02, "false_rate_low": 0, "false_rate_high": 0.06}
    test = {"model": "cnn", "mean": 0.1, "low": -0.1, "high": 0.3, "n_rows": 40, "n_patients": 30}
    paths.write_json(
        tmp_path / "metrics" / "05_comparison.json",
        {
            "scorecard": scorecard,
            "blend": {"cnn": {"share": 1.0}, "b0": {"share": 0.0}},
            "against_marks": [mark | {"low": -0.2, "high": -0.1}],
            "calibration_error": [{"answer": "blend"} | error, {"answer": "cnn, raw"} | error],
            "closed": [line | bounds],
            "doubt": [{"answer": "blend"} | doubt, {"answer": "cnn, raw"} | doubt],
            "coverage": [level | bounds],
            "alarms": [alarm],
            "deletion": [test | {"measure": "difference"}],
            "planted": [test | {"measure": "side - chance", "low": 0.05}],
        },
    )
    drawn = {"headline": "353 windows of 144 patients in 3 folds"}
    paths.write_json(tmp_path / "metrics" / "02_spectrograms.json", drawn)
    return tmp_path


def test_the_block_has_the_runs_figures_and_what_they_are_of(metrics):
    text = measured.block(metrics, OF)
    lines = text.splitlines()
    assert "| commit | `abc1234` |" in lines and "| versions | Python 3.11 |" in lines
    assert "353 windows of 144 patients in 3 folds. KL divergence:" in lines
    assert "| | all rows (123) | >= 10 votes (123) |" in lines
    assert "| blend | 0.469 (0.410-0.610) | 0.469 (0.410-0.610) |" in lines
    assert "| floor | 0.100 | 0.100 |" in lines
    assert any(line.startswith("- cnn alone answers") for line in lines)
    assert "- blend: better than uniform and each prior in all rows" in lines
    assert sum("- Calibration error of blend: 0.050, more than" in line for line in lines) == 1
    assert not any("cnn, raw" in line for line in lines)
    assert any("55% (45% to 63%) in all rows" in line for line in lines)
    assert sum("when experts disagree is not shown" in line for line in lines) == 1
    assert any("none to judge by; alarms in 2 of 108 others" in line for line in lines)
    assert any(line.startswith("- cnn's map passes 1 of 2 tests") for line in lines)


def test_a_run_without_its_metrics_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="05_comparison"):
        measured.block(tmp_path, OF)


def test_only_what_stands_between_the_marks_is_replaced():
    page = f"a\n{measured.BEGIN}old\n{measured.END}z\n"
    new = measured.replaced(page, "new")
    assert new == f"a\n{measured.BEGIN}\nnew\n{measured.END}z\n"
    assert measured.replaced(new, "new") == new
    for wrong in ("a\n", page + page):
        with pytest.raises(ValueError, match="once each"):
            measured.replaced(wrong, "new")


def test_the_page_has_its_marks_and_the_state_its_commit():
    page = measured.PAGE.read_text(encoding="utf-8")
    assert measured.replaced(page, "new") != page
    assert {*measured.state()} == {"commit", "machine", "versions"}
    assert "tensorflow" in measured.state()["versions"]
