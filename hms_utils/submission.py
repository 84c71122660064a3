"""Write the submission and check it."""

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scoring import check_ids, check_probabilities

COLUMNS = ("eeg_id", *VOTE_COLUMNS)


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
