"""Simulated experts: what a window shows, what a panel thinks of it, how it votes.

The figures are those of the real table: how many experts voted, which patterns
are frequent among windows with few and with many votes, and how often experts
agree. Windows with many votes were shown to more experts because they are
harder; among those with few, seizures are common and opinions rarely differ.
"""

from dataclasses import dataclass

import numpy as np

from hms_utils.constants import CLASSES

CASES = ("idealised", "proto", "edge")
# How often a recording belongs to each stratum of votes.
STRATA = {"1-2": 0.25, "3-9": 0.40, "10+": 0.35}
_VOTE_COUNTS = {
    "1-2": ((1, 2), (0.6, 0.4)),
    "3-9": ((3, 4, 5, 6, 7), (0.88, 0.04, 0.04, 0.02, 0.02)),
    "10+": (range(10, 29), np.geomspace(1, 0.05, 19)),
}
# How often a recording's main pattern is each class.
_MAIN = {
    "1-2": (0.04, 0.10, 0.08, 0.10, 0.13, 0.55),
    "3-9": (0.47, 0.09, 0.12, 0.10, 0.13, 0.09),
    "10+": (0.06, 0.28, 0.18, 0.05, 0.065, 0.365),
}
_CASE_SHARES = {
    "1-2": (0.88, 0.08, 0.04),
    "3-9": (0.92, 0.04, 0.04),
    "10+": (0.28, 0.56, 0.16),
}
# What else experts see in a pattern, most often first.
_RESEMBLES = {
    "Seizure": ("LPD", "GPD", "LRDA"),
    "LPD": ("LRDA", "GPD", "Seizure"),
    "GPD": ("GRDA", "LPD", "Seizure"),
    "LRDA": ("LPD", "GRDA", "Seizure"),
    "GRDA": ("GPD", "LRDA", "Seizure"),
    "Other": ("GRDA", "LRDA", "LPD"),
}
_RANK_SHARES = np.array([0.5, 0.3, 0.2])
# Share of an endless panel that names something else for no visible reason.
_ERROR = 0.04


@dataclass(frozen=True)
class Content:
    """What a stretch of a recording shows.

    Attributes
    ----------
    case : {"idealised", "proto", "edge"}
        One clear pattern, a pattern that half the experts would not name, or
        one between two named patterns.
    shares : dict of str to float
        How much of the picture speaks for each named pattern; what is left to
        one is background.
    """

    case: str
    shares: dict

    @property
    def is_background(self):
        """Whether no pattern is to be seen."""
        return sum(self.shares.values()) < 0.15

    @property
    def truth(self):
        """The votes of an endless panel, shares of the six classes, (6,)."""
        visible = dict.fromkeys(CLASSES, 0.0) | self.shares
        visible["Other"] = 1 - sum(self.shares.values())
        truth = np.array([(1 - _ERROR) * visible[name] for name in CLASSES])
        for name, share in visible.items():
            for rank, other in enumerate(_RESEMBLES[name]):
                truth[CLASSES.index(other)] += _ERROR * share * _RANK_SHARES[rank]
        return truth


def draw_main(rng, stratum):
    """Draw the class that a recording is mainly about."""
    return str(rng.choice(CLASSES, p=_MAIN[stratum]))


def draw_content(rng, main, stratum):
    """Draw what a stretch of a recording of class `main` shows, a `Content`."""
    case = str(rng.choice(CASES, p=_CASE_SHARES[stratum]))
    other = str(rng.choice(_RESEMBLES[main], p=_RANK_SHARES))
    if main == "Other":
        # What is neither clear background nor a clear pattern is a faint pattern.
        share = rng.uniform(0, 0.1) if case == "idealised" else rng.uniform(0.2, 0.5)
        return Content("idealised" if case == "idealised" else "proto", {other: share})
    if case == "idealised":
        return Content(case, {main: rng.uniform(0.8, 1.0)})
    if case == "proto":
        return Content(case, {main: rng.uniform(0.3, 0.65)})
    named, part = rng.uniform(0.8, 1.0), rng.uniform(0.35, 0.65)
    return Content(case, {main: named * part, other: named * (1 - part)})


def draw_votes(rng, truth, stratum):
    """Draw a panel's votes from the distribution `truth`, int of shape (6,)."""
    counts, shares = _VOTE_COUNTS[stratum]
    n_experts = rng.choice(counts, p=np.divide(shares, np.sum(shares)))
    return rng.multinomial(n_experts, truth)
