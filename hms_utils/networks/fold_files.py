"""What is on disk of each fold, here or in an earlier session's output."""

import hashlib
import shutil

import numpy as np

from hms_utils import paths
from hms_utils.constants import CLASSES, VOTE_COLUMNS

_GROUP = 64  # windows whose level is compared together
# Another kind of processor draws about one pixel of 50,000 one grey value off, which moves a
# group's level by less than a tenth of this; a window that changes moves it by far more.
_LEVEL = 2e-4


class FoldFiles:
    """A fold's model and its record, and those of stages while it is trained.

    The record goes last and the old one first: a model without its own record
    counts as not trained, nor does one whose checksum is another.

    Parameters
    ----------
    folder : Path
        Where they are written.
    name : str
        Of the fold.
    key : dict
        What the training depends on; a record with another one does not count.
    label : str
        What to call the training in progress and errors.
    data : dict
        As `outline` returns it, to be found again by a later session.
    earlier : sequence of Path
        Folders as `earlier_folders` returns them: what is missing in `folder` and
        complete there is copied.
    """

    def __init__(self, folder, name, key, label, data, earlier=()):
        self.folder, self.name, self.key, self.label = folder, name, key, label
        self.data, self.earlier = data, earlier

    def read(self, n_rows):
        """Return the fold's record if its predictions are of so many rows, or None."""
        result = self._record(*self._fold())
        if result is None or fits(result, n_rows):
            return result
        print(f"{self._fold()[1]}: expected predictions of {n_rows} rows: trained again")

    def write(self, model, result):
        """Save a trained fold."""
        self._write(*self._fold(), model.save, result)

    def remove_stages(self):
        """Remove what was kept while the fold was trained."""
        for path in self.folder.glob(f"{self.name}.stage*"):
            path.unlink()

    def read_stage(self, number, model):
        """Return a stage's record and load its weights, or None if it is not trained."""
        weights, record = self._stage(number)
        result = self._record(weights, record)
        if result is not None:
            model.load_weights(self.folder / weights)
        return result

    def write_stage(self, number, model, history):
        """Save the weights after a stage."""
        self._write(*self._stage(number), model.save_weights, {"history": history})

    def _fold(self):
        return f"{self.name}.keras", f"{self.name}.json"

    def _stage(self, number):
        stem = f"{self.name}.stage{number}"
        return f"{stem}.weights.h5", f"{stem}.json"

    def _record(self, weights, record):
        for folder in (self.folder, *self.earlier):
            path, own = folder / weights, folder == self.folder
            try:
                result = _read(folder / record) if path.is_file() else None
            except paths.OtherVersionError as error:
                print(f"{error}: trained again")
                continue
            if result is None or (
                result["key"] != self.key if own else _other(result, self.key, self.data)
            ):
                continue
            if (result.get("file"), result.get("checksum")) != (path.name, paths.checksum(path)):
                print(f"{path}: not the file that {record} is of: trained again")
                continue
            if not own:
                with paths.replacing(self.folder / weights) as temporary:
                    shutil.copyfile(path, temporary)
                paths.write_record(self.folder / record, result | {"key": self.key})
            return result
        return None

    def _write(self, weights, record, save, result):
        path, record = self.folder / weights, self.folder / record
        record.unlink(missing_ok=True)
        with paths.replacing(path) as temporary:
            save(temporary)
        known = {"file": path.name, "checksum": paths.checksum(path)}
        paths.write_record(record, {"key": self.key, "data": self.data, **known, **result})


def outline(images, index, folds):
    """Describe images and rows so that the same are known even if drawn elsewhere.

    Parameters
    ----------
    images, index
        As `images.load` returns them.
    folds : ndarray of int, shape (n_windows,)

    Returns
    -------
    dict
        ``rows``, a digest of ids, votes and folds; ``levels``, weighted means of the
        pixels of each view by groups of windows.
    """
    columns = index[["eeg_id", "label_id", "patient_id", *VOTE_COLUMNS]]
    digest = hashlib.sha256(columns.assign(fold=folds).to_csv(index=False).encode())
    levels = []
    for view in images.values():
        # Of weights that differ, so that pixels that change places are seen too.
        weights = np.random.default_rng(0).uniform(0.5, 1.5, view[0].size)
        for start in range(0, len(view), _GROUP):
            group = view[start : start + _GROUP].mean(axis=0, dtype=np.float64)
            levels.append(round(float((group.ravel() * weights).mean()), 6))
    return {"rows": digest.hexdigest()[:32], "levels": levels}


def earlier_folders(name, key, data):
    """Find what earlier sessions have trained, among the inputs that Kaggle mounts.

    Parameters
    ----------
    name : str
        The model's.
    key : dict
        What the training depends on.
    data : dict
        As `outline` returns it.

    Returns
    -------
    list of Path
        Folders ``models/<name>`` with a record of this training. Of others a line says
        what is not the same.
    """
    found = []
    for depth in ("*", "*/*", "*/*/*"):
        for folder in sorted(paths.KAGGLE_INPUT.glob(f"{depth}/models/{name}")):
            try:
                records = [_read(path) for path in sorted(folder.glob("fold*.json"))]
            except paths.OtherVersionError as error:
                print(f"{folder}: not used: {error}")
                continue
            others = [_other(record, key, data) for record in records if record]
            if not all(others):
                found.append(folder)
                print(f"{name}: what {folder} holds is not trained again")
            elif others:
                print(f"{folder}: not used, as it was trained with other {', '.join(others[0])}")
    return found


def _other(record, key, data):
    """Return what a record is not alike in, of this training on perhaps another processor."""
    theirs = record.get("data", {"rows": "", "levels": []})
    same = (
        theirs["rows"] == data["rows"]
        and len(theirs["levels"]) == len(data["levels"])
        and np.allclose(theirs["levels"], data["levels"], rtol=0, atol=_LEVEL)
    )
    other = [part for part in key if part != "data" and record["key"].get(part) != key[part]]
    return other if same else [*other, "data"]


def fits(record, n_rows):
    """Return whether a fold's record holds probabilities of so many rows, and a history."""
    try:
        predictions = np.array(record["predictions"], np.float32)
        return (
            predictions.shape == (n_rows, len(CLASSES))
            and np.allclose(predictions.sum(axis=1), 1, atol=1e-3)
            and all({"stage", "epoch", "loss"} <= set(line) for line in record["history"])
        )
    except (KeyError, TypeError, ValueError):
        return False


def _read(path):
    """Return a record, or None if it is missing, cut off or no record."""
    if not path.is_file():
        return None
    try:
        record = paths.read_record(path)
    except paths.OtherVersionError:
        raise
    except paths.DamagedFileError as error:
        print(f"{error}: trained again")
        return None
    return record if "key" in record else None
