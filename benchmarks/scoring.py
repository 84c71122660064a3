"""Speed of scoring 106,800 rows, as ratios to limits and to Kaggle's own way.

    python benchmarks/scoring.py

The peer for arrays is a bare sum of SciPy's relative entropy; for tables it is the
competition's metric as its rules describe it, column by column and without a join.
"""

import time

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from hms_utils.constants import VOTE_COLUMNS
from hms_utils.scores import bootstrap, metric

N_ROWS, N_PATIENTS, REPEATS = 106_800, 1_950, 15


def best_ms(function, *arguments):
    """Return the shortest of several runs, milliseconds."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        function(*arguments)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds)


def bare(shares, prediction):
    clipped = np.clip(prediction, metric.EPSILON, 1 - metric.EPSILON)
    return rel_entr(shares, clipped).sum() / len(shares)


def columnwise(solution, submission):
    """Score as Kaggle does: checks of whole tables, then a sum of columns."""
    solution, submission = solution.drop(columns="eeg_id"), submission.drop(columns="eeg_id")
    for table in (solution, submission):
        if not pd.api.types.is_numeric_dtype(table.to_numpy()):
            raise ValueError("not numeric")
        if table.min().min() < 0 or table.max().max() > 1:
            raise ValueError("not between zero and one")
        if not np.allclose(table.sum(axis=1), 1):
            raise ValueError("does not add to one")
    for column in solution:
        clipped = np.clip(submission[column], metric.EPSILON, 1 - metric.EPSILON)
        share = solution[column].astype(float)
        some = share != 0
        share.loc[some] = share.loc[some] * np.log(share.loc[some] / clipped.loc[some])
        share.loc[~some] = 0
        solution[column] = share
    return np.average(solution.sum(axis=1))


def main():
    rng = np.random.default_rng(0)
    votes = rng.multinomial(12, np.full(6, 1 / 6), N_ROWS)
    shares, prediction = votes / 12, rng.dirichlet(np.ones(6), N_ROWS)
    assert np.isclose(metric.kl_divergence(votes, prediction), bare(shares, prediction))
    peer = best_ms(bare, shares, prediction)
    own = best_ms(metric.kl_divergence, votes, prediction)
    print(f"arrays: {own:.1f} ms, bare rel_entr {peer:.1f} ms: {own / peer:.2f} (at most 0.8)")

    tables, ids = [], rng.choice(2**31, N_ROWS, replace=False)
    for values in (shares, prediction):
        tables.append(pd.DataFrame(values, columns=list(VOTE_COLUMNS)))
        tables[-1].insert(0, "eeg_id", ids)
    assert np.isclose(metric.score(*tables), columnwise(*tables))
    peer, own = best_ms(columnwise, *tables), best_ms(metric.score, *tables)
    print(
        f"tables: {own:.1f} ms, Kaggle's way {peer:.1f} ms: {peer / own:.1f} times (at least 1.5)"
    )
    tables[1] = tables[1].sample(frac=1, random_state=0)
    print(
        f"  with shuffled rows, which Kaggle's way cannot: {best_ms(metric.score, *tables):.1f} ms"
    )

    rows, patients = rng.random(N_ROWS), rng.integers(0, N_PATIENTS, N_ROWS)
    seconds = best_ms(bootstrap.interval, rows, patients) / 1000
    print(f"bootstrap, 2,000 replicates of {N_PATIENTS} patients: {seconds:.2f} s (at most 2)")


if __name__ == "__main__":
    main()
