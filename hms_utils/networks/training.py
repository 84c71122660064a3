"""One cross-validation loop for every model, restartable by fold and stage."""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.images import fingerprint
from hms_utils.lock import locked
from hms_utils.networks.backend import keras
from hms_utils.networks.fitter import Fitter
from hms_utils.networks.fold_files import FoldFiles, earlier_folders, outline
from hms_utils.networks.inputs import AUGMENTATIONS
from hms_utils.networks.time_budget import TimeBudget, TimeIsUp

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
    budget_hours=0.0,
):
    """Train a model once for each fold and predict the rows it has not seen.

    The loss is the Kullback-Leibler divergence to the vote shares, each row
    weighted by the root of its number of votes. Out-of-fold predictions are
    averaged over mirror images, as those of a submission are. What is complete on
    disk, fold by fold and stage by stage, with the same settings and images, is
    not trained again; nor is what an earlier session's output holds that Kaggle
    mounts as an input, which is copied.

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
    budget_hours : float
        A stage that is not likely to end within this time is not begun; 0 is no limit.

    Returns
    -------
    oof : DataFrame
        Ids, votes, fold and the six out-of-fold probabilities of each row.
    history : DataFrame
        ``fold`` and the columns of `Fitter.fit`.

    Raises
    ------
    RuntimeError
        If the loss is not finite; `TimeIsUp`, if the time budget is used up: what is
        done is on disk, and the next call goes on from there.
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
    with locked(Path(output_dir)):
        oof_file.unlink(missing_ok=True)  # it is of these folds or none
        predictions, history = np.empty((len(index), len(CLASSES)), np.float32), []
        patients, data = index.patient_id.to_numpy(), outline(images, index, folds)
        earlier, budget = earlier_folders(name, key, data), TimeBudget(budget_hours)
        for done, fold in enumerate(numbers):
            label = f"{name}, fold {fold} of {numbers[0]}-{numbers[-1]}"
            files = FoldFiles(folder, f"fold{fold}", key, label, data, earlier)
            result = files.read(int((folds == fold).sum()))
            if result is None:
                rows = np.flatnonzero(folds != fold)
                parts = _set_aside(patients, rows, set_aside, seed + int(fold))
                held_out = np.flatnonzero(folds == fold)
                try:
                    result = _train_fold(
                        fitter, stages, *parts, held_out, seed + int(fold), files, budget
                    )
                except TimeIsUp as end:
                    n_rows = [(fitter.n_votes[folds != fold] >= s.min_votes).sum() for s in stages]
                    a_fold = sum(
                        budget.expected(number, stage.epochs * n_rows[number])
                        for number, stage in enumerate(stages)
                    )
                    raise TimeIsUp(
                        f"{end}. {done} of {len(numbers)} folds are trained; a fold takes some "
                        f"{a_fold / 3600:.2g} hours. What is done is kept: the next run goes on"
                    ) from None
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


def _train_fold(fitter, stages, train, choose, held_out, seed, files, budget):
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
        n_passes, started = stage.epochs * len(rows), time.monotonic()
        budget.require(number, n_passes, label)
        history += fitter.fit(
            stage,
            rows,
            held_out=held_out,
            choose=choosers if len(choosers) else choose,
            seed=seed,
            label=label,
        )
        files.write_stage(number, fitter.model, history)
        budget.measure(number, n_passes, time.monotonic() - started)
    result = {"history": history, "predictions": fitter.predict(held_out, flipped=True).tolist()}
    files.write(fitter.model, result)
    return result
