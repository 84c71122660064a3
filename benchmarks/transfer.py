"""How networks trained on the sample alone do on real recordings.

    python -m hms_utils sample --patients 400 --max-eegs 8 --seed 5 --out D
    run="python -m hms_utils run --quick --data-dir D --output-dir O"
    $run --only 02 -p MAX_PATIENTS=0
    $run --only 03
    python benchmarks/transfer.py --output-dir O --real FOLDER [--real FOLDER]

With `-p REDUCE=[2,2]` for 02 tiles are 64 by 128, with `--max-eegs 0` a patient has as many
recordings as in reality. A FOLDER is in the competition's layout, with a table
`sources.csv` of eeg_id and source. Nothing is fitted to it. The folds of a network are
averaged, mirror images too.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd

from hms_utils import paths
from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.eeg import load_metadata, select_windows
from hms_utils.images import build, load
from hms_utils.networks import engines, fitter
from hms_utils.scores import mean_vote, row_divergence

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def answers_of(output_dir, images):
    """Return the answers of each network that is trained there, (n_windows, 6) by name."""
    answers = {}
    for folder in sorted(path for path in (output_dir / "models").iterdir() if path.is_dir()):
        files = sorted(folder.glob("fold*.keras"))
        views = paths.read_json(files[0].with_suffix(".json"))["key"]["views"]
        seen, rows = [images[view] for view in views], np.arange(len(images[views[0]]))
        model, folds = engines.load(files[0]), []
        for file in files:
            model.set_weights(engines.load(file).get_weights())
            folds.append(fitter.predict(model, seen, rows))
        answers[folder.name] = np.mean(folds, axis=0, dtype=np.float64)
    return answers


def interval(values):
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    return np.percentile(drawn, [2.5, 97.5])


def report(answers, votes, kinds, sources):
    """Print divergences and right classes by source, and what each class was answered with."""
    truth = votes.argmax(axis=1)
    for kind in np.unique(kinds):
        rows = kinds == kind
        print(f"\n{kind}, {rows.sum()} recordings")
        for name, probabilities in answers.items():
            divergence = row_divergence(votes[rows], probabilities[rows])
            low, high = interval(divergence)
            hits = (probabilities[rows].argmax(axis=1) == truth[rows]).sum()
            print(
                f"  {name:24s} KL {divergence.mean():.3f} ({low:.3f} to {high:.3f}), "
                f"{hits} of {rows.sum()} classes right"
            )
    voted = np.array(CLASSES)[truth]
    for name in list(answers)[2:]:
        print(f"\n{name}: what was answered, then each recording")
        answered = pd.Series(np.array(CLASSES)[answers[name].argmax(axis=1)], name="answered")
        print(pd.crosstab([kinds, voted], answered, rownames=["source", "voted"]))
        each = pd.DataFrame(answers[name].round(2), columns=list(CLASSES), index=sources)
        print(each.assign(voted=voted).to_string())


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--output-dir", required=True, type=FOLDER, help="Of notebooks 2 and 3, or 4.")
@click.option("--real", "reals", required=True, multiple=True, type=FOLDER, help="Recordings.")
def main(output_dir, reals):
    train = output_dir / "spectrograms" / "train"
    drawn, (_, index) = paths.read_json(train / "settings.json"), load(train)
    parts = []
    for real in reals:
        windows = select_windows(load_metadata(real, "train"))
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(
                windows, real, temporary, reduce=drawn["reduce"], db_range=drawn["db_range"]
            )
            images, windows = load(folder, quiet=True)
            answers = {
                "uniform": np.full((len(windows), 6), 1 / 6),
                "mean vote of the sample": np.tile(mean_vote(index), (len(windows), 1)),
                **answers_of(output_dir, images),
            }
        sources = pd.read_csv(real / "sources.csv").set_index("eeg_id").source[windows.eeg_id]
        parts.append((answers, windows[list(VOTE_COLUMNS)].to_numpy(), sources.to_numpy()))
    answers = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    votes, sources = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    report(answers, votes, np.array([source.split("/")[0] for source in sources]), sources)


if __name__ == "__main__":
    main()
