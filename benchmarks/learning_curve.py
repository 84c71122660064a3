"""What EfficientNetB0 adds to the basic CNN, and when: by number of patients.

    python -m hms_utils sample --patients 1800 --max-eegs 1 --seed 7 --out D
    python benchmarks/learning_curve.py --data-dir D --output-dir O [--weights-file FILE]

Every network is trained on 50, 100, ... patients, the smaller sets parts of the larger
ones, and judged on the same held-out patients at ten or more votes. Temperature and
shares of the blend are fitted on one half of the held-out patients for the other. Without
Keras' efficientnetb0_notop.h5 there is no curve of pretrained weights. What is complete
in O is not trained again; its `learning_curve.csv` is what the picture is made of, and what
notebook 5 draws behind a run's own scores if it is copied into the run's output folder.
"""

import functools
import time
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
import pandas as pd

from hms_utils import eeg, paths, plots, sample, scores
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS, WELL_VOTED
from hms_utils.images import cache, make_folds, stored
from hms_utils.networks import Stage, models
from hms_utils.networks.fitter import Fitter

FOLDER = click.Path(file_okay=False, path_type=Path)
SIZES = (50, 100, 200, 400, 800, 1600)
REDUCE, VIEWS, BATCH = (4, 4), ("eeg10", "wave"), 16
AUGMENT = ("swap", "reverse", "narrow")
WELL = Stage("well voted", 4, 5e-4, min_votes=WELL_VOTED)
# As notebooks 3 and 4 at quick scale, but with as many passes from random weights as from
# pretrained ones, and as fast at the end.
RECIPES = {
    "cnn": (Stage("all rows", 14, 2e-3), WELL),
    "efficientnet_b0, random": (Stage("all rows", 12, 2e-3), WELL),
    "efficientnet_b0, pretrained": (Stage("all rows", 12, 1e-3), WELL),
}


def builder(name, shape, weights_file):
    """Return a function that builds the network of a recipe."""
    network, _, start = name.partition(", ")
    options = {"weights_file": weights_file} if start == "pretrained" else {}
    return functools.partial(models.NETWORKS[network].build, len(VIEWS), shape, **options)


def answer(name, images, index, train, held_out, weights_file, file):
    """Train a network and return its answers on the held-out rows, or read them."""
    if file.is_file():
        return pd.read_parquet(file)[list(PREDICTION_COLUMNS)].to_numpy(float)
    started = time.perf_counter()
    seen = [images[view] for view in VIEWS]
    build = builder(name, seen[0].shape[2:], weights_file)
    fitter = Fitter(build, seen, index, batch_size=BATCH, augment=AUGMENT)
    for stage in RECIPES[name]:
        rows = train[fitter.n_votes[train] >= stage.min_votes]
        label = f"{file.stem}, {stage.name}"
        fitter.fit(stage, rows, held_out=held_out, choose=rows[:0], seed=0, label=label)
    answers = fitter.predict(held_out, flipped=True)
    table = index.loc[held_out, ["label_id"]]
    table = table.assign(**dict(zip(PREDICTION_COLUMNS, answers.T, strict=True)))
    with paths.replacing(file) as temporary:
        table.to_parquet(temporary, index=False)
    print(f"{file.stem}: {time.perf_counter() - started:.0f} s", flush=True)
    return answers.astype(float)


def score(index, train, held_out, answers, truth):
    """Return scorecard lines at ten or more votes, with differences from the CNN."""
    panel = index.loc[held_out].reset_index(drop=True)
    votes = panel[list(VOTE_COLUMNS)].to_numpy()
    halves = make_folds(panel.patient_id, 2).set_index("patient_id").fold
    halves = halves[panel.patient_id].to_numpy()
    answered = {
        name: scores.blend_out_of_fold(votes, {name: part}, halves)
        for name, part in answers.items()
    }
    for name in answers:
        if name != "cnn":
            pair = {"cnn": answers["cnn"], name: answers[name]}
            start = name.partition(", ")[2]
            answered[f"blend, {start}"] = scores.blend_out_of_fold(votes, pair, halves)
    well = index.loc[train][index.loc[train].n_votes >= WELL_VOTED]
    answered["mean vote"] = np.tile(scores.mean_vote(well), (len(panel), 1))
    table = scores.scorecard(panel, answered, truth=truth)
    table = table[~table.model.isin(["uniform", "floor (estimate)"])]
    pairs = [(name, "cnn") for name in answered if name not in ("cnn", "mean vote")]
    compared = scores.differences(panel, answered, pairs).drop(columns="n_patients")
    compared = compared.rename(columns={"low": "difference_low", "high": "difference_high"})
    table = table.merge(compared, how="left", on=["model", "group"])
    return table[table.group == scores.WELL].replace({"model": {"mean vote": "prior"}})


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=FOLDER, required=True)
@click.option("--output-dir", type=FOLDER, required=True)
@click.option("--weights-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--held-out", default=200, show_default=True, help="Patients to judge on.")
def main(data_dir, output_dir, weights_file, held_out):
    windows = eeg.select_windows(eeg.load_metadata(data_dir, "train"))
    images, index = stored.load(cache.build(windows, data_dir, output_dir, reduce=REDUCE))
    order = np.random.default_rng(0).permutation(np.unique(index.patient_id))
    judged = np.flatnonzero(index.patient_id.isin(order[:held_out]))
    truth = sample.read_truth(data_dir, index.label_id[judged])
    lines = []
    for size in SIZES:
        if held_out + size > len(order):
            print(f"{size} patients: left out, as there are {len(order)} in all")
            continue
        train = np.flatnonzero(index.patient_id.isin(order[held_out : held_out + size]))
        answers = {}
        for name in RECIPES:
            if name.endswith("pretrained") and not weights_file:
                continue
            file = output_dir / "answers" / f"{name.replace(', ', '-')}-{size}.parquet"
            answers[name] = answer(name, images, index, train, judged, weights_file, file)
        table = score(index, train, judged, answers, truth)
        lines.append(table.assign(patients=size, windows=len(train)))
        print(table.round(3).to_string(index=False), flush=True)
        pd.concat(lines).to_csv(output_dir / "learning_curve.csv", index=False)
    figure = mpl.figure.Figure(figsize=(9, 4.5), layout="constrained")
    plots.by_patients(pd.concat(lines).assign(source="curve"), figure.subplots())
    plots.save(figure, output_dir, "learning_curve")


if __name__ == "__main__":
    main()
