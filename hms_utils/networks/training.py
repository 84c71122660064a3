"""One cross-validation loop for every model, restartable by fold and stage."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.images import fingerprint
from hms_utils.networks.backend import keras
from hms_utils.networks.fitter import Fitter
from hms_utils.networks.inputs import AUGMENTATIONS

_CODE = (
    "networks/training",
    "networks/fitter",
    "networks/models",
    "networks/weights",
    "networks/inputs",
    "networks/backend",
    "eeg/tables",
    "scores/metric",
    "constants",
)


def cross_validate(
    build,
    images,
    views,
    index,
    folds,
    output_dir,
    stages,
    *,
    batch_size=32,
    augment=tuple(AUGMENTATIONS),
    set_aside=0.0,
    seed=0,
    note="",
):
    """Train a model once for each fold and predict the rows it has not seen.

    The loss is the Kullback-Leibler divergence to the vote shares, each row
    weighted by the root of its number of votes. Out-of-fold predictions are
    averaged over mirror images, as those of a submission are. What is complete on
    disk, fold by fold and stage by stage, with the same settings and images, is
    not trained again.

    Parameters
    ----------
    build : callable
        Returns the model, such as `models.build_cnn` with its arguments bound.
        It is called and compiled once; each fold starts from its first weights.
    images : dict of str to ndarray of uint8
        As `images.load` opens them.
    views : sequence of str
        Which of the images the model sees, in this order.
    index : DataFrame
        The row of each image: ids, votes.
    folds : ndarray of int, shape (n_rows,)
    output_dir : path-like
        ``models/<name>/fold<k>.keras`` and ``oof/<name>.parquet`` go there; the
        name is the model's.
    stages : sequence of Stage
        One after the other; a stage without rows is left out, with a line that
        says so.
    batch_size : int
    augment : sequence of str
        As for `inputs.make_dataset`.
    set_aside : float
        Share of the training patients that are not trained on, but decide which
        epoch of each stage is kept, by their rows with the stage's votes (all their
        rows, if there are none). The patients of the fold itself must not decide.
        0 keeps the last epoch.
    seed : int
    note : str
        Anything else that the result depends on, such as the source of weights.

    Returns
    -------
    oof : DataFrame
        Ids, votes, fold and the six out-of-fold probabilities of each row.
    history : DataFrame
        ``fold`` and the columns of `Fitter.fit`.

    Raises
    ------
    RuntimeError
        If the loss is not finite.
    BlockingIOError
        If another process writes into `output_dir`.
    ValueError
        If there are no views or one is not among the images; there are no stages, the
        first is not of all rows; `set_aside` is no share;
        or less than two folds have rows.
    """
    numbers = np.unique(folds)
    _check(images, views, numbers, stages, set_aside)
    keras.utils.set_random_seed(seed)
    seen = [images[view] for view in views]
    fitter = Fitter(build, seen, index, batch_size=batch_size, augment=augment)
    name = fitter.model.name
    key = {
        "code": paths.code_version(*_CODE),
        "network": _describe(fitter.layers),
        "stages": [asdict(stage) for stage in stages],
        "batch_size": batch_size,
        "augment": list(augment),
        "set_aside": set_aside,
        "seed": seed,
        "note": note,
        "views": list(views),
        "data": fingerprint(images, index, folds),
    }
    folder = Path(output_dir) / "models" / name
    oof_file = Path(output_dir) / "oof" / f"{name}.parquet"
    with paths.locked(Path(output_dir)):
        oof_file.unlink(missing_ok=True)  # it is of these folds or none
        predictions, history = np.empty((len(index), len(CLASSES)), np.float32), []
        patients = index.patient_id.to_numpy()
        for fold in numbers:
            label = f"{name}, fold {fold} of {numbers[0]}-{numbers[-1]}"
            files = _FoldFiles(folder, f"fold{fold}", key, label)
            result = files.read(int((folds == fold).sum()))
            if result is None:
                rows = np.flatnonzero(folds != fold)
                parts = _set_aside(patients, rows, set_aside, seed + int(fold))
                held_out = np.flatnonzero(folds == fold)
                result = _train_fold(fitter, stages, *parts, held_out, seed + int(fold), files)
            else:
                print(f"{label}: already trained")
            files.remove_stages()
            predictions[folds == fold] = result["predictions"]
            history += [{"fold": int(fold), **epoch} for epoch in result["history"]]
        for path in folder.glob("*fold*"):  # of an earlier run with more folds
            if path.name.lstrip(".").partition(".")[0] not in {f"fold{fold}" for fold in numbers}:
                path.unlink()
        columns = ["eeg_id", "label_id", "patient_id", *VOTE_COLUMNS, "n_votes"]
        oof = index[columns].assign(
            fold=folds, **dict(zip(PREDICTION_COLUMNS, predictions.T, strict=True))
        )
        with paths.replacing(oof_file) as temporary:
            oof.to_parquet(temporary, index=False)
    return oof, pd.DataFrame(history)


def _check(images, views, numbers, stages, set_aside):
    if not views or set(views) - set(images):
        raise ValueError(f"expected views among {list(images)}, found {list(views)}")
    if len(numbers) < 2 or not stages:
        raise ValueError(
            f"expected at least 2 folds and 1 stage, found {len(numbers)} and {len(stages)}"
        )
    if stages[0].min_votes:
        raise ValueError(
            f"expected a first stage of all rows, found min_votes={stages[0].min_votes}"
        )
    if not 0 <= set_aside < 1:
        raise ValueError(f"expected a share of patients to set aside, found {set_aside}")


def _describe(layers):
    """Return a digest of layers' settings, whatever numbers Keras gives their names."""
    settings = [
        {"class": type(layer).__name__, **layer.get_config(), "name": ""} for layer in layers
    ]
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _set_aside(patients, rows, share, seed):
    """Split rows into those to train on and those of some patients, who choose the epoch."""
    known = np.unique(patients[rows])
    n_aside = min(round(share * len(known)), len(known) - 1)
    aside = np.random.default_rng(seed).choice(known, n_aside, replace=False)
    chosen = np.isin(patients[rows], aside)
    return rows[~chosen], rows[chosen]


def _train_fold(fitter, stages, train, choose, held_out, seed, files):
    fitter.restart()
    history = []
    for number, stage in enumerate(stages):
        enough = fitter.n_votes >= stage.min_votes
        rows, choosers = train[enough[train]], choose[enough[choose]]
        label = f"{files.label}, {stage.name}"
        if not len(rows):
            print(f"{label}: left out, as no row has {stage.min_votes} votes")
            continue
        if done := files.read_stage(number, fitter.model):
            print(f"{label}: already trained")
            history = done["history"]
            continue
        history += fitter.fit(
            stage,
            rows,
            held_out=held_out,
            choose=choosers if len(choosers) else choose,
            seed=seed,
            label=label,
        )
        files.write_stage(number, fitter.model, history)
    result = {"history": history, "predictions": fitter.predict(held_out, flipped=True).tolist()}
    files.write(fitter.model, result)
    return result


def fits(record, n_rows):
    """Return whether a fold's record holds probabilities of so many rows, and a history."""
    try:
        predictions = np.array(record["predictions"], np.float32)
        return (
            predictions.shape == (n_rows, len(CLASSES))
            and np.allclose(predictions.sum(axis=1), 1, atol=1e-3)
            and all({"stage", "epoch", "loss"} <= set(line) for line in record["history"])
        )
    except (KeyError, TypeError, ValueError):
        return False


class _FoldFiles:
    """A fold's model and its record, and those of stages while it is trained.

    The record goes last and the old one first: a model without its own record
    counts as not trained.
    """

    def __init__(self, folder, name, key, label):
        self.folder, self.name, self.key, self.label = folder, name, key, label

    def read(self, n_rows):
        """Return the record if its predictions are of so many rows, or None."""
        result = self._record(*self._fold())
        if result is None or fits(result, n_rows):
            return result
        print(f"{self._fold()[1]}: expected predictions of {n_rows} rows: trained again")

    def write(self, model, result):
        self._write(*self._fold(), model.save, result)

    def remove_stages(self):
        for path in self.folder.glob(f".{self.name}.stage*"):
            path.unlink()

    def read_stage(self, number, model):
        weights, record = self._stage(number)
        result = self._record(weights, record)
        if result is not None:
            model.load_weights(weights)
        return result

    def write_stage(self, number, model, history):
        self._write(*self._stage(number), model.save_weights, {"history": history})

    def _fold(self):
        return self.folder / f"{self.name}.keras", self.folder / f"{self.name}.json"

    def _stage(self, number):
        stem = f".{self.name}.stage{number}"
        return self.folder / f"{stem}.weights.h5", self.folder / f"{stem}.json"

    def _record(self, path, record):
        if not (record.is_file() and path.is_file()):
            return None
        try:
            result = paths.read_json(record)
            if result.get("key") != self.key:
                return None
            for name, found in {"file": path.name, "checksum": paths.checksum(path)}.items():
                if result.get(name) != found:
                    raise paths.DamagedFileError(f"{path}: not the file that {record.name} is of")
        except paths.DamagedFileError as error:
            print(f"{error}: trained again")
            return None
        return result

    def _write(self, path, record, save, result):
        record.unlink(missing_ok=True)
        with paths.replacing(path) as temporary:
            save(temporary)
        found = {"key": self.key, "file": path.name, "checksum": paths.checksum(path)}
        paths.write_json(record, found | result)
