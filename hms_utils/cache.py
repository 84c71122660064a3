"""All label windows as images on disk, in parallel and restartable."""

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from hms_utils import paths, spectrograms
from hms_utils.constants import (
    CHAINS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
    VOTE_COLUMNS,
)
from hms_utils.data import cut, read_eeg, read_spectrogram

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
    call with nothing to do returns at once. Recordings whose files have changed
    are drawn again, all of them if the windows, `reduce` or the code have.

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
    partial = folder.with_name(f".{split}.partial")
    settings = {
        "code": paths.code_version("cache", "spectrograms", "montage", "data", "constants"),
        "reduce": reduce,
        "windows": hashlib.sha256(windows.to_csv(index=False).encode()).hexdigest(),
    }
    stamps = _stamps(windows, data_dir, split)
    if _read_settings(folder) == settings:
        if (np.load(folder / "stamps.npy") == stamps).all():
            _write_source(folder, data_dir)
            print(f"Images: {len(windows)} windows in {folder} are up to date")
            return folder
        # Some recordings have changed: what was drawn of the others stays.
        _remove(partial)
        folder.rename(partial)
    elif _read_settings(partial) != settings:
        _remove(partial)
        _create(partial, len(windows), reduce)
        paths.write_json(partial / "settings.json", settings)
    _draw_missing(partial, windows, stamps, data_dir, split, reduce, n_jobs)
    windows.to_parquet(partial / "index.parquet")
    _write_source(partial, data_dir)
    _remove(folder)
    partial.rename(folder)
    print(f"Images: {len(windows)} windows of {windows.eeg_id.nunique()} recordings in {folder}")
    return folder


def load(folder):
    """Open the images and the index that `build` wrote, and say what they are of.

    Parameters
    ----------
    folder : path-like

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
    images = [np.load(folder / f"{view}.npy", mmap_mode="r") for view in VIEWS]
    index = pd.read_parquet(folder / "index.parquet")
    source = paths.read_json(folder / "source.json")
    n_patients = index.patient_id.nunique()
    print(f"Images: {len(index)} windows of {n_patients} patients, {source['data']}")
    if source["synthetic"]:
        print(paths.SYNTHETIC_NOTICE)
    return images, index


def fingerprint(images, index, folds):
    """Return a digest of all that a model is trained on.

    Parameters
    ----------
    images, index
        As `load` returns them.
    folds : ndarray of int, shape (n_windows,)

    Returns
    -------
    str
    """
    digest = hashlib.blake2b(index.to_csv(index=False).encode(), digest_size=16)
    digest.update(np.asarray(folds).tobytes())
    for view in images:
        digest.update(str(view.shape).encode())
        for start in range(0, len(view), 1024):
            digest.update(np.ascontiguousarray(view[start : start + 1024]))
    return digest.hexdigest()


def _stamps(windows, data_dir, split):
    """Return for each window what tells a changed source file, as 16 bytes."""
    stamps = {}
    for eeg_id, spectrogram_id in set(zip(windows.eeg_id, windows.spectrogram_id, strict=True)):
        digest = hashlib.blake2b(digest_size=8)
        for path in _source_files(data_dir, split, eeg_id, spectrogram_id):
            if path.exists():  # what is missing is reported when it is read
                status = path.stat()
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
        stamps[eeg_id] = digest.hexdigest()
    return windows.eeg_id.map(stamps).to_numpy("S16")


def _source_files(data_dir, split, eeg_id, spectrogram_id):
    return (
        data_dir / f"{split}_eegs" / f"{eeg_id}.parquet",
        data_dir / f"{split}_spectrograms" / f"{spectrogram_id}.parquet",
    )


def _read_settings(folder):
    path = folder / "settings.json"
    return paths.read_json(path) if path.is_file() else None


def _write_source(folder, data_dir):
    synthetic = (data_dir / paths.SYNTHETIC_MARK).is_file()
    paths.write_json(folder / "source.json", {"data": str(data_dir), "synthetic": synthetic})


def _remove(folder):
    if folder.exists():
        shutil.rmtree(folder)


def _create(folder, n_windows, reduce):
    folder.mkdir(parents=True)
    height, width = (size // reduce for size in spectrograms.TILE_SHAPE)
    for view in VIEWS:
        np.lib.format.open_memmap(
            folder / f"{view}.npy", "w+", np.uint8, (n_windows, len(CHAINS), height, width)
        )
    np.save(folder / "stamps.npy", np.zeros(n_windows, "S16"))


def _draw_missing(folder, windows, stamps, data_dir, split, reduce, n_jobs):
    """Draw the windows whose stamp in the folder is not the given one."""
    arrays = {view: np.load(folder / f"{view}.npy", mmap_mode="r+") for view in VIEWS}
    drawn = np.load(folder / "stamps.npy", mmap_mode="r+")
    recordings = windows[drawn != stamps].groupby("eeg_id", sort=False)
    jobs = (delayed(_draw)(data_dir, split, rows, reduce) for _, rows in recordings)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    bar = tqdm(results, "Recordings", recordings.ngroups, file=sys.stdout, mininterval=2)
    for rows, images in bar:
        for view, array in arrays.items():
            array[rows] = images[view]
        drawn[rows] = stamps[rows]
    for array in (*arrays.values(), drawn):
        array.flush()


def _draw(data_dir, split, rows, reduce):
    """Return the row numbers and images of one recording's windows."""
    first = next(rows.itertuples())
    files = _source_files(data_dir, split, first.eeg_id, first.spectrogram_id)
    eeg, spectrogram = read_eeg(files[0]), read_spectrogram(files[1])
    views = {view: [] for view in VIEWS}
    for row in rows.itertuples():
        start = row.eeg_label_offset_seconds
        window = cut(eeg, start, EEG_SECONDS, SFREQ, files[0])
        views["eeg50"].append(spectrograms.eeg_image(window))
        start = row.spectrogram_label_offset_seconds
        window = cut(spectrogram, start, SPECTROGRAM_SECONDS, 1 / SPECTROGRAM_STEP, files[1])
        views["kaggle600"].append(spectrograms.spectrogram_image(window))
    images = {
        view: spectrograms.reduce_image(np.stack(tiles), reduce) for view, tiles in views.items()
    }
    return rows.index.to_numpy(), images
