"""The test recordings' images, drawn by processes while others are predicted."""

from itertools import pairwise
from multiprocessing import TimeoutError as WorkerTimeoutError
from pathlib import Path
from time import monotonic

import numpy as np
import pyarrow.parquet as pq
from joblib import delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from hms_utils.constants import EEG_SECONDS, SFREQ, SPECTROGRAM_SECONDS, SPECTROGRAM_STEP
from hms_utils.eeg import judge_amplitude, source_files
from hms_utils.images import draw
from hms_utils.threads import processes

# Recordings that are drawn while as many are predicted; the first is slow, as all is new.
_PARTS, _PART = (1, 16), 64
_DRAW_SECONDS = 120  # after which a recording is given up
_MOST_MISSING = 0.5  # of an EEG, beyond which the answer deserves a note
_LENGTHS = EEG_SECONDS * SFREQ, SPECTROGRAM_SECONDS // SPECTROGRAM_STEP  # rows of test files


def split(items):
    """Return a list's parts, small ones first, of which one is drawn at a time."""
    bounds = [*np.cumsum((0, *_PARTS)), *range(sum(_PARTS) + _PART, len(items) + _PART, _PART)]
    return [part for start, end in pairwise(bounds) if (part := items[start:end])]


def stream(test, data_dir, settings, *, n_jobs, until):
    """Draw recordings part by part, one part ahead of what is asked for.

    Parameters
    ----------
    test : DataFrame
        As `eeg.read_test` returns it.
    data_dir : path-like
    settings : dict
        ``reduce`` and ``db_range``, as `build` takes them, and ``views``: which to draw.
    n_jobs : int
        Processes, two or more: in this one a recording could not be given up.
    until : float
        On the clock of `time.monotonic`; what hangs is not waited for any longer.

    Yields
    ------
    list of tuple
        For each recording what `_draw` returns, in the order of `test`. Nothing is raised for a
        recording, even if the process that draws it dies.
    """
    jobs = [
        delayed(_draw)(Path(data_dir), eeg_id, None if far < 0 else far, settings)
        for eeg_id, far in test[["eeg_id", "spectrogram_id"]].itertuples(index=False)
    ]
    parts = split(jobs)
    coming = _begin(parts[0], n_jobs)
    for part, following in zip(parts, [*parts[1:], []], strict=True):
        try:
            drawn = list(coming)
        except Exception:  # a process died or hangs: find out of which recording
            drawn = []
        if len(drawn) < len(part):
            drawn = [_draw_apart(job, until) for job in part]
        coming = _begin(following, n_jobs) if following else ()
        yield drawn


def _begin(part, n_jobs):
    """Start to draw, in the same processes each time as long as none fails."""
    try:
        # Always a new object: one that failed goes on with the rest of its last call.
        return processes(n_jobs, return_as="generator", timeout=_DRAW_SECONDS)(part)
    except Exception:  # no process can be started
        return ()


def _draw_apart(job, until):
    """Draw one recording in a process of its own, or give it up."""
    if monotonic() > until:
        return None, "not reached in time", 0.0
    try:
        return processes(2, timeout=_DRAW_SECONDS)([job])[0]
    except TerminatedWorkerError:
        return None, "the process that drew it died", 0.0
    except WorkerTimeoutError:
        reason = f"drawing it took more than {_DRAW_SECONDS} seconds"
        return None, reason, float(_DRAW_SECONDS)
    except OSError:  # no process can be started
        function, arguments, _ = job
        return function(*arguments)
    except Exception as error:
        return None, f"it cannot be drawn: {_line(error)}", 0.0


def _draw(data_dir, eeg_id, spectrogram_id, settings):
    """Draw one test recording, without its spectrogram if that cannot be read.

    Networks of spectrograms alone need nothing else: then no EEG is read.

    Parameters
    ----------
    data_dir : Path
    eeg_id : int
    spectrogram_id : int or None
    settings : dict
        As for `stream`.

    Returns
    -------
    images : dict of str to ndarray of uint8, shape (1, 4, height, width), or None
        By view; None if there is nothing to predict from.
    reason : str
        What is wrong and what follows, or "".
    seconds : float
        That it took.
    """
    started, answered = monotonic(), "answered all the same"
    images, notes = _try_to_draw(data_dir, eeg_id, spectrogram_id, settings)
    alone = draw.without_eeg(settings["views"])
    if images is None and spectrogram_id is not None and not alone:
        images, others = _try_to_draw(data_dir, eeg_id, None, settings)
        notes = others if images is None else [*notes, *set(others) - {draw.NO_SPECTROGRAM}]
        answered = "answered without the spectrogram"
    if notes and images is not None:
        notes = [*notes, answered]
    return images, "; ".join(notes), monotonic() - started


def _try_to_draw(data_dir, eeg_id, spectrogram_id, settings):
    """Return a recording's images, or None, and what is wrong with it, a list of str."""
    window, alone = (0, eeg_id, 0.0, 0.0), draw.without_eeg(settings["views"])
    try:
        settings = settings | {"code": draw.drawing_version()}
        _, images, (record,), _ = draw.draw_recordings(
            data_dir, "test", spectrogram_id, [window], settings
        )
        if record["failed"]:
            return None, [str(record["reason"])]
        notes = [str(record["reason"])] if record["reason"] else []
        name = f"test_eegs/{eeg_id}.parquet"
        if not alone:
            try:
                unusual = judge_amplitude(record["amplitude"])
            except ValueError as error:
                return None, [f"{name}: {error}"]
            if unusual:
                notes.append(f"{name}: {unusual}")
            if record["nan_share"] > _MOST_MISSING:
                notes.append(f"{name}: {record['nan_share']:.0%} of the EEG is missing")
        files = source_files(data_dir, "test", eeg_id, spectrogram_id)
        read = slice(int(alone), 1 if spectrogram_id is None else 2)
        for path, length in zip(files[read], _LENGTHS[read], strict=True):
            if pq.read_metadata(path).num_rows != length:
                notes.append(f"{path.parent.name}/{path.name}: longer than {length} rows")
        if spectrogram_id is not None and not images["kaggle600"].any():
            notes.append(f"test_spectrograms/{spectrogram_id}.parquet: the spectrogram is empty")
        return images, notes
    except Exception as error:  # a file can be wrong in ways that nobody thought of
        return None, [_line(error)]


def _line(error):
    """Return an error's first line, or its kind."""
    return str(error).partition("\n")[0] or type(error).__name__
