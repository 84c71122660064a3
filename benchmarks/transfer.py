"""How models trained on the sample alone do on real recordings.

    python -m hms_utils sample --patients 500 --out D
    python -m hms_utils run --quick --data-dir D --output-dir O -p MAX_PATIENTS=0 -p REDUCE=[2,2]
    python benchmarks/transfer.py --output-dir O --real FOLDER

FOLDER is in the competition's layout, with a table `sources.csv` of eeg_id and
source. Nothing is fitted to it.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd

from hms_utils import eeg
from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.images import cache
from hms_utils.networks import Ensemble
from hms_utils.scores import metric

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--output-dir", required=True, type=FOLDER, help="Of a chain run on the sample.")
@click.option("--real", required=True, type=FOLDER, help="Real recordings.")
def main(output_dir, real):
    """Print the KL divergence of each model per source, and each recording's answer."""
    _, index = cache.load(output_dir / "spectrograms" / "train")
    windows = eeg.select_windows(eeg.load_metadata(real, "train"))
    ensemble = Ensemble(output_dir)
    drawn = ensemble.settings["images"]
    with tempfile.TemporaryDirectory() as temporary:
        images, windows = cache.load(cache.build(windows, real, temporary, **drawn))
        mean = eeg.vote_shares(index).mean(axis=0)
        answers = {
            "uniform": np.full((len(windows), 6), 1 / 6),
            "mean vote of the sample": np.tile(mean, (len(windows), 1)),
            **ensemble.answers(images),
            "blend": ensemble.predict(images),
        }

    votes = windows[list(VOTE_COLUMNS)].to_numpy()
    sources = pd.read_csv(real / "sources.csv").set_index("eeg_id").source[windows.eeg_id]
    kinds = sources.str.split("/").str[0].to_numpy()
    for kind in np.unique(kinds):
        rows = kinds == kind
        print(f"\n{kind}, {rows.sum()} recordings")
        for name, probabilities in answers.items():
            divergence = metric.row_divergence(votes[rows], probabilities[rows])
            low, high = np.percentile(
                np.random.default_rng(0).choice(divergence, (2000, rows.sum())).mean(axis=1),
                [2.5, 97.5],
            )
            hits = (probabilities[rows].argmax(axis=1) == votes[rows].argmax(axis=1)).sum()
            print(
                f"  {name:24s} KL {divergence.mean():.3f} ({low:.3f} to {high:.3f}), "
                f"{hits} of {rows.sum()} classes right"
            )
    print()
    table = pd.DataFrame(answers["blend"].round(2), columns=list(CLASSES))
    table.insert(0, "votes", [" ".join(map(str, row)) for row in votes])
    table.insert(0, "recording", sources.to_numpy())
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
