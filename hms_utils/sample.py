"""A synthetic data set in the competition's layout, for use without its files."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from hms_utils import paths, simulate
from hms_utils.constants import (
    CLASSES,
    EEG_COLUMNS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_COLUMNS,
    SPECTROGRAM_SECONDS,
    VOTE_COLUMNS,
)
from hms_utils.data import TEST_COLUMNS, TRAIN_COLUMNS
from hms_utils.spectrograms import competition_spectrogram

DEFAULT_PATIENTS = 144
_LEAD = 275  # seconds from the start of a long window to its EEG window
_COURSES_PER_PATIENT = 2
# How often a recording's main pattern is each class, for recordings with few
# and with many votes: the real strata differ, seizures are common in the first.
_SHARES = {
    "few": (0.36, 0.09, 0.11, 0.13, 0.14, 0.17),
    "many": (0.07, 0.22, 0.15, 0.09, 0.11, 0.36),
}
# What experts who do not see the main pattern mostly see instead.
_CONFUSED_WITH = {
    "Seizure": ("LPD", "GPD", "LRDA"),
    "LPD": ("LRDA", "GPD", "Seizure"),
    "GPD": ("GRDA", "LPD", "Seizure"),
    "LRDA": ("LPD", "GRDA"),
    "GRDA": ("GPD", "LRDA"),
}
_BACKGROUND_CONFUSED_WITH = {
    "alpha": ("LRDA", "GRDA"),
    "slow": ("GRDA", "LRDA"),
    "suppressed": ("GPD", "LPD"),
    "muscle": ("Seizure", "LPD"),
}


def locate(data_dir=None, output_dir=None):
    """Find the data, or make the sample where there is none; say which.

    Parameters
    ----------
    data_dir, output_dir : path-like, optional
        As `paths.find_data_dir` and `paths.find_output_dir` take them.

    Returns
    -------
    paths.DataLocation
        The sample is kept in ``<output_dir>/sample_data`` and made anew when it
        was written by other code.

    Raises
    ------
    FileNotFoundError
        If `data_dir` or ``HMS_DATA_DIR`` names a folder without data.
    FileExistsError
        If something else is where the sample would be.
    """
    location = paths.find_data_dir(data_dir)
    if location is None:
        folder = paths.find_output_dir(output_dir) / "sample_data"
        mark = folder / paths.SYNTHETIC_MARK
        default = {"patients": DEFAULT_PATIENTS, "seed": 0}
        if mark.is_file():
            settings = _read_mark(mark)
            if settings.pop("code", None) != _code_version() and settings == default:
                shutil.rmtree(folder)  # it was made here, but by other code
        if not mark.is_file():
            generate(folder, n_patients=DEFAULT_PATIENTS, seed=0)
        location = paths.DataLocation(folder, "the generated sample, as no data was found")
    print(f"Data: {location.path} ({location.reason})")
    if location.is_synthetic:
        print(paths.SYNTHETIC_NOTICE)
    return location


def _code_version():
    return paths.code_version("sample", "simulate", "spectrograms", "montage", "constants")


def _read_mark(mark):
    return json.loads(mark.read_text(encoding="utf-8").splitlines()[-1])


def generate(folder, *, n_patients, seed, n_jobs=-1):
    """Write a data set in the competition's layout.

    Besides the competition's files the folder holds ``truth.parquet``, the
    distribution that each row's votes were drawn from (for scoring only), and
    a mark that the data is synthetic.

    Parameters
    ----------
    folder : path-like
        Must not exist or be empty. It appears when it is complete.
    n_patients : int
        Patients with labels; a quarter as many others make the test set.
    seed : int
        The same seed gives the same bytes, whatever `n_jobs`.
    n_jobs : int
        Processes; -1 means one for each core.

    Raises
    ------
    ValueError
        If `n_patients` is not positive.
    FileExistsError
        If the folder holds anything.
    """
    folder = Path(folder)
    if n_patients < 1:
        raise ValueError(f"expected at least one patient, found {n_patients}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: expected a new or empty folder, found files in it")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name in ("train_eegs", "train_spectrograms", "test_eegs", "test_spectrograms"):
            (partial / name).mkdir(parents=True)
        n_test = max(4, n_patients // 4)
        jobs = [delayed(_write_patient)(partial, seed, i, "train") for i in range(n_patients)]
        jobs += [
            delayed(_write_patient)(partial, seed, n_patients + i, "test") for i in range(n_test)
        ]
        results = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
        bar = tqdm(results, "Sample patients", len(jobs), file=sys.stdout, mininterval=2)
        rows = list(bar)
        _write_tables(partial, rows[:n_patients], rows[n_patients:])
        settings = json.dumps({"code": _code_version(), "patients": n_patients, "seed": seed})
        (partial / paths.SYNTHETIC_MARK).write_text(
            f"{paths.SYNTHETIC_NOTICE}\n{settings}\n", encoding="utf-8"
        )
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_truth(data_dir, label_ids):
    """Return what a perfect model would answer, for scoring only.

    Parameters
    ----------
    data_dir : path-like
    label_ids : array-like of int, shape (n_rows,)

    Returns
    -------
    ndarray of float64, shape (n_rows, 6), or None
        None for data that was not generated.
    """
    path = Path(data_dir) / "truth.parquet"
    if not path.is_file():
        return None
    truth = pd.read_parquet(path).query("split == 'train'").set_index("label_id")
    return truth.loc[label_ids, [f"true_{name}" for name in VOTE_COLUMNS]].to_numpy()


def _write_tables(folder, train, test):
    rows = pd.DataFrame([row for patient in train for row in patient])
    rows = rows.sort_values(["eeg_id", "eeg_label_offset_seconds"], ignore_index=True)
    rows["eeg_sub_id"] = rows.groupby("eeg_id").cumcount()
    rows["spectrogram_sub_id"] = rows.groupby("spectrogram_id").cumcount()
    rows["label_id"] = 100_000 + 7 * np.arange(len(rows))
    rows["expert_consensus"] = np.array(CLASSES)[rows[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)]
    rows[list(TRAIN_COLUMNS)].to_csv(folder / "train.csv", index=False)
    tests = pd.DataFrame([row for patient in test for row in patient])
    tests[list(TEST_COLUMNS)].to_csv(folder / "test.csv", index=False)
    guess = pd.DataFrame({"eeg_id": tests.eeg_id, **dict.fromkeys(VOTE_COLUMNS, 1 / len(CLASSES))})
    guess.to_csv(folder / "sample_submission.csv", index=False)
    truth = pd.concat([rows.assign(split="train"), tests.assign(split="test")])
    truth = truth[["split", "eeg_id", "label_id", *(f"true_{name}" for name in VOTE_COLUMNS)]]
    truth.to_parquet(folder / "truth.parquet", index=False)


def _write_patient(folder, seed, number, split):
    """Write one patient's recordings and return their rows of the table."""
    rng = np.random.default_rng([seed, number])
    gain = rng.lognormal(0, 0.2)
    stratum = "many" if split == "test" or rng.random() < 0.45 else "few"
    rows = []
    for course in range(_COURSES_PER_PATIENT if split == "train" else 1):
        unit = _COURSES_PER_PATIENT * number + course
        rows += _write_course(folder, rng, split, unit, stratum, gain, 40_000 + 3 * number)
    return rows


def _write_course(folder, rng, split, unit, stratum, gain, patient_id):
    """Write one spectrogram and the EEG cut from the same simulated course."""
    last_offset = 0 if split == "test" else 2 * int(rng.choice([0, rng.integers(1, 30)]))
    offsets = np.unique(np.r_[0, last_offset, 2 * rng.integers(0, last_offset // 2 + 1, 3)])
    first = 0 if split == "test" else 2 * int(rng.integers(0, 15))  # in the spectrogram
    n_rows = (first + last_offset + SPECTROGRAM_SECONDS) // 2
    # Row 0 is centred at second 1 and made of 4 s: the simulated course begins
    # one second before the spectrogram's clock.
    n_samples = (2 * n_rows + 2) * SFREQ
    eeg_start = 1 + first + _LEAD

    group = _label_groups(rng, stratum, offsets)
    centres = eeg_start + offsets + EEG_SECONDS / 2
    electrodes = _simulate_course(rng, n_samples, centres, group) * gain
    mains = rng.uniform(0.2, 3) * np.sin(2 * np.pi * 60 / SFREQ * np.arange(n_samples))
    electrodes += mains * rng.uniform(0, 1.5, (len(electrodes), 1))
    course = np.vstack([electrodes, simulate.heartbeat(rng, n_samples)]).T.astype(np.float32)
    course = course.round(2)

    spectrogram = competition_spectrogram(course)
    if rng.random() < 0.08:
        start, stop = np.sort(rng.integers(0, len(spectrogram), 2))
        spectrogram[start:stop] = np.nan
    eeg = course[eeg_start * SFREQ : (eeg_start + last_offset + EEG_SECONDS) * SFREQ]
    _add_gaps(rng, eeg)

    eeg_id, spectrogram_id = 500_000_000 + 1_009 * unit, 40_000_000 + 503 * unit
    frame = pd.DataFrame(eeg, columns=list(EEG_COLUMNS))
    frame.to_parquet(folder / f"{split}_eegs" / f"{eeg_id}.parquet")
    frame = pd.DataFrame(spectrogram, columns=list(SPECTROGRAM_COLUMNS))
    time = 1 + 2 * np.arange(n_rows, dtype=np.int16 if split == "test" else np.int64)
    frame.insert(0, "time", time)
    frame.to_parquet(folder / f"{split}_spectrograms" / f"{spectrogram_id}.parquet")
    return [
        {
            "eeg_id": eeg_id,
            "eeg_label_offset_seconds": float(offset),
            "spectrogram_id": spectrogram_id,
            "spectrogram_label_offset_seconds": float(first + offset),
            "patient_id": patient_id,
            **dict(zip(VOTE_COLUMNS, group[i]["votes"], strict=True)),
            **{f"true_{c}": p for c, p in zip(VOTE_COLUMNS, group[i]["truth"], strict=True)},
        }
        for i, offset in enumerate(offsets)
    ]


def _label_groups(rng, stratum, offsets):
    """Return for each label window its pattern, strength, true distribution and votes.

    Neighbouring windows share their votes; in a third of the recordings the
    pattern weakens or strengthens between two such groups.
    """
    main = rng.choice(CLASSES, p=_SHARES[stratum])
    kind = rng.choice(simulate.BACKGROUNDS)
    second = str(rng.choice(_CONFUSED_WITH[main])) if main != "Other" else None
    if rng.random() < 0.75:
        second = None
    n_votes = rng.integers(10, 21) if stratum == "many" else rng.choice([1, 2, 3, 3, 3, 3, 4, 5, 7])
    change = rng.integers(1, len(offsets)) if len(offsets) > 1 and rng.random() < 0.35 else None
    groups = []
    for i in range(len(offsets)):
        if i in (0, change):
            strength = rng.uniform(0.25, 1) ** 0.7
            truth = _true_distribution(main, second, kind, strength)
            votes = rng.multinomial(n_votes, truth)
        groups.append(
            {
                **{"main": main, "second": second, "background": kind},
                **{"strength": strength, "truth": truth, "votes": votes},
            }
        )
    return groups


def _true_distribution(main, second, background, strength):
    """Return the share of an endless panel's votes, (6,).

    The stronger a pattern stands out, the more experts name it; the others say
    "other" or one of the patterns it is confused with.
    """
    share = dict.fromkeys(CLASSES, 0.005)
    if main == "Other":
        share["Other"] += 0.65 + 0.3 * strength
        confused, rest = _BACKGROUND_CONFUSED_WITH[background], 0.3 * (1 - strength)
    else:
        named = 0.2 + 0.75 * strength
        share[main] += named if second is None else named * 0.55
        if second:
            share[second] += named * 0.45
        share["Other"] += 0.7 * (1 - named)
        confused, rest = _CONFUSED_WITH[main], 0.3 * (1 - named)
    for name in confused:
        share[name] += rest / len(confused)
    shares = np.array([share[name] for name in CLASSES])
    return shares / shares.sum()


def _simulate_course(rng, n_samples, centres, groups):
    """Return the electrodes' course (19, n_samples) of patterns over background."""
    label = groups[0]
    eeg = simulate.background(rng, n_samples, label["background"])
    seconds = np.arange(n_samples) / SFREQ
    strength = np.interp(seconds, centres, [group["strength"] for group in groups])
    before, after = rng.uniform(20, 240, 2)
    strength[(seconds < centres[0] - before) | (seconds > centres[-1] + after)] = 0
    for name, share in ((label["main"], 1.0), (label["second"], 0.8)):
        if name not in (None, "Other"):
            middle = (centres[0] + centres[-1]) / 2
            eeg += simulate.pattern(rng, name, n_samples, middle) * (strength * share)
    return eeg.astype(np.float32)


def _add_gaps(rng, eeg):
    """Put NaN where real recordings have them: scattered, at an end, a channel."""
    draw = rng.random()
    if draw < 0.1:
        eeg[rng.integers(0, len(eeg), 3), rng.integers(0, 20, 3)] = np.nan
    elif draw < 0.14:
        length = int(rng.integers(SFREQ, 12 * SFREQ))
        block = slice(None, length) if rng.random() < 0.5 else slice(-length, None)
        eeg[block] = np.nan
    elif draw < 0.16:
        eeg[:, rng.integers(0, 20)] = np.nan
