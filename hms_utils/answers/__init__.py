"""What goes out: the submission, a recording's answers over time, cards, Kaggle's bundle.

In come recordings and a sealed `networks.Ensemble`; out go answers of the hidden test that no
recording stops, within a time budget (`predict_test`), a submission and all that is wrong
with one (`write_submission`, `check`, `diagnose`), tables, annotations and pictures of any
recording (`predict_recording`, `write_predictions`), second-reader cards, alone or to
leaf through (`browse`), and what ``kaggle`` uploads to train (`write_training`,
`fetch_training`) and to submit (`write_bundle`). Notebook 6 and the command line use it,
notebook 5 the cards.
"""

from hms_utils.answers.browse import browse, card_with_cases
from hms_utils.answers.bundle import find_user, next_steps, write_bundle
from hms_utils.answers.cards import card_of_recording, card_of_window, parse_votes
from hms_utils.answers.hidden_test import PRIOR, predict_test
from hms_utils.answers.over_time import notices, predict_recording, write_predictions
from hms_utils.answers.submission import check, diagnose, write_submission
from hms_utils.answers.training_bundle import fetch_training, write_training

__all__ = [
    "PRIOR",
    "browse",
    "card_of_recording",
    "card_of_window",
    "card_with_cases",
    "check",
    "diagnose",
    "fetch_training",
    "find_user",
    "next_steps",
    "notices",
    "parse_votes",
    "predict_recording",
    "predict_test",
    "write_bundle",
    "write_predictions",
    "write_submission",
    "write_training",
]
