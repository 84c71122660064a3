"""A synthetic data set in the competition's layout, for use without its files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from hms_utils import paths
from hms_utils.constants import (
    CLASSES,
    EEG_SECONDS,
    SFREQ,
    VOTE_COLUMNS,
)
from hms_utils.eeg import TEST_COLUMNS, TRAIN_COLUMNS, write_eeg, write_spectrogram
from hms_utils.images import competition_spectrogram
from hms_utils.progress import progress
from hms_utils.sample import artefacts, courses, experts, plans
from hms_utils.threads import one_blas_thread, processes

# Of the default set. Real patients have 8.8 EEGs in the mean, which would take minutes to make.
DEFAULT_PATIENTS, DEFAULT_EEGS = 128, 3
_TRUTH_COLUMNS = tuple(f"true_{name}" for name in VOTE_COLUMNS)
_PLANTED_COLUMNS = ("planted_left", "planted_start", "planted_stop")
_MOST_OF_COURSE = 16  # EEGs, for ids


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
        default = {"n_patients": DEFAULT_PATIENTS, "seed": 0, "max_eegs": DEFAULT_EEGS}
        if mark.is_file():
            settings = _read_mark(mark)
            if settings.pop("code", None) != _code_version() and settings == default:
                shutil.rmtree(folder)  # it was made here, but by other code
        if not mark.is_file():
            generate(folder, **default)
        location = paths.DataLocation(folder, "the generated sample, as no data was found")
    print(f"Data: {location.path} ({location.reason})")
    if location.is_synthetic:
        print(paths.SYNTHETIC_NOTICE)
    return location


def _code_version():
    signals = (
        "experts",
        "waves",
        "fitted",
        "background",
        "patterns",
        "artefacts",
        "plans",
        "courses",
        "dataset",
    )
    modules = [f"sample/{name}" for name in signals]
    return paths.code_version(*modules, "images/competition", "eeg/montage", "constants")


def _read_mark(mark):
    return json.loads(mark.read_text(encoding="utf-8").splitlines()[-1])


def generate(folder, *, n_patients, seed, max_eegs=DEFAULT_EEGS, n_jobs=-1):
    """Write a data set in the competition's layout.

    Besides the competition's files the folder holds ``truth.parquet``, the
    distribution that each row's votes were drawn from and where its pattern was
    planted (for scoring only), and a mark that the data is synthetic.

    Parameters
    ----------
    folder : path-like
        Must not exist or be empty. It appears when it is complete.
    n_patients : int
        Patients with labels; a quarter as many others make the test set.
    seed : int
        The same seed gives the same bytes, whatever `n_jobs`.
    max_eegs : int
        The most recordings of a patient; 0 for as many as real patients have, 8.8 in
        the mean, half of them three or less, one in a hundred 90 or more.
    n_jobs : int
        Processes; -1 means one for each core.

    Raises
    ------
    ValueError
        If `n_patients` is not positive or `max_eegs` is negative.
    FileExistsError
        If the folder holds anything.
    OSError
        If it cannot be written, or the disk is full.
    """
    folder = Path(folder)
    if n_patients < 1:
        raise ValueError(f"expected at least one patient, found {n_patients}")
    if max_eegs < 0:
        raise ValueError(f"expected max_eegs of 0 or more, found {max_eegs}")
    with paths.filling(folder) as partial:
        for name in ("train_eegs", "train_spectrograms", "test_eegs", "test_spectrograms"):
            (partial / name).mkdir()
        n_test = max(4, n_patients // 4)
        jobs = [
            delayed(_write_course)(partial, (seed, number, unit), split, patient, recordings)
            for number in range(n_patients + n_test)
            for split in ("train" if number < n_patients else "test",)
            for patient, courses_ in (plan_patient((seed, number), split, max_eegs),)
            for unit, recordings in enumerate(courses_, 1)
        ]
        results = processes(n_jobs, return_as="generator")(jobs)
        rows = pd.concat(progress("Sample courses", len(jobs), items=results), ignore_index=True)
        _write_tables(partial, rows[rows.split == "train"], rows[rows.split == "test"])
        settings = {"n_patients": n_patients, "seed": seed, "max_eegs": max_eegs}
        settings = json.dumps({"code": _code_version(), **settings})
        (partial / paths.SYNTHETIC_MARK).write_text(
            f"{paths.SYNTHETIC_NOTICE}\n{settings}\n", encoding="utf-8"
        )


def read_truth(data_dir, label_ids):
    """Return the distributions that votes were drawn from, for scoring only.

    Parameters
    ----------
    data_dir : path-like
    label_ids : array-like of int, shape (n_rows,)

    Returns
    -------
    ndarray of float64, shape (n_rows, 6), or None
        None for data that was not generated.
    """
    truth = _read_truth(data_dir, label_ids, _TRUTH_COLUMNS)
    return None if truth is None else truth.to_numpy()


def read_planted(data_dir, label_ids):
    """Return where and when each row's pattern was added to the background, for scoring only.

    Parameters
    ----------
    data_dir : path-like
    label_ids : array-like of int, shape (n_rows,)

    Returns
    -------
    DataFrame or None
        ``planted_left``, the left chains' share of the pattern's power;
        ``planted_start`` and ``planted_stop``, seconds from the middle of the
        label. None for data that was not generated.

    Raises
    ------
    ValueError
        If the sample was generated by a version that did not write this.
    """
    return _read_truth(data_dir, label_ids, _PLANTED_COLUMNS)


def _read_truth(data_dir, label_ids, columns):
    path = Path(data_dir) / "truth.parquet"
    if not path.is_file():
        return None
    truth = pd.read_parquet(path).query("split == 'train'").set_index("label_id")
    if missing := [name for name in columns if name not in truth]:
        raise ValueError(f"{path}: expected {list(columns)}, missing {missing}; generate it again")
    return truth.loc[label_ids, list(columns)]


def _write_tables(folder, rows, tests):
    rows = rows.reset_index(drop=True)
    rows["eeg_sub_id"] = rows.groupby("eeg_id").cumcount()
    rows["spectrogram_sub_id"] = rows.groupby("spectrogram_id").cumcount()
    rows["label_id"] = [_scrambled(i, 32) for i in range(len(rows))]
    rows["expert_consensus"] = np.array(CLASSES)[rows[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)]
    rows[list(TRAIN_COLUMNS)].to_csv(folder / "train.csv", index=False)
    tests[list(TEST_COLUMNS)].to_csv(folder / "test.csv", index=False)
    guess = pd.DataFrame({"eeg_id": tests.eeg_id, **dict.fromkeys(VOTE_COLUMNS, 1 / len(CLASSES))})
    guess.to_csv(folder / "sample_submission.csv", index=False)
    truth = pd.concat([rows, tests])
    truth["label_id"] = truth.label_id.astype("Int64")
    truth = truth[["split", "eeg_id", "label_id", *_TRUTH_COLUMNS, *_PLANTED_COLUMNS]]
    truth.to_parquet(folder / "truth.parquet", index=False)


def _scrambled(number, bits):
    """Return an id of up to `bits` bits that looks random and that no other number has."""
    return (number + 1) * 2_654_435_761 % 2**bits


def plan_patient(seed, split, max_eegs=0):
    """Draw a patient and the recordings of all courses, without their signals.

    Parameters
    ----------
    seed : int or sequence of int
    split, max_eegs
        As for `plans.plan`.

    Returns
    -------
    patient : plans.Patient
    planned : list of list of plans.Recording
        One list for each course.
    """
    rng = np.random.default_rng(seed)
    patient = plans.draw_patient(rng)
    return patient, plans.plan(rng, split, patient, max_eegs)


@one_blas_thread
def _write_course(folder, seed, split, patient, recordings):
    """Write one spectrogram and the EEGs cut from the same course; return the rows of the table."""
    _, number, unit = seed
    rng = np.random.default_rng(seed)
    course, planted = courses.simulate_course(rng, recordings, patient)
    # Published values have two decimals too: where power is low they are exactly zero.
    spectrogram = competition_spectrogram(course).round(2)
    artefacts.drop_rows(rng, spectrogram)
    spectrogram_id = _scrambled(plans.MOST_EEGS * number + unit, 31)
    time_type = np.int16 if split == "test" else np.int64
    path = folder / f"{split}_spectrograms" / f"{spectrogram_id}.parquet"
    write_spectrogram(path, spectrogram, time_type)
    tables = []
    for i, recording in enumerate(recordings):
        start = (1 + recording.start) * SFREQ
        eeg = course[start : start + recording.seconds * SFREQ].copy()
        artefacts.drop_samples(rng, eeg)
        eeg_id = _scrambled(_MOST_OF_COURSE * (plans.MOST_EEGS * number + unit) + i, 32)
        write_eeg(folder / f"{split}_eegs" / f"{eeg_id}.parquet", eeg)
        rows = label_rows(rng, recording).assign(eeg_id=eeg_id)
        tables.append(rows.assign(**_planted_of_rows(recording, planted[i])))
    return pd.concat(tables).assign(
        spectrogram_id=spectrogram_id, patient_id=_scrambled(number, 20), split=split
    )


def label_rows(rng, recording):
    """Return a recording's label rows: those that show the same thing share their votes.

    Parameters
    ----------
    rng : numpy.random.Generator
    recording : plans.Recording

    Returns
    -------
    DataFrame
        The offsets, the votes and the distribution they were drawn from.
    """
    judged = list(zip(recording.looks, recording.strata, strict=True))
    truth = np.array([experts.opinion(look, stratum) for look, stratum in judged])
    votes = np.array([experts.draw_votes(rng, look, stratum) for look, stratum in judged])
    look = recording.look_of_row
    return pd.DataFrame(
        {
            "eeg_label_offset_seconds": recording.offsets.astype(float),
            "spectrogram_label_offset_seconds": recording.spectrogram_offsets.astype(float),
            **dict(zip(VOTE_COLUMNS, votes[look].T, strict=True)),
            **dict(zip(_TRUTH_COLUMNS, truth[look].T, strict=True)),
        }
    )


def _planted_of_rows(recording, planted):
    """Return the columns of `read_planted` for a recording's label rows."""
    places = [(place.left_share, place.start, place.stop) for place in planted]
    left, start, stop = np.array(places)[recording.look_of_row].T
    middle = recording.start + recording.offsets + EEG_SECONDS / 2
    columns = left, start - middle, stop - middle
    return dict(zip(_PLANTED_COLUMNS, columns, strict=True))
