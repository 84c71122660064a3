"""How good answers are: the divergence, beside which marks, within which error.

In come votes and probabilities; out go the Kullback-Leibler divergence as Kaggle computes it
(`kl_divergence` of arrays, `score` of tables; `metric` has the definition), tables of scores
with bootstrap intervals (`scorecard`, `differences`, `per_class`), the class prior
(`mean_vote`, which is smoothed, `fold_priors` out of fold), calibration and vote intervals,
the temperatures and shares of the blend (`fit_blend`), and what all these numbers say,
in words that follow from them (`sentences`). Notebooks 1 to 5 use it.
"""

from hms_utils.scores import sentences
from hms_utils.scores.blend import blend_out_of_fold, fit_blend, mix, smooth, temper
from hms_utils.scores.bootstrap import interval, summarise
from hms_utils.scores.calibration import calibration_error, errors_by_chance, reliability
from hms_utils.scores.classes import alarms, confusion_counts, consensus, per_class, second_opinions
from hms_utils.scores.comparisons import against_marks, by_patients, closed, differences
from hms_utils.scores.faults import id_faults, text_faults, value_faults
from hms_utils.scores.marks import estimated_floor, fold_priors, mean_vote, patient_priors
from hms_utils.scores.metric import EPSILON, kl_divergence, row_divergence, score
from hms_utils.scores.tables import WELL, group_label, scorecard, side_by_side, strata
from hms_utils.scores.uncertainty import (
    coverage,
    doubt,
    entropy,
    expert_entropy,
    fit_concentration,
    vote_intervals,
)

__all__ = [
    "EPSILON",
    "WELL",
    "against_marks",
    "alarms",
    "blend_out_of_fold",
    "by_patients",
    "calibration_error",
    "closed",
    "confusion_counts",
    "consensus",
    "coverage",
    "differences",
    "doubt",
    "entropy",
    "errors_by_chance",
    "estimated_floor",
    "expert_entropy",
    "fit_blend",
    "fit_concentration",
    "fold_priors",
    "group_label",
    "id_faults",
    "interval",
    "kl_divergence",
    "mean_vote",
    "mix",
    "patient_priors",
    "per_class",
    "reliability",
    "row_divergence",
    "score",
    "scorecard",
    "second_opinions",
    "sentences",
    "side_by_side",
    "smooth",
    "strata",
    "summarise",
    "temper",
    "text_faults",
    "value_faults",
    "vote_intervals",
]
