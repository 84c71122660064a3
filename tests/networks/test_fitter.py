import functools
import subprocess
import sys

import numpy as np
import pytest

from hms_utils import paths
from hms_utils.networks import Stage, models
from hms_utils.networks import fitter as fitter_module
from hms_utils.networks.backend import keras
from hms_utils.networks.engines import to_float32
from hms_utils.networks.fitter import Fitter, predict
from hms_utils.scores import kl_divergence
from tests.networks.test_training import N_ROWS, VIEWS, make_images, make_index

BatchNormalization = keras.layers.BatchNormalization
ROWS = np.arange(N_ROWS)
build = functools.partial(models.build_cnn, 2, (16, 32), filters=(8, 16), dropout=0.0)


@pytest.fixture
def fitter():
    return make_fitter(build)


def make_fitter(build, augment=()):
    keras.utils.set_random_seed(0)
    images = [make_images()[view] for view in VIEWS]
    return Fitter(build, images, make_index(), batch_size=8, augment=augment)


def fit(fitter, stage, rows=ROWS):
    return fitter.fit(stage, rows, held_out=rows, choose=rows[:0], seed=0, label="test")


def test_rate_warms_up_and_falls_along_a_cosine(fitter):
    rates = []
    stage = Stage("all rows", 5, 1e-3)  # of six steps
    model, _ = fitter._compiled(stage)
    progress = fitter_module._Progress(fitter, stage, ROWS, 30, ROWS, ROWS[:0], "test")
    progress.set_model(model)
    for step in range(30):
        progress.on_train_batch_begin(step)
        rates.append(float(model.optimizer.learning_rate))
    assert rates[:3] == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3])
    assert rates[2 + 28 // 2] == pytest.approx(0.5e-3)
    assert 0 < rates[-1] < 1e-5
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_loss_of_training_is_the_mean_divergence_of_its_rows(fitter):
    """Not moved at all, the model has the divergence that its weights give, in every stage."""
    answers = fitter.predict(ROWS, flipped=False)
    for stage, rows in (
        (Stage("any votes", 1, 0.0, min_votes=1), ROWS),  # above zero statistics stay
        (Stage("well voted", 1, 0.0, min_votes=10), ROWS[2::3]),
    ):
        history = fit(fitter, stage, rows)
        expected = kl_divergence(fitter.targets[rows], answers[rows], weights=fitter.weights[rows])
        assert history[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_short_epochs_are_told_of_at_the_end_and_long_ones_each(fitter, monkeypatch, capsys):
    stage = Stage("all rows", 3, 1e-3)
    fit(fitter, stage)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("test, epoch 3 of 3: KL ")
    monkeypatch.setattr(fitter_module, "_SILENCE", 0)
    fit(fitter, stage)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_panels_in_training_stand_beside_panels_held_out(fitter, capsys):
    stage, panels = Stage("well voted", 1, 1e-3, min_votes=10), ROWS[2::3]
    fitter.fit(stage, panels, held_out=ROWS, choose=ROWS[:0], seed=0, label="test")
    fit(fitter, Stage("all rows", 1, 1e-3))
    of_panels, of_all = capsys.readouterr().out.splitlines()
    (line,) = fitter.fit(stage, panels, held_out=ROWS, choose=ROWS[:0], seed=0, label="test")
    assert f"{line['val_loss']:.3f}" != f"{line['val_well']:.3f}"
    assert "held out (both of panels), " in of_panels and "panels" not in of_all
    assert f"{line['val_well']:.3f} held out (both of panels), " in capsys.readouterr().out


def test_every_pass_takes_the_rows_in_another_order(fitter):
    rows = np.arange(5, 32)  # 27 of them: three batches and three left over in each pass
    fitter.images = [np.arange(N_ROWS, dtype=np.uint8)[:, None, None, None]]
    dataset, n_steps = fitter._dataset(Stage("all rows", 4, 1e-3), rows, 0)
    seen = np.array([pictures.numpy().ravel() for pictures, *_ in dataset]).reshape(4, -1)
    assert n_steps == 12
    assert all(len(set(line)) == 24 and set(line) <= set(rows) for line in seen)
    assert len({tuple(line) for line in seen}) == 4
    assert set(seen.ravel()) == set(rows)  # what is left over is not always the same


def test_a_stage_of_some_rows_leaves_the_statistics_of_all(fitter):
    norm = next(layer for layer in fitter.layers if isinstance(layer, BatchNormalization))
    watched = fitter.model.get_layer("logits").kernel, norm.moving_mean, norm.gamma

    def changed(stage):
        before = [variable.numpy() for variable in watched]
        fit(fitter, stage, ROWS[2::3])
        return [not np.array_equal(*pair) for pair in zip(before, watched, strict=True)]

    assert changed(Stage("all rows", 1, 1e-2)) == [True, True, True]
    assert changed(Stage("well voted", 1, 1e-2, min_votes=10)) == [True, False, False]
    assert changed(Stage("all rows", 1, 1e-2)) == [True, True, True]


def test_stage_gives_the_same_whatever_ran_before():
    fitter = make_fitter(functools.partial(build, dropout=0.5), ("swap", "mask"))
    first = fit(fitter, stage := Stage("all rows", 2, 1e-2))
    weights = fitter.model.get_weights()
    fit(fitter, Stage("more", 1, 1e-2))
    fitter.restart()
    again = fit(fitter, stage)
    assert [line["loss"] for line in again] == [line["loss"] for line in first]
    for one, two in zip(weights, fitter.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_second_fold_compiles_nothing_again(fitter, monkeypatch):
    traced, train_step = [], keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: traced.append(self) or train_step(self, data)
    )
    stages = Stage("all rows", 1, 1e-2), Stage("well voted", 1, 1e-2, min_votes=10)
    counts = []
    for _ in range(3):
        fitter.restart()
        for stage in stages:
            fit(fitter, stage)
        counts.append(len(traced))
    assert counts[0] >= 2
    assert counts == [counts[0]] * 3


def test_prediction_is_averaged_over_mirror_images(fitter):
    images = fitter.images
    mirrored = [view[:, [1, 0, 3, 2]] for view in images]
    reversed_ = [view[..., ::-1] for view in images]
    both = [view[..., ::-1] for view in mirrored]
    single = [
        predict(fitter.model, version, ROWS, batch_size=7, flipped=False)
        for version in (images, mirrored, reversed_, both)
    ]
    assert np.abs(single[0] - single[1]).max() > 1e-4
    average = predict(fitter.model, images, ROWS, batch_size=7)
    np.testing.assert_allclose(average, np.mean(single, axis=0), atol=1e-6)


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_mixed_precision_keeps_probabilities_in_float32(mixed_precision, tmp_path):
    fitter = make_fitter(build)
    assert fitter.model.get_layer("logits").compute_dtype == "float16"
    assert fitter.model.get_layer("probabilities").compute_dtype == "float32"
    for _ in range(2):  # a second fold meets an optimizer that has run
        fitter.restart()
        losses = [line["loss"] for line in fit(fitter, Stage("all rows", 6, 1e-2))]
        assert losses[-1] < losses[0] - 0.2
        fit(fitter, Stage("well voted", 2, 1e-3, min_votes=10))
    for model, _ in fitter.compiled.values():
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    answers = fitter.predict(ROWS, flipped=True)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)

    fitter.model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    to_float32(loaded)
    assert loaded.get_layer("logits").compute_dtype == "float32"
    plain = make_fitter(build).model
    plain.set_weights(fitter.model.get_weights())
    expected = predict(plain, fitter.images, ROWS)
    np.testing.assert_allclose(predict(loaded, fitter.images, ROWS), expected, atol=1e-6)
    np.testing.assert_allclose(answers, expected, atol=0.02)


TWO_DEVICES = """
import tensorflow as tf
from hms_utils.networks import fitter as module
from tests.networks import test_fitter as t
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
module.prepare_hardware = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(*t.losses_and_answers(2))
"""


def losses_and_answers(n_devices):
    fitter = make_fitter(build, ("swap", "mask"))
    assert fitter.strategy.num_replicas_in_sync == n_devices
    losses = []
    for n_rows in (43, 41):  # neither divides into batches of eight, nor by two
        fitter.restart()
        for stage in (Stage("all rows", 3, 1e-3), Stage("well voted", 2, 1e-3, min_votes=10)):
            losses += [line["loss"] for line in fit(fitter, stage, np.arange(n_rows))]
    return [*losses, *fitter.predict(np.arange(41), flipped=True).ravel()]


def test_two_devices_give_the_loss_of_one():
    command = [sys.executable, "-c", TWO_DEVICES]
    run = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=True)
    two = [float(word) for word in run.stdout.splitlines()[-1].split()]
    one = losses_and_answers(1)
    assert len(one) == 10 + 41 * 6
    assert one[2] > one[4]
    np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-5)
