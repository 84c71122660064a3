"""From a window to an image: spectrogram recipes, the cache on disk, folds of patients.

In come windows of EEG and of given spectrograms; out go uint8 images of the four chains
in four `VIEWS`, of one window (`draw_window`), of all label windows in memory-mapped
arrays (`build`, `load`) or of the test recordings one part after the other (`stream`).
`mel` has the public notebooks' spectrogram, `competition` the recovered recipe of the
competition's own, which makes the ten minutes of any EEG (`long_spectrogram`), `folds`
the folds. Notebook 2 is about it, 1 draws single windows, 3 to 5 load what 2 wrote.
"""

from hms_utils.images.cache import build, drawable_views
from hms_utils.images.competition import (
    LEAD,
    N_ROWS,
    competition_spectrogram,
    likeness,
    long_spectrogram,
    n_long_rows,
    read_long_spectrogram,
    spectrogram_image,
)
from hms_utils.images.draw import QUALITY, VIEW_SECONDS, VIEWS, draw_window, drawing_version
from hms_utils.images.folds import assign_folds, make_folds, save_folds
from hms_utils.images.mel import ZOOM_WINDOW, eeg_image, mel_spectrogram
from hms_utils.images.pixels import DB_RANGE, F_MAX, N_FRAMES, reduced_shape
from hms_utils.images.stored import choose_views, fingerprint, load
from hms_utils.images.streaming import stream
from hms_utils.images.wave import wave_image
from hms_utils.images.workers import cluster

__all__ = [
    "DB_RANGE",
    "F_MAX",
    "LEAD",
    "N_FRAMES",
    "N_ROWS",
    "QUALITY",
    "VIEWS",
    "VIEW_SECONDS",
    "ZOOM_WINDOW",
    "assign_folds",
    "build",
    "choose_views",
    "cluster",
    "competition_spectrogram",
    "draw_window",
    "drawable_views",
    "drawing_version",
    "eeg_image",
    "fingerprint",
    "likeness",
    "load",
    "long_spectrogram",
    "make_folds",
    "mel_spectrogram",
    "n_long_rows",
    "read_long_spectrogram",
    "reduced_shape",
    "save_folds",
    "spectrogram_image",
    "stream",
    "wave_image",
]
