"""Fit one model in stages, compiled once for all folds."""

import math
import time
from dataclasses import dataclass

import numpy as np

from hms_utils.constants import CLASSES, WELL_VOTED
from hms_utils.eeg import vote_shares
from hms_utils.networks.backend import keras, prepare_hardware
from hms_utils.networks.inputs import flips, make_dataset
from hms_utils.scores import kl_divergence

_WARM_UP = 0.1  # of a stage's steps
_WEIGHT_DECAY = 1e-4
_SILENCE = 10  # seconds after which an epoch is worth a line; the last one always is


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    Attributes
    ----------
    name : str
        Of its own, for the progress, the history and its picture.
    epochs : int
        Passes over the rows.
    learning_rate : float
        The highest: it warms up from nothing and falls along a cosine.
    min_votes : int
        Train on rows with so many votes or more. Above zero batch normalisation
        stays in inference mode: these rows are fewer and another mix of classes,
        and would spoil the statistics of all rows.
    """

    name: str
    epochs: int
    learning_rate: float
    min_votes: int = 0


def predict(model, images, rows, *, batch_size=32, flipped=True):
    """Predict rows, averaged over each image and its mirror images.

    Parameters
    ----------
    model : keras.Model
    images : list of ndarray of uint8
        As for `inputs.make_dataset`.
    rows : array-like of int
    batch_size : int
    flipped : bool
        Average with sides swapped, time reversed, and both.

    Returns
    -------
    ndarray of float32, shape (n_rows, 6)
    """
    padded, batch_size = _for_devices(model, rows, batch_size)
    dataset = make_dataset(images, padded, batch_size=batch_size)
    if flipped:
        dataset = dataset.map(flips)
    answers = model.predict(dataset, verbose=0)
    return answers.reshape(len(padded), -1, len(CLASSES)).mean(axis=1)[: len(rows)]


def _for_devices(model, rows, batch_size):
    """Repeat the last row and enlarge the batch so that each device has as many rows."""
    n_devices = model.distribute_strategy.num_replicas_in_sync
    rows = np.pad(rows, (0, -len(rows) % n_devices), mode="edge")
    return rows, batch_size + -batch_size % n_devices


class Fitter:
    """A model that can be trained again and again from its first weights.

    Building and compiling are done once, which takes longer than a small fold.

    Parameters
    ----------
    build : callable
        Returns the model.
    images : list of ndarray of uint8
        As for `inputs.make_dataset`.
    index : DataFrame
        The row of each image: votes and their number.
    batch_size : int
    augment : sequence of str
        As for `inputs.make_dataset`.
    """

    def __init__(self, build, images, index, *, batch_size, augment):
        self.strategy = prepare_hardware()
        with self.strategy.scope():
            self.model = build()
        self.images, self.batch_size, self.augment = images, batch_size, augment
        self.targets, self.n_votes = vote_shares(index), index.n_votes.to_numpy()
        weights = _row_weights(self.n_votes)
        self.weights = (weights / weights.mean()).astype(np.float32)
        self.layers = [layer for layer in self.model.layers if layer.trainable]
        self.initial = [np.array(variable) for variable in self.model.variables]
        self.compiled = {}

    def restart(self):
        """Return to the first weights."""
        _assign(self.model.variables, self.initial)

    def fit(self, stage, rows, *, held_out, choose, seed, label):
        """Train the model for a stage.

        Parameters
        ----------
        stage : Stage
        rows : ndarray of int
            What to train on.
        held_out : ndarray of int
            What to report on after each epoch.
        choose : ndarray of int
            Rows of which the divergence decides what epoch's weights are kept;
            if empty, the last one's are.
        seed : int
            Of order and augmentation.
        label : str
            What to call the training in progress and errors.

        Returns
        -------
        list of dict
            For each epoch ``stage, epoch, seconds, loss, val_loss, val_well,
            chosen_loss``: how long it took to train, the weighted mean divergence
            of training rows, then that of held-out rows, of those with many votes
            and of `choose`, None without such rows.

        Raises
        ------
        RuntimeError
            If the loss or an answer is not finite.
        """
        # The variables hold dropout's random state too, so a stage gives the same whatever
        # ran before. Seeding Keras here would make TensorFlow compile anew.
        for variable, value in zip(self.model.variables, self.initial, strict=True):
            if "seed_generator" in variable.path:
                variable.assign(value)
        model, state = self._compiled(stage)
        _assign(model.optimizer.variables, state)
        dataset, n_steps = self._dataset(stage, rows, seed)
        progress = _Progress(self, stage, rows, n_steps, held_out, choose, label)
        model.fit(
            dataset,
            epochs=stage.epochs,
            steps_per_epoch=n_steps // stage.epochs,
            callbacks=[progress],
            shuffle=False,
            verbose=0,
        )
        if progress.best is not None:
            model.set_weights(progress.best[1])
        return progress.history

    def predict(self, rows, *, flipped):
        """Predict rows with the model as it is, as `predict`."""
        return predict(self.model, self.images, rows, batch_size=self.batch_size, flipped=flipped)

    def _compiled(self, stage):
        """Return a model that trains as the stage asks, and its optimizer's first state."""
        # Whether statistics are trained is read when the training step is traced, so two
        # models can share the layers.
        statistics = not stage.min_votes
        for layer in self.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = statistics
        if statistics not in self.compiled:
            with self.strategy.scope():
                model = keras.Model(self.model.input, self.model.output, name=self.model.name)
                # No clipping: each device would clip its own part of the gradient.
                optimizer = keras.optimizers.AdamW(weight_decay=_WEIGHT_DECAY)
                model.compile(optimizer, keras.losses.KLDivergence())
                # With mixed precision it is now inside another one.
                model.optimizer.build(model.trainable_variables)
            state = [np.array(variable) for variable in model.optimizer.variables]
            self.compiled[statistics] = model, state
        return self.compiled[statistics]

    def _dataset(self, stage, rows, seed):
        """Return the batches of all passes of a stage, and their number."""
        # Full batches alone, with a part for each device, so that a row counts the same in all.
        n_devices = self.strategy.num_replicas_in_sync
        batch_size = max(min(self.batch_size, len(rows)) // n_devices, 1) * n_devices
        n_full = len(rows) // batch_size * batch_size
        # Not shuffled by TensorFlow, whose order depends on the number of devices.
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(rows)[:n_full] for _ in range(stage.epochs)])
        dataset = make_dataset(
            self.images,
            order,
            self.targets[order],
            self.weights[order],
            batch_size=batch_size,
            augment=self.augment,
            seed=seed,
        )
        return dataset, len(order) // batch_size


def _row_weights(n_votes):
    # A share of n votes varies by 1/n, but what experts would say of a window no model
    # knows exactly, so the third vote tells more than the thirteenth.
    return np.sqrt(n_votes)


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class _Progress(keras.callbacks.Callback):
    """Set the learning rate, say how far it is, keep the best weights."""

    def __init__(self, fitter, stage, rows, n_steps, held_out, choose, label):
        super().__init__()
        self.fitter, self.stage, self.label = fitter, stage, label
        self.mean_weight = float(fitter.weights[rows].mean())
        self.step, self.n_steps, self.warm_up = 0, n_steps, max(1, round(_WARM_UP * n_steps))
        self.held_out, self.choose = held_out, choose
        self.history, self.best = [], None
        self.spoken = self.began = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        self.step += 1
        fallen = max(0, self.step - self.warm_up) / (self.n_steps - self.warm_up + 1)
        rate = min(self.step / self.warm_up, (1 + math.cos(math.pi * fallen)) / 2)
        self.model.optimizer.learning_rate = rate * self.stage.learning_rate

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.started
        # Keras divides the weighted sum by the number of rows. Weights are one in the mean over
        # all rows, but above it where a stage takes those with many votes alone.
        loss = logs["loss"] / self.mean_weight
        rows = np.concatenate([self.held_out, self.choose])
        answers = self.fitter.predict(rows, flipped=False)
        finite = np.isfinite(answers).all()
        if not (math.isfinite(loss) and finite):
            raise RuntimeError(
                f"{self.label}: expected finite numbers after epoch {epoch + 1}, found KL {loss} "
                f"in training{'' if finite else ' and answers that are not'}; a lower learning "
                "rate may help"
            )
        targets, held = self.fitter.targets[rows], np.arange(len(rows)) < len(self.held_out)
        well = held & (self.fitter.n_votes[rows] >= WELL_VOTED)
        val_loss, val_well, chosen_loss = (
            kl_divergence(targets[part], answers[part]) if part.any() else None
            for part in (held, well, ~held)
        )
        if chosen_loss is not None and (self.best is None or chosen_loss < self.best[0]):
            self.best = chosen_loss, self.model.get_weights()
        line = {"stage": self.stage.name, "epoch": epoch + 1, "seconds": round(seconds, 3)}
        line |= {"loss": loss, "val_loss": val_loss, "val_well": val_well}
        self.history.append(line | {"chosen_loss": chosen_loss})
        now = time.perf_counter()
        if now - self.spoken < _SILENCE and epoch + 1 < self.stage.epochs:
            return
        self.spoken = now
        of_panels = self.stage.min_votes >= WELL_VOTED
        shown, which = (val_well, " (both of panels)") if of_panels else (val_loss, "")
        print(
            f"{self.label}, epoch {epoch + 1} of {self.stage.epochs}: KL {loss:.3f} in training, "
            f"{'none' if shown is None else f'{shown:.3f}'} held out{which}, "
            f"{now - self.began:.0f} s so far",
            flush=True,
        )
