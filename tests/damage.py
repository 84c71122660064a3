"""Recordings damaged in 20 ways among good ones: none may stop the others.

The good ones are a few of the sample's under many ids.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hms_utils import eeg


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
    given = eeg.read_test(source)
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
        As `answers.predict_test` returns them.
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
