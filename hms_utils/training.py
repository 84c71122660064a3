"""One cross-validation loop for every model, restartable fold by fold."""

import math
import time
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.backend import keras, tf
from hms_utils.cache import fingerprint
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.data import vote_shares
from hms_utils.inputs import make_dataset

_HEAD_LEARNING_RATE = 1e-2
_WARM_UP = 0.1  # of all steps


def cross_validate(
    build,
    images,
    views,
    index,
    folds,
    output_dir,
    *,
    epochs,
    learning_rate,
    batch_size=32,
    head_epochs=0,
    seed=0,
    note="",
):
    """Train a model once for each fold and predict the rows it has not seen.

    The loss is the Kullback-Leibler divergence to the vote shares, each row
    weighted by the root of its number of votes. The learning rate warms up and decays along
    a cosine; the last epoch's weights are kept, so nothing is chosen by the
    held-out rows. A fold that is complete on disk, with the same settings and
    images, is not trained again.

    Parameters
    ----------
    build : callable
        Returns the model, such as `models.build_cnn` with its arguments bound.
        It is called and compiled once; each fold starts from its first weights.
    images : dict of str to ndarray of uint8
        As `cache.load` opens them.
    views : sequence of str
        Which of the images the model sees, in this order.
    index : DataFrame
        The row of each image: ids, votes.
    folds : ndarray of int, shape (n_rows,)
    output_dir : path-like
        ``models/<name>/fold<k>.keras`` and ``oof/<name>.parquet`` go there; the
        name is the model's.
    epochs : int
        Passes over the training rows.
    learning_rate : float
        The highest.
    batch_size : int
    head_epochs : int
        Passes of the last layer alone over features of the untrained model,
        computed once for all folds; for pretrained models.
    seed : int
    note : str
        Anything else that the result depends on, such as the source of weights.

    Returns
    -------
    oof : DataFrame
        Ids, votes, fold and the six out-of-fold probabilities of each row.
    history : DataFrame
        ``fold, epoch, loss, val_loss``: the weighted divergence of training
        rows, and the plain one of held-out rows.

    Raises
    ------
    RuntimeError
        If the loss is not finite.
    ValueError
        If there are no views or one is not among the images.
    """
    if not views or set(views) - set(images):
        raise ValueError(f"expected views among {list(images)}, found {list(views)}")
    keras.utils.set_random_seed(seed)
    model = build()
    folder = Path(output_dir) / "models" / model.name
    key = {
        "code": paths.code_version("training", "models", "inputs"),
        **{"epochs": epochs, "learning_rate": learning_rate},
        **{"batch_size": batch_size, "head_epochs": head_epochs, "seed": seed, "note": note},
        "views": list(views),
        "data": fingerprint(images, index, folds),
    }
    oof_file = Path(output_dir) / "oof" / f"{model.name}.parquet"
    oof_file.unlink(missing_ok=True)  # it is of these folds or none
    loop = _Loop(model, [images[view] for view in views], index, batch_size, seed)
    loop.prepare(folds, epochs, learning_rate, head_epochs)
    predictions, history = np.empty((len(index), len(CLASSES)), np.float32), []
    numbers = np.unique(folds)
    for fold in numbers:
        path, held_out = folder / f"fold{fold}.keras", np.flatnonzero(folds == fold)
        result = _finished(path, key)
        if result is None:
            label = f"{model.name}, fold {fold + 1} of {len(numbers)}"
            result = loop.run(np.flatnonzero(folds != fold), held_out, fold, label)
            _save(model, path, key, result)
        else:
            print(f"{model.name}, fold {fold + 1} of {len(numbers)}: already trained")
        predictions[held_out] = result["predictions"]
        history += [{"fold": int(fold), **epoch} for epoch in result["history"]]
    for path in folder.glob("fold*"):  # of an earlier run with more folds
        if path.stem not in {f"fold{fold}" for fold in numbers}:
            path.unlink()
    columns = ["eeg_id", "label_id", "patient_id", *VOTE_COLUMNS, "n_votes"]
    oof = index[columns].assign(
        fold=folds, **dict(zip(PREDICTION_COLUMNS, predictions.T, strict=True))
    )
    with paths.replacing(oof_file) as temporary:
        oof.to_parquet(temporary, index=False)
    return oof, pd.DataFrame(history)


def _finished(path, key):
    """Return a fold's stored result, or None unless it was made with `key`."""
    record = path.with_suffix(".json")
    if not (record.is_file() and path.is_file()):
        return None
    result = paths.read_json(record)
    return result if result["key"] == key else None


def _save(model, path, key, result):
    # The record goes last and the old one first: a model without its own record
    # counts as not trained.
    path.with_suffix(".json").unlink(missing_ok=True)
    with paths.replacing(path) as temporary:
        model.save(temporary)
    paths.write_json(path.with_suffix(".json"), {"key": key, **result})


class _Loop:
    """A model compiled once, trained again from its first weights for each fold."""

    def __init__(self, model, images, index, batch_size, seed):
        self.model, self.images = model, images
        self.batch_size, self.seed = batch_size, seed
        self.targets = vote_shares(index)
        # A share of n votes varies by 1/n, but what experts would say of a window no model
        # knows exactly, so the third vote tells more than the thirteenth.
        weights = np.sqrt(index.n_votes)
        self.weights = (weights / weights.mean()).to_numpy(np.float32)

    def prepare(self, folds, epochs, learning_rate, head_epochs):
        n_train = max(np.sum(folds != fold) for fold in np.unique(folds))
        steps = epochs * math.ceil(n_train / self.batch_size)
        warm_up = max(1, round(_WARM_UP * steps))
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0)
        self.model.compile(optimizer, keras.losses.KLDivergence())
        optimizer.build(self.model.trainable_variables)
        self.variables = self.model.variables + optimizer.variables
        self.initial = [variable.numpy() for variable in self.variables]
        self.epochs, self.head_epochs, self.features = epochs, head_epochs, None

    def run(self, train, held_out, fold, label):
        """Train on some rows and predict others."""
        # The variables hold dropout's random state too, so a fold gives the same
        # whatever ran before. Seeding Keras here would make TensorFlow compile anew.
        for variable, value in zip(self.variables, self.initial, strict=True):
            variable.assign(value)
        if self.head_epochs:
            self._fit_head(train, self.seed + int(fold))
        self.model.fit(
            self._dataset(train, augment=True, seed=self.seed + int(fold)),
            validation_data=self._dataset(held_out),
            epochs=self.epochs,
            callbacks=[progress := _Progress(label, self.epochs)],
            shuffle=False,  # the pipeline shuffles
            verbose=0,
        )
        predictions = self.model.predict(self._dataset(held_out), verbose=0)
        return {"history": progress.history, "predictions": predictions.tolist()}

    def _dataset(self, rows, augment=False, seed=0):
        weights = self.weights[rows] if augment else None
        return make_dataset(
            *(self.images, rows, self.targets[rows], weights),
            batch_size=self.batch_size,
            augment=augment,
            seed=seed,
        )

    def _fit_head(self, train, seed):
        if self.features is None:
            backbone = keras.Model(self.model.input, self.model.get_layer("features").output)
            rows = make_dataset(self.images, range(len(self.targets)), batch_size=self.batch_size)
            self.features = backbone.predict(rows, verbose=0)
        start = keras.initializers.GlorotUniform(seed=seed)
        head = keras.Sequential(
            [
                keras.Input(self.features.shape[1:]),
                keras.layers.Dropout(0.3, seed=seed),
                keras.layers.Dense(len(CLASSES), activation="softmax", kernel_initializer=start),
            ]
        )
        head.compile(keras.optimizers.Adam(_HEAD_LEARNING_RATE), keras.losses.KLDivergence())
        parts = self.features[train], self.targets[train], self.weights[train]
        rows = tf.data.Dataset.from_tensor_slices(parts).shuffle(len(train), seed=seed)
        head.fit(rows.batch(self.batch_size), epochs=self.head_epochs, shuffle=False, verbose=0)
        self.model.get_layer("logits").set_weights(head.layers[-1].get_weights())


class _Progress(keras.callbacks.Callback):
    """Print one line an epoch, and stop at a loss that is not finite."""

    def __init__(self, label, epochs):
        super().__init__()
        self.label, self.epochs, self.history = label, epochs, []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        loss, val_loss = logs["loss"], logs["val_loss"]
        if not (math.isfinite(loss) and math.isfinite(val_loss)):
            raise RuntimeError(
                f"{self.label}: KL {loss} in training, {val_loss} held out after epoch "
                f"{epoch + 1}; a lower learning rate may help"
            )
        self.history.append({"epoch": epoch + 1, "loss": loss, "val_loss": val_loss})
        seconds = time.perf_counter() - self.started
        print(
            f"{self.label}, epoch {epoch + 1} of {self.epochs}: "
            f"KL {loss:.3f} in training, {val_loss:.3f} held out, {seconds:.0f} s",
            flush=True,
        )
