"""How like real EEG the sample is: a two-sample test on named numbers of ten seconds.

    python benchmarks/realism.py --sample D --real FOLDER [--real FOLDER] [--pictures P]

All folders are in the competition's layout. Of each EEG the first window is
taken of which one class has three quarters of the votes, and of it the central
ten seconds, which the experts labelled: the double banana, 0.5 to 40 Hz. The real
ones are agreed cases, so of the sample only rows of panels count: three raters who
agree may do so on a look that is not clear.

The test (Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR
2017) asks a random forest which windows are real. An area under its curve of .5
means that it cannot tell, 1 that it always can.
"""

from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import signal
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from hms_utils.constants import CLASSES, EEG_SECONDS, LABEL_SECONDS, SFREQ, VOTE_COLUMNS, WELL_VOTED
from hms_utils.eeg import bipolar, bridge_gaps, load_metadata, read_eeg

PATTERNS = ("GPD", "GRDA", "LPD", "LRDA")
BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_BAND_PASS = signal.butter(4, [0.5, 40], "bandpass", fs=SFREQ, output="sos")
_MOST_MISSING = 0.5  # share of a window
_TREES, _REPEATS = 300, 8  # of the cross-validation, each with other folds


def banana(eeg):
    """Return the double banana of a window, 0.5 to 40 Hz, (16, n_samples), microvolts."""
    differences = bridge_gaps(bipolar(eeg))
    differences -= differences.mean(axis=1, keepdims=True)
    return signal.sosfiltfilt(_BAND_PASS, differences, axis=1)


def numbers(eeg):
    """Return named numbers of a window.

    Parameters
    ----------
    eeg : ndarray of float32, shape (n_samples, 20)
        Microvolts, columns as in an EEG file.

    Returns
    -------
    dict of str to float
        Of the strongest difference: `kurtosis`; `crest`, its 99th percentile
        against its median; `skewness` without its sign; `regularity`, the
        largest autocorrelation at lags of 0.25 to 2 s; `peak Hz` of its density
        and `peak height` above the neighbourhood; `line length` a second over
        its size. Of all: the rest.
    """
    waves = banana(eeg)
    size = waves.std(axis=1) + 1e-3
    strong = waves[size.argmax()] / size.max()
    frequencies, density = signal.welch(waves, SFREQ, nperseg=2 * SFREQ, axis=1)
    density += 1e-8
    inside = (frequencies >= 0.5) & (frequencies <= 30)
    share = {}
    for name, (low, high) in BANDS.items():
        chosen = (frequencies >= low) & (frequencies < high)
        share[name] = density[:, chosen].sum(axis=1) / density[:, inside].sum(axis=1)
    fine, own = signal.welch(strong, SFREQ, nperseg=5 * SFREQ)
    slow = (fine >= 0.4) & (fine <= 12)
    peak = fine[slow][own[slow].argmax()]
    around = own[(fine >= peak / 2) & (fine <= 2 * peak)]
    typical = np.exp(np.log(density).mean(axis=0))
    fast = (frequencies >= 10) & (frequencies <= 35)
    lags = np.arange(SFREQ // 4, 2 * SFREQ)
    repeats = [np.mean(strong[lag:] * strong[:-lag]) for lag in lags]
    seconds = waves.reshape(len(waves), -1, SFREQ).std(axis=2)
    power = (size**2).reshape(4, 4)  # chains LL, RL, LP, RP from front to back
    sides = power[[0, 2]].sum() / power[[1, 3]].sum()
    left, right = waves.reshape(4, 4, -1)[[0, 2]], waves.reshape(4, 4, -1)[[1, 3]]
    chains = waves.reshape(4, 4, -1)
    return {
        "amplitude": np.log10(np.median(size)),
        "strongest / median": np.log10(size.max() / np.median(size)),
        "weakest / median": np.log10(size.min() / np.median(size)),
        **{f"{name} share": np.median(each) for name, each in share.items()},
        "slope 10-35 Hz": np.polyfit(np.log(frequencies[fast]), np.log(typical[fast]), 1)[0],
        "spread of beta": np.log10(size**2 * share["beta"]).std(),
        "kurtosis": np.log(np.mean(strong**4)),
        "skewness": abs(np.mean(strong**3)),
        "crest": np.log(np.divide(*np.percentile(np.abs(strong), [99, 50]))),
        "regularity": max(repeats),
        "peak Hz": np.log(peak),
        "peak height": np.log(own[slow].max() / np.median(around)),
        "line length": np.log(np.abs(np.diff(strong)).mean() * SFREQ),
        "change by second": (seconds.std(axis=1) / (seconds.mean(axis=1) + 1e-3)).mean(),
        "coherence of neighbours": _coherence(chains[:, :-1], chains[:, 1:]),
        "coherence of sides": _coherence(left, right),
        "left-right asymmetry": abs(np.log(sides)),
        "front share": power[:, 0].sum() / power.sum(),
        "temporal share": power[:2].sum() / power.sum(),
    }


def _coherence(first, second):
    """Return the mean coherence of pairs of signals, 1 to 12 Hz."""
    with np.errstate(invalid="ignore"):
        frequencies, coherence = signal.coherence(first, second, SFREQ, nperseg=SFREQ, axis=-1)
    chosen = coherence[..., (frequencies >= 1) & (frequencies <= 12)]
    return float(np.nan_to_num(chosen).mean())  # a flat signal is like no other


def windows(folder, min_votes=1):
    """Yield class, id and central ten seconds of each EEG with a clear majority.

    Left out are those that are mostly missing or flat, and rows with fewer votes.
    """
    rows = load_metadata(folder, "train")
    votes = rows[list(VOTE_COLUMNS)].to_numpy()
    clear = votes.max(axis=1) >= 0.75 * votes.sum(axis=1)
    rows = rows[clear & (votes.sum(axis=1) >= min_votes)].drop_duplicates("eeg_id")
    lead = (EEG_SECONDS - LABEL_SECONDS) // 2
    for row in rows.itertuples():
        eeg = read_eeg(folder / "train_eegs" / f"{row.eeg_id}.parquet")
        start = (int(row.eeg_label_offset_seconds) + lead) * SFREQ
        window = eeg[start : start + LABEL_SECONDS * SFREQ]
        missing = np.isnan(window[:, :-1]) | (window[:, :-1] == 0)
        if missing.mean() <= _MOST_MISSING:
            yield row.expert_consensus, row.eeg_id, window


def table(found):
    """Return `numbers` of what `windows` yields, a DataFrame with the class as index."""
    rows = [(name, numbers(window)) for name, _, window in found]
    return pd.DataFrame([row for _, row in rows], index=[name for name, _ in rows])


def two_sample_test(real, sample, seed=0):
    """Return the forest's area under the curve and its 95 % interval.

    Parameters
    ----------
    real, sample : DataFrame
        As `table` returns them.
    seed : int

    Returns
    -------
    auc, low, high : float
        Out of fold, mean of repeated cross-validations; the interval is a
        bootstrap over windows of the mean answers.
    """
    x = pd.concat([real, sample]).to_numpy()
    y = np.repeat([1, 0], [len(real), len(sample)])
    answers, areas = np.zeros(len(y)), []
    for repeat in range(_REPEATS):
        forest = RandomForestClassifier(
            _TREES,
            min_samples_leaf=3,
            class_weight="balanced_subsample",
            random_state=seed + repeat,
        )
        folds = StratifiedKFold(min(5, len(real)), shuffle=True, random_state=seed + repeat)
        own = cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]
        areas.append(roc_auc_score(y, own))
        answers += own / _REPEATS
    rng, draws = np.random.default_rng(seed), []
    for _ in range(1000):
        own, other = (
            rng.integers(0, len(real), len(real)),
            rng.integers(0, len(sample), len(sample)),
        )
        chosen = np.r_[own, len(real) + other]
        draws.append(roc_auc_score(y[chosen], answers[chosen]))
    spread = np.percentile(draws, [2.5, 97.5]) - np.mean(draws)
    return np.mean(areas), *(np.mean(areas) + spread).clip(0, 1)


def tell_tales(real, sample):
    """Return for each number how far it alone tells real from sample, worst first, a DataFrame."""
    y = np.repeat([1, 0], [len(real), len(sample)])
    rows = {}
    for name in real:
        area = roc_auc_score(y, np.r_[real[name], sample[name]])
        quartiles = [np.percentile(each[name], [25, 50, 75]) for each in (real, sample)]
        # How much of the middle half of the real is covered, and how much too wide it is.
        spread = np.subtract(*quartiles[1][[2, 0]]) / np.subtract(*quartiles[0][[2, 0]])
        rows[name] = [area, quartiles[0][1], quartiles[1][1], spread]
    columns = ["AUC alone", "real median", "sample median", "spread, sample / real"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.sort_values("AUC alone", key=lambda area: -(area - 0.5).abs())


def balanced(real, sample):
    """Return the rows of `sample` thinned to the classes' proportions in `real`."""
    counts = real.index.value_counts()
    n_each = min(sample.index.value_counts().reindex(counts.index, fill_value=0) / counts)
    return pd.concat([sample.loc[[name]].iloc[: int(n_each * n)] for name, n in counts.items()])


def report(real, sample):
    """Print the tests by class and together, and what gives the sample away."""
    for name in CLASSES:
        own = real[real.index == name], sample[sample.index == name]
        if min(map(len, own)) < 5:
            print(f"{name:12s} real {len(own[0])}, sample {len(own[1])}: too few")
            continue
        auc, low, high = two_sample_test(*own)
        print(
            f"{name:12s} real {len(own[0])}, sample {len(own[1])}: {auc:.2f} ({low:.2f}-{high:.2f})"
        )
    real = real[real.index.isin(PATTERNS)]
    sample = balanced(real, sample)
    auc, low, high = two_sample_test(real, sample)
    print(
        f"{'together':12s} real {len(real)}, sample {len(sample)}: {auc:.2f} ({low:.2f}-{high:.2f})"
    )
    print(tell_tales(real, sample).round(2).to_string())


def draw(real, sample, path):
    """Draw the double banana of windows, real above sample, and write the picture."""
    n_columns = max(len(real), len(sample))
    figure, axes = plt.subplots(2, n_columns, figsize=(7 * n_columns, 12), squeeze=False)
    for label, row, eegs in zip(("real", "sample"), axes, (real, sample), strict=True):
        for axis, eeg in zip(row, eegs, strict=False):
            waves = banana(eeg)
            t = np.arange(waves.shape[1]) / SFREQ
            for i, wave in enumerate(waves):
                axis.plot(t, wave - 60 * i, lw=0.5, color="k" if i % 8 < 4 else "tab:blue")
            axis.set(ylim=(-16 * 60, 60), yticks=[], xlim=(0, LABEL_SECONDS), title=label)
            axis.set_xlabel("seconds; rows are 60 µV apart, left black, right blue")
    figure.tight_layout()
    figure.savefig(path, dpi=55)
    plt.close(figure)


@click.command()
@click.option("--real", "reals", multiple=True, required=True, type=FOLDER)
@click.option("--sample", "folder", required=True, type=FOLDER)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for one picture a class.")
def main(reals, folder, pictures):
    """Print how well real and sample are told apart, class by class and together."""
    real = [window for each in reals for window in windows(each)]
    sample = list(windows(folder, WELL_VOTED))
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        for name in CLASSES:
            own = [[eeg for each, _, eeg in found if each == name] for found in (real, sample)]
            draw(*(eegs[:: max(1, len(eegs) // 4)][:4] for eegs in own), pictures / f"{name}.png")
    report(table(real), table(sample))


if __name__ == "__main__":
    main()
