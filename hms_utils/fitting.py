"""Fit one model in stages, compiled once for all folds."""

import math
import time
from dataclasses import dataclass

import numpy as np

from hms_utils.backend import keras, strategy, tf
from hms_utils.constants import CLASSES, WELL_VOTED
from hms_utils.data import vote_shares
from hms_utils.inputs import flips, make_dataset
from hms_utils.scoring import kl_divergence

HEAD = ("logits",)  # the layers of a stage that trains nothing else
_WARM_UP = 0.1  # of a stage's steps
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    Attributes
    ----------
    name : str
        For the reader.
    epochs : int
        Passes over the rows.
    learning_rate : float
        The highest: it warms up from nothing and falls along a cosine.
    min_votes : int
        Train on rows with so many votes or more.
    layers : tuple of str
        How the names of the layers begin that are trained; empty for all.
        `HEAD` trains the last layer on features that are computed once, of
        images as they are.
    """

    name: str
    epochs: int
    learning_rate: float
    min_votes: int = 0
    layers: tuple = ()


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
    dataset = make_dataset(images, rows, batch_size=batch_size)
    if not flipped:
        return model.predict(dataset, verbose=0)
    four = model.predict(dataset.map(flips), verbose=0)
    return four.reshape(-1, 4, len(CLASSES)).mean(axis=1)


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
        self.strategy = strategy()
        with self.strategy.scope():
            self.model = build()
        self.images, self.batch_size, self.augment = images, batch_size, augment
        self.targets, self.n_votes = vote_shares(index), index.n_votes.to_numpy()
        weights = _row_weights(self.n_votes)
        self.weights = (weights / weights.mean()).astype(np.float32)
        self.leaves = [layer for layer in _leaves(self.model) if layer.trainable]
        self.initial = [np.array(variable) for variable in self.model.variables]
        self.compiled, self.features = {}, None

    def restart(self):
        """Return to the first weights."""
        self._assign(self.model.variables, self.initial)

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
            chosen_loss``: how long it took to train, the weighted divergence of
            training rows, then that of held-out rows, of those with many votes and
            of `choose`, None without such rows.

        Raises
        ------
        RuntimeError
            If the loss is not finite.
        """
        # The variables hold dropout's random state too, so a stage gives the same whatever
        # ran before. Seeding Keras here would make TensorFlow compile anew.
        for variable, value in zip(self.model.variables, self.initial, strict=True):
            if "seed_generator" in variable.path:
                variable.assign(value)
        if stage.layers == HEAD:
            return self._fit_head(stage, rows, seed)
        model, state = self._compiled(stage.layers)
        self._assign(model.optimizer.variables, state)
        steps = stage.epochs * math.ceil(len(rows) / self.batch_size)
        progress = _Progress(self, stage, steps, held_out, choose, label)
        parts = self.targets[rows], self.weights[rows]
        dataset = make_dataset(
            *(self.images, rows, *parts),
            batch_size=self.batch_size,
            augment=self.augment,
            seed=seed,
        )
        model.fit(dataset, epochs=stage.epochs, callbacks=[progress], shuffle=False, verbose=0)
        if progress.best is not None:
            self.model.set_weights(progress.best[1])
        return progress.history

    def predict(self, rows, *, flipped):
        """Predict rows with the model as it is."""
        return predict(self.model, self.images, rows, batch_size=self.batch_size, flipped=flipped)

    def _assign(self, variables, values):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def _compiled(self, layers):
        """Return a model that trains these layers, and its optimizer's first state."""
        # Which layers are trained is read when the training step is traced, so the models
        # of several stages can share them.
        for leaf in self.leaves:
            leaf.trainable = not layers or leaf.name.startswith(layers)
        if layers not in self.compiled:
            with self.strategy.scope():
                model = keras.Model(self.model.input, self.model.output, name=self.model.name)
                # No clipping: each device would clip its own part of the gradient.
                optimizer = keras.optimizers.AdamW(weight_decay=_WEIGHT_DECAY)
                model.compile(optimizer, keras.losses.KLDivergence(), jit_compile=False)
                optimizer.build(model.trainable_variables)
            state = [np.array(variable) for variable in model.optimizer.variables]
            self.compiled[layers] = model, state
        return self.compiled[layers]

    def _fit_head(self, stage, rows, seed):
        if self.features is None:
            backbone = keras.Model(self.model.input, self.model.get_layer("features").output)
            dataset = make_dataset(
                self.images, range(len(self.targets)), batch_size=self.batch_size
            )
            self.features = backbone.predict(dataset, verbose=0)
        start = keras.initializers.GlorotUniform(seed=seed)
        head = keras.Sequential(
            [
                keras.Input(self.features.shape[1:]),
                keras.layers.Dropout(0.3, seed=seed),
                keras.layers.Dense(len(CLASSES), activation="softmax", kernel_initializer=start),
            ]
        )
        head.compile(keras.optimizers.Adam(stage.learning_rate), keras.losses.KLDivergence())
        parts = self.features[rows], self.targets[rows], self.weights[rows]
        dataset = tf.data.Dataset.from_tensor_slices(parts).shuffle(len(rows), seed=seed)
        dataset = dataset.batch(self.batch_size)
        head.fit(dataset, epochs=stage.epochs, shuffle=False, verbose=0)
        self.model.get_layer("logits").set_weights(head.layers[-1].get_weights())
        return []


def _row_weights(n_votes):
    # A share of n votes varies by 1/n, but what experts would say of a window no model
    # knows exactly, so the third vote tells more than the thirteenth.
    return np.sqrt(n_votes)


def _leaves(model):
    for layer in model.layers:
        yield from _leaves(layer) if hasattr(layer, "layers") else (layer,)


class _Progress(keras.callbacks.Callback):
    """Set the learning rate, print one line an epoch, keep the best weights."""

    def __init__(self, fitter, stage, steps, held_out, choose, label):
        super().__init__()
        self.fitter, self.stage, self.label = fitter, stage, label
        self.step, self.steps, self.warm_up = 0, steps, max(1, round(_WARM_UP * steps))
        self.held_out, self.choose = held_out, choose
        self.history, self.best = [], None

    def on_train_batch_begin(self, batch, logs=None):
        self.step += 1
        fallen = max(0, self.step - self.warm_up) / max(1, self.steps - self.warm_up)
        rate = min(self.step / self.warm_up, (1 + math.cos(math.pi * fallen)) / 2)
        self.model.optimizer.learning_rate = rate * self.stage.learning_rate

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.started
        loss = logs["loss"]
        rows = np.concatenate([self.held_out, self.choose])
        answers = self.fitter.predict(rows, flipped=False)
        if not (math.isfinite(loss) and np.isfinite(answers).all()):
            raise RuntimeError(
                f"{self.label}: KL {loss} in training after epoch {epoch + 1}, which is not "
                "finite; a lower learning rate may help"
            )
        targets, held = self.fitter.targets[rows], np.arange(len(rows)) < len(self.held_out)
        well = held & (self.fitter.n_votes[rows] >= WELL_VOTED)
        val_loss, val_well, chosen_loss = (
            kl_divergence(targets[part], answers[part]) if part.any() else None
            for part in (held, well, ~held)
        )
        if chosen_loss is not None and (self.best is None or chosen_loss < self.best[0]):
            self.best = chosen_loss, self.fitter.model.get_weights()
        line = {"stage": self.stage.name, "epoch": epoch + 1, "seconds": round(seconds, 3)}
        line |= {
            "loss": loss,
            "val_loss": val_loss,
            "val_well": val_well,
            "chosen_loss": chosen_loss,
        }
        self.history.append(line)
        print(
            f"{self.label}, epoch {epoch + 1} of {self.stage.epochs}: "
            f"KL {loss:.3f} in training, {val_loss:.3f} held out, {seconds:.0f} s",
            flush=True,
        )
