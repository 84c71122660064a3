"""A small place to damage: data, what the chain made of it, and its stages.

Stages call what the notebooks call, in this process: what they raise, a command shows as one
line, and a notebook as the last line of its cell.
"""

import functools
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from hms_utils import answers, eeg, images, paths, scores
from hms_utils.constants import VOTE_COLUMNS

# What a command shows as a line instead of a traceback.
PLAIN = (ValueError, OSError, RuntimeError, ModuleNotFoundError)
VIEWS = ("eeg50", "eeg10")


class Place(NamedTuple):
    data: Path
    outputs: Path

    @property
    def images(self):
        return self.outputs / "spectrograms" / "train"

    @property
    def models(self):
        return self.outputs / "models" / "cnn"

    def file(self, kind, number=0):
        """Return one of the data's recordings, such as of ``train_eegs``."""
        split, _, name = kind.partition("_")
        ids = pd.read_csv(self.data / f"{split}.csv")[f"{name.removesuffix('s')}_id"].unique()
        return self.data / kind / f"{ids[number]}.parquet"

    def copy(self, folder):
        """Return the same place elsewhere; the data is linked."""
        shutil.copytree(self.data, folder / "data", copy_function=os.link)
        shutil.copytree(self.outputs, folder / "outputs")
        return Place(folder / "data", folder / "outputs")


def make(source, folder):
    """Take four patients of a data set and run all stages on them."""
    train, test = (pd.read_csv(source / f"{split}.csv") for split in ("train", "test"))
    train = train.drop_duplicates(["patient_id", *VOTE_COLUMNS])
    train = train[train.patient_id.isin(train.patient_id.unique()[:4])]
    train = train[train.eeg_id.isin(train.drop_duplicates("patient_id").eeg_id)]
    place = Place(folder / "data", folder / "outputs")
    for split, table in (("train", train), ("test", test[:2])):
        for name in ("eeg", "spectrogram"):
            (place.data / f"{split}_{name}s").mkdir(parents=True)
            for number in table[f"{name}_id"].unique():
                file = f"{split}_{name}s/{number}.parquet"
                os.link(source / file, place.data / file)
        table.to_csv(place.data / f"{split}.csv", index=False)
    os.link(source / paths.SYNTHETIC_MARK, place.data / paths.SYNTHETIC_MARK)
    return place, {stage.__name__: stage(place) for stage in STAGES}


def draw(place):
    """Notebook 2: images and folds. Returns the bytes of each window's images, by EEG and label."""
    windows = eeg.select_windows(eeg.load_metadata(place.data, "train"))
    folder = images.build(windows, place.data, place.outputs, reduce=(8, 8), n_jobs=1)
    views, index = images.load(folder, quiet=True)
    images.save_folds(images.make_folds(index.patient_id, 2), place.outputs)
    images.assign_folds(index, place.outputs)
    return {
        (eeg_id, label): b"".join(view[row].tobytes() for view in views.values())
        for row, (eeg_id, label) in enumerate(zip(index.eeg_id, index.label_id, strict=True))
    }


def train(place):
    """Notebook 3: a small network for each fold. Returns the out-of-fold answers."""
    from hms_utils import networks
    from hms_utils.networks import models

    views, index = images.load(place.images, quiet=True)
    fold = images.assign_folds(index, place.outputs)
    tile = views["eeg50"].shape[2:]
    oof, _ = networks.cross_validate(
        functools.partial(models.build_cnn, len(VIEWS), tile, filters=(4, 4)),
        views,
        VIEWS,
        index,
        fold,
        place.outputs,
        [networks.Stage("all rows", 1, 1e-3)],
        batch_size=4,
        augment=(),
    )
    return oof.to_csv(index=False)


def compare(place):
    """Notebook 5: calibration, blend, seal. Returns blend.json."""
    from hms_utils import networks

    views, index = images.load(place.images, quiet=True)
    fold = images.assign_folds(index, place.outputs)
    oof, predictions, _ = networks.load_oof(place.outputs, ["cnn"], views, index, fold)
    fitted = scores.fit_blend(oof[list(VOTE_COLUMNS)].to_numpy(), predictions)
    networks.seal(place.outputs, fitted, index, 10.0)
    networks.Ensemble(place.outputs)
    return (place.outputs / "blend.json").read_text("utf-8")


def answer(place):
    """Notebook 6. Returns the submission, by EEG."""
    from hms_utils import networks

    ensemble = networks.Ensemble(place.outputs)
    test = eeg.read_test(place.data)
    answered, problems = answers.predict_test(test, place.data, ensemble, budget_hours=1)
    for eeg_id, reason in problems.itertuples(index=False):
        print(f"{eeg_id}: {reason}")
    table = answers.write_submission(test.eeg_id, answered, test, place.outputs / "submission.csv")
    return {row[0]: tuple(row[1:]) for row in table.round(5).itertuples(index=False)}


def find_weights(place):
    """Notebook 4, before it trains: ImageNet weights, asked for, where there is no network."""
    from hms_utils.networks import weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(place.outputs / "keras"))
        patch.setattr(weights, "WEIGHTS_URL", "http://127.0.0.1:9/none.h5")
        weights.find_weights("imagenet")


STAGES = (draw, train, compare, answer)
