import os
import re
import shutil
import time
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from hms_utils import eeg
from hms_utils.answers import diagnose, hidden_test, predict_test, write_submission
from hms_utils.images import VIEWS, draw, streaming
from hms_utils.paths import code_version
from tests import damage

PRIOR = [0.05, 0.1, 0.15, 0.2, 0.2, 0.3]
SETTINGS = {"reduce": [8, 8], "db_range": [-20, 40], "views": list(VIEWS)}


class Brightness:
    """Stands for an ensemble; its answer says how bright each image is."""

    n_folds = 3
    settings = MappingProxyType({"prior": PRIOR, "images": SETTINGS})

    def predict(self, images, *, flipped, n_folds):
        three = [images[view] for view in VIEWS[:3]]
        bright = np.stack([view.mean(axis=(1, 2, 3)) / 255 for view in three], axis=1)
        answers = np.concatenate([bright + 0.1, 1.2 - bright], axis=1)
        return answers / answers.sum(axis=1, keepdims=True)


class Clock:
    """Time that passes only when something is computed."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Slow(Brightness):
    """Takes a second for each image and fold; remembers what it was asked for."""

    n_folds = 5

    def __init__(self, clock):
        self.clock, self.plans, self.pass_seconds = clock, [], 1.0

    def predict(self, images, *, flipped, n_folds):
        n_windows = len(images["eeg50"])
        self.plans += [(flipped, n_folds)] * n_windows
        self.clock.now += n_windows * n_folds * (4 if flipped else 1) * self.pass_seconds
        return super().predict(images, flipped=flipped, n_folds=n_folds)


@pytest.fixture
def slow(monkeypatch):
    """An ensemble with a clock of its own, and recordings that are drawn at once."""
    clock = Clock()
    image = {view: np.full((1, 4, 16, 32), 99, np.uint8) for view in VIEWS}

    def stream(test, *_, **__):
        for part in streaming.split(range(len(test))):
            yield [(image, "", 0.01)] * len(part)

    monkeypatch.setattr(hidden_test, "monotonic", clock)
    monkeypatch.setattr(hidden_test, "stream", stream)
    return Slow(clock)


def recordings(number):
    return pd.DataFrame({"eeg_id": np.arange(number), "spectrogram_id": np.arange(number)})


def link(data_dir, folder):
    """Copy a test set by links, so that files can be replaced."""
    for name in ("test_eegs", "test_spectrograms"):
        shutil.copytree(data_dir / name, folder / name, copy_function=os.link)
    shutil.copy(data_dir / "test.csv", folder)
    return eeg.read_test(folder)


@pytest.mark.parametrize(
    ("change", "images", "reason"),
    [
        (lambda table: table + 5_000 * (table.columns == "F7"), True, ""),
        (lambda table: table * 10, True, "3 to 65 µV as usual from 1 to 20 Hz, found "),
        (lambda table: table / 1000, False, "expected EEG in microvolts, .*found 0\\.0"),
        (lambda table: table * 1000, False, "expected EEG in microvolts, .*found [0-9]+,[0-9]+ µV"),
        (lambda table: table.drop(columns="EKG").rename(columns={"T3": "t7"}), True, ""),
    ],
)
def test_the_amplitude_is_judged_as_elsewhere(sample_dir, tmp_path, change, images, reason):
    row = eeg.read_test(sample_dir).iloc[0]
    shutil.copytree(sample_dir / "test_spectrograms", tmp_path / "test_spectrograms")
    (tmp_path / "test_eegs").mkdir()
    name = Path("test_eegs") / f"{row.eeg_id}.parquet"
    change(pd.read_parquet(sample_dir / name)).to_parquet(tmp_path / name)
    ids = int(row.eeg_id), int(row.spectrogram_id)
    drawn, found, _ = streaming._draw(tmp_path, *ids, SETTINGS)
    assert (drawn is not None) == images
    assert re.search(reason, found) if reason else found == ""


def test_each_kind_of_damage_is_answered_listed_and_explained(sample_dir, tmp_path):
    kinds = damage.make_data(sample_dir, tmp_path / "data", n_good=12, n_each=1)
    assert len(damage.KINDS) == 20
    test = eeg.read_test(tmp_path / "data")
    answers, problems = predict_test(test, tmp_path / "data", Brightness(), budget_hours=1)
    assert list(damage.faults(kinds, answers, problems, PRIOR)) == []
    assert list(problems) == ["eeg_id", "reason"]
    assert problems.reason.str.endswith(
        ("with the prior", "without the spectrogram", "all the same")
    ).all()
    write_submission(test.eeg_id, answers, test, tmp_path / "submission.csv")
    assert diagnose(tmp_path / "submission.csv", test).empty


def test_networks_of_spectrograms_alone_need_no_eeg(sample_dir, tmp_path):
    test = link(sample_dir, tmp_path)
    first, second, third = test.eeg_id[:3]
    far = [f"test_spectrograms/{each}.parquet" for each in test.spectrogram_id[:3]]
    (tmp_path / f"test_eegs/{first}.parquet").unlink()
    (tmp_path / far[1]).unlink()
    (tmp_path / far[2]).unlink()
    (tmp_path / far[2]).write_bytes(b"no parquet file")

    class OfOneView(Brightness):
        settings = MappingProxyType({"prior": PRIOR, "images": SETTINGS | {"views": ["kaggle600"]}})

        def predict(self, images, **options):
            return super().predict(dict.fromkeys(VIEWS, images["kaggle600"]), **options)

    answers, problems = predict_test(test, tmp_path, OfOneView(), budget_hours=1)
    same = (answers == PRIOR).all(axis=1)
    assert test.eeg_id[same].tolist() == [second, third]
    assert problems.eeg_id.tolist() == [second, third]
    assert problems.reason.str.endswith("answered with the prior").all()
    assert problems.reason.str.startswith("test_spectrograms/").all()
    # Those of EEG too have nothing to go by.
    answers, problems = predict_test(test, tmp_path, Brightness(), budget_hours=1)
    assert test.eeg_id[(answers == PRIOR).all(axis=1)].tolist() == [first]


def test_answers_are_of_the_images_that_notebook_2_draws(sample_dir):
    test = eeg.read_test(sample_dir)
    answers, problems = predict_test(test, sample_dir, Brightness(), budget_hours=1)
    assert problems.empty
    settings = SETTINGS | {"code": code_version(*draw.CODE)}
    for row, answer in zip(test.itertuples(), answers, strict=True):
        window = [(0, row.eeg_id, 0.0, 0.0)]
        _, images, _, _ = draw.draw_recordings(
            sample_dir, "test", row.spectrogram_id, window, settings
        )
        expected = Brightness().predict(images, flipped=True, n_folds=3)[0]
        np.testing.assert_array_equal(answer, expected)


def test_nothing_that_can_be_read_is_no_error(sample_dir, tmp_path):
    test = eeg.read_test(sample_dir)
    answers, problems = predict_test(test, tmp_path, Brightness(), budget_hours=1)
    np.testing.assert_array_equal(answers, np.tile(PRIOR, (len(test), 1)))
    assert problems.eeg_id.tolist() == test.eeg_id.tolist()
    assert problems.reason.str.contains("found none at").all()


@pytest.mark.skipif(os.name != "posix", reason="pipes and modes of Linux")
def test_files_of_other_kinds_are_not_waited_for(sample_dir, tmp_path):
    test = link(sample_dir, tmp_path)
    pipe, loop, locked = (tmp_path / "test_eegs" / f"{each}.parquet" for each in test.eeg_id[:3])
    for path in (pipe, loop, locked):
        path.unlink()
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    shutil.copy(sample_dir / "test_eegs" / locked.name, locked)
    locked.chmod(0)
    _, problems = predict_test(test, tmp_path, Brightness(), budget_hours=1)
    n_denied = 0 if os.access(locked, os.R_OK) else 1  # root may read all
    assert problems.eeg_id.tolist() == test.eeg_id[: 2 + n_denied].tolist()
    assert problems.reason[:2].str.contains("expected a parquet file, found none").all()


def test_a_recording_without_spectrogram_id_is_answered_from_its_eeg(sample_dir):
    test = eeg.read_test(sample_dir)
    whole, _ = predict_test(test, sample_dir, Brightness(), budget_hours=1)
    test.loc[0, "spectrogram_id"] = -1
    answers, problems = predict_test(test, sample_dir, Brightness(), budget_hours=1)
    np.testing.assert_array_equal(answers[1:], whole[1:])
    assert not np.allclose(answers[0], PRIOR)
    assert problems.reason.tolist() == ["no spectrogram file; answered all the same"]


def test_a_process_that_dies_or_hangs_costs_one_recording(sample_dir, monkeypatch):
    test, draw = eeg.read_test(sample_dir), streaming._draw
    dying, hanging = test.eeg_id[[1, 3]].tolist()

    def nasty(data_dir, eeg_id, *rest):
        if eeg_id == dying:
            os._exit(1)
        if eeg_id == hanging:
            time.sleep(600)
        return draw(data_dir, eeg_id, *rest)

    monkeypatch.setattr(streaming, "_draw", nasty)
    monkeypatch.setattr(streaming, "_DRAW_SECONDS", 10)
    answers, problems = predict_test(test, sample_dir, Brightness(), budget_hours=1)
    assert problems.eeg_id.tolist() == [dying, hanging]
    assert problems.reason.tolist() == [
        "the process that drew it died; answered with the prior",
        "drawing it took more than 10 seconds; answered with the prior",
    ]
    assert (np.abs(answers - PRIOR).max(axis=1) == 0).tolist() == [False, True, False, True]


@pytest.mark.parametrize("number", [1, 2, 13])
def test_answers_stay_with_their_recordings_when_processes_die(monkeypatch, number):
    def echo(data_dir, eeg_id, *_):
        if eeg_id in (5, 6):
            os._exit(1)
        time.sleep(0.01)
        images = {view: np.full((1, 4, 8, 8), eeg_id, np.uint8) for view in VIEWS}
        return images, "", 0.01

    monkeypatch.setattr(streaming, "_draw", echo)
    monkeypatch.setattr(streaming, "_PARTS", (1, 4))
    monkeypatch.setattr(streaming, "_PART", 4)
    parts = streaming.stream(recordings(number), "", SETTINGS, n_jobs=2, until=np.inf)
    drawn = [each for part in parts for each in part]
    assert len(drawn) == number
    for eeg_id, (images, reason, _) in enumerate(drawn):
        if eeg_id in (5, 6):
            assert reason == "the process that drew it died"
        else:
            assert (images["eeg50"] == eeg_id).all()


def test_recordings_are_drawn_here_if_no_process_starts(sample_dir, monkeypatch):
    test = eeg.read_test(sample_dir)
    expected, _ = predict_test(test, sample_dir, Brightness(), budget_hours=1)

    def refuse(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(streaming, "processes", refuse)
    answers, problems = predict_test(test, sample_dir, Brightness(), budget_hours=1)
    np.testing.assert_array_equal(answers, expected)
    assert problems.empty


def test_what_hangs_is_not_waited_for_when_time_is_up(monkeypatch):
    monkeypatch.setattr(streaming, "processes", lambda *_, **__: list)  # gives back the jobs
    monkeypatch.setattr(streaming, "_begin", lambda *_: ())
    ((image, reason, _),), *_ = streaming.stream(recordings(3), "", SETTINGS, n_jobs=2, until=0)
    assert image is None
    assert reason == "not reached in time"


@pytest.mark.parametrize("fault", [MemoryError("no memory left\nat all"), np.nan])
def test_a_recording_that_cannot_be_predicted_costs_no_other(sample_dir, fault):
    test = eeg.read_test(sample_dir)
    expected, _ = predict_test(test, sample_dir, Brightness(), budget_hours=1)

    class Delicate(Brightness):
        def predict(self, images, **options):
            answers = super().predict(images, **options)
            spoilt = np.isclose(answers, expected[2]).all(axis=1)
            if spoilt.any() and isinstance(fault, Exception):
                raise fault
            answers[spoilt] = np.nan
            return answers

    answers, problems = predict_test(test, sample_dir, Delicate(), budget_hours=1)
    np.testing.assert_array_equal(np.delete(answers, 2, 0), np.delete(expected, 2, 0))
    np.testing.assert_array_equal(answers[2], PRIOR)
    assert problems.eeg_id.tolist() == [test.eeg_id[2]]
    reason = "it cannot be predicted: no memory left; answered with the prior"
    if not isinstance(fault, Exception):
        reason = "its answer is not finite; answered with the prior"
    assert problems.reason.tolist() == [reason]


def test_with_time_enough_nothing_is_saved(slow, capsys):
    answers, problems = predict_test(recordings(100), "", slow, budget_hours=1)
    assert set(slow.plans) == {(True, 5)}
    assert problems.empty
    assert len(answers) == 100
    text = capsys.readouterr().out
    assert "83 recordings are left, and 54.3 minutes for them; with 5 of 5 folds and all" in text
    assert "they take 27.7 minutes" in text
    assert "goes on" not in text


@pytest.mark.parametrize(
    ("hours", "least", "has_priors"),
    [
        (1.2, (False, 5), False),
        (0.6, (False, 3), False),
        (0.3, (False, 1), False),
        (0.2, (False, 1), True),
    ],
)
def test_mirror_images_are_saved_first_then_folds(slow, capsys, hours, least, has_priors):
    start, n_recordings = slow.clock.now, 600
    answers, problems = predict_test(recordings(n_recordings), "", slow, budget_hours=hours)
    assert slow.clock.now - start <= 3600 * hours
    assert slow.plans[0] == (True, 5)
    order = [(True, 5), *((False, n_folds) for n_folds in range(5, 0, -1))]
    assert max(slow.plans, key=order.index) == least
    assert ("recordings are answered with the prior" in capsys.readouterr().out) == has_priors
    n_left = n_recordings - len(slow.plans)
    assert (n_left > 0) == has_priors
    np.testing.assert_array_equal(answers[len(slow.plans) :], np.tile(PRIOR, (n_left, 1)))
    assert problems.eeg_id.tolist() == list(range(len(slow.plans), n_recordings))
    assert (problems.reason == f"not reached within {hours} hours; answered with the prior").all()


def test_without_any_time_all_get_the_prior(slow):
    answers, problems = predict_test(recordings(70), "", slow, budget_hours=0)
    assert slow.plans == []
    assert len(problems) == 70
    np.testing.assert_array_equal(answers, np.tile(PRIOR, (70, 1)))


def test_savings_are_taken_back_when_time_turns_out_to_be_enough(slow, capsys):
    slow.pass_seconds = 10.0
    predict = slow.predict

    def faster(images, **options):
        answers = predict(images, **options)
        slow.pass_seconds = 10.0 if len(slow.plans) < 20 else 0.1
        return answers

    slow.predict = faster
    predict_test(recordings(400), "", slow, budget_hours=8)
    assert (False, 5) in slow.plans
    assert slow.plans[-1] == (True, 5)
    assert "so it goes on with 5 of 5 folds and all mirror images" in capsys.readouterr().out


def test_rows_of_the_test_table_that_make_no_sense_are_passed_over(tmp_path, capsys):
    text = (
        "spectrogram_id,eeg_id,patient_id\n5,10,1\n,11,1\n7,10,1\n8,,1\n9,x,1\ny,12,\n3,1e400,1\n"
    )
    (tmp_path / "test.csv").write_text(text)
    table = eeg.read_test(tmp_path)
    assert table.to_dict("list") == {"eeg_id": [10, 11, 12], "spectrogram_id": [5, -1, -1]}
    assert "4 of 7 rows repeat an eeg_id or have none" in capsys.readouterr().out
    (tmp_path / "test.csv").write_text("eeg_id\n3\n")
    assert eeg.read_test(tmp_path).spectrogram_id.tolist() == [-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", r"expected an eeg_id in each row, found \['a', 'b'\]"),
        ("eeg_id\n", "expected an eeg_id in each row"),
        ("", "expected a CSV table, found one that fails"),
        ('eeg_id\n"3', "expected a CSV table, found one that fails"),
    ],
)
def test_a_test_table_without_recordings_is_refused(tmp_path, content, message):
    (tmp_path / "test.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        eeg.read_test(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected the competition's test table"):
        eeg.read_test(Path("/nonexistent"))


@pytest.mark.real_data
def test_real_recordings_are_all_answered(real_dir):
    test = eeg.read_test(real_dir)
    answers, problems = predict_test(test, real_dir, Brightness(), budget_hours=1)
    assert not (np.abs(answers - PRIOR).max(axis=1) == 0).any()
    # Of some only ten seconds are known.
    assert problems.reason.str.contains("of the EEG is missing; answered all the same").all()
