"""How far models close the distance from the prior's divergence to the floor's.

    python -m hms_utils sample --patients 400 --seed 5 --out D
    run="python -m hms_utils run --data-dir D --output-dir O"
    $run --only 02 -p MAX_PATIENTS=0 -p REDUCE=[2,2]
    $run --only 03 -p EPOCHS=32 -p WELL_EPOCHS=5 -p VIEWS="eeg50 eeg10 kaggle600"
    $run --only 04 -p EPOCHS=16 -p WELL_EPOCHS=3
    python benchmarks/floor.py --data-dir D --output-dir O

The prior answers with the mean vote of other patients' rows of the same group, the floor
is a lower bound: the score of who knows the distribution that votes were drawn from.
Networks get the temperatures and shares that suit other folds.
"""

from pathlib import Path

import click
import pandas as pd

from hms_utils import sample, scores
from hms_utils.constants import PREDICTION_COLUMNS, VOTE_COLUMNS

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ASKED = {"cnn": 0.70, "efficientnet_b0": 0.75, "blend": 0.85}  # at ten or more votes


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--data-dir", type=FOLDER, required=True)
@click.option("--output-dir", type=FOLDER, required=True)
def main(data_dir, output_dir):
    networks = {}
    for name in ("cnn", "efficientnet_b0"):
        oof = pd.read_parquet(output_dir / "oof" / f"{name}.parquet")
        networks[name] = oof[list(PREDICTION_COLUMNS)].to_numpy(float)
    votes, fold = oof[list(VOTE_COLUMNS)].to_numpy(), oof.fold.to_numpy()
    answers = {
        name: scores.blend_out_of_fold(votes, {name: networks[name]}, fold) for name in networks
    }
    answers["blend"] = scores.blend_out_of_fold(votes, networks, fold)
    truth = sample.read_truth(data_dir, oof.label_id)
    card = scores.scorecard(oof, answers, truth=truth)
    print(card.round(3).to_string(index=False))
    closed = scores.closed(oof, answers, truth=truth)
    print(scores.sentences.closed(closed))
    print("asked:", ", ".join(f"{name} {share:.0%}" for name, share in ASKED.items()))


if __name__ == "__main__":
    main()
