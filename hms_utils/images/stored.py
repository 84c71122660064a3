"""The images and the index on disk: opened, checked, told apart."""

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CHAINS
from hms_utils.images import pixels
from hms_utils.images.draw import RECORD, VIEWS

TABLES = ("index.parquet", "records.npy")  # without which images are of no use
_NOTEBOOK = "02_spectrograms"  # which writes all this


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
        For each view that was drawn, all of `VIEWS` or that of spectrograms alone, the
        array (n_windows, 4, height, width); axes are window, chain, frequency, time.
    index : DataFrame
        The windows, row by row as in the images, and their quality:
        ``nan_share`` and ``flat_channels`` of the electrodes,
        ``amplitude`` as `eeg.amplitude` measures it, and
        ``spectrogram_nan_share``.

    Raises
    ------
    FileNotFoundError
        If the images have not been made.
    ValueError
        If a file is damaged, or its content is not what `build` wrote.
    """
    folder = Path(folder)
    path = paths.require(folder / "index.parquet", _NOTEBOOK)
    source = paths.read_record(folder / "source.json", _NOTEBOOK)
    index = paths.read(path, pd.read_parquet, _NOTEBOOK)
    images, records = open_images(folder)
    same = np.array_equal(records["checksum"][~records["failed"]], checksums(images))
    if not same or source.get("checksums") != {n: paths.checksum(folder / n) for n in TABLES}:
        raise paths.DamagedFileError(
            f"{folder}: expected the images and the index that were drawn, found others; "
            f"run notebooks/{_NOTEBOOK}.ipynb again"
        )
    if not quiet:
        n_patients = index.patient_id.nunique()
        print(f"Images: {len(index)} windows of {n_patients} patients, {source['data']}")
        if source["synthetic"]:
            print(paths.SYNTHETIC_NOTICE)
    return images, index


def choose_views(wanted, images):
    """Return which of some views there are images of, and say which there are not.

    Parameters
    ----------
    wanted : sequence of str
        Among `VIEWS`.
    images : container of str
        The views that were drawn, such as what `load` returns, or can be.

    Returns
    -------
    list of str
        Those of `wanted` that were drawn; if none was, all that were.

    Raises
    ------
    ValueError
        If there are no such views.
    """
    if not wanted or set(wanted) - set(VIEWS):
        raise ValueError(f"expected views among {list(VIEWS)}, found {list(wanted)}")
    missing = [view for view in wanted if view not in images]
    chosen = [view for view in wanted if view in images] or list(images)
    if missing:
        print(
            f"Views: {' '.join(chosen)}; left out are {' '.join(missing)}, which the data has "
            "no EEG for"
        )
    return chosen


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


def open_images(folder, mode="r"):
    """Open the images of each view, and the records, whose number may be greater."""
    settings = paths.read_record(folder / "settings.json", _NOTEBOOK)
    tile = len(CHAINS), *pixels.reduced_shape(settings["reduce"])
    arrays = {}
    for name in ("records", *settings["views"]):
        path = folder / f"{name}.npy"
        array = paths.read(path, lambda path: np.load(path, mmap_mode=mode), _NOTEBOOK)
        expected = (RECORD, ()) if name == "records" else (np.uint8, tile)
        if (array.dtype, array.shape[1:]) != expected:
            raise paths.DamagedFileError(
                f"{path}: expected {expected[0]} of {expected[1]}, found {array.dtype} of "
                f"{array.shape}; run notebooks/{_NOTEBOOK}.ipynb again"
            )
        arrays[name] = array
    return arrays, arrays.pop("records")


def checksums(images):
    """Return a checksum of each window's images, uint32 of shape (n_windows,)."""
    sums = [0] * min(len(view) for view in images.values())
    for view in images.values():
        for row in range(len(sums)):
            sums[row] = zlib.crc32(np.ascontiguousarray(view[row]), sums[row])
    return np.array(sums, np.uint32)
