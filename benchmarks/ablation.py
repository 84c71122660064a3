"""What each ingredient of the training gives: one off (or on) at a time.

    python -m hms_utils sample --patients 400 --seed 5 --out D
    python benchmarks/ablation.py --data-dir D --output-dir O

The basic CNN stands for both networks. Two folds of patients; every figure is of
patients that the network has not seen. What is complete in O is not run again.
"""

import functools
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import click
import numpy as np
import pandas as pd

from hms_utils import eeg, sample, scores
from hms_utils.constants import CLASSES, PREDICTION_COLUMNS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import DB_RANGE, cache, make_folds
from hms_utils.networks import Stage, fitter, models, training
from hms_utils.networks.backend import tf
from hms_utils.scores import bootstrap, metric

FOLDER = click.Path(file_okay=False, path_type=Path)
VIEWS = ("eeg50", "eeg10", "kaggle600")
AUGMENT = ("swap", "reverse", "narrow")
STAGES = (Stage("all rows", 14, 2e-3), Stage("well voted", 2, 1e-4, min_votes=WELL_VOTED))
REFERENCE = {"views": VIEWS, "stages": STAGES, "augment": AUGMENT}
# Name of each variant and what is different in it.
VARIANTS = {
    "as it is": {},
    "another seed": {"seed": 1},
    "without eeg50": {"views": VIEWS[1:]},
    "without eeg10": {"views": VIEWS[::2]},
    "without kaggle600": {"views": VIEWS[:2]},
    "each image its own scale": {"db_range": None},
    "half the resolution in time": {"reduce": (4, 4)},
    "votes not as weights": {"patch": ("_row_weights", np.ones_like)},
    "weights by votes, not their root": {"patch": ("_row_weights", lambda n_votes: n_votes)},
    "majority as target": {
        "patch": (
            "vote_shares",
            lambda index: np.eye(len(CLASSES), dtype=np.float32)[
                index[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
            ],
        )
    },
    "without the well-voted stage": {"stages": STAGES[:1]},
    "without swap": {"augment": ("reverse", "narrow")},
    "without reverse": {"augment": ("swap", "narrow")},
    "without narrow": {"augment": ("swap", "reverse")},
    "without any": {"augment": ()},
    "with mask": {"augment": (*AUGMENT, "mask")},
    "with gain": {"augment": (*AUGMENT, "gain")},
    "with mixup": {"augment": (*AUGMENT, "mixup")},
    "without mirror images in prediction": {
        "patch": ("flips", lambda batch: tf.repeat(batch, 4, axis=0))
    },
    "best epoch by a tenth set aside": {"set_aside": 0.1},
}


def run(windows, data_dir, output_dir, name, *, views, reduce=(4, 2), patch=None, **options):
    """Train two folds of a variant; return rows and their out-of-fold predictions."""
    db_range = options.pop("db_range", DB_RANGE)
    scale = "fixed" if db_range else "own"
    drawn = output_dir / f"images-{scale}-{reduce[0]}-{reduce[1]}"
    cache.build(windows, data_dir, drawn, reduce=reduce, db_range=db_range)
    images, index = cache.load(drawn / "spectrograms" / "train")
    table = make_folds(index.patient_id, 2).set_index("patient_id").fold
    build = functools.partial(models.build_cnn, len(views), images[views[0]].shape[2:])
    with ExitStack() as stack:
        if patch:
            stack.enter_context(mock.patch.object(fitter, *patch))
        oof, _ = training.cross_validate(
            build,
            images,
            views,
            index,
            table[index.patient_id].to_numpy(),
            output_dir / name.replace(" ", "-"),
            batch_size=16,
            **options,
        )
    return oof


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=FOLDER, required=True)
@click.option("--output-dir", type=FOLDER, required=True)
def main(data_dir, output_dir):
    windows = eeg.select_windows(eeg.load_metadata(data_dir, "train"))
    answers = {}
    for name, changed in VARIANTS.items():
        print(f"\n{name}")
        oof = run(windows, data_dir, output_dir, name, **REFERENCE | changed)
        answers[name] = oof[list(PREDICTION_COLUMNS)].to_numpy(float)
        if name == "as it is":
            reference = oof
            votes, fold = oof[list(VOTE_COLUMNS)].to_numpy(), oof.fold.to_numpy()
            answers["calibrated"] = scores.blend_out_of_fold(votes, {"cnn": answers[name]}, fold)
        pd.testing.assert_series_equal(oof.label_id, reference.label_id)
    answers = {
        "prior": scores.fold_priors(reference),
        **answers,
        "floor": sample.read_truth(data_dir, reference.label_id),
    }
    well = votes.sum(axis=1) >= WELL_VOTED
    patients = reference.patient_id.to_numpy()
    lines = {}
    for name, answer in answers.items():
        line = lines[name] = {}
        for rows, part in (("all rows", slice(None)), (scores.WELL, well)):
            own, base = (
                metric.row_divergence(votes[part], values[part])
                for values in (answer, answers["as it is"])
            )
            low, high = bootstrap.interval(own - base, patients[part])
            line[f"KL, {rows}"] = f"{own.mean():.3f}"
            line[f"worse by, {rows}"] = f"{(own - base).mean():+.3f} ({low:+.3f} to {high:+.3f})"
    print(
        f"\n{len(votes)} windows of {len(np.unique(patients))} patients, "
        f"{well.sum()} with {WELL_VOTED} or more votes"
    )
    print(pd.DataFrame(lines).T.to_string())


if __name__ == "__main__":
    main()
