"""What the competition taught, measured on the sample: is it the same there?

    python -m hms_utils sample --patients 400 --max-eegs 8 --seed 5 --out D
    python benchmarks/lessons.py --data-dir D --output-dir O [--weights-file FILE]

Each lesson is the change of the KL divergence between two trainings that differ in
one thing. Two folds of patients; every figure is of patients that the network has
not seen, except where folds by row are the lesson. The basic CNN stands for both
networks; pretrained weights, Keras' efficientnetb0_notop.h5, need EfficientNetB0.
What is complete in O is not run again. The last lines are a table for the docs.
"""

import functools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click
import numpy as np
import pandas as pd

from hms_utils import eeg, sample, scores
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import DB_RANGE, cache, make_folds, stored
from hms_utils.networks import Stage, fitter, models, training
from hms_utils.networks.backend import keras
from hms_utils.scores import bootstrap

REDUCE = (4, 4)
VIEWS = ("eeg50", "eeg10", "kaggle600")
AUGMENT = ("swap", "reverse", "narrow")
ALL_ROWS = (Stage("all rows", 14, 2e-3),)
WELL_STAGE = Stage("well voted", 5, 5e-4, min_votes=WELL_VOTED)
# As notebook 4 trains EfficientNetB0, but with ten passes over all rows.
B0_VIEWS, B0_WELL = ("eeg10", "wave"), Stage("well voted", 4, 5e-4, min_votes=WELL_VOTED)
B0 = {"build": models.build_efficientnet_b0, "views": B0_VIEWS}
PRETRAINED = B0 | {"network": "pretrained", "stages": (Stage("all rows", 10, 1e-3), B0_WELL)}
RANDOM = B0 | {"network": "random", "stages": (Stage("all rows", 10, 2e-3), B0_WELL)}
REFERENCE = {"views": VIEWS, "stages": ALL_ROWS, "augment": AUGMENT}


def _majority(index):
    return np.eye(len(CLASSES), dtype=np.float32)[index[list(VOTE_COLUMNS)].to_numpy().argmax(1)]


# Name of each training and what is different in it.
CELLS = {
    "one stage": {},
    "another seed": {"seed": 1},
    "majority as target": {"patch": (fitter, "vote_shares", _majority)},
    "well-voted stage": {"stages": (*ALL_ROWS, WELL_STAGE)},
    "50 s and 10 min": {"views": ("eeg50", "kaggle600")},
    "50 s alone": {"views": ("eeg50",)},
    "10 min alone": {"views": ("kaggle600",)},
    "each image its own scale": {"db_range": None},
    "no augmentation": {"augment": ()},
    "flips and masks": {"augment": ("reverse", "mask")},
    "mixup": {"augment": (*AUGMENT, "mixup")},
    "folds by row": {"by_row": True},
    "without mirror images": {"flipped": False},
    "pretrained": PRETRAINED,
    "random weights": RANDOM,
}


@dataclass(frozen=True)
class Lesson:
    """What a change did to the divergence on the real data.

    Attributes
    ----------
    name, base, changed : str
        The two last are names of `CELLS`.
    rows : str
        A group of `scores.strata`.
    real : float
        Relative change; NaN where only its sign is known, then `sign` says it.
    source : str
    sign : int
    """

    name: str
    base: str
    changed: str
    rows: str
    real: float
    source: str
    sign: int = -1


# Relative changes of KL, from public notebooks and write-ups of the competition: the
# EfficientNetB0 starters (lines 1, 4, 5, 8 to 10), published out-of-fold predictions
# (2, 3), the third and other leading places (6, 7, 11).
LESSONS = (
    Lesson(
        "soft shares, not the majority, as target",
        "majority as target",
        "one stage",
        "all rows",
        -0.096,
        "0.73 to 0.66",
    ),
    Lesson(
        "a stage of rows with ≥ 10 votes",
        "one stage",
        "well-voted stage",
        scores.WELL,
        -0.318,
        "0.314 to 0.214",
    ),
    Lesson(
        "the same, on rows with few votes",
        "one stage",
        "well-voted stage",
        "3-9 votes",
        0.722,
        "0.547 to 0.942",
        1,
    ),
    Lesson(
        "10 min beside 50 s",
        "50 s alone",
        "50 s and 10 min",
        "all rows",
        -0.106,
        "0.66 to 0.59",
    ),
    Lesson(
        "50 s beside 10 min",
        "10 min alone",
        "50 s and 10 min",
        "all rows",
        -0.063,
        "0.63 to 0.59",
    ),
    Lesson(
        "10 s beside 50 s (sample: and 10 min)",
        "50 s and 10 min",
        "one stage",
        scores.WELL,
        -0.024,
        "0.2407 to 0.235",
    ),
    Lesson(
        "one scale for all images",
        "each image its own scale",
        "one stage",
        "all rows",
        -0.067,
        "−0.04 of about 0.6",
    ),
    Lesson(
        "reversed time and masks",
        "no augmentation",
        "flips and masks",
        "all rows",
        -0.017,
        "0.585 to 0.575",
    ),
    Lesson(
        "mirror images in prediction",
        "without mirror images",
        "one stage",
        scores.WELL,
        -0.012,
        "−0.001 to −0.005",
    ),
    Lesson("MixUp", "one stage", "mixup", "all rows", 0.055, "0.585 to 0.617", 1),
    Lesson(
        "pretrained weights",
        "random weights",
        "pretrained",
        "all rows",
        np.nan,
        "random ones take far longer",
    ),
    Lesson(
        "folds by row, not by patient",
        "one stage",
        "folds by row",
        "all rows",
        np.nan,
        "patients are memorised",
    ),
)


def run(windows, data_dir, output_dir, name, weights_file, changed):
    """Train two folds of a cell; return rows and their out-of-fold predictions."""
    options = REFERENCE | changed
    db_range = options.pop("db_range", DB_RANGE)
    drawn = output_dir / f"images-{'fixed' if db_range else 'own'}"
    cache.build(windows, data_dir, drawn, reduce=REDUCE, db_range=db_range)
    images, index = stored.load(drawn / "spectrograms" / "train", quiet=True)
    if options.pop("by_row", False):
        fold = np.random.default_rng(0).permutation(len(index)) % 2
    else:
        table = make_folds(index.patient_id, 2).set_index("patient_id").fold
        fold = table[index.patient_id].to_numpy()
    views, network = options.pop("views"), options.pop("network", "cnn")
    build = functools.partial(
        options.pop("build", models.build_cnn), len(views), images[views[0]].shape[2:]
    )
    if network == "pretrained":
        build = functools.partial(build, weights_file=weights_file)
    patch, flipped = options.pop("patch", None), options.pop("flipped", True)
    folder = output_dir / (name if flipped else "one stage").replace(",", "").replace(" ", "-")
    with ExitStack() as stack:
        if patch:
            stack.enter_context(mock.patch.object(*patch))
        oof, _ = training.cross_validate(
            build,
            images,
            views,
            index,
            fold,
            folder,
            batch_size=16,
            note=network + (f", {patch[1]} changed" if patch else ""),
            **options,
        )
    if not flipped:
        for number in np.unique(fold):
            model = keras.models.load_model(folder / "models" / "cnn" / f"fold{number}.keras")
            rows = np.flatnonzero(fold == number)
            answers = fitter.predict(model, [images[v] for v in views], rows, flipped=False)
            oof.loc[rows, list(PREDICTION_COLUMNS)] = answers
    return oof


def compare(base, changed, rows):
    """Return the relative change of KL in a group of rows, and its 95 % interval, (3,)."""
    chosen = scores.strata(base)[rows]
    parts = [
        scores.row_divergence(table[list(VOTE_COLUMNS)], table[list(PREDICTION_COLUMNS)])[chosen]
        for table in (base, changed)
    ]
    values = np.stack(parts, axis=1)
    drawn = bootstrap.means(values, base.patient_id.to_numpy()[chosen])
    low, high = bootstrap.bounds(drawn[:, 1] / drawn[:, 0] - 1)
    return values[:, 1].mean() / values[:, 0].mean() - 1, low, high


def table_of(answers):
    """Return the lessons that were measured as rows of text, a DataFrame."""
    lines = []
    for lesson in LESSONS:
        if lesson.base not in answers or lesson.changed not in answers:
            continue
        pair = answers[lesson.base], answers[lesson.changed]
        change, low, high = compare(*pair, lesson.rows)
        sign = "yes" if np.sign(change) == lesson.sign else "no"
        chance = " (chance not excluded)" if low < 0 < high else ""
        near = "" if np.isnan(lesson.real) else "no"
        if sign == "yes" and 1 / 3 <= change / lesson.real <= 3:
            near = "yes"
        lines.append(
            {
                "lesson": lesson.name,
                "rows": lesson.rows,
                "real": "" if np.isnan(lesson.real) else f"{lesson.real:+.1%}",
                "from": lesson.source,
                "sample": f"{change:+.1%} ({low:+.1%} to {high:+.1%})",
                "same sign": sign + chance,
                "within a factor of 3": near,
            }
        )
    return pd.DataFrame(lines)


def markdown(table):
    """Return a table of text as markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--weights-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(data_dir, output_dir, weights_file):
    windows = eeg.select_windows(eeg.load_metadata(data_dir, "train"))
    answers = {}
    for name, changed in CELLS.items():
        if "network" in changed and not weights_file:
            print(f"\n{name}: left out, as there is no --weights-file")
            continue
        print(f"\n{name}", flush=True)
        answers[name] = run(windows, data_dir, output_dir, name, weights_file, changed)
        pd.testing.assert_series_equal(answers[name].label_id, answers["one stage"].label_id)
    first = answers["one stage"]
    groups, votes = scores.strata(first), first[list(VOTE_COLUMNS)].to_numpy()
    marks = {"prior": scores.fold_priors(first)}
    marks |= {name: oof[list(PREDICTION_COLUMNS)].to_numpy() for name, oof in answers.items()}
    marks["floor"] = sample.read_truth(data_dir, first.label_id)
    lines = []
    for name, answer in marks.items():
        values = scores.row_divergence(votes, answer)
        means = {group: f"{values[rows].mean():.3f}" for group, rows in groups.items()}
        lines.append({"training": name} | means)
    print(f"\n{len(votes)} windows of {first.patient_id.nunique()} patients\n")
    print(markdown(pd.DataFrame(lines)) + "\n\n" + markdown(table_of(answers)))


if __name__ == "__main__":
    main()
