"""What each ingredient of the two networks' recipes gives on the sample.

    python -m hms_utils sample --patients 400 --max-eegs 8 --seed 5 --out D
    python -m benchmarks.ingredients --data-dir D --output-dir O --weights-file FILE

Each line is one training of two folds of patients that differs from its base in one
thing. KL at ten or more votes of patients that the network has not seen, at a
temperature (of a blend: shares too) fitted on the other fold; the change is paired row
by row, its 95 % interval over patients. FILE is Keras' efficientnetb0_notop.h5. What is
complete in O is not trained again. The last lines are a table for the docs.
"""

import functools
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from benchmarks import lessons
from hms_utils import eeg, scores
from hms_utils.constants import CHAINS, CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS
from hms_utils.images import make_folds
from hms_utils.networks import Stage, models, training
from hms_utils.networks.backend import keras
from hms_utils.networks.fitter import Fitter
from hms_utils.networks.weights import load_imagenet

layers = keras.layers
_ESTIMATING = 100  # batches


def _normalisation(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def statistics_kept(*shape, **options):
    """Build EfficientNetB0 whose batch normalisation stays as it was loaded."""
    model = models.build_efficientnet_b0(*shape, **options)
    for layer in _normalisation(model):
        layer.trainable = False
    return model


def blocks_dropped(*shape, **options):
    """Build EfficientNetB0 that drops blocks as Keras does, up to a fifth of the last ones."""
    model = models.build_efficientnet_b0(*shape, **options)
    dropped = [layer for layer in model.layers if layer.name.endswith("_drop")]
    for number, layer in enumerate(dropped, 1):
        layer.rate = 0.2 * number / len(dropped)
    return model


def grey(n_views, tile_shape, *, weights_file):
    """Build EfficientNetB0 over a grey mosaic: a row for each chain, twice the area."""
    height, width = tile_shape
    images = keras.Input((n_views, len(CHAINS), height, width), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, name="pixels")(images)
    x = layers.Permute((2, 3, 1, 4))(x)
    x = layers.Reshape((len(CHAINS) * height, n_views * width, 1))(x)
    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_tensor=layers.Concatenate()([x] * 3), pooling="avg"
    )
    load_imagenet(backbone, weights_file)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
        elif isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    x = layers.Dropout(0.3, name="dropout")(backbone.output)
    x = layers.Dense(len(CLASSES), name="logits")(x)
    return keras.Model(images, layers.Softmax(name="probabilities")(x), name="efficientnet_b0")


class Estimated(Fitter):
    """Batch normalisation's statistics are estimated on images alone, then kept."""

    def fit(self, stage, rows, **options):
        if not stage.min_votes:
            for layer in _normalisation(self.model):
                layer.trainable = True
            dataset, _ = self._dataset(stage, rows, options["seed"])
            for images, *_ in dataset.take(_ESTIMATING):
                self.model(images, training=True)
        return super().fit(stage, rows, **options)

    def _compiled(self, stage):
        return super()._compiled(replace(stage, min_votes=max(stage.min_votes, 1)))


CNN = {
    "views": ("eeg10", "wave"),
    "stages": (Stage("all rows", 14, 2e-3), lessons.B0_WELL),
}
B0 = lessons.PRETRAINED
AVERAGING = functools.partial(keras.optimizers.AdamW, use_ema=True, ema_momentum=0.98)
# Name of each training, what it is compared with, and what is different in it.
CELLS = {
    "CNN, eeg10 and wave": ("", CNN),
    "CNN, another seed": ("CNN, eeg10 and wave", CNN | {"seed": 1}),
    "CNN, a third seed": ("CNN, eeg10 and wave", CNN | {"seed": 2}),
    "CNN, eeg50 and eeg10": ("CNN, eeg10 and wave", CNN | {"views": ("eeg50", "eeg10")}),
    "CNN, wave alone": ("CNN, eeg10 and wave", CNN | {"views": ("wave",)}),
    "CNN, eeg10 alone": ("CNN, eeg10 and wave", CNN | {"views": ("eeg10",)}),
    "CNN, eeg50, eeg10 and wave": (
        "CNN, eeg10 and wave",
        CNN | {"views": ("eeg50", "eeg10", "wave")},
    ),
    "CNN, all four views": (
        "CNN, eeg10 and wave",
        CNN | {"views": ("eeg50", "eeg10", "wave", "kaggle600")},
    ),
    "B0, pretrained": ("CNN, eeg10 and wave", B0),
    "B0, statistics as loaded": (
        "B0, pretrained",
        B0 | {"build": statistics_kept},
    ),
    "B0, statistics estimated on images": (
        "B0, pretrained",
        B0 | {"patch": (training, "Fitter", Estimated)},
    ),
    "B0, weights averaged": (
        "B0, pretrained",
        B0 | {"patch": (keras.optimizers, "AdamW", AVERAGING)},
    ),
    "B0, blocks dropped": ("B0, pretrained", B0 | {"build": blocks_dropped}),
    "B0, another seed": ("B0, pretrained", B0 | {"seed": 1}),
    "B0, a third seed": ("B0, pretrained", B0 | {"seed": 2}),
    "B0, twice the rate": (
        "B0, pretrained",
        B0 | {"stages": (Stage("all rows", 10, 2e-3), lessons.B0_WELL)},
    ),
    "B0, grey mosaic": ("B0, pretrained", B0 | {"build": grey}),
}
BLENDS = {
    "blend of CNN and B0": ("CNN, eeg10 and wave", "B0, pretrained"),
    "blend of CNN of three views and B0": ("CNN, eeg50, eeg10 and wave", "B0, pretrained"),
    "blend of two B0": ("B0, another seed", "B0, pretrained"),
}
# Further comparisons: what, and against what.
PAIRS = (
    *((name, "B0, pretrained") for name in BLENDS),
    ("blend of two B0", "B0, another seed"),
    ("blend of two B0", "blend of CNN and B0"),
    ("blend of two B0", "blend of CNN of three views and B0"),
    ("CNN, eeg50, eeg10 and wave", "CNN, eeg50 and eeg10"),
    ("CNN, eeg50, eeg10 and wave", "CNN, all four views"),
    ("B0, another seed", "CNN, another seed"),
    ("B0, a third seed", "CNN, a third seed"),
    ("B0, weights averaged", "B0, another seed"),
)


def row(name, base, answers):
    """Return a line of the table: KL of `answers[name]` and its change from that of `base`."""
    chosen = scores.strata(answers[name])[scores.WELL]
    votes, answer = (answers[name][list(c)] for c in (VOTE_COLUMNS, PREDICTION_COLUMNS))
    kl = scores.row_divergence(votes, answer)[chosen].mean()
    line = {"training": name, "KL": f"{kl:.3f}", "change": "", "against": base}
    if base:
        change, low, high = lessons.compare(answers[base], answers[name], scores.WELL)
        line["change"] = f"{change:+.1%} ({low:+.1%} to {high:+.1%})"
    return line


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--weights-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True
)
def main(data_dir, output_dir, weights_file):
    windows = eeg.select_windows(eeg.load_metadata(data_dir, "train"))
    plain, answers, lines = {}, {}, []

    def blended(names):
        first = plain[names[0]]
        fold = make_folds(first.patient_id, 2).set_index("patient_id").fold
        parts = {name: plain[name][list(PREDICTION_COLUMNS)].to_numpy(float) for name in names}
        mixed = scores.blend_out_of_fold(
            first[list(VOTE_COLUMNS)].to_numpy(), parts, fold[first.patient_id].to_numpy()
        )
        return first.assign(**dict(zip(PREDICTION_COLUMNS, mixed.T, strict=True)))

    for name, (base, changed) in CELLS.items():
        print(f"\n{name}", flush=True)
        plain[name] = lessons.run(windows, data_dir, output_dir, name, weights_file, changed)
        answers[name] = blended([name])
        lines.append(row(name, base, answers))
        print(lines[-1], flush=True)
    answers |= {name: blended(names) for name, names in BLENDS.items()}
    lines += [row(name, base, answers) for name, base in PAIRS]
    rows = scores.strata(answers[name])[scores.WELL]
    print(f"\n{rows.sum()} of {len(rows)} windows\n\n" + lessons.markdown(pd.DataFrame(lines)))


if __name__ == "__main__":
    main()
