"""The trained networks and how they are mixed: sealed by notebook 5, opened to predict."""

from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CHAINS, CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import drawing_version, fingerprint, reduced_shape
from hms_utils.networks import engines
from hms_utils.networks.inputs import flips
from hms_utils.networks.models import NETWORKS
from hms_utils.scores import mean_vote, smooth, temper

# Images that are predicted together, mirror images included: more take more memory and are
# hardly faster.
_BATCH = 16


def load_oof(output_dir, names, images, index, folds):
    """Read networks' out-of-fold predictions, and refuse those of other images or folds.

    All folds must be there, their files those that were trained, and the predictions
    those that each fold made, row by row.

    Parameters
    ----------
    output_dir : path-like
        Where ``models/<name>/fold<k>.json`` and ``oof/<name>.parquet`` are.
    names : sequence of str
        Among `NETWORKS`.
    images, index
        In use, as `images.load` returns them.
    folds : ndarray of int, shape (n_rows,)

    Returns
    -------
    table : DataFrame
        Ids, votes and fold of each row.
    predictions : dict of str to ndarray of float64, shape (n_rows, 6)
        By network.
    started : dict of str to str
        What each network started from, which is printed too.

    Raises
    ------
    FileNotFoundError
        If a network has not been trained.
    ValueError
        If there is no such network, or its folds were trained on something else, or not
        alike, or a file is damaged or not in its place.
    """
    if not names or set(names) - set(NETWORKS):
        raise ValueError(f"expected networks among {list(NETWORKS)}, found {list(names)}")
    data, predictions, started = fingerprint(images, index, folds), {}, {}
    for name in names:
        folder, notebook = Path(output_dir) / "models" / name, NETWORKS[name].notebook
        path = paths.require(Path(output_dir) / "oof" / f"{name}.parquet", notebook)
        oof, keys = paths.read(path, pd.read_parquet, notebook), []
        given = index.assign(fold=folds)[["label_id", *VOTE_COLUMNS, "fold"]]
        fine = np.array_equal(given, oof.reindex(columns=given.columns))
        for fold in np.unique(folds):
            file = paths.require(folder / f"fold{fold}.keras", notebook)
            record = paths.require(file.with_suffix(".json"), notebook)
            record = paths.read_record(record, notebook)
            keys.append(record.get("key"))
            if (record.get("file"), record.get("checksum")) != (file.name, paths.checksum(file)):
                raise paths.DamagedFileError(
                    f"{file}: expected the model that was trained, found another; "
                    f"run notebooks/{notebook}.ipynb again"
                )
            answers = oof.reindex(columns=list(PREDICTION_COLUMNS))
            fine = fine and np.array_equal(
                answers[folds == fold], np.array(record["predictions"], np.float32)
            )
        if (
            len([*folder.glob("fold*.keras")]) > len(keys)
            or any(not key or key != keys[0] for key in keys)
            or keys[0]["data"] != data
        ):
            raise ValueError(
                f"{folder}: expected models of the images and folds in use, found others; "
                f"run notebooks/{notebook}.ipynb again"
            )
        if not fine:
            raise paths.DamagedFileError(
                f"{path}: expected the predictions of each fold in the order of the images, found "
                f"others; run notebooks/{notebook}.ipynb again"
            )
        predictions[name] = oof[list(PREDICTION_COLUMNS)].to_numpy(float)
        started[name] = keys[0].get("note") or "random weights"
        print(f"{name}: started from {started[name]}")
    return oof.drop(columns=list(PREDICTION_COLUMNS)), predictions, started


def seal(output_dir, fitted, index, concentration):
    """Write ``blend.json``: with the models' files, all that a prediction needs.

    Parameters
    ----------
    output_dir : path-like
        Where ``models/<name>/fold<k>.keras`` and ``spectrograms/train/`` are.
    fitted : dict of str to dict
        By model, as `scores.fit_blend` returns it.
    index : DataFrame
        Of the training images; its votes give the answer to what cannot be read.
    concentration : float
        Of votes around the blend, by `scores.fit_concentration`.
    """
    output_dir = Path(output_dir)
    train = output_dir / "spectrograms" / "train"
    drawn = paths.read_record(train / "settings.json", "02_spectrograms")
    panel = index[index.n_votes >= WELL_VOTED]
    prior = mean_vote(index if panel.empty else panel)
    models = {}
    for name, part in fitted.items():
        files = sorted((output_dir / "models" / name).glob("fold*.keras"))
        record = paths.read_record(files[0].with_suffix(".json"))
        models[name] = part | {
            "views": record["key"]["views"],
            "folds": {file.name: paths.checksum(file) for file in files},
        }
    content = {
        "models": models,
        "images": {name: drawn[name] for name in ("reduce", "db_range", "views")},
        "drawn_by": drawn["code"],
        "prior": prior.tolist(),
        "concentration": concentration,
        "synthetic": paths.read_record(train / "source.json")["synthetic"],
    }
    paths.write_record(output_dir / "blend.json", content)


def _check_seal(path, settings):
    """Raise ValueError unless ``blend.json`` holds what a prediction can be made with."""
    try:
        models = settings["models"].values()
        shares = np.array([part["share"] for part in models], float)
        prior = np.array(settings["prior"], float)
        fine = {
            "shares from 0 to 1 that add to 1": _are_shares(shares),
            "temperatures above 0": all(0 < part["temperature"] < np.inf for part in models),
            "a prior of six shares": len(prior) == len(CLASSES) and _are_shares(prior),
            "a concentration above 0": 0 < settings["concentration"] < np.inf,
            "views and folds of each network": all(
                part["views"] and part["folds"] for part in models
            ),
            "networks in their folders, and folds in those": all(
                Path(name).name == name
                for network, part in settings["models"].items()
                for name in (network, *part["folds"])
            ),
            "how images are drawn": {"reduce", "db_range", "views"} <= settings["images"].keys(),
            "the version that drew them": isinstance(settings["drawn_by"], str),
            "whether the data is synthetic": isinstance(settings["synthetic"], bool),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fine = {f"what notebook 5 seals ({type(error).__name__}: {error})": False}
    for expected, is_so in fine.items():
        if not is_so:
            raise ValueError(
                f"{path}: expected {expected}, found something else; "
                "run notebooks/05_comparison.ipynb again"
            )


def _are_shares(values):
    return bool(((values >= 0) & (values <= 1)).all() and abs(values.sum() - 1) < 1e-6)


class Ensemble:
    """All folds of all networks, loaded and checked.

    Parameters
    ----------
    folder : path-like
        Where ``blend.json`` and ``models/<name>/fold<k>.keras`` are.
    engine : {"tensorflow", "onnx"}
        What computes; the answers are the same within 1e-4. ``onnx`` is faster on a
        CPU, needs three more packages, and exports the networks the first time.

    Attributes
    ----------
    settings : dict
        ``blend.json``: among others ``images``, with which arguments `images.build`
        must draw what is predicted, and ``prior``, what to answer without an image.
    n_folds : int
        Of the network with most.
    networks : dict of str to (keras.Model, list of list of ndarray)
        Each network and the weights of its folds; empty for other engines.

    Raises
    ------
    FileNotFoundError
        If there is no ``blend.json``, or a model's file is missing.
    ValueError
        If ``blend.json`` is damaged, a model's file is not the one that was sealed, or
        does not load, or there is no such engine.
    ModuleNotFoundError
        If the engine needs a package that is not installed.
    """

    def __init__(self, folder, engine="tensorflow"):
        if engine not in engines.ENGINES:
            raise ValueError(f"expected an engine of {engines.ENGINES}, found {engine!r}")
        folder = Path(folder)
        path = paths.require(folder / "blend.json", "05_comparison")
        self.settings = paths.read_record(path, "05_comparison")
        _check_seal(path, self.settings)
        if self.settings["drawn_by"] != drawing_version():
            print(
                f"{path}: WARNING: the networks learnt from images that another version of "
                "hms_utils drew; if it drew otherwise, their answers are wrong: use that version, "
                "or run notebooks 02 to 05 again"
            )
        self.networks, self._folds, self._shapes, files = {}, {}, {}, {}
        for name, part in self.settings["models"].items():
            files[name] = {folder / "models" / name / file: c for file, c in part["folds"].items()}
            for file, checksum in files[name].items():
                if paths.checksum(paths.require(file, "05_comparison")) != checksum:
                    raise ValueError(
                        f"{file}: expected the model that blend.json was made with, found "
                        "another; run notebooks/05_comparison.ipynb again"
                    )
        for name, checksums in files.items():
            if engine == "onnx":
                loaded = [engines.onnx(*each) for each in checksums.items()]
                self._folds[name] = [function for function, _ in loaded]
                self._shapes[name] = loaded[0][1]
                continue
            models = [engines.load(file) for file in checksums]
            self.networks[name] = models[0], [model.get_weights() for model in models]
            self._folds[name] = engines.tensorflow(*self.networks[name])
            self._shapes[name] = models[0].input_shape[1:]
        tile = reduced_shape(self.settings["images"]["reduce"])
        for name, part in self.settings["models"].items():
            drawn = (len(part["views"]), len(CHAINS), *tile)
            if self._shapes[name] != drawn:
                raise ValueError(
                    f"{path}: expected images of shape {self._shapes[name]} for {name}, found "
                    f"{drawn} to be drawn; run notebooks/05_comparison.ipynb again"
                )
        self.n_folds = max(len(folds) for folds in self._folds.values())

    def predict(self, images, *, flipped=True, n_folds=None):
        """Predict windows, averaged over mirror images, folds and networks.

        Parameters
        ----------
        images : dict of str to ndarray of uint8
            By view, as `images.load` opens them.
        flipped : bool
            Average with sides swapped, time reversed, and both.
        n_folds : int, optional
            How many of each network's folds to ask, the first ones; default all.

        Returns
        -------
        ndarray of float64, shape (n_windows, 6)
            Rows add to one.

        Raises
        ------
        ValueError
            If the images have another shape than those that were trained on.
        """
        answers = self.answers(images, flipped=flipped, n_folds=n_folds)
        blend = sum(self.settings["models"][name]["share"] * answers[name] for name in answers)
        return smooth(blend / blend.sum(axis=1, keepdims=True))

    def answers(self, images, *, flipped=True, n_folds=None):
        """Predict windows by each network that has a share, as `predict` without the last step.

        Its temperature is taken before its folds are averaged, which flattens them
        too.

        Returns
        -------
        dict of str to ndarray of float64, shape (n_windows, 6)
        """
        n_windows = len(next(iter(images.values())))
        step = max(1, _BATCH // 4 if flipped else _BATCH)
        answers = {}
        for name, folds in self._folds.items():
            part = self.settings["models"][name]
            if not part["share"]:
                continue
            seen, folds = [images[view] for view in part["views"]], folds[:n_folds]
            shape = (len(seen), *seen[0].shape[1:])
            if self._shapes[name] != shape:
                raise ValueError(
                    f"{name}: expected images of shape {self._shapes[name]}, found {shape}"
                )
            answers[name] = np.zeros((n_windows, len(CLASSES)))
            for start in range(0, n_windows, step):
                rows = slice(start, start + step)
                batch = np.stack([view[rows] for view in seen], axis=1)
                n_rows = len(batch)
                if flipped:
                    batch = flips(batch).numpy()
                for fold in folds:
                    answer = fold(batch).reshape(n_rows, -1, len(CLASSES)).mean(axis=1)
                    answers[name][rows] += temper(answer, part["temperature"]) / len(folds)
        return answers
