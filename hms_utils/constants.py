"""Names and numbers of the competition's data."""

from itertools import pairwise

COMPETITION = "hms-harmful-brain-activity-classification"

CLASSES = ("Seizure", "LPD", "GPD", "LRDA", "GRDA", "Other")
VOTE_COLUMNS = tuple(f"{name.lower()}_vote" for name in CLASSES)

# Rows with this many votes or more: the leaderboard's population, as competitors report,
# kaggle.com/competitions/hms-harmful-brain-activity-classification/discussion/492471.
WELL_VOTED = 10

SFREQ = 200  # samples per second
EEG_SECONDS = 50  # length of a label window
LABEL_SECONDS = 10  # its central part, which the experts labelled
SPECTROGRAM_SECONDS = 600  # length of the long window around it
SPECTROGRAM_STEP = 2  # seconds per row of a spectrogram file

ELECTRODES = (
    "Fp1", "F3", "C3", "P3", "F7", "T3", "T5", "O1", "Fz", "Cz",
    "Pz", "Fp2", "F4", "C4", "P4", "F8", "T4", "T6", "O2",
)  # fmt: skip
EEG_COLUMNS = (*ELECTRODES, "EKG")
NEW_NAMES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}  # of the 10-10 system

# The double banana: four chains from front to back, in the order of the
# competition's spectrogram columns.
CHAINS = {
    "LL": ("Fp1", "F7", "T3", "T5", "O1"),
    "RL": ("Fp2", "F8", "T4", "T6", "O2"),
    "LP": ("Fp1", "F3", "C3", "P3", "O1"),
    "RP": ("Fp2", "F4", "C4", "P4", "O2"),
}
# Each chain's counterpart on the other side of the head.
MIRRORED_CHAIN = {"LL": "RL", "RL": "LL", "LP": "RP", "RP": "LP"}
DIFFERENCES = tuple(pair for chain in CHAINS.values() for pair in pairwise(chain))
MIDLINE = (("Fz", "Cz"), ("Cz", "Pz"))  # of the double banana, but in no chain
# Of a recording that holds differences instead of electrodes.
BIPOLAR_COLUMNS = (*("-".join(pair) for pair in DIFFERENCES), "EKG")

# Bins 3 to 102 of a 1,024-point FFT at 200 Hz; file columns name them with two
# decimals, halves rounded up (3.125 is "LL_3.13"), without trailing zeros ("LL_4.1").
FREQUENCIES = tuple(k * SFREQ / 1024 for k in range(3, 103))
SPECTROGRAM_COLUMNS = tuple(
    f"{chain}_{int(f * 100 + 0.5) / 100:g}" for chain in CHAINS for f in FREQUENCIES
)

PREDICTION_COLUMNS = tuple(f"p_{name.lower()}" for name in CLASSES)

# Stands on everything that says something about one recording.
RESEARCH_NOTICE = "Research use only, not a medical device."
