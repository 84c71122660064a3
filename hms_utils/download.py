"""Some patients of the competition's data, file by file."""

import shutil
from pathlib import Path

import pandas as pd

from hms_utils import paths
from hms_utils.constants import COMPETITION
from hms_utils.eeg import draw_patients
from hms_utils.progress import progress


def fetch_patients(folder, n_patients=0, ids=()):
    """Download the recordings of some patients, and those of the test.

    Files that are there are not fetched again, so an interrupted call is continued
    by the next one, and a later call can take more patients.

    Parameters
    ----------
    folder : Path
        It gets a ``train.csv`` of these patients' rows.
    n_patients : int
        How many, drawn as ``MAX_PATIENTS`` of notebook 2 draws them; 0 if `ids` are given.
    ids : sequence of int
        Which ones.

    Returns
    -------
    int
        How many files were fetched.

    Raises
    ------
    ValueError
        If there are no such patients, or the folder has rows of others.
    Exception
        Whatever kagglehub raises.
    """
    table = pd.read_csv(_fetch("train.csv"))
    known = table.patient_id.unique()
    if unknown := sorted(set(ids) - set(known)):
        raise ValueError(f"expected patients of train.csv, found {unknown[:5]}")
    if not 0 <= n_patients <= len(known):
        raise ValueError(
            f"expected at most the {len(known)} patients of train.csv, found {n_patients}"
        )
    chosen = ids or draw_patients(known, n_patients)
    rows = table[table.patient_id.isin(chosen)]
    present = folder / "train.csv"
    if present.is_file() and not set(pd.read_csv(present).patient_id) <= set(chosen):
        raise ValueError(
            f"{present}: it has rows of other patients; name another folder with --out"
        )
    names = [f"train_eegs/{each}.parquet" for each in rows.eeg_id.unique()]
    names += [f"train_spectrograms/{each}.parquet" for each in rows.spectrogram_id.unique()]
    test = pd.read_csv(_fetch("test.csv"))
    names += [f"test_eegs/{each}.parquet" for each in test.eeg_id]
    names += [f"test_spectrograms/{each}.parquet" for each in test.spectrogram_id]
    missing = [name for name in names if not (folder / name).is_file()]
    with progress("Files", len(missing)) as bar:
        for name in missing:
            _copy(_fetch(name), folder / name)
            bar.update()
    for name in ("test.csv", "sample_submission.csv"):
        _copy(_fetch(name), folder / name)
    with paths.replacing(present) as temporary:
        rows.to_csv(temporary, index=False)
    return len(missing)


def _fetch(name):
    """Return a file in kagglehub's cache, which has it whole or not at all."""
    import kagglehub

    return Path(kagglehub.competition_download(COMPETITION, path=name))


def _copy(source, target):
    with paths.replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    if source.suffix == ".parquet":
        source.unlink()  # that the disk does not hold it twice
