"""How fast recordings become images, as ratios against named peers and limits.

    OMP_NUM_THREADS=1 python benchmarks/spectrograms.py [--patients 60]

One thread against one thread; each figure is the median of runs that alternate
with its peer's. Linux only: memory is read from /proc.
"""

import subprocess
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path

import click
import librosa
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import signal
from threadpoolctl import threadpool_limits

from hms_utils import sample
from hms_utils.constants import CHAINS, EEG_COLUMNS, EEG_SECONDS, SFREQ
from hms_utils.eeg import load_metadata, montage, read_eeg, select_windows
from hms_utils.images import cache, competition_spectrogram, mel, mel_spectrogram
from hms_utils.images.wave import wave_image

N_ALTERNATIONS = 15
_BUILD = """
import sys
import pandas as pd
from hms_utils.images import cache
cache.build(pd.read_parquet(sys.argv[1]), sys.argv[2], sys.argv[3], n_jobs=1)
"""


def alternate(*functions):
    """Return the median seconds of each function, run in turn."""
    times = np.empty((N_ALTERNATIONS, len(functions)))
    for row in times:
        for column, function in enumerate(functions):
            start = time.perf_counter()
            function()
            row[column] = time.perf_counter() - start
    return np.median(times, axis=0)


def librosa_loop(eeg):
    """The public notebooks' image of one window, by librosa: the peer."""
    chains = []
    for front_to_back in CHAINS.values():
        images = []
        for front, back in pairwise(front_to_back):
            wave = (eeg[front] - eeg[back]).to_numpy()
            mean = np.nanmean(wave)
            wave = np.nan_to_num(wave, nan=mean) if np.isfinite(mean) else wave * 0
            mel = librosa.feature.melspectrogram(
                y=wave,
                sr=SFREQ,
                hop_length=len(wave) // 256,
                n_fft=1024,
                n_mels=128,
                fmin=0,
                fmax=20,
                win_length=128,
            )
            images.append((librosa.power_to_db(mel, ref=np.max)[:, :256] + 40) / 40)
        chains.append(np.mean(images, axis=0))
    return np.stack(chains).astype(np.float32)


def public_loop(windows, data_dir):
    """The peer over files: pandas, librosa, one view."""
    for row in windows.itertuples():
        eeg = pd.read_parquet(data_dir / "train_eegs" / f"{row.eeg_id}.parquet")
        start = int(row.eeg_label_offset_seconds) * SFREQ
        librosa_loop(eeg[start : start + EEG_SECONDS * SFREQ])


def read_files(windows, data_dir):
    """The limit: pyarrow reads the same files, once each, on one core."""
    files = [data_dir / "train_eegs" / f"{each}.parquet" for each in windows.eeg_id.unique()]
    files += [
        data_dir / "train_spectrograms" / f"{each}.parquet"
        for each in windows.spectrogram_id.unique()
    ]
    for file in files:
        pq.read_table(file, use_threads=False)


def mel_figures(window):
    """Compare `mel_spectrogram` with the librosa loop and with its bare matrix products."""
    frame = pd.DataFrame(window, columns=list(EEG_COLUMNS))
    to_bins, to_waves = mel._windowed_dft(mel.N_WINDOW)
    frames = np.random.default_rng(0).normal(size=(16, 257, mel.N_WINDOW))

    def products():
        for each in frames:
            to_bins @ (to_waves @ each.T).astype(np.float32)

    own, peer, bound = alternate(
        lambda: mel_spectrogram(window), lambda: librosa_loop(frame), products
    )
    print(
        f"mel_spectrogram: {own * 1e3:.1f} ms, librosa loop {peer * 1e3:.1f} ms: "
        f"{peer / own:.1f} times as fast (asked: 8, aim 12); bare matrix products "
        f"{bound * 1e3:.1f} ms"
    )


def wave_figures(window):
    """Compare `wave_image` with the filter alone, forth and back by SciPy over as many seconds."""
    differences = montage.bipolar(window)
    band = signal.butter(4, [0.5, 20], "bandpass", fs=SFREQ, output="sos")
    part = differences[:, 15 * SFREQ : 35 * SFREQ]
    own, peer = alternate(
        lambda: wave_image(differences), lambda: signal.sosfiltfilt(band, part, axis=1)
    )
    print(
        f"wave_image: {own * 1e3:.1f} ms (asked: 3), scipy's filter alone {peer * 1e3:.1f} ms: "
        f"{peer / own:.1f} times as fast"
    )


def competition_figures(window):
    """Print how many seconds of EEG `competition_spectrogram` takes in a second."""
    course = np.tile(window, (12, 1))
    (own,) = alternate(lambda: competition_spectrogram(course))
    print(
        f"competition_spectrogram: {len(course) / SFREQ / own:.0f} s of EEG a second (asked: 2000)"
    )


def build_figures(windows, data_dir, folder):
    """Compare the whole build, one process and two, with reading and with the public loop."""
    few = windows.drop_duplicates("eeg_id")[:40]
    seconds = {1: [], 2: [], "read": [], "peer": []}
    for turn in range(3):
        start = time.perf_counter()
        public_loop(few, data_dir)
        seconds["peer"].append((time.perf_counter() - start) / len(few) * len(windows))
        start = time.perf_counter()
        read_files(windows, data_dir)
        seconds["read"].append(time.perf_counter() - start)
        for n_jobs in (1, 2):
            start = time.perf_counter()
            cache.build(windows, data_dir, folder / f"{n_jobs}-{turn}", n_jobs=n_jobs)
            seconds[n_jobs].append(time.perf_counter() - start)
    one, two, read, peer = (np.median(seconds[key]) for key in (1, 2, "read", "peer"))
    start = time.perf_counter()
    cache.build(windows, data_dir, folder / "1-0", n_jobs=1)
    again = time.perf_counter() - start
    print(
        f"cache.build, {len(windows)} windows of {windows.eeg_id.nunique()} recordings, four "
        f"views: {one:.1f} s on one core\n"
        f"  {one / read:.1f} times what pyarrow takes to read the files, {read:.1f} s (asked: 3)\n"
        f"  {peer / one:.1f} times as fast as the public loop of one view, {peer:.0f} s by "
        f"{len(few)} windows (asked: 4)\n"
        f"  {one / two:.2f} times as fast on two cores\n"
        f"  {again:.2f} s for a second run with nothing to do (asked: 1)"
    )


def peak_memory(windows, data_dir, folder):
    """Return the most memory of a build in a process of its own, MB, and its seconds."""
    folder.mkdir()
    windows.to_parquet(folder / "windows.parquet")
    command = [sys.executable, "-c", _BUILD]
    command += [str(folder / "windows.parquet"), str(data_dir), str(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            break  # it has just ended
        # Pages of the mapped images can be dropped at any time and are not counted.
        peak = max([peak, *(int(x.split()[1]) / 1024 for x in lines if x.startswith("Anonymous"))])
        time.sleep(0.05)
    if process.wait():
        raise click.ClickException("the build failed")
    return peak, time.perf_counter() - start


def multiply(windows, data_dir, number):
    """Return `number` windows of recordings of their own, links to those that there are."""
    copies = []
    for copy in range(-(-number // len(windows))):
        shift = copy * 2**32
        for folder in ("train_eegs", "train_spectrograms"):
            for file in list((data_dir / folder).glob("*.parquet")) if copy else ():
                if int(file.stem) < 2**32:
                    file.with_name(f"{int(file.stem) + shift}.parquet").symlink_to(file)
        ids = {"eeg_id": windows.eeg_id + shift, "spectrogram_id": windows.spectrogram_id + shift}
        copies.append(windows.assign(**ids))
    return pd.concat(copies, ignore_index=True)[:number]


@click.command()
@click.option("--patients", default=120, show_default=True, help="Size of the sample.")
def main(patients):
    """Make a sample and print every figure."""
    warnings.filterwarnings("ignore", message="Empty filters")
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(1):
        folder = Path(temporary)
        sample.generate(folder / "data", n_patients=patients, seed=0)
        metadata = load_metadata(folder / "data", "train")
        windows = select_windows(metadata)
        row = windows.iloc[0]
        eeg = read_eeg(folder / "data" / "train_eegs" / f"{row.eeg_id}.parquet")
        window = montage.fill_gaps(eeg[: EEG_SECONDS * SFREQ].T).T
        mel_figures(window)
        wave_figures(window)
        competition_figures(window)
        build_figures(windows, folder / "data", folder)
        many = multiply(windows, folder / "data", 5000)
        for number in (100, 1000, 5000):
            rows = many[:number]
            memory, seconds = peak_memory(rows, folder / "data", folder / f"memory-{number}")
            print(f"{number} windows: {memory:.0f} MB at most (asked: 600), {seconds:.0f} s")


if __name__ == "__main__":
    main()
