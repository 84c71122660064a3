"""Answer the test recordings: none stops the others, and the time given is enough."""

import sys
from time import monotonic

import numpy as np
import pandas as pd
from joblib import cpu_count
from tqdm import tqdm

from hms_utils.images import stream
from hms_utils.progress import progress

PRIOR = "answered with the prior"  # the end of a reason
_N_FLIPS = 4  # of an image: itself, sides swapped, time reversed, both
_SPARE = 1.25  # how much more time than needed there must be to take back a saving


def predict_test(test, data_dir, ensemble, *, budget_hours):
    """Draw and predict all test recordings, side by side, and never raise for one.

    Worker processes draw a part of the recordings while the part before is
    predicted here, and nothing is kept of either, so memory does not grow with
    their number.

    A recording gets the ensemble's prior if its EEG cannot be read, has no signal
    or, by its amplitude, is not in microvolts, or if its answer is not finite.
    Without a readable spectrogram it is answered from its EEG alone.

    If all folds and mirror images would take longer than the budget, mirror
    images are left out first, then folds, the last one first; when the budget is
    used up, what is left gets the prior.

    Parameters
    ----------
    test : DataFrame
        As `eeg.read_test` returns it.
    data_dir : path-like
    ensemble : networks.Ensemble
    budget_hours : float

    Returns
    -------
    answers : ndarray of float64, shape (n_rows, 6)
        Rows add to one.
    problems : DataFrame
        ``eeg_id`` and ``reason``: what was wrong with which recordings, and what
        was done about it.
    """
    answers = np.tile(np.array(ensemble.settings["prior"]), (len(test), 1))
    reasons = np.full(len(test), "", object)
    n_jobs, done = max(2, cpu_count()), 0
    budget = _Budget(budget_hours, ensemble.n_folds)
    settings = ensemble.settings["images"]
    with progress("Recordings", len(test)) as bar:
        for drawn in stream(test, data_dir, settings, n_jobs=n_jobs, until=budget.ends):
            plan = budget.choose(len(test) - done, len(drawn))
            if plan is None:
                break
            rows = np.arange(done, done + len(drawn))
            good = np.array([images is not None for images, _, _ in drawn])
            reasons[rows] = [
                reason if fine else f"{reason}; {PRIOR}"
                for (_, reason, _), fine in zip(drawn, good, strict=True)
            ]
            images = [images for images, _, _ in drawn if images is not None]
            started = monotonic()
            for row, (answer, reason) in zip(
                rows[good], _answer(ensemble, images, *plan), strict=True
            ):
                if reason:
                    reasons[row] = reason
                else:
                    answers[row] = answer
            draw_seconds = sum(seconds for _, _, seconds in drawn) / len(drawn)
            budget.measure(monotonic() - started, len(images), draw_seconds / n_jobs)
            done += len(drawn)
            bar.update(len(drawn))
    reasons[done:] = f"not reached within {budget_hours:g} hours; {PRIOR}"
    problems = pd.DataFrame({"eeg_id": test.eeg_id.to_numpy(), "reason": reasons})
    return answers, problems[problems.reason != ""].reset_index(drop=True)


class _Budget:
    """Choose as many folds and mirror images as there is time for."""

    def __init__(self, hours, n_folds):
        self.ends = monotonic() + 3600 * hours
        # Mirror images give less than they cost: they are what goes first.
        self.plans = [(True, n_folds), *((False, n) for n in range(n_folds, 0, -1))]
        self.current, self.n_measured = 0, 0
        self.pass_seconds = self.draw_seconds = 0.0

    def choose(self, n_left, n_next):
        """Return for the next recordings (flipped, n_folds), or None if time is up."""
        left = self.ends - monotonic()
        needed = [n_left * self._seconds(*plan) for plan in self.plans]
        chosen = len(self.plans) - 1
        for number, seconds in enumerate(needed):
            if seconds * (_SPARE if number < self.current else 1) <= left:
                chosen = number
                break
        if left <= 0 or n_next * self._seconds(*self.plans[chosen]) > left:
            tqdm.write(f"Time is up: {n_left} recordings are {PRIOR}", sys.stdout)
            return None
        if self.n_measured == 2 or chosen != self.current:
            now, then = (self._describe(*self.plans[k]) for k in (self.current, chosen))
            text = (
                f"{n_left} recordings are left, and {left / 60:.1f} minutes for them; with {now} "
                f"they take {needed[self.current] / 60:.1f} minutes"
            )
            if chosen != self.current:
                text += f", so it goes on with {then}: {needed[chosen] / 60:.1f} minutes"
            tqdm.write(text, sys.stdout)
        self.current = chosen
        return self.plans[chosen]

    def measure(self, seconds, n_predicted, draw_seconds):
        """Take note of what the last ones took: all to predict, each to draw by all processes."""
        self.n_measured += 1
        if n_predicted and self.n_measured > 1:
            self.pass_seconds = seconds / n_predicted / self._passes(*self.plans[self.current])
            self.draw_seconds = draw_seconds

    def _passes(self, flipped, n_folds):
        return n_folds * (_N_FLIPS if flipped else 1)

    def _seconds(self, flipped, n_folds):
        # As if nothing overlapped: rather too much than too little.
        return self.draw_seconds + self._passes(flipped, n_folds) * self.pass_seconds

    def _describe(self, flipped, n_folds):
        most = self.plans[0][1]
        return f"{n_folds} of {most} folds and {'all' if flipped else 'no'} mirror images"


def _answer(ensemble, images, flipped, n_folds):
    """Return for each recording its probabilities and, if these are no good, why."""
    if not images:
        return []
    try:
        together = {view: np.concatenate([each[view] for each in images]) for view in images[0]}
        answers = ensemble.predict(together, flipped=flipped, n_folds=n_folds)
    except Exception as error:  # such as a lack of memory, or one that spoils it for all
        if len(images) == 1:
            reason = str(error).partition("\n")[0] or type(error).__name__
            return [(None, f"it cannot be predicted: {reason}; {PRIOR}")]
        return [_answer(ensemble, [each], flipped, n_folds)[0] for each in images]
    finite = np.isfinite(answers).all(axis=1)
    reason = f"its answer is not finite; {PRIOR}"
    return [(answer, "" if fine else reason) for answer, fine in zip(answers, finite, strict=True)]
