"""Recordings and tables: what the competition, or a clinic, hands over.

In come ``train.csv`` and ``test.csv`` (`load_metadata`, `read_test`), EEG and spectrogram
files of the competition (`read_eeg`, `read_spectrogram`), and recordings of any origin, EDF
and BDF among them (`open_recording`, which calls `clinical.open_clinical`). Out go checked
tables, the rows to use of them (`select_windows`), windows to look at (`find_examples`), what
recordings are like (`survey`), and microvolts at 200 Hz: in the
competition's columns, or as differences along the four chains (`bipolar`, of any recording
`differences_of`). Notebooks 1 to 3 and 6 use it.
"""

from hms_utils.eeg.csv_file import read_csv
from hms_utils.eeg.examples import ARTEFACT, Example, find_examples
from hms_utils.eeg.files import (
    ABSENT,
    NO_EEG,
    cut,
    has_eegs,
    is_readable,
    read_eeg,
    read_label_window,
    read_spectrogram,
    source_files,
    write_eeg,
    write_spectrogram,
)
from hms_utils.eeg.montage import (
    F_HIGH,
    USUAL,
    amplitude,
    bipolar,
    bridge_gaps,
    differences_of,
    fill_gaps,
    has_signal,
    judge_amplitude,
)
from hms_utils.eeg.recording import Recording, describe, open_recording, read_window
from hms_utils.eeg.rows import clearest, draw_patients, select_windows, vote_shares, with_files
from hms_utils.eeg.survey import survey
from hms_utils.eeg.tables import (
    TEST_COLUMNS,
    TRAIN_COLUMNS,
    has_no_rows,
    load_metadata,
    read_test,
)

__all__ = [
    "ABSENT",
    "ARTEFACT",
    "F_HIGH",
    "NO_EEG",
    "TEST_COLUMNS",
    "TRAIN_COLUMNS",
    "USUAL",
    "Example",
    "Recording",
    "amplitude",
    "bipolar",
    "bridge_gaps",
    "clearest",
    "cut",
    "describe",
    "differences_of",
    "draw_patients",
    "fill_gaps",
    "find_examples",
    "has_eegs",
    "has_no_rows",
    "has_signal",
    "is_readable",
    "judge_amplitude",
    "load_metadata",
    "open_recording",
    "read_csv",
    "read_eeg",
    "read_label_window",
    "read_spectrogram",
    "read_test",
    "read_window",
    "select_windows",
    "source_files",
    "survey",
    "vote_shares",
    "with_files",
    "write_eeg",
    "write_spectrogram",
]
