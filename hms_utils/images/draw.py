"""All views of one recording's windows."""

from itertools import groupby

import numpy as np

from hms_utils.constants import (
    CHAINS,
    EEG_SECONDS,
    ELECTRODES,
    LABEL_SECONDS,
    SFREQ,
    SPECTROGRAM_SECONDS,
    SPECTROGRAM_STEP,
)
from hms_utils.eeg import (
    ABSENT,
    NO_EEG,
    Recording,
    amplitude,
    bipolar,
    cut,
    read_eeg,
    read_spectrogram,
    source_files,
)
from hms_utils.images import competition, mel, pixels, wave
from hms_utils.paths import code_version

# The modules that say what is drawn.
CODE = (
    "images/cache",
    "images/stored",
    "images/draw",
    "images/mel",
    "images/competition",
    "images/pixels",
    "images/wave",
    "eeg/montage",
    "eeg/files",
    "constants",
)
# The 50 s around a label, its central 10 s in finer detail, ten minutes as given, and the
# traces of the 10 s: the length of each view's time axis, in whose middle the label is.
VIEW_SECONDS = {
    "eeg50": EEG_SECONDS,
    "eeg10": LABEL_SECONDS,
    "kaggle600": pixels.N_FRAMES * SPECTROGRAM_STEP,
    "wave": LABEL_SECONDS,
}
VIEWS = tuple(VIEW_SECONDS)
ALONE = ("kaggle600",)  # what can be drawn of a spectrogram without its EEG
# Seconds and samples of a frame's window of the first two.
EEG_VIEWS = ((EEG_SECONDS, mel.N_WINDOW), (LABEL_SECONDS, mel.ZOOM_WINDOW))
QUALITY = ("nan_share", "flat_channels", "amplitude", "spectrogram_nan_share")
NO_SPECTROGRAM = "no spectrogram file"
COMPUTED = "no spectrogram file, computed from the EEG"
NO_POWER = "expected power, found none"
NO_SIGNAL = "expected EEG, found no signal in any electrode"
UNREADABLE = b"unreadable"  # the stamp of a window of which a file could not be read
# What is kept of each window besides its images while they are drawn.
RECORD = np.dtype(
    [("stamp", "S16"), ("checksum", np.uint32), ("failed", bool), ("reason", "U300")]
    + [(name, np.int16 if name == "flat_channels" else np.float32) for name in QUALITY]
)


def without_eeg(views):
    """Return whether views are those of spectrograms alone."""
    return tuple(views) == ALONE


def drawing_version():
    """Return a digest of the code that draws, for telling images of another version."""
    return code_version(*CODE)


def draw_recordings(data_dir, split, spectrogram_id, windows, settings):
    """Draw the windows of one spectrogram and its EEGs, each file read once.

    Parameters
    ----------
    data_dir : Path
        The competition's folder.
    split : {"train", "test"}
    spectrogram_id : int or None
        None if there is no such file: it is computed from an EEG of ten minutes or
        more; of a shorter one its view stays black, as that of recordings whose
        spectrogram is all gaps.
    windows : list of (int, int, float, float)
        Number and eeg_id of each window, and where it begins in the EEG and
        the spectrogram, seconds; those of an EEG together. A table would be
        scattered by joblib to one of a cluster's workers and lost with it; a
        list travels with the task.
    settings : dict
        With ``reduce`` and ``db_range``, as `cache.build` takes them, ``code``, and ``views``:
        either `VIEWS` or `ALONE`, for which no EEG is read.

    Returns
    -------
    numbers : list of int
    images : dict of str to ndarray of uint8, shape (n_windows, 4, height, width)
        Each of the views.
    records : ndarray of `RECORD`, shape (n_windows,)
        Quality, or why a window cannot be drawn: that stops no other.
    n_bytes : int
        Size of the files.

    Raises
    ------
    FileNotFoundError
        If a file is not seen here; `cache.build` asks only for those it sees.
    RuntimeError
        If a cluster's worker has another version of this package.
    """
    if settings["code"] != drawing_version():
        raise RuntimeError("a worker has another version of hms_utils: install the same on all")
    reduce, db_range = settings["reduce"], settings["db_range"]
    alone = without_eeg(settings["views"])
    shape = len(windows), len(CHAINS), *pixels.reduced_shape(reduce)
    images = {view: np.zeros(shape, np.uint8) for view in settings["views"]}
    records, n_bytes, spectrogram = np.zeros(len(windows), RECORD), 0, None
    for eeg_id, group in groupby(range(len(windows)), key=lambda number: windows[number][1]):
        rows = list(group)
        eeg_path, path = source_files(data_dir, split, eeg_id, spectrogram_id)
        try:
            if spectrogram is None and spectrogram_id is not None:
                spectrogram = read_spectrogram(path)
                n_bytes += path.stat().st_size
            if not alone:
                eeg = read_eeg(eeg_path)
                n_bytes += eeg_path.stat().st_size
        except FileNotFoundError:
            raise
        except (ValueError, OSError) as error:
            records["failed"][rows], records["reason"][rows] = True, str(error)
            records["stamp"][rows] = UNREADABLE if isinstance(error, OSError) else b""
            continue
        for row in rows:
            _, _, near, far = windows[row]
            try:
                window = NO_EEG if alone else cut(eeg, near, EEG_SECONDS, SFREQ, eeg_path)
                if spectrogram_id is None and alone:
                    raise ValueError(NO_SPECTROGRAM)
                if spectrogram_id is None and len(eeg) >= SPECTROGRAM_SECONDS * SFREQ:
                    whole = Recording(
                        eeg_path, len(eeg), lambda start, stop, eeg=eeg: eeg[start:stop]
                    )
                    long = competition.long_spectrogram(whole, near)
                    records["reason"][row] = COMPUTED
                elif spectrogram_id is None:
                    long = ABSENT
                    records["reason"][row] = NO_SPECTROGRAM
                else:
                    long = cut(spectrogram, far, SPECTROGRAM_SECONDS, 1 / SPECTROGRAM_STEP, path)
            except ValueError as error:
                records["failed"][row], records["reason"][row] = True, str(error)
                continue
            if np.isinf(window).any() or np.isinf(long).any():
                records["reason"][row] = "infinite values, taken as missing"
                window, long = (np.where(np.isinf(part), np.nan, part) for part in (window, long))
            if (long < 0).any():
                records["reason"][row] = "negative power, taken as missing"
                long = np.where(long < 0, np.nan, long)
            differences = bipolar(window)
            options = {"reduce": reduce, "db_range": db_range, "views": settings["views"]}
            drawn = draw_window(differences, long, **options)
            for view, picture in drawn.items():
                images[view][row] = picture
            _judge(window, differences, long, records[row : row + 1])
            if alone:
                records["nan_share"][row] = np.nan  # nothing was read that could have gaps
            if np.isnan(long).all() if alone else np.isnan(records["amplitude"][row]):
                records["failed"][row] = True
                source, reason = (path, NO_POWER) if alone else (eeg_path, NO_SIGNAL)
                records["reason"][row] = f"{source.parent.name}/{source.name}: {reason}"
    return [number for number, *_ in windows], images, records, n_bytes


def draw_window(differences, spectrogram, *, reduce, db_range, views=VIEWS):
    """Draw the views of one window.

    Parameters
    ----------
    differences : ndarray of float32, shape (16, 10000)
        As `eeg.bipolar` returns them, of the 50 s around the label.
    spectrogram : ndarray of float32, shape (300, 400)
        Of the ten minutes around it; NaN where there is none.
    reduce, db_range
        As for `cache.build`.
    views : sequence of str
        `VIEWS` or `ALONE`.

    Returns
    -------
    dict of str to ndarray of uint8, shape (4, height, width)
        By `views`.
    """
    pictures = [competition.spectrogram_image(spectrogram, db_range=db_range)]
    if not without_eeg(views):
        near = mel.eeg_images(differences, EEG_VIEWS, db_range=db_range)
        pictures = [*near, *pictures, wave.wave_image(differences)]
    reduced = [pixels.reduce_image(picture, reduce) for picture in pictures]
    return dict(zip(views, reduced, strict=True))


def _judge(eeg, differences, spectrogram, record):
    """Write a window's quality into its record."""
    electrodes = eeg[:, : len(ELECTRODES)]
    record["nan_share"] = np.isnan(electrodes).mean()
    # NaN is unequal to itself, so a channel with gaps is not flat for that.
    record["flat_channels"] = (electrodes == electrodes[0]).all(axis=0).sum()
    record["amplitude"] = amplitude(differences)
    record["spectrogram_nan_share"] = np.isnan(spectrogram).mean()
