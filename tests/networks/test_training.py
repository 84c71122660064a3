import functools
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from hms_utils import paths
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.networks import Ensemble, Stage, explain, fitter, load_oof, models, seal, training
from hms_utils.networks.backend import keras

N_ROWS = 48
VIEWS = ("near", "far")
STAGES = (Stage("all rows", 6, 1e-2), Stage("well-voted rows", 2, 1e-3, min_votes=10))
SETTINGS = {"batch_size": 8, "augment": ("swap", "gain")}


def make_images():
    """Class 0 is bright in the left chains, class 1 in all."""
    rng = np.random.default_rng(0)
    view = rng.integers(20, 60, (N_ROWS, 4, 16, 32), np.uint8)
    view[0::2, ::2] += 150
    view[1::2] += 150
    return {"near": view, "far": view[:, :, ::-1].copy(), "unused": view[:, :1]}


def make_index(n_votes=(4, 4, 12)):
    counts = np.resize(n_votes, N_ROWS)
    votes = np.zeros((N_ROWS, 6), int)
    votes[0::2, 0], votes[1::2, 1] = counts[0::2], counts[1::2]
    ids = np.arange(N_ROWS)
    table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
    return table.assign(eeg_id=ids, label_id=ids, patient_id=ids // 2, n_votes=counts)


FOLD = np.arange(N_ROWS) // 2 % 2
build = functools.partial(models.build_cnn, 2, (16, 32), filters=(8, 16), dropout=0.2)


def train(folder, *, stages=STAGES, index=None, fold=FOLD, **changed):
    index = make_index() if index is None else index
    return training.cross_validate(
        build, make_images(), VIEWS, index, fold, folder, stages, **SETTINGS | changed
    )


def predictions(oof):
    return oof[list(PREDICTION_COLUMNS)].to_numpy()


def right(oof):
    """Return the mean probability of the right class."""
    return predictions(oof)[np.arange(N_ROWS), np.arange(N_ROWS) % 2].mean()


def assert_same_history(one, two):
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train(folder)


def test_a_pattern_is_learnt_and_judged_out_of_fold(trained):
    folder, oof, _ = trained
    assert (predictions(oof).argmax(axis=1) == np.arange(N_ROWS) % 2).mean() > 0.9
    assert (oof.fold == FOLD).all()
    assert oof.label_id.tolist() == make_index().label_id.tolist()
    stored = pd.read_parquet(folder / "oof" / "cnn.parquet")
    pd.testing.assert_frame_equal(stored, oof)
    model = keras.models.load_model(folder / "models" / "cnn" / "fold1.keras")
    assert model.count_params() == build().count_params()
    names = sorted(path.name for path in (folder / "models" / "cnn").iterdir())
    assert names == ["fold0.json", "fold0.keras", "fold1.json", "fold1.keras"]


def test_history_has_a_line_for_each_epoch_of_each_stage(trained):
    _, _, history = trained
    lines = history.groupby(["fold", "stage"], sort=False).epoch.apply(list).to_dict()
    assert lines == {
        (fold, stage.name): list(range(1, stage.epochs + 1)) for fold in (0, 1) for stage in STAGES
    }
    assert history[["loss", "val_loss", "val_well"]].notna().all(axis=None)
    assert history.chosen_loss.isna().all()


def test_stored_models_give_the_out_of_fold_predictions(trained):
    folder, oof, _ = trained
    images = [make_images()[view] for view in VIEWS]
    for number in (0, 1):
        path = folder / "models" / "cnn" / f"fold{number}.keras"
        model = keras.models.load_model(path, safe_mode=True)
        rows = np.flatnonzero(number == FOLD)
        own = fitter.predict(model, images, rows)
        np.testing.assert_allclose(own, predictions(oof)[rows], atol=1e-5)


def test_complete_folds_are_not_trained_again_and_others_are(trained, monkeypatch, capsys):
    folder, oof, history = trained
    fit, fitted = fitter.Fitter.fit, []
    monkeypatch.setattr(
        fitter.Fitter, "fit", lambda *a, **k: fitted.append(k["label"]) or fit(*a, **k)
    )
    again, _ = train(folder)
    assert fitted == []
    assert capsys.readouterr().out.count("already trained") == 2
    pd.testing.assert_frame_equal(again, oof)

    # A fold that was lost is trained again, to the same result as before.
    (folder / "models" / "cnn" / "fold1.keras").unlink()
    resumed, same = train(folder)
    assert fitted == [f"cnn, fold 1 of 0-1, {stage.name}" for stage in STAGES]
    np.testing.assert_array_equal(predictions(resumed), predictions(oof))
    assert_same_history(same, history)


def test_killed_training_resumes_at_its_stage_to_the_same_numbers(trained, tmp_path, capsys):
    _, oof, history = trained
    program = "import sys; from tests.networks import test_training as t; t.train(sys.argv[1])"
    command = [sys.executable, "-c", program, str(tmp_path)]
    process = subprocess.Popen(command, cwd=paths.REPOSITORY, stdout=subprocess.DEVNULL)
    mark, patience = tmp_path / "models" / "cnn" / "fold1.stage0.json", time.monotonic() + 120
    while not mark.exists() and time.monotonic() < patience and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert mark.exists()
    assert not (tmp_path / "oof").exists()
    resumed, same = train(tmp_path)
    printed = capsys.readouterr().out
    assert "cnn, fold 0 of 0-1: already trained" in printed
    assert "cnn, fold 1 of 0-1, all rows: already trained" in printed
    np.testing.assert_array_equal(predictions(resumed), predictions(oof))
    assert_same_history(same, history)
    names = sorted(path.name for path in (tmp_path / "models" / "cnn").iterdir())
    assert names == ["fold0.json", "fold0.keras", "fold1.json", "fold1.keras"]


def test_another_setting_or_image_trains_again(tmp_path, monkeypatch):
    key_of = []
    monkeypatch.setattr(training.FoldFiles, "read", lambda self, _: key_of.append(self.key))
    answers = {"history": [], "predictions": np.full((N_ROWS // 2, 6), 1 / 6).tolist()}
    monkeypatch.setattr(training, "_train_fold", lambda *_: answers)
    train(tmp_path)
    train(tmp_path, stages=STAGES[:1])
    train(tmp_path, note="other weights")
    train(tmp_path, augment=("swap",))
    train(tmp_path, set_aside=0.2)
    train(tmp_path, index=make_index((4, 12)))
    monkeypatch.setitem(build.keywords, "dropout", 0.4)
    train(tmp_path)
    assert len({str(key) for key in key_of}) == 7
    monkeypatch.undo()
    assert training._describe(build().layers) == training._describe(build().layers)


def test_models_of_folds_that_are_no_longer_are_removed(tmp_path):
    quick = {"stages": (Stage("all rows", 1, 1e-2),)}
    train(tmp_path, fold=np.arange(N_ROWS) // 2 % 3, **quick)
    train(tmp_path, **quick)
    names = sorted(path.name for path in (tmp_path / "models" / "cnn").iterdir())
    assert names == ["fold0.json", "fold0.keras", "fold1.json", "fold1.keras"]


def test_patients_set_aside_choose_the_epoch_and_are_not_trained_on(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        fitter.Fitter, "fit", lambda self, stage, rows, **k: seen.append((rows, k)) or []
    )
    index = make_index()
    train(tmp_path, set_aside=0.25)
    for rows, k in seen:
        sets = [set(index.patient_id[part]) for part in (rows, k["choose"], k["held_out"])]
        assert len(sets[1]) in (2, 3)  # of three patients, not all have a well-voted row
        assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    assert {tuple(index.n_votes[k["choose"]].unique()) for _, k in seen[1::2]} == {(12,)}


def test_the_kept_weights_are_those_of_the_best_epoch(tmp_path, monkeypatch):
    """Votes at random can only be learnt by heart, so later epochs are worse for others."""
    kept, original = [], fitter.Fitter.fit

    def fit(self, *arguments, **options):
        history = original(self, *arguments, **options)
        answers = self.predict(options["choose"], flipped=False)
        kept.append((history, fitter.kl_divergence(self.targets[options["choose"]], answers)))
        return history

    monkeypatch.setattr(fitter.Fitter, "fit", fit)
    index = make_index()
    order = np.random.default_rng(0).permutation(N_ROWS)
    index[list(VOTE_COLUMNS)] = index[list(VOTE_COLUMNS)].to_numpy()[order]
    train(tmp_path, stages=(Stage("all rows", 8, 3e-2),), set_aside=0.3, index=index)
    for history, divergence in kept:
        losses = [line["chosen_loss"] for line in history]
        assert divergence == pytest.approx(min(losses), rel=1e-4)
    assert any(history[-1]["chosen_loss"] > 1.01 * divergence for history, divergence in kept)


def test_stage_without_rows_is_left_out(tmp_path, capsys):
    _, history = train(tmp_path, index=make_index((1,)))
    assert set(history.stage) == {"all rows"}
    assert history.val_well.isna().all()
    assert "well-voted rows: left out, as no row has 10 votes" in capsys.readouterr().out


def test_a_fold_without_a_class_is_trained_and_answered(tmp_path):
    by_class = np.arange(N_ROWS) % 2
    oof, history = train(tmp_path, fold=by_class, stages=STAGES[:1])
    np.testing.assert_allclose(predictions(oof).sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(history.val_loss).all()
    assert right(oof) < 0.5  # each fold has learnt the other class alone


def test_what_cannot_be_trained_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least 2 folds and 1 stage, found 1 and 2"):
        train(tmp_path, fold=np.zeros(N_ROWS, int))
    with pytest.raises(ValueError, match="found 2 and 0"):
        train(tmp_path, stages=())
    with pytest.raises(ValueError, match="first stage of all rows, found min_votes=10"):
        train(tmp_path, stages=STAGES[1:])
    with pytest.raises(ValueError, match=r"share of patients to set aside, found 1\.5"):
        train(tmp_path, set_aside=1.5)
    with pytest.raises(ValueError, match=r"swap reverse .* mixup, found \['swop'\]"):
        train(tmp_path, augment=("swop",))
    for views in ((), ("near", "middle")):
        with pytest.raises(ValueError, match=r"expected views among \['near', 'far', 'unused'\]"):
            training.cross_validate(
                build, make_images(), views, make_index(), FOLD, tmp_path, STAGES, **SETTINGS
            )


def test_loss_that_is_not_finite_stops_the_training(tmp_path):
    with pytest.raises(RuntimeError, match=r"0 of 0-1, broken: expected finite .* epoch 1, found"):
        train(tmp_path, stages=(Stage("broken", 2, float("nan")),))
    assert not (tmp_path / "oof").exists()
    assert not (tmp_path / "models" / "cnn" / "fold0.keras").exists()


def test_a_third_network_takes_one_function_and_one_entry(tmp_path, monkeypatch):
    """The example of docs/development.md, trained, sealed and explained as the others are."""
    page = (paths.REPOSITORY / "docs" / "development.md").read_text(encoding="utf-8")
    source = (
        page.partition("## Adding a network")[2].partition("```python\n")[2].partition("```")[0]
    )
    monkeypatch.setitem(models.NETWORKS, "tiny", None)  # to be taken out again
    exec(source, {})
    tiny = models.NETWORKS["tiny"]
    build = functools.partial(tiny.build, len(VIEWS), (16, 32))
    images, index = make_images(), make_index()
    stages = [Stage("all rows", 8, 1e-2)]
    training.cross_validate(
        build, images, VIEWS, index, FOLD, tmp_path, stages, batch_size=8, augment=()
    )
    _, predictions, _ = load_oof(tmp_path, ["tiny"], images, index, FOLD)
    assert (predictions["tiny"].argmax(axis=1) == np.arange(N_ROWS) % 2).mean() > 0.9
    train_images = tmp_path / "spectrograms" / "train"
    drawn = {"reduce": [8, 8], "db_range": [-20, 40], "views": list(VIEWS)}
    drawn["code"] = "of tests"
    paths.write_record(train_images / "settings.json", drawn)
    paths.write_record(train_images / "source.json", {"synthetic": True})
    seal(tmp_path, {"tiny": {"temperature": 1.0, "share": 1.0}}, index, 5.0)
    maps, tests = explain(
        Ensemble(tmp_path), "tiny", images, FOLD, np.arange(4), np.array([0, 1, 0, 1])
    )
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3, 4)), 1, rtol=1e-5)
    assert len(tests) == 4
