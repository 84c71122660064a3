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
from hms_utils.eeg import has_eegs, is_readable, source_files
from hms_utils.images import draw, pixels
from hms_utils.images.draw import ALONE, QUALITY, RECORD, UNREADABLE, VIEWS
from hms_utils.images.pixels import DB_RANGE
from hms_utils.images.stored import TABLES, checksums, open_images
from hms_utils.images.workers import workers
from hms_utils.lock import locked
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
    Recordings whose files have changed are drawn again, and those whose images are
    not the ones that were drawn; all of them if the windows, the settings or the
    code have changed, or if some had been left out. What cannot be read is left
    out and listed in ``problems.csv``, as are gaps and recordings without a
    spectrogram file, whose view ``kaggle600`` is computed or stays black. Of data without any
    EEG that view alone is drawn. A file that the system did not let us read is tried again by
    the next call.

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
        If the scheduler does not answer, the disk is full, or another process
        writes into `output_dir`.
    """
    if len(reduce) != 2 or set(reduce) - {1, 2, 4, 8}:
        raise ValueError(f"expected reduce to be two of 1, 2, 4 and 8, found {reduce}")
    windows = windows.reset_index(drop=True)
    settings = {
        "code": draw.drawing_version(),
        "reduce": list(reduce),
        "db_range": None if db_range is None else list(db_range),
        "views": list(drawable_views(data_dir)),
        "windows": hashlib.sha256(windows.to_csv(index=False).encode()).hexdigest(),
    }
    folder = Path(output_dir) / "spectrograms" / "train"
    with locked(Path(output_dir)):
        _build(folder, windows, Path(data_dir), settings, n_jobs, scheduler)
    _report_problems(folder)
    return folder


def drawable_views(data_dir):
    """Return the views that can be drawn of training data: of spectrograms alone it is one."""
    return VIEWS if has_eegs(data_dir) else ALONE


def _build(folder, windows, data_dir, settings, n_jobs, scheduler):
    partial, stamps = folder.with_name(".train.partial"), _stamps(windows, data_dir)
    old = _read_json(folder / "settings.json")
    if old and old != settings:
        changed = [name for name, value in settings.items() if old.get(name) != value]
        print(f"Images in {folder} are drawn again: of another version or choice of {changed}")
    if old == settings:
        missing, records = _missing(folder, windows, stamps, data_dir)
        if not missing.any():
            for path in _write_tables(folder, windows, records):
                print(f"{path}: expected what was drawn, found a damaged one; written again")
            _write_source(folder, data_dir)
            print(f"Images: {(~records['failed']).sum()} windows in {folder} are up to date")
            return
        # Some recordings have changed: what was drawn of the others stays,
        # unless rows were left out and the arrays are shorter than the windows.
        _remove(partial)
        if records is None or records["failed"].any():
            _remove(folder)
        else:
            (folder / "source.json").unlink(missing_ok=True)  # of the images as they were
            folder.rename(partial)
    records = None
    if _read_json(partial / "settings.json") == settings:
        missing, records = _missing(partial, windows, stamps, data_dir)
    if records is None:
        _remove(partial)
        with paths.writing(partial):
            _create(partial, len(windows), settings)
        paths.write_record(partial / "settings.json", settings)
        missing = np.ones(len(windows), bool)
    _draw(partial, windows, missing, stamps, data_dir, settings, n_jobs, scheduler)
    if _read_json(partial / "settings.json") != settings:
        raise RuntimeError(f"{partial}: expected the settings of this run, found another's")
    with paths.writing(partial):
        _write_tables(partial, windows, _leave_out_failed(partial))
        _write_source(partial, data_dir)
    _remove(folder)
    partial.rename(folder)
    paths.write_record(folder / "settings.json", settings)


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


def _read_json(path):
    """Return what a file of the cache holds, or None if missing, damaged or of another version."""
    try:
        return paths.read_record(path) if path.is_file() else None
    except paths.DamagedFileError as error:
        print(f"{error}; made again")


def _write_source(folder, data_dir):
    synthetic = (data_dir / paths.SYNTHETIC_MARK).is_file()
    source = {"data": str(data_dir), "synthetic": synthetic}
    source["checksums"] = {name: paths.checksum(folder / name) for name in TABLES}
    paths.write_record(folder / "source.json", source)


def _missing(folder, windows, stamps, data_dir):
    """Return which windows are to be drawn, and the records, or None if these are of no use."""
    try:
        images, records = open_images(folder)
        # Of images that were complete once.
        known = (_read_json(folder / "source.json") or {}).get("checksums", {})
        path = folder / "records.npy"
        if known.get(path.name, "") not in ("", paths.checksum(path)):
            raise paths.DamagedFileError(f"{path}: expected what was drawn, found another")
        fine = ~records["failed"]
        lengths = {len(view) for view in images.values()}
        if len(records) != len(windows) or lengths not in ({len(fine)}, {fine.sum()}):
            raise paths.DamagedFileError(f"{folder}: expected images of all windows, found others")
    except (paths.DamagedFileError, FileNotFoundError) as error:
        print(f"{error}: all images are drawn again")
        return np.ones(len(windows), bool), None
    missing = records["stamp"] != stamps
    for row in np.flatnonzero(records["stamp"] == UNREADABLE):
        ids = windows.eeg_id[row], windows.spectrogram_id[row]
        missing[row] = all(is_readable(path) for path in source_files(data_dir, "train", *ids))
    rows = np.flatnonzero(fine) if lengths == {fine.sum()} else np.arange(len(fine))
    damaged = np.zeros(len(fine), bool)
    damaged[rows] = checksums(images) != records["checksum"][rows]
    damaged &= fine & ~missing
    if damaged.any():
        print(f"{folder}: {damaged.sum()} windows are not as they were drawn: drawn again")
    return missing | damaged, records


def _remove(folder):
    if folder.exists():
        # First, so that what an interruption leaves is not taken for whole.
        (folder / "settings.json").unlink(missing_ok=True)
        shutil.rmtree(folder)


def _create(folder, n_windows, settings):
    folder.mkdir(parents=True)
    height, width = pixels.reduced_shape(settings["reduce"])
    for view in settings["views"]:
        path = folder / f"{view}.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (n_windows, len(CHAINS), height, width))
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash later
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    np.save(folder / "records.npy", np.zeros(n_windows, RECORD))


def _draw(folder, windows, missing, stamps, data_dir, settings, n_jobs, scheduler):
    """Draw the windows that are missing."""
    arrays, records = open_images(folder, "r+")
    missing = windows[missing]
    alone = draw.without_eeg(settings["views"])
    missing = missing[_seen(missing, records, stamps, data_dir, alone)]
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
            found["checksum"] = checksums(images)
            found["stamp"] = np.where(found["stamp"] == UNREADABLE, UNREADABLE, stamps[numbers])
            records[numbers] = found
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


def _seen(windows, records, stamps, data_dir, alone):
    """Return which windows' file is there that they need, and record the others as failed."""
    seen = []
    for row, eeg_id, spectrogram_id in windows[["eeg_id", "spectrogram_id"]].itertuples(name=None):
        path = source_files(data_dir, "train", eeg_id, spectrogram_id)[alone]
        seen.append(path.is_file())
        if not seen[-1]:
            records[row] = np.zeros((), RECORD)
            records["failed"][row], records["stamp"][row] = True, stamps[row]
            records["reason"][row] = f"{path.parent.name}/{path.name}: no such file"
    return np.array(seen, bool)


def _leave_out_failed(folder):
    """Remove the images of windows that could not be read; return the records."""
    records = np.load(folder / "records.npy")
    good = ~records["failed"]
    if not good.any():
        raise ValueError(f"none of {len(good)} windows can be drawn: {records['reason'][0]}")
    if not good.all():
        # Interrupted from here on, it has no settings and is begun anew.
        arrays, _ = open_images(folder)
        (folder / "settings.json").unlink()
        for view in arrays:
            _keep_rows(folder / f"{view}.npy", np.flatnonzero(good))
    return records


def _write_tables(folder, windows, records):
    """Write the index and the list of problems where they differ; return these files."""
    good = ~records["failed"]
    quality = pd.DataFrame({name: records[name] for name in QUALITY})
    index = pd.concat([windows.reset_index(drop=True), quality], axis=1)[good]
    columns = ["eeg_id", "eeg_label_offset_seconds", "spectrogram_id"]
    problems = pd.concat([windows[columns], quality], axis=1)
    problems.insert(0, "status", np.where(good, "repaired", "failed"))
    problems["reason"] = records["reason"]
    gaps = (quality.nan_share > 0) | (quality.spectrogram_nan_share > 0)
    problems.loc[gaps & good & (problems.reason == ""), "reason"] = "missing values"
    text = problems[problems.reason != ""].to_csv(index=False)
    tables = {"index.parquet": index.to_parquet(index=False), "problems.csv": text.encode()}
    written = []
    for name, content in tables.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            with paths.replacing(path) as temporary:
                temporary.write_bytes(content)
            written.append(path)
    return written


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
