"""All label windows as images on disk, in parallel and restartable."""

import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from hms_utils import paths
from hms_utils.constants import CHAINS
from hms_utils.eeg import source_files
from hms_utils.images import draw, pixels
from hms_utils.images.draw import QUALITY, RECORD, VIEWS
from hms_utils.images.pixels import DB_RANGE
from hms_utils.images.workers import workers
from hms_utils.progress import progress

_JOB_WINDOWS = 100


def build(
    windows,
    data_dir,
    output_dir,
    *,
    reduce=(1, 1),
    db_range=DB_RANGE,
    n_jobs=-1,
    scheduler="",
):
    """Draw the views of all training windows into memory-mapped arrays.

    Each file is read once, or once for every 100 windows. An interrupted call
    is continued by the next one, recording by recording; a call with nothing to
    do returns at once.
    Recordings whose files have changed are drawn again, all of them if the
    windows, the settings or the code have, or if some had been left out. What
    cannot be read is left out and listed in ``problems.csv``, as are gaps and
    recordings without a spectrogram file, whose view ``kaggle600`` stays black.

    Parameters
    ----------
    windows : DataFrame
        As `eeg.select_windows` returns it, or any rows of the metadata.
    data_dir, output_dir : path-like
        The competition's folder; the folder below which
        ``spectrograms/train/<view>.npy``, ``index.parquet`` and
        ``problems.csv`` are written.
    reduce : tuple of int
        By what to shrink the tiles' 128 frequencies and 256 times.
    db_range : tuple of float, or None
        As for `pixels.to_pixels`.
    n_jobs : int
        Processes; -1 means one for each core.
    scheduler : str
        Address of a Dask scheduler, whose workers draw instead; they must see
        `data_dir` and have this package. Default: ``DASK_SCHEDULER_ADDRESS``.

    Returns
    -------
    Path
        The folder with the images, for `load`.

    Raises
    ------
    ValueError
        If `reduce` is not two of 1, 2, 4 and 8, or no recording can be read.
    ModuleNotFoundError
        If a scheduler is named and Dask is not installed.
    OSError
        If the scheduler does not answer.
    """
    if len(reduce) != 2 or set(reduce) - {1, 2, 4, 8}:
        raise ValueError(f"expected reduce to be two of 1, 2, 4 and 8, found {reduce}")
    windows = windows.reset_index(drop=True)
    data_dir = Path(data_dir)
    folder = Path(output_dir) / "spectrograms" / "train"
    partial = folder.with_name(".train.partial")
    settings = {
        "code": paths.code_version(*draw.CODE),
        "reduce": list(reduce),
        "db_range": None if db_range is None else list(db_range),
        "windows": hashlib.sha256(windows.to_csv(index=False).encode()).hexdigest(),
    }
    stamps = _stamps(windows, data_dir)
    if _read_settings(folder) == settings:
        records = np.load(folder / "records.npy")
        if (records["stamp"] == stamps).all():
            _write_source(folder, data_dir)
            print(f"Images: {(~records['failed']).sum()} windows in {folder} are up to date")
            _report_problems(folder)
            return folder
        # Some recordings have changed: what was drawn of the others stays,
        # unless rows were left out and the arrays are shorter than the windows.
        _remove(partial)
        if records["failed"].any():
            _remove(folder)
        else:
            folder.rename(partial)
    if _read_settings(partial) != settings:
        _remove(partial)
        _create(partial, len(windows), reduce)
        paths.write_json(partial / "settings.json", settings)
    _draw_missing(partial, windows, stamps, data_dir, settings, n_jobs, scheduler)
    _finish(partial, windows)
    _write_source(partial, data_dir)
    _remove(folder)
    partial.rename(folder)
    paths.write_json(folder / "settings.json", settings)
    _report_problems(folder)
    return folder


def load(folder, *, quiet=False):
    """Open the images and the index that `build` wrote, and say what they are of.

    Parameters
    ----------
    folder : path-like
    quiet : bool
        Say nothing, where the data have been named before.

    Returns
    -------
    images : dict of str to memory-mapped ndarray of uint8
        For each of `VIEWS` the array (n_windows, 4, height, width); axes are
        window, chain, frequency, time.
    index : DataFrame
        The windows, row by row as in the images, and their quality:
        ``nan_share`` and ``flat_channels`` of the electrodes,
        ``amplitude`` as `eeg.amplitude` measures it, and
        ``spectrogram_nan_share``.

    Raises
    ------
    FileNotFoundError
        If the images have not been made.
    """
    folder = Path(folder)
    paths.require(folder / "index.parquet", "02_spectrograms")
    images = {view: np.load(folder / f"{view}.npy", mmap_mode="r") for view in VIEWS}
    index = pd.read_parquet(folder / "index.parquet")
    if not quiet:
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
    for view in images.values():
        digest.update(str(view.shape).encode())
        for start in range(0, len(view), 1024):
            digest.update(np.ascontiguousarray(view[start : start + 1024]))
    return digest.hexdigest()


def _stamps(windows, data_dir):
    """Return for each window what tells a changed source file, as 16 bytes."""
    stamps = {}
    for eeg_id, spectrogram_id in set(zip(windows.eeg_id, windows.spectrogram_id, strict=True)):
        digest = hashlib.blake2b(digest_size=8)
        for path in source_files(data_dir, "train", eeg_id, spectrogram_id):
            if path.exists():  # what is missing is reported when it is read
                status = path.stat()
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
        stamps[eeg_id] = digest.hexdigest()
    return windows.eeg_id.map(stamps).to_numpy("S16")


def _read_settings(folder):
    path = folder / "settings.json"
    return paths.read_json(path) if path.is_file() else None


def _write_source(folder, data_dir):
    synthetic = (data_dir / paths.SYNTHETIC_MARK).is_file()
    paths.write_json(folder / "source.json", {"data": str(data_dir), "synthetic": synthetic})


def _remove(folder):
    if folder.exists():
        # First, so that what an interruption leaves is not taken for whole.
        (folder / "settings.json").unlink(missing_ok=True)
        shutil.rmtree(folder)


def _create(folder, n_windows, reduce):
    folder.mkdir(parents=True)
    height, width = pixels.reduced_shape(reduce)
    for view in VIEWS:
        path = folder / f"{view}.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (n_windows, len(CHAINS), height, width))
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash later
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    np.save(folder / "records.npy", np.zeros(n_windows, RECORD))


def _draw_missing(folder, windows, stamps, data_dir, settings, n_jobs, scheduler):
    """Draw the windows whose stamp in the folder is not the given one."""
    arrays = {view: np.load(folder / f"{view}.npy", mmap_mode="r+") for view in VIEWS}
    records = np.load(folder / "records.npy", mmap_mode="r+")
    missing = windows[records["stamp"] != stamps]
    missing = missing[_seen(missing, records, stamps, data_dir)]
    columns = ["eeg_id", "eeg_label_offset_seconds", "spectrogram_label_offset_seconds"]
    jobs = []
    for spectrogram_id, group in missing.groupby("spectrogram_id", sort=False):
        rows = list(group.sort_values("eeg_id")[columns].itertuples(name=None))
        _, path = source_files(data_dir, "train", rows[0][1], spectrogram_id)
        spectrogram = int(spectrogram_id) if path.is_file() else None
        # Parts of long recordings, so that no job's images fill the memory.
        for part in range(0, len(rows), _JOB_WINDOWS):
            job = spectrogram, rows[part : part + _JOB_WINDOWS]
            jobs.append(delayed(draw.draw_recordings)(data_dir, "train", *job, settings))
    started, n_bytes = time.perf_counter(), 0
    with (
        workers(scheduler, n_jobs) as parallel,
        progress("Windows", len(missing)) as bar,
    ):
        for numbers, images, found, size in parallel(jobs):
            for view, array in arrays.items():
                array[numbers] = images[view]
            records[numbers] = found
            records["stamp"][numbers] = stamps[numbers]
            n_bytes += size
            bar.update(len(numbers))
    for array in (*arrays.values(), records):
        array.flush()
    seconds = time.perf_counter() - started
    done = windows.eeg_id.nunique() - missing.eeg_id.nunique()
    print(
        f"Images: {len(windows)} windows of {windows.eeg_id.nunique()} recordings in "
        f"{seconds:.1f} s, {n_bytes / 1e6 / seconds:.1f} MB/s read; {done} were already done"
    )


def _seen(windows, records, stamps, data_dir):
    """Return which windows' EEG is there, and record the others as failed."""
    seen = []
    for row, eeg_id, spectrogram_id in windows[["eeg_id", "spectrogram_id"]].itertuples(name=None):
        path, _ = source_files(data_dir, "train", eeg_id, spectrogram_id)
        seen.append(path.is_file())
        if not seen[-1]:
            records[row] = np.zeros((), RECORD)
            records["failed"][row], records["stamp"][row] = True, stamps[row]
            records["reason"][row] = f"{path.parent.name}/{path.name}: no such file"
    return np.array(seen, bool)


def _finish(folder, windows):
    """Write the index and the list of problems; leave out what could not be read."""
    records = np.load(folder / "records.npy")
    good = ~records["failed"]
    if not good.any():
        raise ValueError(f"none of {len(windows)} windows can be drawn: {records['reason'][0]}")
    if not good.all():
        # Interrupted from here on, it has no settings and is begun anew.
        (folder / "settings.json").unlink()
        for view in VIEWS:
            _keep_rows(folder / f"{view}.npy", np.flatnonzero(good))
    quality = pd.DataFrame({name: records[name] for name in QUALITY})
    index = pd.concat([windows.reset_index(drop=True), quality], axis=1)[good]
    index.to_parquet(folder / "index.parquet", index=False)
    columns = ["eeg_id", "eeg_label_offset_seconds", "spectrogram_id"]
    problems = pd.concat([windows[columns], quality], axis=1)
    problems.insert(0, "status", np.where(good, "repaired", "failed"))
    problems["reason"] = records["reason"]
    gaps = (quality.nan_share > 0) | (quality.spectrogram_nan_share > 0)
    problems.loc[gaps & good & (problems.reason == ""), "reason"] = "missing values"
    problems[problems.reason != ""].to_csv(folder / "problems.csv", index=False)


def _report_problems(folder):
    problems = pd.read_csv(folder / "problems.csv")
    failed = problems[problems.status == "failed"]
    repaired = problems[problems.status == "repaired"]
    print(f"Windows with gaps, repaired: {len(repaired)}; failed: {len(failed)}")
    reasons = failed.reason.unique()
    for reason in reasons[:5]:
        print(f"  {reason}")
    if len(reasons) > 5:
        print(f"  and {len(reasons) - 5} more in {folder / 'problems.csv'}")


def _keep_rows(path, rows):
    whole = np.load(path, mmap_mode="r")
    with paths.replacing(path) as temporary:
        kept = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(rows), *whole.shape[1:]))
        for start in range(0, len(rows), 256):
            kept[start : start + 256] = whole[rows[start : start + 256]]
        kept.flush()
