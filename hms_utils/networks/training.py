"""One cross-validation loop for every model, restartable by fold and stage."""

import hashlib
import json
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.images import cluster, fingerprint
from hms_utils.lock import locked
from hms_utils.networks.backend import keras
from hms_utils.networks.fitter import Fitter
from hms_utils.networks.fold_files import FoldFiles, earlier_folders, outline
from hms_utils.networks.inputs import AUGMENTATIONS
from hms_utils.networks.on_cluster import on_worker, run_on_workers, versions
from hms_utils.networks.time_budget import TimeBudget, TimeIsUp

_CODE = (
    "networks/training",
    "networks/fitter",
    "networks/models",
    "networks/weights",
    "networks/inputs",
    "networks/backend",
    "eeg/rows",
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
    scheduler="",
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
    scheduler : str
        Address of a Dask scheduler, whose workers train the folds instead, one at a time
        each; they must have this package and see `images` and `output_dir`. Default:
        ``DASK_SCHEDULER_ADDRESS``.

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
        done is on disk, and the next call goes on from there. Also if a cluster's worker
        has other versions, or its scheduler has gone.
    OSError
        If the scheduler does not answer or has no workers, or these do not see the files.
    BlockingIOError
        If another process writes into `output_dir`.
    ValueError
        If there are no views or one is not among the images; there are no stages, the
        first is not of all rows; `set_aside` is no share;
        or less than two folds have rows.
    """
    numbers = np.unique(folds)
    _check(images, views, numbers, stages, set_aside)
    job = {
        "build": build,
        "index": index,
        "folds": folds,
        "stages": stages,
        "batch_size": batch_size,
        "augment": augment,
        "set_aside": set_aside,
        "seed": seed,
    }
    seen = [images[view] for view in views]
    fitter = _fitter(job, seen)
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
        data, budget = outline(images, index, folds), TimeBudget(budget_hours)
        earlier = earlier_folders(name, key, data)
        files = {
            fold: FoldFiles(
                folder, f"fold{fold}", key, f"{name}, fold {fold} of {numbers[0]}-{numbers[-1]}",
                data, earlier,
            )
            for fold in numbers
        }  # fmt: skip
        results = {fold: files[fold].read(int((folds == fold).sum())) for fold in numbers}
        missing = [fold for fold in numbers if results[fold] is None]
        for fold in sorted(set(numbers) - set(missing)):
            print(f"{files[fold].label}: already trained")
        with cluster(scheduler) if missing else nullcontext() as client:
            if client is not None:
                first = job | {"initial": fitter.initial, "images": _file_names(seen)}
                there = [(versions(), first, fold, files[fold], budget) for fold in missing]
                results |= zip(missing, run_on_workers(client, _train_there, there), strict=True)
            else:
                for fold in missing:
                    try:
                        results[fold] = _train_fold(fitter, job, fold, files[fold], budget)
                    except TimeIsUp as end:
                        results[fold] = end
                        break
        if late := [result for result in results.values() if isinstance(result, TimeIsUp)]:
            done = [result for result in results.values() if isinstance(result, dict)]
            raise TimeIsUp(
                f"{late[0]}. {len(done)} of {len(numbers)} folds are trained"
                f"{_hours(job, budget)}. What is done is kept: the next run goes on"
            )
        predictions, history = np.empty((len(index), len(CLASSES)), np.float32), []
        for fold, result in results.items():
            files[fold].remove_stages()
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


def _fitter(job, images):
    keras.utils.set_random_seed(job["seed"])
    options = {"batch_size": job["batch_size"], "augment": job["augment"]}
    return Fitter(job["build"], images, job["index"], **options)


def _file_names(images):
    if not all(isinstance(view, np.memmap) for view in images):
        raise ValueError("expected images as images.load opens them, for workers to open them too")
    return [str(view.filename) for view in images]


def _hours(job, budget):
    """Say how long a fold takes, if that is known."""
    passes = [
        stage.epochs * int((job["index"].n_votes >= stage.min_votes).sum())
        for stage in job["stages"]
    ]
    share = 1 - 1 / len(np.unique(job["folds"]))
    seconds = share * sum(budget.expected(number, each) for number, each in enumerate(passes))
    return f", each takes some {seconds / 3600:.2g} hours" if seconds else ""


def _train_there(task):
    """Train a fold on a cluster's worker, which reads and writes the same files."""
    expected, job, fold, files, budget = task
    with on_worker(expected):
        if files.key["code"] != paths.code_version(*_CODE):
            raise RuntimeError("a Dask worker has another version of hms_utils: install the same")
        fitter = _fitter(job, [np.load(name, mmap_mode="r") for name in job["images"]])
        fitter.initial = job["initial"]  # as Dask's own thread draws random numbers too
        return _train_fold(fitter, job, fold, files, budget)


def _train_fold(fitter, job, fold, files, budget):
    index, folds, stages = job["index"], job["folds"], job["stages"]
    rows, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    seed = job["seed"] + int(fold)
    train, choose = _set_aside(index.patient_id.to_numpy(), rows, job["set_aside"], seed)
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
