"""Refuse votes that are no counts, and predictions that are no probabilities."""

import numpy as np
import pandas as pd

from hms_utils.constants import CLASSES, VOTE_COLUMNS


def check_votes(table):
    """Raise ValueError unless each row holds the counts of some votes.

    Parameters
    ----------
    table : DataFrame
        With ``label_id`` and the vote columns.
    """
    if not len(table):
        raise ValueError("expected at least one row of votes, found none")
    for column in VOTE_COLUMNS:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"expected numbers in {column}, found {table[column].dtype}")
        values = table[column].to_numpy(float)
        _refuse_rows(~((values >= 0) & (values % 1 == 0)), table, f"counts in {column}")
    _refuse_rows(table[list(VOTE_COLUMNS)].to_numpy().sum(axis=1) == 0, table, "votes")


def check_prediction(prediction, table, name):
    """Raise ValueError unless each row is a distribution over the six classes.

    Parameters
    ----------
    prediction : ndarray
    table : DataFrame
        Whose rows are predicted, with ``label_id``.
    name : str
        Of the model, for the message.
    """
    if np.shape(prediction) != (len(table), len(CLASSES)):
        raise ValueError(
            f"expected {name} of shape {(len(table), len(CLASSES))}, found {np.shape(prediction)}"
        )
    fine = (prediction >= 0).all(axis=1) & np.isclose(prediction.sum(axis=1), 1, atol=1e-5)
    _refuse_rows(~fine, table, f"probabilities of {name} that add to one")


def _refuse_rows(wrong, table, expected):
    if wrong.any():
        first = table.label_id[wrong].head(3).tolist()
        raise ValueError(
            f"expected {expected}, found none in {wrong.sum()} of {len(table)} rows, "
            f"first label_id {first}"
        )
