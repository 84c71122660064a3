"""Second-reader cards: one window as an EEG reader knows it, with votes and prediction."""

from datetime import timedelta

import numpy as np

from hms_utils.answers.over_time import notices
from hms_utils.constants import (
    CLASSES,
    EEG_SECONDS,
    RESEARCH_NOTICE,
    SPECTROGRAM_STEP,
)
from hms_utils.eeg import differences_of, has_signal, read_label_window, read_window
from hms_utils.images import N_ROWS, draw_window, long_spectrogram
from hms_utils.plots import draw_card


def card_of_recording(recording, at=None, *, given=None, votes=None, ensemble=None):
    """Draw the card of one window of a recording.

    Parameters
    ----------
    recording : eeg.Recording
    at : float, optional
        Second in the window's centre; by default the middle of the recording.
    given : ndarray of float32, shape (n_rows, 400), optional
        As `images.read_long_spectrogram` returns it; by default it is computed.
    votes : array-like of int, shape (6,), optional
    ensemble : networks.Ensemble, optional
        Without one there is no prediction.

    Returns
    -------
    figure : matplotlib Figure
    prediction : ndarray of float64, shape (6,), or None
        None without an ensemble, or where the central 10 s have no signal.

    Raises
    ------
    ValueError
        If the window reaches beyond the recording.
    """
    at = recording.seconds / 2 if at is None else at
    start = at - EEG_SECONDS / 2
    eeg = read_window(recording, start)
    if given is None:
        rows = long_spectrogram(recording, start)
    else:
        rows = given[int(start // SPECTROGRAM_STEP) :][:N_ROWS]
    prediction, notes, concentration = None, [RESEARCH_NOTICE], None
    differences = differences_of(eeg)
    if ensemble and has_signal(differences):
        images = draw_window(differences, rows, **ensemble.settings["images"])
        prediction = ensemble.predict({view: image[None] for view, image in images.items()})[0]
        notes = notices(ensemble.settings["synthetic"])
        concentration = ensemble.settings["concentration"]
    clock = recording.start and f", {recording.start + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}"
    return draw_card(
        eeg,
        rows,
        votes=votes,
        prediction=prediction,
        concentration=concentration,
        title=f"{recording.path.name}, 50 s around second {at:g}{clock or ''}",
        notes=notes,
    ), prediction


def card_of_window(data_dir, window, **shown):
    """Draw the card of a training window.

    Parameters
    ----------
    data_dir : path-like
        The competition's folder, or one like it.
    window : Series
        A row of `eeg.select_windows`.
    **shown
        As for `plots.draw_card`.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If a file cannot be read; a spectrogram that is missing is left out.
    """
    eeg, rows = read_label_window(data_dir, window)
    return draw_card(eeg, rows, **shown)


def parse_votes(text):
    """Read six numbers of votes with commas between them, int of shape (6,).

    Raises
    ------
    ValueError
        If these are not six whole numbers of zero and more, one of them above.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(CLASSES) or not all(part.isdecimal() for part in parts):
        raise ValueError(
            f"expected votes for {', '.join(CLASSES)} such as 3,0,1,0,0,8, found {text!r}"
        )
    votes = np.array(parts, int)
    if not votes.any():
        raise ValueError(f"expected at least one vote, found {text!r}")
    return votes
