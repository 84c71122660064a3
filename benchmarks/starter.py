"""EfficientNetB0 as trained here against the public starter's recipe, plainly implemented.

    python -m hms_utils sample --patients 400 --seed 5 --out D
    python benchmarks/starter.py --data-dir D --output-dir O [--weights-file FILE]

The peer scales each image on its own, stacks the four chains of the long and of the
50 s spectrogram in two columns of one grey mosaic, reads it through a Keras Sequence
without augmentation and trains in steps of falling rate. Both start from Keras'
efficientnetb0_notop.h5, or both from random weights, see about as many images, and are
judged on the same held-out patients. The peer's rates are those published; its grey mosaic
of two views has twice the pixels of the colour mosaic, which is a part of what an epoch takes.
"""

import functools
import math
import time
from pathlib import Path

import click
import numpy as np

from hms_utils import eeg, scores
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import cache, make_folds, stored
from hms_utils.networks import Stage, models, training
from hms_utils.networks.backend import keras
from hms_utils.networks.weights import load_imagenet
from hms_utils.scores import metric

FOLDER = click.Path(file_okay=False, path_type=Path)
REDUCE, BATCH, EPOCHS = (4, 2), 16, 12
VIEWS = ("eeg10", "wave")


class StarterSequence(keras.utils.PyDataset):
    """Mosaics of rows, each image scaled by its own mean and deviation."""

    def __init__(self, images, rows, targets, *, shuffle):
        super().__init__()
        self.images, self.rows, self.targets, self.shuffle = images, rows, targets, shuffle
        self.rng = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self):
        return math.ceil(len(self.rows) / BATCH)

    def on_epoch_end(self):
        if self.shuffle:
            order = self.rng.permutation(len(self.rows))
            self.rows, self.targets = self.rows[order], self.targets[order]

    def __getitem__(self, number):
        part = slice(number * BATCH, (number + 1) * BATCH)
        batch = []
        for row in self.rows[part]:
            columns = []
            for view in ("kaggle600", "eeg50"):
                tiles = []
                for tile in self.images[view][row].astype(np.float32):
                    tiles.append((tile - tile.mean()) / (tile.std() + 1e-6))
                columns.append(np.concatenate(tiles))
            mosaic = np.concatenate(columns, axis=1)
            # The peer's library takes them as they are; Keras' own normalises once more.
            batch.append(np.stack([255 * (0.45 + 0.225 * mosaic)] * 3, axis=-1))
        return np.stack(batch), self.targets[part]


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def starter_rate(epoch):
    """Follow the starter's 1e-3, 1e-3, 1e-4, 1e-5, stretched to more epochs."""
    return (1e-3, 1e-3, 1e-4, 1e-5)[4 * epoch // EPOCHS]


def stages(weights_file):
    """Return the stages of notebook 4 with about as many images as the peer's passes."""
    rate = 1e-3 if weights_file else 2e-3
    well = Stage("well voted", 4, 5e-4, min_votes=WELL_VOTED)
    return Stage("all rows", EPOCHS - 1, rate), well


def train_starter(images, targets, fold, weights_file):
    """Return out-of-fold predictions and the median seconds of an epoch."""
    _, _, height, width = images["eeg50"].shape
    answers, seconds = np.empty(targets.shape), []
    for number in np.unique(fold):
        keras.utils.set_random_seed(int(number))
        mosaic = keras.Input((4 * height, 2 * width, 3))
        backbone = keras.applications.EfficientNetB0(include_top=False, weights=None)
        if weights_file:
            load_imagenet(backbone, weights_file)
        x = keras.layers.GlobalAveragePooling2D()(backbone(mosaic))
        model = keras.Model(mosaic, keras.layers.Dense(6, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(1e-3), keras.losses.KLDivergence())
        train, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        rate = keras.callbacks.LearningRateScheduler(starter_rate)
        model.fit(
            StarterSequence(images, train, targets[train], shuffle=True),
            epochs=EPOCHS,
            callbacks=[rate, clock := Clock()],
            verbose=2,
        )
        rows = StarterSequence(images, held_out, targets[held_out], shuffle=False)
        answers[held_out] = model.predict(rows, verbose=0)
        seconds += clock.seconds[1:]  # the first compiles
    return answers, float(np.median(seconds))


def train_ours(images, index, fold, output_dir, weights_file):
    """Return the same of this suite's recipe; an epoch's seconds are as it prints them."""
    shape = images["eeg50"].shape[2:]
    build = functools.partial(
        models.build_efficientnet_b0, len(VIEWS), shape, weights_file=weights_file
    )
    oof, history = training.cross_validate(
        build,
        images,
        VIEWS,
        index,
        fold,
        output_dir,
        stages(weights_file),
        batch_size=BATCH,
        augment=("swap", "reverse", "narrow"),
        note=str(weights_file),
    )
    whole = history[(history.stage == "all rows") & (history.epoch > 1)]
    return oof[list(PREDICTION_COLUMNS)].to_numpy(), float(whole.seconds.median())


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=FOLDER, required=True)
@click.option("--output-dir", type=FOLDER, required=True)
@click.option("--weights-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(data_dir, output_dir, weights_file):
    windows = eeg.select_windows(eeg.load_metadata(data_dir, "train"))
    images, index = stored.load(cache.build(windows, data_dir, output_dir, reduce=REDUCE))
    table = make_folds(index.patient_id, 2).set_index("patient_id").fold
    fold = table[index.patient_id].to_numpy()
    targets = eeg.vote_shares(index)
    ours, our_seconds = train_ours(images, index, fold, output_dir, weights_file)
    theirs, their_seconds = train_starter(images, targets, fold, weights_file)

    index["fold"], answers = fold, {"starter": theirs, "ours": ours}
    print(scores.scorecard(index, answers).round(3).to_string(index=False))
    votes = index[list(VOTE_COLUMNS)].to_numpy()
    n_votes = votes.sum(axis=1)
    seen = sum(stage.epochs * np.sum(n_votes >= stage.min_votes) for stage in stages(weights_file))
    print(f"Images seen: {seen} here, {EPOCHS * len(votes)} by the starter's recipe")
    table = scores.differences(index, answers, [("ours", "starter")])
    print(f"\n{table.round(3).to_string(index=False)}")
    well = scores.strata(index)[scores.WELL]
    kl = {name: metric.kl_divergence(votes[well], part[well]) for name, part in answers.items()}
    print(
        f"KL at {scores.WELL} {100 * (1 - kl['ours'] / kl['starter']):.0f} % lower than the "
        f"starter's (at least 15); {our_seconds:.1f} s an epoch against {their_seconds:.1f} (less)"
    )


if __name__ == "__main__":
    main()
