"""All label windows as images on disk, in parallel and restartable."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from hms_utils import paths, spectrograms
from hms_utils.constants import (
    CHAINS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
    VOTE_COLUMNS,
)
from hms_utils.data import read_eeg, read_spectrogram

VIEWS = ("eeg50", "kaggle600")


def select_windows(metadata, *, max_patients=0, seed=0):
    """Choose one window for each distinct vote of each recording.

    Overlapping windows with the same votes are nearly the same example; the
    middle one stands for all of them.

    Parameters
    ----------
    metadata : DataFrame
        As `data.load_metadata` returns it; of the test table every row is taken.
    max_patients : int
        Take this many patients, drawn by `seed`; 0 takes all.
    seed : int

    Returns
    -------
    DataFrame
        Rows of `metadata` in its order, with a new index; ``n_votes`` is added
        to train rows.
    """
    if "label_id" not in metadata:
        return metadata.assign(
            eeg_label_offset_seconds=0.0, spectrogram_label_offset_seconds=0.0
        ).reset_index(drop=True)
    patients = metadata.patient_id.unique()
    if 0 < max_patients < len(patients):
        patients = np.random.default_rng(seed).choice(patients, max_patients, replace=False)
        metadata = metadata[metadata.patient_id.isin(patients)]
    groups = metadata.groupby(["eeg_id", *VOTE_COLUMNS], sort=False)
    middle = groups.cumcount() == groups.eeg_id.transform("size") // 2
    windows = metadata[middle].reset_index(drop=True)
    return windows.assign(n_votes=windows[list(VOTE_COLUMNS)].sum(axis=1))


def build(windows, data_dir, output_dir, split, *, reduce=1, n_jobs=-1):
    """Draw the views of all windows into memory-mapped arrays.

    An interrupted call is continued by the next one, recording by recording; a
    call with nothing to do returns at once. Both hold as long as the source
    files, the windows, `reduce` and the code's version stay the same.

    Parameters
    ----------
    windows : DataFrame
        As `select_windows` returns it.
    data_dir, output_dir : path-like
        The competition's folder; the folder below which
        ``spectrograms/<split>/<view>.npy`` and ``index.parquet`` are written.
    split : {"train", "test"}
    reduce : int
        Shrink the tiles of 128 frequencies by 256 times by this factor.
    n_jobs : int
        Processes; -1 means one for each core.

    Returns
    -------
    Path
        The folder with the images, for `load`.

    Raises
    ------
    FileNotFoundError, ValueError
        If a recording is missing, damaged, or shorter than its windows; the
        message names the file.
    """
    if reduce not in (1, 2, 4, 8):
        raise ValueError(f"expected reduce to be 1, 2, 4 or 8, found {reduce}")
    data_dir = Path(data_dir)
    folder = Path(output_dir) / "spectrograms" / split
    key = _key(windows, data_dir, split, reduce)
    if _read_key(folder) == key:
        print(f"Images: {len(windows)} windows in {folder} are up to date")
        return folder
    partial = folder.with_name(f".{split}.partial")
    if _read_key(partial) != key:
        shutil.rmtree(partial, ignore_errors=True)
        _create(partial, len(windows), reduce, key)
    arrays = {view: np.load(partial / f"{view}.npy", mmap_mode="r+") for view in VIEWS}
    done = np.load(partial / "done.npy", mmap_mode="r+")

    recordings = windows[~done].groupby("eeg_id", sort=False)
    jobs = (delayed(_draw)(data_dir, split, rows, reduce) for _, rows in recordings)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    for rows, images in tqdm(results, total=recordings.ngroups, desc="Recordings", mininterval=2):
        for view, array in arrays.items():
            array[rows] = images[view]
        done[rows] = True
    for array in arrays.values():
        array.flush()

    windows.to_parquet(partial / "index.parquet")
    synthetic = (data_dir / paths.SYNTHETIC_MARK).is_file()
    paths.write_json(partial / "source.json", {"data": str(data_dir), "synthetic": synthetic})
    (partial / "done.npy").unlink()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print(f"Images: {len(windows)} windows of {windows.eeg_id.nunique()} recordings in {folder}")
    return folder


def load(folder, views=VIEWS):
    """Open the images and the index that `build` wrote, and say what they are of.

    Parameters
    ----------
    folder : path-like
    views : sequence of str

    Returns
    -------
    images : list of memory-mapped ndarray of uint8, shape (n_windows, 4, height, width)
        One array for each view; axes are window, chain, frequency, time.
    index : DataFrame
        The windows, row by row as in the images.

    Raises
    ------
    FileNotFoundError
        If the images have not been made.
    """
    folder = Path(folder)
    paths.require(folder / "index.parquet", "02_spectrograms")
    images = [np.load(folder / f"{view}.npy", mmap_mode="r") for view in views]
    index, source = (
        pd.read_parquet(folder / "index.parquet"),
        paths.read_json(folder / "source.json"),
    )
    print(
        f"Images: {len(index)} windows of {index.patient_id.nunique()} patients, {source['data']}"
    )
    if source["synthetic"]:
        print(paths.SYNTHETIC_NOTICE)
    return images, index


def _key(windows, data_dir, split, reduce):
    """Describe everything that the pixels depend on."""
    digest = hashlib.sha256(windows.to_csv(index=False).encode())
    for kind, column in (("eegs", "eeg_id"), ("spectrograms", "spectrogram_id")):
        for number in windows[column].unique():
            path = data_dir / f"{split}_{kind}" / f"{number}.parquet"
            if path.exists():  # what is missing is reported when it is read
                status = path.stat()
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
    code = paths.code_version("cache", "spectrograms", "montage", "data", "constants")
    return {"code": code, "reduce": reduce, "source": digest.hexdigest()}


def _read_key(folder):
    return paths.read_json(folder / "key.json") if (folder / "key.json").is_file() else None


def _create(folder, n_windows, reduce, key):
    folder.mkdir(parents=True)
    height, width = (size // reduce for size in spectrograms.TILE_SHAPE)
    for view in VIEWS:
        np.lib.format.open_memmap(
            folder / f"{view}.npy", "w+", np.uint8, (n_windows, len(CHAINS), height, width)
        )
    np.save(folder / "done.npy", np.zeros(n_windows, bool))
    paths.write_json(folder / "key.json", key)


def _draw(data_dir, split, rows, reduce):
    """Return the row numbers and images of one recording's windows."""
    first = next(rows.itertuples())
    eeg_path = data_dir / f"{split}_eegs" / f"{first.eeg_id}.parquet"
    spectrogram_path = data_dir / f"{split}_spectrograms" / f"{first.spectrogram_id}.parquet"
    eeg, spectrogram = read_eeg(eeg_path), read_spectrogram(spectrogram_path)
    views = {view: [] for view in VIEWS}
    for row in rows.itertuples():
        start = row.eeg_label_offset_seconds
        window = _cut(eeg, start, EEG_SECONDS, SFREQ, eeg_path)
        views["eeg50"].append(spectrograms.eeg_image(window))
        start = row.spectrogram_label_offset_seconds
        window = _cut(
            spectrogram, start, SPECTROGRAM_SECONDS, 1 / SPECTROGRAM_STEP, spectrogram_path
        )
        views["kaggle600"].append(spectrograms.spectrogram_image(window))
    images = {
        view: spectrograms.reduce_image(np.stack(tiles), reduce) for view, tiles in views.items()
    }
    return rows.index.to_numpy(), images


def _cut(rows, start, seconds, rate, path):
    """Return `seconds` of a recording from `start` on."""
    window = rows[int(start * rate) : int((start + seconds) * rate)]
    if len(window) < seconds * rate:
        raise ValueError(
            f"{path.parent.name}/{path.name}: expected {start + seconds:g} s for the window "
            f"at {start:g} s, found {len(rows) / rate:g} s"
        )
    return window
