"""The trained networks and how they are mixed: sealed by notebook 5, opened to predict."""

import hashlib
import json
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from hms_utils import paths
from hms_utils.blending import temper
from hms_utils.constants import CLASSES, WELL_VOTED
from hms_utils.data import vote_shares

# Settings of layers that Keras has got since 3.13, which Kaggle has, at their defaults.
_NEWER_SETTINGS = {
    "input_axes": None,
    "output_axes": None,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}


def require_models(output_dir, name, fingerprint, *, notebook):
    """Refuse models of other images or folds, or of several trainings.

    Parameters
    ----------
    output_dir : path-like
        Where ``models/<name>/fold<k>.json`` are.
    name : str
        Of the model.
    fingerprint : str
        Of the images and folds in use, by `cache.fingerprint`.
    notebook : str
        The notebook that trains it, for the message.

    Raises
    ------
    FileNotFoundError
        If the model has not been trained.
    ValueError
        If its folds were trained on something else, or not alike.
    """
    folder = Path(output_dir) / "models" / name
    paths.require(folder / "fold0.json", notebook)
    paths.require(Path(output_dir) / "oof" / f"{name}.parquet", notebook)
    keys = [paths.read_json(file)["key"] for file in sorted(folder.glob("fold*.json"))]
    if any(key != keys[0] for key in keys) or keys[0]["data"] != fingerprint:
        raise ValueError(
            f"{folder}: expected models of the images and folds in use, found others; "
            f"run notebooks/{notebook}.ipynb again"
        )


def seal(output_dir, fitted, index, concentration):
    """Write ``blend.json``: with the models' files, all that a prediction needs.

    Parameters
    ----------
    output_dir : path-like
        Where ``models/<name>/fold<k>.keras`` and ``spectrograms/train/`` are.
    fitted : dict of str to dict
        By model, as `blending.fit` returns it.
    index : DataFrame
        Of the training images; its votes give the answer to what cannot be read.
    concentration : float
        Of votes around the blend, by `uncertainty.fit_concentration`.
    """
    output_dir = Path(output_dir)
    train = output_dir / "spectrograms" / "train"
    drawn = paths.read_json(train / "settings.json")
    panel = index[index.n_votes >= WELL_VOTED]
    prior = vote_shares(index if panel.empty else panel).mean(axis=0)
    models = {}
    for name, part in fitted.items():
        files = sorted((output_dir / "models" / name).glob("fold*.keras"))
        record = paths.read_json(files[0].with_suffix(".json"))
        models[name] = part | {
            "views": record["key"]["views"],
            "folds": {file.name: _checksum(file) for file in files},
        }
    content = {
        "models": models,
        "images": {"reduce": drawn["reduce"], "db_range": drawn["db_range"]},
        "prior": prior.tolist(),
        "concentration": concentration,
        "synthetic": paths.read_json(train / "source.json")["synthetic"],
    }
    paths.write_json(output_dir / "blend.json", content)


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Ensemble:
    """All folds of all networks, loaded and checked.

    Parameters
    ----------
    folder : path-like
        Where ``blend.json`` and ``models/<name>/fold<k>.keras`` are.

    Attributes
    ----------
    settings : dict
        ``blend.json``: among others ``images``, with which arguments `cache.build`
        must draw what is predicted, and ``prior``, what to answer without an image.

    Raises
    ------
    FileNotFoundError
        If there is no ``blend.json``, or a model's file is missing.
    ValueError
        If a model's file is not the one that was sealed, or does not load.
    """

    def __init__(self, folder):
        folder = Path(folder)
        self.settings = paths.read_json(paths.require(folder / "blend.json", "05_comparison"))
        if not {"models", "images", "prior", "concentration"} <= self.settings.keys():
            raise ValueError(
                f"{folder / 'blend.json'}: expected what this version seals, found an older file; "
                "run notebooks/05_comparison.ipynb again"
            )
        self.networks = {}
        for name, part in self.settings["models"].items():
            files = [folder / "models" / name / file for file in part["folds"]]
            for file, checksum in zip(files, part["folds"].values(), strict=True):
                if _checksum(paths.require(file, "05_comparison")) != checksum:
                    raise ValueError(
                        f"{file}: expected the model that blend.json was made with, found "
                        "another; run notebooks/05_comparison.ipynb again"
                    )
            self.networks[name] = _load(files)

    def predict(self, images, *, batch_size=32):
        """Predict windows, averaged over mirror images, folds and networks.

        Parameters
        ----------
        images : dict of str to ndarray of uint8
            By view, as `cache.load` opens them.
        batch_size : int

        Returns
        -------
        ndarray of float64, shape (n_windows, 6)
            Rows add to one.

        Raises
        ------
        ValueError
            If the images have another shape than those that were trained on.
        """
        answers = self.answers(images, batch_size=batch_size)
        blend = sum(self.settings["models"][name]["share"] * answers[name] for name in answers)
        return blend / blend.sum(axis=1, keepdims=True)

    def answers(self, images, *, batch_size=32):
        """Predict windows by each network, as `predict` without the last step.

        Its temperature is taken before its folds are averaged, which flattens them
        too.

        Returns
        -------
        dict of str to ndarray of float64, shape (n_windows, 6)
        """
        from hms_utils import fitting

        n_windows = len(next(iter(images.values())))
        answers = {}
        for name, (model, weights) in self.networks.items():
            part = self.settings["models"][name]
            seen = [images[view] for view in part["views"]]
            shape = (len(seen), *seen[0].shape[1:])
            if model.input_shape[1:] != shape:
                raise ValueError(
                    f"{name}: expected images of shape {model.input_shape[1:]}, found {shape}"
                )
            total = np.zeros((n_windows, len(CLASSES)))
            for fold in weights:
                model.set_weights(fold)
                predicted = fitting.predict(model, seen, range(n_windows), batch_size=batch_size)
                total += temper(predicted, part["temperature"])
            answers[name] = total / len(weights)
        return answers


def _load(files):
    """Return one network, compiled once, and the weights of all its folds."""
    from hms_utils import fitting
    from hms_utils.backend import tf

    weights = []
    for file in files:
        try:
            model = _load_model(file)
        except (ValueError, OSError, TypeError, KeyError, BadZipFile) as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise ValueError(f"{file}: expected a Keras model, found none ({reason})") from error
        weights.append(model.get_weights())
    if not tf.config.list_physical_devices("GPU"):
        fitting.to_float32(model)
    return model, weights


def _load_model(file):
    """Load a network that this or another supported version of Keras has saved.

    An older Keras would refuse settings that it does not know, though they are at
    their defaults and so change nothing.
    """
    from hms_utils.backend import keras

    def known(node):
        newer = _NEWER_SETTINGS.items()
        return {name: value for name, value in node.items() if (name, value) not in newer}

    with ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"), object_hook=known)
    model = keras.saving.deserialize_keras_object(config | {"compile_config": None})
    model.load_weights(file)
    return model
