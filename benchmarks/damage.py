"""Recordings damaged in 20 ways among good ones: none may stop the others.

    python benchmarks/damage.py [--good 1000] [--each 10] [--engine tensorflow]

The good ones are a few of the sample's under many ids; the network is untrained.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hms_utils import drawing, ensemble, inference, paths, sample, submission
from hms_utils.constants import VOTE_COLUMNS

N_PATIENTS = 20  # of whom each has one good test recording
REDUCE = (4, 4)


def edit(change):
    """Return what reads a parquet file as a table, changes it, and writes it."""

    def apply(path):
        table = pd.read_parquet(path)
        path.unlink()  # it is a link
        change(table).to_parquet(path)

    return apply


def cut(size):
    def apply(path):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:size])

    return apply


def scramble(path):
    path.unlink()
    path.write_bytes(np.random.default_rng(0).bytes(50_000))


def make_folder(path):
    path.unlink()
    path.mkdir()


def repeat_column(path):
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(
        pa.Table.from_arrays([*table.columns, table.column("T3")], [*table.column_names, "T3"]),
        path,
    )


def infinite(table):
    table.loc[100:110, "Fp1"] = np.inf
    return table


# For each kind: which file is damaged, how, words of the reason, and whether the
# recording is answered by the networks all the same.
KINDS = {
    "no EEG file": ("eeg", Path.unlink, "expected a parquet file, found none", False),
    "EEG is a folder": ("eeg", make_folder, "expected a parquet file, found none", False),
    "EEG of no bytes": ("eeg", cut(0), "expected a whole parquet file", False),
    "EEG cut off": ("eeg", cut(5000), "expected a whole parquet file", False),
    "EEG of random bytes": ("eeg", scramble, "expected a whole parquet file", False),
    "EEG without rows": ("eeg", edit(lambda t: t[:0]), "expected 50 s", False),
    "EEG of 49 s": ("eeg", edit(lambda t: t[: 49 * 200]), "found 49 s", False),
    "EEG without T3": ("eeg", edit(lambda t: t.drop(columns="T3")), "missing ['T3']", False),
    "T3 in words": ("eeg", edit(lambda t: t.assign(T3="high")), "expected numbers in T3", False),
    "T3 twice": ("eeg", repeat_column, "found ['T3'] again", False),
    "EEG all missing": ("eeg", edit(lambda t: t * np.nan), "no signal in any electrode", False),
    "EEG all flat": ("eeg", edit(lambda t: t * 0 + 5), "no signal in any electrode", False),
    "EEG in picovolts": ("eeg", edit(lambda t: t * 1e6), "expected EEG in microvolts", False),
    "EEG with infinity": ("eeg", edit(infinite), "infinite values, taken as missing", True),
    "EEG of 100 s": ("eeg", edit(lambda t: pd.concat([t, t])), "longer than 10000 rows", True),
    "no spectrogram file": ("spectrogram", Path.unlink, "found none", True),
    "spectrogram cut off": ("spectrogram", cut(9000), "expected a whole parquet file", True),
    "spectrogram without a frequency": (
        "spectrogram",
        edit(lambda t: t.drop(columns="LL_4.1")),
        "missing ['LL_4.1']",
        True,
    ),
    "spectrogram from 3 s on": (
        "spectrogram",
        edit(lambda t: t.assign(time=t.time + 2)),
        "expected time 1, 3, 5, …, found 3",
        True,
    ),
    "spectrogram all missing": (
        "spectrogram",
        edit(lambda t: t.assign(**dict.fromkeys(t.columns[1:], np.nan))),
        "the spectrogram is empty",
        True,
    ),
}


def make_data(source, folder, n_good, n_each):
    """Write a test set of good and damaged recordings, in random order.

    Parameters
    ----------
    source : Path
        A data set in the competition's layout, whose test recordings are good.
    folder : Path
        New.
    n_good, n_each : int
        Good recordings, and damaged ones of each kind.

    Returns
    -------
    Series
        The kind of each eeg_id, "" for the good ones.
    """
    given = inference.read_test(source)
    for name in ("eegs", "spectrograms"):
        (folder / f"test_{name}").mkdir(parents=True)
    kinds = [""] * n_good + list(KINDS) * n_each
    kinds = [kinds[k] for k in np.random.default_rng(0).permutation(len(kinds))]
    rows = []
    for number, kind in enumerate(kinds):
        row = given.iloc[number % len(given)]
        ids = {"eeg": 10_000 + number, "spectrogram": 50_000 + number}
        files = {name: folder / f"test_{name}s" / f"{ids[name]}.parquet" for name in ids}
        for name, path in files.items():
            os.link(source / f"test_{name}s" / f"{row[f'{name}_id']}.parquet", path)
        if kind:
            damaged, damage, *_ = KINDS[kind]
            damage(files[damaged])
        rows.append((ids["spectrogram"], ids["eeg"], number))
    table = pd.DataFrame(rows, columns=["spectrogram_id", "eeg_id", "patient_id"])
    table.to_csv(folder / "test.csv", index=False)
    return pd.Series(kinds, table.eeg_id)


def faults(kinds, answers, problems, prior):
    """Yield what did not go as it should.

    Parameters
    ----------
    kinds : Series
        As `make_data` returns it.
    answers, problems
        As `inference.predict` returns them.
    prior : list of float
    """
    reasons = problems.set_index("eeg_id").reason
    for eeg_id, kind, answer in zip(kinds.index, kinds, answers, strict=True):
        _, _, words, answered = KINDS[kind] if kind else ("", "", "", True)
        reason = reasons.get(eeg_id, "")
        if np.allclose(answer, prior) == answered:
            yield f"{eeg_id} ({kind or 'good'}): {'not ' if answered else ''}answered: {reason}"
        if bool(kind) != bool(reason) or words not in reason:
            yield f'{eeg_id} ({kind or "good"}): expected "{words}", found "{reason}"'


def seal_untrained(folder, networks, *, reduce, views=drawing.VIEWS, n_folds=2):
    """Write untrained networks whose answers depend on their images, as notebook 5 does.

    Parameters
    ----------
    folder : Path
    networks : dict of str to (callable, float)
        What builds a network from the number of views and the shape of a tile, and by
        what its last weights are multiplied: without training answers hardly differ.
    reduce : tuple of int
        By what tiles are shrunk.
    views : sequence of str
    n_folds : int
    """
    from hms_utils.backend import keras

    for name, (build, factor) in networks.items():
        for fold in range(n_folds):
            keras.utils.set_random_seed(fold)
            model = build(len(views), (128 // reduce[0], 256 // reduce[1]))
            weights, bias = model.get_layer("logits").get_weights()
            model.get_layer("logits").set_weights([factor * weights, bias])
            path = folder / "models" / name / f"fold{fold}.keras"
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(path)
            key = {"data": "images", "views": list(views)}
            paths.write_json(path.with_suffix(".json"), {"key": key})
    train = folder / "spectrograms" / "train"
    paths.write_json(train / "settings.json", {"reduce": reduce, "db_range": [-20, 40]})
    paths.write_json(train / "source.json", {"data": "/data", "synthetic": True})
    votes = pd.DataFrame([[1, 2, 3, 4, 5, 6]], columns=list(VOTE_COLUMNS))
    fitted = {
        name: {"temperature": 1.0 + 0.2 * k, "share": 1 / len(networks)}
        for k, name in enumerate(networks)
    }
    ensemble.seal(folder, fitted, votes.assign(n_votes=21), 10.0)


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--good", default=1000, show_default=True, help="Good recordings.")
@click.option("--each", default=10, show_default=True, help="Damaged ones of each kind.")
@click.option("--engine", default="tensorflow", show_default=True, help="Or onnx.")
def main(good, each, engine):
    from hms_utils import models

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sample.generate(folder / "sample", n_patients=4 * N_PATIENTS, seed=0)
        kinds = make_data(folder / "sample", folder / "data", good, each)
        networks = {"cnn": (models.build_cnn, 20)}
        seal_untrained(folder, networks, reduce=REDUCE, n_folds=1)
        opened = ensemble.Ensemble(folder, engine)
        test = inference.read_test(folder / "data")
        started = time.perf_counter()
        answers, problems = inference.predict(test, folder / "data", opened, budget_hours=1)
        seconds = time.perf_counter() - started
        submission.write(test.eeg_id, answers, test, folder / "submission.csv")
        findings = submission.diagnose(folder / "submission.csv", test)
        shutil.rmtree(folder / "data")
    reasons = problems.set_index("eeg_id").reason
    for kind in KINDS:
        ids = [eeg_id for eeg_id in kinds.index[kinds == kind] if eeg_id in reasons]
        print(f"{kind:<32}{len(ids):4d} listed: {reasons.get(ids[0] if ids else None, 'none')}")
    wrong = list(faults(kinds, answers, problems, opened.settings["prior"]))
    print(*wrong, *findings.finding, sep="\n")
    print(
        f"{(kinds == '').sum()} good and {(kinds != '').sum()} damaged recordings of {len(KINDS)} "
        f"kinds in {seconds:.0f} s: {len(wrong)} not as they should be, the checker found "
        f"{len(findings)}"
    )
    sys.exit(1 if wrong or (findings.level == "error").any() else 0)


if __name__ == "__main__":
    main()
