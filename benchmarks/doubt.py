"""How far an answer's split follows the panel's, by how much the network has seen.

    python -m benchmarks.doubt --output-dir O [--weights-file FILE]

One window of each patient of the sample, all judged by panels, as its test set is; the
networks of notebooks 3 and 4 at the size of quick images, trained on the first 1,000, 4,000
and 19,000 patients, judged on the last 1,000 of 20,000. Temperature and shares of the blend
are fitted on one half of these for the other. FILE is Keras' efficientnetb0_notop.h5; without
it the CNN alone is trained. What is complete in O is not done again. An hour on two cores,
a third of it to draw the windows.
"""

import functools
from pathlib import Path

import click
import numpy as np
import pandas as pd
from joblib import delayed

from hms_utils import paths, scores
from hms_utils.constants import EEG_SECONDS, LABEL_SECONDS, PREDICTION_COLUMNS, SFREQ, VOTE_COLUMNS
from hms_utils.eeg import bipolar
from hms_utils.images import ZOOM_WINDOW, eeg_image, wave_image
from hms_utils.images.pixels import reduce_image
from hms_utils.networks import Stage, models
from hms_utils.networks.fitter import Fitter
from hms_utils.progress import progress
from hms_utils.sample import artefacts, courses, dataset
from hms_utils.threads import processes

FOLDER = click.Path(file_okay=False, path_type=Path)
PATIENTS, JUDGED = 20_000, 1_000
SIZES = (19_000, 4_000, 1_000)
SEED, REDUCE = 11, (4, 4)
AUGMENT = ("swap", "reverse", "narrow")
TRUTH = [f"true_{name}" for name in VOTE_COLUMNS]
STAGES = {
    "cnn": Stage("panels", 10, 2e-3),
    "efficientnet_b0": Stage("panels", 10, 1e-3),
}


def draw(number):
    """Return a patient's window as `eeg10` and `wave`, (2, 4, height, width), and its row."""
    patient, ((recording,),) = dataset.plan_patient((SEED, number), "test")
    rng = np.random.default_rng((SEED, number, 1))
    course, _ = courses.simulate_course(rng, [recording], patient)
    start = (1 + recording.start) * SFREQ
    window = course[start : start + EEG_SECONDS * SFREQ].copy()
    artefacts.drop_samples(rng, window)
    zoom = eeg_image(window, seconds=LABEL_SECONDS, n_window=ZOOM_WINDOW)
    images = [reduce_image(image, REDUCE) for image in (zoom, wave_image(bipolar(window)))]
    return np.stack(images), dataset.label_rows(rng, recording).assign(patient_id=number)


def windows(output_dir):
    """Draw all windows, or load them: a list of two views and their table."""
    files = [output_dir / name for name in ("eeg10.npy", "wave.npy", "windows.parquet")]
    if not files[-1].is_file():
        output_dir.mkdir(parents=True, exist_ok=True)
        jobs = processes(-1, return_as="generator")(delayed(draw)(k) for k in range(PATIENTS))
        images, rows = zip(*progress("Windows", PATIENTS, items=jobs), strict=True)
        for file, view in zip(files, np.stack(images, axis=1), strict=False):
            np.save(file, view)
        with paths.replacing(files[-1]) as temporary:
            pd.concat(rows, ignore_index=True).to_parquet(temporary, index=False)
    table = pd.read_parquet(files[-1])
    table["n_votes"] = table[list(VOTE_COLUMNS)].sum(axis=1)
    return [np.load(file) for file in files[:2]], table


def answer(name, size, images, table, weights_file, file):
    """Train a network on the first `size` windows; return what it answers on the last ones."""
    if not file.is_file():
        options = {"weights_file": weights_file} if name == "efficientnet_b0" else {}
        build = functools.partial(
            models.NETWORKS[name].build, len(images), images[0].shape[2:], **options
        )
        fitter = Fitter(build, images, table, batch_size=32, augment=AUGMENT)
        judged = np.arange(PATIENTS - JUDGED, PATIENTS)
        fitter.fit(
            STAGES[name], np.arange(size), held_out=judged, choose=judged[:0], seed=0,
            label=f"{name}, {size} windows",
        )  # fmt: skip
        answers = pd.DataFrame(
            fitter.predict(judged, flipped=True), columns=list(PREDICTION_COLUMNS)
        )
        with paths.replacing(file) as temporary:
            answers.to_parquet(temporary, index=False)
    return pd.read_parquet(file).to_numpy(float)


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--output-dir", type=FOLDER, required=True)
@click.option("--weights-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(output_dir, weights_file):
    images, table = windows(output_dir)
    panel = table[-JUDGED:].reset_index(drop=True)
    votes, halves = panel[list(VOTE_COLUMNS)].to_numpy(), np.arange(JUDGED) % 2
    lines = []
    for size in SIZES:
        raw = {
            name: answer(
                name, size, images, table, weights_file, output_dir / f"{name}-{size}.parquet"
            )
            for name in STAGES
            if weights_file or name != "efficientnet_b0"
        }
        pairs = {name: {name: prediction} for name, prediction in raw.items()}
        pairs |= {"blend": raw} if len(raw) > 1 else {}
        answers = {
            name: scores.blend_out_of_fold(votes, parts, halves) for name, parts in pairs.items()
        }
        prior = scores.mean_vote(table[:size])
        answers["prior"] = np.tile(prior, (JUDGED, 1))
        answers["true opinion"] = panel[TRUTH].to_numpy()
        found = scores.doubt(panel, answers)
        found["kl"] = [scores.row_divergence(votes, each).mean() for each in answers.values()]
        lines.append(found.assign(windows=size))
        print(pd.concat(lines).round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
