"""Training that ends in time: whether the next stage still fits."""

import math
import time

_SPARE = 1.15  # what a stage may take beyond what is expected


class TimeIsUp(RuntimeError):
    """The time budget is used up, and what is done is on disk."""


class TimeBudget:
    """Say whether a stage can be finished, from what earlier ones took.

    Parameters
    ----------
    hours : float
        From now on; 0 is no limit.
    """

    def __init__(self, hours=0.0):
        self.hours = hours
        self.ends = time.time() + 3600 * hours if hours else math.inf
        self.rates = {}

    def require(self, stage, n_passes, label):
        """Raise `TimeIsUp` if a stage is not likely to end in time.

        One of which nothing is known begins while there is any time left.

        Parameters
        ----------
        stage : int
            Its number.
        n_passes : int
            Rows times epochs.
        label : str
            What to call it.
        """
        needed = self.expected(stage, n_passes)
        left = self.ends - time.time()
        if left <= 0:
            raise TimeIsUp(f"{label} is not begun: the time budget is used up")
        if _SPARE * needed > left:
            raise TimeIsUp(
                f"{label} is not begun: it takes {needed / 60:.1f} minutes by those before, and "
                f"{left / 60:.1f} of the time budget are left"
            )

    def measure(self, stage, n_passes, seconds):
        """Remember how long a stage took."""
        self.rates[stage] = seconds / max(n_passes, 1)

    def expected(self, stage, n_passes):
        """Return the seconds that a stage takes, as the slowest if there was none like it."""
        rate = self.rates.get(stage, max(self.rates.values(), default=0.0))
        return rate * n_passes
