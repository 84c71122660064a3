import shutil

import numpy as np
import pytest

from hms_utils import paths
from hms_utils.networks import fitter, time_budget, training
from hms_utils.networks.time_budget import TimeBudget, TimeIsUp
from tests.networks import test_training
from tests.networks.test_training import (
    STAGES,
    assert_same_history,
    make_images,
    predictions,
    train,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train(folder)


class Clock:
    """Time that only passes where it is told to."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time_budget, "time", clock)
    monkeypatch.setattr(training, "time", clock)
    return clock


def test_a_stage_begins_if_it_ends_in_time(clock):
    budget = TimeBudget(1.0)
    budget.require(0, 100, "first")  # nothing is known yet
    budget.measure(0, 100, 1000)
    budget.require(0, 300, "as the first")
    budget.require(1, 300, "taken for as slow as the first")
    with pytest.raises(TimeIsUp, match=r"second is not begun: it takes 58\.3 minutes .* 60\.0 of"):
        budget.require(0, 350, "second")  # with what may come in between
    budget.measure(1, 100, 10)
    assert budget.expected(1, 350) == pytest.approx(35)
    clock.now += 3600
    with pytest.raises(TimeIsUp, match="third is not begun: the time budget is used up"):
        budget.require(2, 0, "third")


def test_no_budget_is_no_limit(clock):
    budget = TimeBudget()
    budget.measure(0, 1, 1e9)
    budget.require(0, 1000, "any")


def session(folder, hours):
    """Train until the time is up; return whether it was not."""
    try:
        return train(folder, budget_hours=hours)
    except TimeIsUp as end:
        print(end)
        return None


def test_sessions_go_on_from_each_others_output_to_the_same_numbers(
    trained, tmp_path, monkeypatch, capsys, clock
):
    """Each stage takes an hour of this clock, and a session gets little more."""
    fit = fitter.Fitter.fit

    def slow(*arguments, **options):
        clock.now += 3600
        return fit(*arguments, **options)

    monkeypatch.setattr(fitter.Fitter, "fit", slow)
    inputs = tmp_path / "input"
    monkeypatch.setattr(paths, "KAGGLE_INPUT", inputs)
    for number in (1, 2, 3, 4):
        working = tmp_path / f"working{number}"
        ended = session(working, 1.05)
        printed = capsys.readouterr().out
        if ended:
            break
        assert "is not begun: it takes" in printed
        assert f"{number // 2} of 2 folds are trained" in printed
        assert not (working / "oof").exists()
        # As Kaggle mounts a notebook's output: elsewhere, and not to be written to.
        shutil.rmtree(inputs, ignore_errors=True)
        mounted = inputs / "notebooks" / "someone" / f"session{number}"
        shutil.copytree(working, mounted)
        for path in sorted(mounted.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
    assert number == 4
    assert "what " in printed and "is not trained again" in printed
    assert "cnn, fold 0 of 0-1: already trained" in printed
    _, oof, history = trained
    np.testing.assert_array_equal(predictions(ended[0]), predictions(oof))
    assert_same_history(ended[1], history)


def test_earlier_output_is_taken_only_if_it_is_whole_and_of_these_settings(
    trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(paths, "KAGGLE_INPUT", tmp_path / "input")
    mounted = tmp_path / "input" / "training" / "models" / "cnn"
    shutil.copytree(trained[0] / "models" / "cnn", mounted)
    trained_stages = []
    monkeypatch.setattr(
        fitter.Fitter, "fit", lambda self, stage, *_, **k: trained_stages.append(k["label"]) or []
    )
    # Another processor has drawn one pixel in some ten thousand one grey value off.
    pictures = make_images()
    pictures["near"][3, 0, 0, 0] += 1
    assert np.mean(pictures["near"] != make_images()["near"]) < 1 / 20_000
    monkeypatch.setattr(test_training, "make_images", lambda: pictures)
    train(tmp_path / "out")
    assert trained_stages == []
    assert (tmp_path / "out" / "models" / "cnn" / "fold1.keras").read_bytes() == (
        mounted / "fold1.keras"
    ).read_bytes()
    capsys.readouterr()

    train(tmp_path / "other", stages=STAGES[:1], note="other weights")
    assert "not used, as it was trained with other stages, note" in capsys.readouterr().out
    assert len(trained_stages) == 2

    for path in mounted.glob("fold*.json"):  # of a version whose records are not as ours
        paths.write_json(path, {"key": "1", "format": 1})
    train(tmp_path / "other version", stages=STAGES[:1])
    said = [line for line in capsys.readouterr().out.splitlines() if "format 1" in line]
    assert len(said) == 1 and said[0].startswith(f"{mounted}: not used: ")
    assert len(trained_stages) == 4
    shutil.copytree(trained[0] / "models" / "cnn", mounted, dirs_exist_ok=True)

    pictures["near"][3] = 255 - pictures["near"][3]  # another window
    train(tmp_path / "other images")
    assert "not used, as it was trained with other data" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(paths, "KAGGLE_INPUT", tmp_path / "input")

    (mounted / "fold1.keras").write_bytes(b"half of it")
    (mounted / "fold0.json").write_text("{")
    train(tmp_path / "damaged")
    printed = capsys.readouterr().out
    assert "fold1.keras: not the file that fold1.json is of: trained again" in printed
    assert "already trained" not in printed
