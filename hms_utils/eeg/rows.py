"""Which rows of the competition's tables to use, and what their votes say."""

from pathlib import Path

import numpy as np

from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg.files import has_eegs


def with_files(metadata, data_dir, *, quiet=False):
    """Leave out rows whose EEG is not there, and say on how much of the table the rest stands.

    In data without any EEG it is the spectrogram that a row needs.

    Parameters
    ----------
    metadata : DataFrame
        As `load_metadata` returns it of the training rows.
    data_dir : path-like
    quiet : bool
        Say nothing.

    Returns
    -------
    DataFrame
        Rows of `metadata` in its order, with a new index.

    Raises
    ------
    FileNotFoundError
        If there is none of the EEGs, or of the spectrograms where these are alone.
    """
    data_dir = Path(data_dir)
    alone = not has_eegs(data_dir)
    near = metadata.eeg_id.isin(_ids(data_dir / "train_eegs"))
    far = metadata.spectrogram_id.isin(_ids(data_dir / "train_spectrograms"))
    here, kind = (far, "spectrogram") if alone else (near, "EEG")
    ids = metadata[f"{kind.lower()}_id"]
    if not here.any():
        raise FileNotFoundError(
            f"{data_dir / f'train_{kind.lower()}s'}: expected {'a' if alone else 'an'} {kind} of "
            f"train.csv, found none of {ids.nunique()}{', and no EEG' * alone}"
        )
    if not quiet:
        others = f"{(near & ~far).sum():,} rows have no spectrogram file"
        if alone:
            others = "no EEG is there, so that all is of spectrograms alone"
        elif (far & ~near).sum() > near.sum():
            others += (
                "; a folder without train_eegs would stand on spectrograms alone, "
                f"{far.sum():,} rows"
            )
        print(
            f"This page stands on {here.sum():,} of {len(metadata):,} rows of train.csv "
            f"({here.mean():.0%}): left out are {(~here).sum():,} rows of "
            f"{ids[~here].nunique():,} {kind}s that are not there; {others}"
        )
    return metadata[here].reset_index(drop=True)


def _ids(folder):
    """Return the ids of a folder's parquet files."""
    return {int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdecimal()}


def draw_patients(patients, number, seed=0):
    """Draw patients, of whom a larger number takes the same and more.

    Parameters
    ----------
    patients : ndarray of int
    number : int
    seed : int

    Returns
    -------
    ndarray of int, shape (number,)
    """
    return np.random.default_rng(seed).permutation(patients)[:number]


def select_windows(metadata, *, max_patients=0, seed=0):
    """Choose one window for each distinct vote of each recording.

    Overlapping windows with the same votes are nearly the same example; the
    middle one stands for all of them.

    Parameters
    ----------
    metadata : DataFrame
        As `load_metadata` returns it of the training rows.
    max_patients : int
        Take this many patients, by `draw_patients`; 0 takes all.
    seed : int

    Returns
    -------
    DataFrame
        Rows of `metadata` in its order, with a new index and ``n_votes``.
    """
    patients = metadata.patient_id.unique()
    if 0 < max_patients < len(patients):
        drawn = draw_patients(patients, max_patients, seed)
        metadata = metadata[metadata.patient_id.isin(drawn)]
    groups = metadata.groupby(["eeg_id", *VOTE_COLUMNS], sort=False)
    middle = groups.cumcount() == groups.eeg_id.transform("size") // 2
    windows = metadata[middle].reset_index(drop=True)
    return windows.assign(n_votes=windows[list(VOTE_COLUMNS)].sum(axis=1))


def vote_shares(table):
    """Return each row's votes divided by their sum.

    Parameters
    ----------
    table : DataFrame
        With the six vote columns.

    Returns
    -------
    ndarray of float32, shape (n_rows, 6)
    """
    votes = table[list(VOTE_COLUMNS)].to_numpy(np.float32)
    return votes / votes.sum(axis=1, keepdims=True)


def clearest(table, classes):
    """Return the number of the row on which most experts agree on one of some classes.

    Parameters
    ----------
    table : DataFrame
        With the vote columns and ``n_votes``.
    classes : sequence of str
        Among `CLASSES`; if nobody voted for any of these, all classes count.

    Returns
    -------
    int
        The place of the row with the largest vote share times the logarithm of
        one plus the number of votes.
    """
    certainty = vote_shares(table) * np.log1p(table.n_votes.to_numpy())[:, None]
    of_these = certainty[:, [CLASSES.index(name) for name in classes]]
    return int((of_these if of_these.any() else certainty).max(axis=1).argmax())
