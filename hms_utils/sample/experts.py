"""Simulated experts: what a window shows, what a panel and what few raters make of it.

First a look is drawn, then it is judged. A panel of ten or more names what is
to be seen, and the less of it, the further its opinions are apart. One to seven
raters see another mix of looks and judge otherwise: they agree with each other, and
where three or more were asked they lean to seizures and rhythms, as in the real table.
The numbers are fitted to that table's figures (`benchmarks.sample.REAL_TABLE`).
"""

from dataclasses import dataclass

import numpy as np

from hms_utils.constants import CLASSES, WELL_VOTED

# How often a recording is shown to so many raters.
STRATA = {"1-2": 0.25, "3-9": 0.40, "10+": 0.35}
_VOTE_COUNTS = {
    "1-2": ((1, 2), (0.6, 0.4)),
    "3-9": ((3, 4, 5, 6, 7), (0.88, 0.04, 0.04, 0.02, 0.02)),
    "10+": (range(10, 29), np.geomspace(1, 0.24, 19)),
}
# How often a recording's main pattern is each class.
_MAIN = {
    "1-2": (0.040, 0.036, 0.123, 0.104, 0.057, 0.640),
    "3-9": (0.208, 0.105, 0.060, 0.119, 0.117, 0.391),
    "10+": (0.051, 0.180, 0.111, 0.058, 0.065, 0.535),
}
# Panels of the clearest looks are the largest.
_TILT, _TYPICAL = 0.5, 0.7
# What else experts see in each class: Seizure, LPD, GPD, LRDA, GRDA, Other.
_CONFUSION = np.array(
    [
        (0, 0.5, 0.3, 0.2, 0, 0),
        (0.2, 0, 0.3, 0.5, 0, 0),
        (0.2, 0.3, 0, 0, 0.5, 0),
        (0.2, 0.5, 0, 0, 0.3, 0),
        (0.2, 0, 0.5, 0.3, 0, 0),
        (0.06, 0.28, 0.22, 0.2, 0.24, 0),
    ]
)
# Looks: how visible a main pattern at least is, the beta distribution of clear ones, how
# often a second pattern is in it; how often "other" is plain background, and how visible
# the faint pattern otherwise can be.
_LEAST, _SECOND = 0.22, 0.12
_CLEAR = {
    "Seizure": (1.3, 0.9),
    "LPD": (2.1, 0.7),
    "GPD": (2.1, 0.7),
    "LRDA": (1.3, 0.9),
    "GRDA": (1.3, 0.9),
}
_PLAIN, _FAINTEST, _FAINT = 0.18, 0.05, 0.6
# Share of a panel that mistakes one class for another: of a clear look, and what doubt adds.
_ERROR, _DOUBT = 0.0015, 0.36
# What few raters make of a panel's opinion: each class's weight and an exponent that sharpens.
_LEAN = {
    "1-2": ((0.72, 8.5, 0.67, 0.58, 2.0, 1.0), 1.25),
    "3-9": ((180.0, 0.67, 0.45, 1.1, 42.0, 1.0), 1.40),
}
_SEEN = 0.003  # added to each class before: few raters overlook nothing altogether
# Concentration of the Dirichlet distribution of what the raters of one look have in common;
# four to seven are asked where there is no agreement.
_AGREEMENT = {2: 1.7, 3: 0.54}


@dataclass(frozen=True)
class Look:
    """What a stretch of a recording shows, before anyone has judged it.

    Attributes
    ----------
    shares : dict of str to float
        How visible each named pattern is, the main one first; what is left to one
        is background.
    """

    shares: dict

    @property
    def clarity(self):
        """How visible the patterns are together, from 0 to 1."""
        return sum(self.shares.values())

    @property
    def is_background(self):
        """Whether no pattern is to be seen."""
        return self.clarity < 0.15

    @property
    def visible(self):
        """The picture's shares of the six classes, (6,)."""
        shares = self.shares | {"Other": 1 - self.clarity}
        return np.array([shares.get(name, 0.0) for name in CLASSES])


def draw_main(rng, stratum, leaning=None):
    """Draw the class that a recording is mainly about.

    Parameters
    ----------
    rng : numpy.random.Generator
    stratum : str
        One of `STRATA`.
    leaning : float, optional
        From 0 to 1; the same number means the same class, so a patient who has
        one of their own has one pattern again and again.
    """
    place = rng.random() if leaning is None else leaning
    return CLASSES[int(np.searchsorted(np.cumsum(_MAIN[stratum])[:-1], place, side="right"))]


def draw_look(rng, main):
    """Draw what a stretch of a recording of class `main` shows, a `Look`."""
    other = str(rng.choice(CLASSES, p=_CONFUSION[CLASSES.index(main)]))
    if main == "Other":
        plain = rng.random() < _PLAIN
        return Look({other: rng.uniform(0, _FAINTEST) if plain else _FAINT * rng.beta(2, 1.5)})
    clarity = _LEAST + (1 - _LEAST) * rng.beta(*_CLEAR[main])
    if rng.random() > _SECOND:
        return Look({main: clarity})
    part = rng.uniform(0.5, 0.9)
    return Look({main: clarity * part, other: clarity * (1 - part)})


def opinion(look, stratum):
    """Return what the raters of a stratum make of a look in the mean.

    Parameters
    ----------
    look : Look
    stratum : str
        One of `STRATA`.

    Returns
    -------
    ndarray of float64, shape (6,)
        The distribution of each of their votes. Those of few raters depend on each
        other, beyond it.
    """
    visible = look.visible
    error = _ERROR + _DOUBT * (1 - visible.max())
    panel = (1 - error) * visible + error * visible @ _CONFUSION
    if stratum not in _LEAN:
        return panel
    weights, exponent = _LEAN[stratum]
    lean = weights * (panel + _SEEN) ** exponent
    return lean / lean.sum()


def draw_votes(rng, look, stratum):
    """Draw the votes on a look, int of shape (6,); a stratum's number of raters varies."""
    shares = opinion(look, stratum)
    counts, weights = np.array(_VOTE_COUNTS[stratum][0]), np.array(_VOTE_COUNTS[stratum][1])
    if stratum == "10+":
        weights = weights * np.exp(_TILT * (counts - WELL_VOTED) * (shares.max() - _TYPICAL))
    n_raters = int(rng.choice(counts, p=weights / weights.sum()))
    if n_raters in _AGREEMENT:
        shares = rng.dirichlet(np.maximum(_AGREEMENT[n_raters] * shares, 1e-3))
    return rng.multinomial(n_raters, shares)
