"""How fast the sample is made, in how much memory, and how it compares with the real table.

    python benchmarks/sample.py [--patients 20 --patients 80] [--real FOLDER]

Patients have as many recordings as real ones. The table is compared without signals.
Linux only: memory is read from /proc.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import joblib
import numpy as np

from hms_utils.constants import VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import load_metadata, read_eeg, vote_shares
from hms_utils.sample.reality import (
    REAL_AMPLITUDES,
    REAL_TABLE,
    amplitude_percentiles,
    draw_table,
    table_figures,
)
from hms_utils.scores import kl_divergence


def amplitudes(folder):
    """Return `amplitude_percentiles` of each recording with a signal, (n_recordings, 3)."""
    eegs = (read_eeg(path) for path in sorted((folder / "train_eegs").glob("*.parquet")))
    return np.array([amplitude_percentiles(eeg) for eeg in eegs if not np.isnan(eeg).all()])


def _memory(pid):
    """Return the resident memory of a process and those it started, MB, proportional shares."""
    pids = [pid]
    for parent in pids:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        if children.exists():
            pids += [int(child) for child in children.read_text().split()]
    sizes = [0.0]
    for each in pids:
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
        except OSError:
            continue  # it has ended
    return sizes


def measure(folder, patients):
    """Make a sample in a process of its own; print rows per second and core, and memory."""
    command = [sys.executable, "-m", "hms_utils", "sample"]
    command += ["--out", str(folder), "--patients", str(patients), "--max-eegs", "0"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    largest = total = 0
    while process.poll() is None:
        sizes = _memory(process.pid)
        largest, total = max(largest, *sizes), max(total, sum(sizes))
        time.sleep(0.2)
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)} failed")
    seconds, cores = time.perf_counter() - start, joblib.cpu_count()
    rows = load_metadata(folder, "train")
    n_rows = len(rows) + len(load_metadata(folder, "test"))
    distinct = len(rows.drop_duplicates(["eeg_id", *VOTE_COLUMNS])) + n_rows - len(rows)
    print(
        f"{patients:5d} patients: {n_rows} label windows ({distinct} of distinct votes) in "
        f"{seconds:.0f} s on {cores} cores: {n_rows / seconds / cores:.1f} a second and core "
        f"(asked: 10; of distinct votes {distinct / seconds / cores:.1f}); memory: largest process "
        f"{largest:.0f} MB (asked: 500), all {total:.0f} MB"
    )


@click.command()
@click.option("--patients", multiple=True, default=(20, 80), show_default=True)
@click.option("--real", type=click.Path(exists=True, path_type=Path), help="Real recordings.")
def main(patients, real):
    """Print speed and memory at each size, then compare 1,000 patients with the real table."""
    with tempfile.TemporaryDirectory() as temporary:
        for size in patients:
            folder = Path(temporary) / str(size)
            measure(folder, size)
        rows = draw_table(1000)
        print(f"\n{'':44s}{'real':>8s}{'sample':>8s}")
        for name, value in table_figures(rows).items():
            print(f"{name:44s}{REAL_TABLE[name][0]:8.3f}{value:8.3f}")
        distinct = rows.drop_duplicates(["eeg_id", *VOTE_COLUMNS])
        distinct = distinct[distinct[list(VOTE_COLUMNS)].sum(axis=1) >= WELL_VOTED]
        truth = distinct[[f"true_{name}" for name in VOTE_COLUMNS]]
        floor = kl_divergence(vote_shares(distinct), truth)
        print(f"{'floor, >= 10 votes':44s}{0.124:8.3f}{floor:8.3f}")
        if real:
            print("\nSize of the 16 differences, µV: 10th, 50th, 90th percentile of recordings")
            for name, where in (("real", real), ("sample", folder)):
                table = np.percentile(amplitudes(where), [10, 50, 90], axis=0).T
                for percentile, values in zip(REAL_AMPLITUDES, table, strict=True):
                    print(f"{name:8s}{percentile}th of samples {values.round(1)}")


if __name__ == "__main__":
    main()
