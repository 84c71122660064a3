"""A data set in the competition's layout, made of recordings and labels of one's own."""

from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from hms_utils import paths
from hms_utils.constants import (
    CLASSES,
    EEG_COLUMNS,
    EEG_SECONDS,
    SFREQ,
    SPECTROGRAM_STEP,
    VOTE_COLUMNS,
)
from hms_utils.eeg import (
    TEST_COLUMNS,
    TRAIN_COLUMNS,
    describe,
    open_recording,
    read_csv,
    write_eeg,
    write_spectrogram,
)
from hms_utils.images import N_ROWS, long_spectrogram
from hms_utils.progress import progress
from hms_utils.threads import one_blas_thread, processes

_LONGEST = 600  # seconds that are cut out in one piece
_SHOWN = 20  # faults


def import_recordings(files, labels, folder, *, n_jobs=-1):
    """Write labelled recordings as a data set in the competition's layout.

    Around each label 50 s are cut out, in one piece where they overlap, and their
    ten-minute spectrograms are computed. A recording without labels becomes a test
    recording, by the 50 s in its middle. ``imported.csv`` says what came from where.

    Parameters
    ----------
    files : sequence of path-like
        What `eeg.open_recording` opens, with electrodes.
    labels : path-like
        A CSV table: ``file`` (its name, or as much of its path as tells it from
        others), ``second`` of the recording in the middle of what was judged,
        ``patient``, and either ``class`` or the six columns of votes.
    folder : path-like
        Must not exist or be empty. It appears when it is complete.
    n_jobs : int
        Processes; -1 means one for each core.

    Returns
    -------
    train, test : DataFrame
        The tables as written.

    Raises
    ------
    ValueError
        With a line for each file and row that is wrong.
    FileNotFoundError
        If there is no such table of labels.
    FileExistsError
        If the folder holds anything.
    OSError
        If it cannot be written, or the disk is full.
    """
    files, labels = [Path(file).expanduser().absolute() for file in files], Path(labels)
    table = _read_table(labels)
    lengths, wrong = _measure(files)
    table["path"] = [_find(name, files) for name in table.file]
    wrong += [f"{labels}, line {line}: {fault}" for line, fault in _faults(table, lengths)]
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise ValueError("\n".join([*wrong[:_SHOWN], *more]))
    windows = _plan(files, table, lengths)
    with paths.filling(Path(folder).expanduser().resolve()) as partial:
        for name in ("train_eegs", "train_spectrograms", "test_eegs", "test_spectrograms"):
            (partial / name).mkdir()
        jobs = [delayed(_write_pieces)(partial, *job) for job in windows.groupby("path")]
        done = processes(n_jobs, return_as="generator")(jobs)
        list(progress("Recordings", len(jobs), items=done))
        train, test = (
            windows.loc[windows.split == split, list(columns)]
            for split, columns in (("train", TRAIN_COLUMNS), ("test", TEST_COLUMNS))
        )
        train.to_csv(partial / "train.csv", index=False)
        test.to_csv(partial / "test.csv", index=False)
        origin = windows[["split", "eeg_id", "path", "start", "patient", "patient_id"]]
        origin.drop_duplicates("eeg_id").to_csv(partial / "imported.csv", index=False)
        if any((file.parent.parent / paths.SYNTHETIC_MARK).is_file() for file in files):
            (partial / paths.SYNTHETIC_MARK).write_text(f"{paths.SYNTHETIC_NOTICE}\n", "utf-8")
    return train, test


def _read_table(path):
    """Return the rows of the table of labels as text, by the number of their line."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a table of labels, found no file")
    table = read_csv(path, encoding="utf-8-sig", dtype=str, skip_blank_lines=False)
    table.index += 2
    table = table.astype(object).fillna("").apply(lambda column: column.str.strip())
    table = table[(table != "").any(axis=1)].rename(columns=str.strip)
    judged = "class" in table, sum(name in table for name in VOTE_COLUMNS)
    if not {"file", "second", "patient"} <= set(table) or judged not in ((True, 0), (False, 6)):
        raise ValueError(
            f"{path}: expected the columns file, second, patient and either class or "
            f"{', '.join(VOTE_COLUMNS)}, separated by commas, found {', '.join(table)}"
        )
    if table.empty:
        raise ValueError(f"{path}: expected at least one row, found none")
    return table


def _measure(files):
    """Return the seconds of each recording, and lines about those that cannot be used."""
    lengths, wrong = {}, []
    for file in progress("Recordings looked at", len(files), items=files):
        if file in lengths:
            wrong.append(f"{file}: expected each recording once, found it again")
            continue
        lengths[file] = np.nan
        try:
            recording = open_recording(file)
            if recording.read(0, 1).shape[1] != len(EEG_COLUMNS):
                raise ValueError(
                    f"{file}: expected electrodes, as the competition's layout has them, found "
                    "their differences; predict reads it, training cannot"
                )
            lengths[file] = recording.seconds
            print(f"{file}: {describe(recording)}")
        except (ValueError, OSError) as error:
            wrong.append(str(error))
    return lengths, wrong


def _find(name, files):
    """Return the recordings that a name in the table can mean."""
    parts = Path(name).expanduser().parts
    return [file for file in dict.fromkeys(files) if parts and file.parts[-len(parts) :] == parts]


def _faults(table, lengths):
    """Yield the lines of the table that are wrong, and why."""
    names = [name.lower() for name in CLASSES]
    seen, patients, half = {}, {}, EEG_SECONDS / 2
    for line, row in table.iterrows():
        if len(row.path) != 1:
            found = "no such one" if not row.path else f"{len(row.path)} of this name"
            yield line, f"expected the name of one of the recordings, found {found}: {row.file!r}"
            continue
        (path,) = row.path
        second = pd.to_numeric(row.second, errors="coerce")
        if not (half <= second <= lengths[path] - half) and not np.isnan(lengths[path]):
            yield (
                line,
                f"expected a second from {half:g} to {lengths[path] - half:g} in {path.name}, "
                f"the middle of 50 s, found {row.second!r}",
            )
        elif (other := seen.setdefault((path, second), line)) != line:
            yield line, f"expected one row for a second of a recording, found line {other} again"
        if not row.patient:
            yield line, "expected a patient, found none"
        elif (other := patients.setdefault(path, row.patient)) != row.patient:
            yield line, f"expected one patient in {path.name}, found {row.patient} and {other}"
        if "class" in row:
            if row["class"].lower() not in names:
                yield line, f"expected a class of {', '.join(CLASSES)}, found {row['class']!r}"
        else:
            votes = pd.to_numeric(row[list(VOTE_COLUMNS)], errors="coerce").to_numpy(float)
            if not ((votes >= 0) & (votes % 1 == 0)).all() or not 0 < votes.sum() < 1000:
                found = ", ".join(row[list(VOTE_COLUMNS)])
                yield line, f"expected six whole votes, at least one in all, found {found}"


def _plan(files, table, lengths):
    """Return a row for each window: what it is of, its votes, and its place in its piece."""
    windows = pd.DataFrame({"path": [path for (path,) in table.path], "patient": table.patient})
    windows["begin"] = table.second.astype(float).to_numpy() - EEG_SECONDS / 2
    if "class" in table:
        votes = table["class"].str.lower().to_numpy()[:, None] == np.char.lower(CLASSES)
    else:
        votes = table[list(VOTE_COLUMNS)].astype(float).to_numpy()
    windows[list(VOTE_COLUMNS)] = votes.astype(int)
    rest = [file for file in files if file not in set(windows.path)]
    unlabelled = pd.DataFrame({"path": rest, "patient": "", **dict.fromkeys(VOTE_COLUMNS, 0)})
    unlabelled["begin"] = [(lengths[file] - EEG_SECONDS) // 2 for file in rest]
    windows = windows.assign(split="train").sort_values(["path", "begin"])
    windows = pd.concat([windows, unlabelled.assign(split="test")], ignore_index=True)
    starts, last = [], (None, 0)
    for path, begin in windows[["path", "begin"]].itertuples(index=False):
        follows = starts and path == last[0] and begin - last[1] < EEG_SECONDS
        if follows and begin - starts[-1] <= _LONGEST - EEG_SECONDS:
            starts.append(starts[-1])
        else:
            starts.append(begin)
        last = path, begin
    windows["start"] = starts
    near = windows.begin - windows.start
    windows["eeg_id"] = 1 + windows.groupby(["path", "start"], sort=False).ngroup()
    windows["eeg_label_offset_seconds"] = near
    windows["spectrogram_label_offset_seconds"] = (
        SPECTROGRAM_STEP * (near / SPECTROGRAM_STEP).round()
    )
    windows["spectrogram_id"] = windows.eeg_id
    for name in ("eeg_sub_id", "spectrogram_sub_id"):
        windows[name] = windows.groupby("eeg_id").cumcount()
    windows["label_id"] = range(1, len(windows) + 1)
    # Unlabelled recordings are each of a patient of their own: nobody says of whom.
    whose = windows.patient.where(windows.split == "train", windows.path.astype(str))
    windows["patient_id"] = 1 + pd.factorize(windows.split + whose)[0]
    most = windows[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1)
    windows["expert_consensus"] = np.array(CLASSES)[most]
    return windows


@one_blas_thread
def _write_pieces(folder, path, windows):
    """Write the pieces of a recording and their spectrograms."""
    recording = open_recording(path)
    for eeg_id, piece in windows.groupby("eeg_id"):
        split, start = piece.split.iloc[0], piece.start.iloc[0]
        first = round(start * SFREQ)
        seconds = piece.eeg_label_offset_seconds.max() + EEG_SECONDS
        eeg = recording.read(first, min(first + round(seconds * SFREQ), recording.n_samples))
        write_eeg(folder / f"{split}_eegs" / f"{eeg_id}.parquet", eeg)
        further = int(piece.spectrogram_label_offset_seconds.max()) // SPECTROGRAM_STEP
        rows = long_spectrogram(recording, start, N_ROWS + further)
        write_spectrogram(folder / f"{split}_spectrograms" / f"{eeg_id}.parquet", rows)
