"""Folds that keep each patient together."""

from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths


def make_folds(patient_ids, n_folds, *, seed=0):
    """Distribute patients over folds, with about as many rows in each.

    Recordings of one patient resemble each other far more than those of two, so
    a row's fold is its patient's.

    Parameters
    ----------
    patient_ids : array-like of int, shape (n_rows,)
        The patient of each row.
    n_folds : int
    seed : int

    Returns
    -------
    DataFrame
        Columns ``patient_id`` and ``fold``, one row per patient.

    Raises
    ------
    ValueError
        If there are fewer patients than folds, or fewer than two folds.
    """
    patient_ids = np.asarray(patient_ids)
    n_patients = len(np.unique(patient_ids))
    if n_folds < 2 or n_patients < n_folds:
        raise ValueError(
            f"expected at least 2 folds and a patient for each, "
            f"found {n_folds} folds and {n_patients} patients"
        )
    from sklearn.model_selection import GroupKFold  # a second that those who draw need not wait

    # Without its own shuffling GroupKFold balances rows; the shuffled numbers
    # only decide between patients with equally many.
    _, patient = np.unique(patient_ids, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(n_patients)[patient]
    fold = np.empty(len(patient_ids), np.int64)
    for number, (_, rows) in enumerate(GroupKFold(n_folds).split(patient_ids, groups=shuffled)):
        fold[rows] = number
    table = pd.DataFrame({"patient_id": patient_ids, "fold": fold}).drop_duplicates()
    return table.sort_values("patient_id", ignore_index=True)


def save_folds(folds, output_dir):
    """Write ``folds.parquet``, which every model uses."""
    with paths.replacing(Path(output_dir) / "folds.parquet") as temporary:
        folds.to_parquet(temporary, index=False)


def assign_folds(index, output_dir):
    """Return the saved fold of each row of an index.

    Parameters
    ----------
    index : DataFrame
        With ``patient_id``.
    output_dir : path-like

    Returns
    -------
    ndarray of int64, shape (n_rows,)

    Raises
    ------
    FileNotFoundError
        If no folds are saved.
    ValueError
        If a patient has no fold, two, or one that is no number, or the file is damaged.
    """
    path = paths.require(Path(output_dir) / "folds.parquet", "02_spectrograms")
    table = paths.read(path, pd.read_parquet, "02_spectrograms")
    if (
        not {"patient_id", "fold"} <= set(table)
        or not pd.api.types.is_integer_dtype(table.fold)
        or table.patient_id.duplicated().any()
    ):
        raise ValueError(
            f"{path}: expected each patient once, with the number of a fold; "
            "run notebooks/02_spectrograms.ipynb again"
        )
    folds = table.set_index("patient_id").fold
    fold = index.patient_id.map(folds)
    if fold.isna().any():
        missing = index.patient_id[fold.isna()].unique()
        raise ValueError(
            f"{path}: expected every patient of the images, missing {missing[:3].tolist()}; "
            "run notebooks/02_spectrograms.ipynb again"
        )
    return fold.to_numpy(np.int64)
