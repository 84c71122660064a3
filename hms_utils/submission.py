"""Predict the test recordings, write the submission and check it."""

from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.blending import temper
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scoring import check_ids, check_probabilities

COLUMNS = ("eeg_id", *VOTE_COLUMNS)


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


def predict(images, output_dir, name, *, notebook, temperature=1.0, batch_size=32):
    """Average the predictions of every fold's model for each image and its mirror images.

    Parameters
    ----------
    images : dict of str to ndarray of uint8
        As `cache.load` opens them; the model takes the views it was trained on.
    output_dir : path-like
        Where ``models/<name>/fold<k>.keras`` and ``.json`` are.
    name : str
        Of the model.
    notebook : str
        The notebook that trains it, for the message if it has not.
    temperature : float
        Of each fold's answers, by `blending.fit`; taken before they are averaged,
        which flattens them too.
    batch_size : int

    Returns
    -------
    ndarray of float64, shape (n_windows, 6)
        Rows add to one.

    Raises
    ------
    FileNotFoundError
        If no fold's model is there.
    ValueError
        If the images have another shape than those that the model was trained on.
    """
    from hms_utils import fitting
    from hms_utils.backend import keras, tf

    folder = Path(output_dir) / "models" / name
    paths.require(folder / "fold0.keras", notebook)
    files = sorted(folder.glob("fold*.keras"))
    record = paths.read_json(paths.require(folder / "fold0.json", notebook))
    images = [images[view] for view in record["key"]["views"]]
    model = keras.models.load_model(files[0], compile=False)
    shape = (len(images), *images[0].shape[1:])
    if model.input_shape[1:] != shape:
        raise ValueError(
            f"{files[0]}: expected images of shape {model.input_shape[1:]}, found {shape}; "
            f"run notebooks/{notebook}.ipynb again"
        )
    if not tf.config.list_physical_devices("GPU"):
        fitting.to_float32(model)
    total = np.zeros((len(images[0]), len(VOTE_COLUMNS)))
    for file in files:
        # Loading weights alone spares compiling the same network again.
        model.load_weights(file)
        answers = fitting.predict(model, images, range(len(total)), batch_size=batch_size)
        total += temper(answers, temperature)
    return total / total.sum(axis=1, keepdims=True)


def write(eeg_ids, probabilities, test, path):
    """Write a submission, after checking it against the test table.

    Parameters
    ----------
    eeg_ids : array-like of int, shape (n_rows,)
    probabilities : ndarray, shape (n_rows, 6)
    test : DataFrame
        As `data.load_metadata` returns it.
    path : Path

    Returns
    -------
    DataFrame
        What was written, in the order of `test`.

    Raises
    ------
    ValueError
        As `check`.
    """
    table = pd.DataFrame(probabilities, columns=list(VOTE_COLUMNS))
    table.insert(0, "eeg_id", np.asarray(eeg_ids))
    check(table, test)
    table = table.set_index("eeg_id").loc[test.eeg_id].reset_index()
    with paths.replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    return table


def check(submission, test):
    """Raise ValueError unless Kaggle would score the submission.

    Parameters
    ----------
    submission : DataFrame
        As read from ``submission.csv``.
    test : DataFrame
        As read from ``test.csv``.

    Raises
    ------
    ValueError
        For a test table without ``eeg_id``, columns other than the seven,
        repeated, missing or extra ids, values that are not numbers, missing,
        below zero or above one, and rows that do not add to one.
    """
    if "eeg_id" not in test:
        raise ValueError(f"expected eeg_id in the test table, found {list(test)}")
    missing = [name for name in COLUMNS if name not in submission]
    extra = [name for name in submission if name not in COLUMNS]
    if missing or extra:
        raise ValueError(f"expected the columns {list(COLUMNS)}, missing {missing}, extra {extra}")
    check_ids(test.eeg_id, submission.eeg_id)
    check_probabilities(submission.set_index("eeg_id"), "submission")
