"""Fit the sample's background to real EEG and print the numbers as a module.

    python benchmarks/fit_sample.py --real FOLDER [--real FOLDER] > hms_utils/sample/fitted.py

Folders are in the competition's layout. The background is what is seen where
the pattern is not: on the quieter side of clear LPD and LRDA. So that there
is something left to judge by, only every second EEG of each class, in the order
of their ids, is read.
"""

from itertools import pairwise

import click
import numpy as np
from realism import FOLDER, windows
from scipy import optimize, signal

from hms_utils.constants import DIFFERENCES, ELECTRODES, SFREQ
from hms_utils.eeg import bipolar, bridge_gaps
from hms_utils.sample.waves import XY

KNOTS = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40)  # Hz
BANDS = {"slow": (1, 8), "fast": (8, 35)}
_N_COMPONENTS = 3
_PLACES = np.array([[XY[ELECTRODES.index(e)] for e in pair] for pair in DIFFERENCES])


def tuned(folders, names):
    """Return the windows that may be fitted to, a list of arrays (n_samples, 20)."""
    found = sorted((w for folder in folders for w in windows(folder)), key=lambda w: w[:2])
    return [w[2] for name in names for w in [w for w in found if w[0] == name][::2]]


def quiet_side(eeg):
    """Return the rows of the double banana on the side with less power, and its signals."""
    waves = bridge_gaps(bipolar(eeg))
    waves -= waves.mean(axis=1, keepdims=True)
    sides = np.array([[*range(4), *range(8, 12)], [*range(4, 8), *range(12, 16)]])
    power = [np.median(waves[side].std(axis=1)) for side in sides]
    side = sides[np.argmin(power)]
    return side, waves[side]


def spectra(signals):
    """Return log10 of the amplitude density of a side's differences at `KNOTS`, (8, n_knots)."""
    frequencies, density = signal.welch(signals, SFREQ, nperseg=4 * SFREQ, axis=1)
    edges = np.sqrt([a * b for a, b in pairwise([KNOTS[0] / 2, *KNOTS, 45])])
    parts = [
        density[:, (frequencies >= low) & (frequencies < high)].mean(axis=1)
        for low, high in pairwise(edges)
    ]
    return 0.5 * np.log10(np.stack(parts, axis=1))


def covariance(signals, low, high):
    """Return a side's covariance within a band, its mean variance being one, (8, 8)."""
    sos = signal.butter(4, [low, high], "bandpass", fs=SFREQ, output="sos")
    waves = signal.sosfiltfilt(sos, signals, axis=1)
    waves /= waves.std(axis=1, keepdims=True)
    return np.cov(waves)


def kernel(places, reach, power, alone):
    """Return the correlation of differences whose electrodes' is that of `background`.

    It falls off as exp(-(distance / reach) ** power), and `alone` is the share of an
    electrode's variance that no other one sees.
    """
    points = places.reshape(-1, 2)
    distance = np.hypot(*np.moveaxis(points[:, None] - points[None], -1, 0))
    electrodes = (1 - alone) * np.exp(-((distance / reach) ** power)) + alone * (distance < 1e-6)
    minus = np.kron(np.eye(len(places)), [[1.0, -1.0]])
    full = minus @ electrodes @ minus.T
    scale = np.sqrt(np.diag(full))
    return full / np.outer(scale, scale)


def fit(eegs):
    """Return the numbers of the background of these windows, a dict."""
    sides = [quiet_side(eeg) for eeg in eegs]
    logs = np.stack([spectra(signals) for _, signals in sides])
    levels = np.log([np.median(signal_size(signals)) for _, signals in sides])
    # Muscle is added apart: the quieter differences have least of it.
    own = np.percentile(logs, 25, axis=1)
    shapes = own - own.mean(axis=1, keepdims=True)
    mean = shapes.mean(axis=0)
    _, sizes, components = np.linalg.svd(shapes - mean, full_matrices=False)
    components *= sizes[:, None] / np.sqrt(len(shapes) - 1)
    found = {
        "LEVEL": (np.exp(levels.mean()), levels.std(ddof=1)),
        "KNOTS": KNOTS,
        "SPECTRUM": mean,
        "COMPONENTS": components[:_N_COMPONENTS],
    }
    for name, (low, high) in BANDS.items():
        each = [(side, covariance(signals, low, high)) for side, signals in sides]

        def loss(x, each=each):
            return sum(((kernel(_PLACES[side], *x) - c) ** 2).sum() for side, c in each)

        limits = [(0.2, 2.5), (1, 2), (0, 0.5)]
        shape = optimize.minimize(loss, [0.6, 1.5, 0.05], bounds=limits).x
        chosen = (np.array(KNOTS) >= low) & (np.array(KNOTS) < high)
        spread = np.log(10) * logs[:, :, chosen].mean(axis=2).std(axis=1)
        found[name.upper()] = (*shape, np.sqrt(np.mean(spread**2)))
    return found


def signal_size(signals):
    """Return the root mean square of signals between 0.5 and 40 Hz."""
    sos = signal.butter(4, [0.5, 40], "bandpass", fs=SFREQ, output="sos")
    return signal.sosfiltfilt(sos, signals, axis=1).std(axis=1)


COMMENTS = {
    "LEVEL": "Root mean square of the middle difference, µV, and the spread of its logarithm.",
    "KNOTS": "Hz.",
    "SPECTRUM": "Logarithm (10) of a difference's amplitude density at the knots.",
    "COMPONENTS": "Its principal components over patients, times their standard deviation.",
    "SLOW": "1 to 8 Hz: reach (head radii) and power of the fall of the electrodes' correlation,\n"
    "# share that an electrode has for itself, spread of the log amplitude over electrodes.",
    "FAST": "The same for 8 to 35 Hz.",
}


def _text(value):
    if np.ndim(value) == 2:
        return "(\n" + "".join(f"    {_text(row)},\n" for row in value) + ")"
    return "(" + ", ".join(f"{np.round(number, 2):g}" for number in value) + ")"


@click.command()
@click.option("--real", "reals", multiple=True, required=True, type=FOLDER)
def main(reals):
    """Print the module of fitted numbers."""
    eegs = tuned(reals, ("LPD", "LRDA"))
    print('"""Numbers of real background EEG, printed by `benchmarks/fit_sample.py`.\n')
    print(f"From the quieter side of {len(eegs)} clear LPD and LRDA of the IIIC-SPaRCNet, IIIC-IRR")
    print('and GROND data of bdsp-core.\n"""')
    print("\n# ruff: noqa: E501\n# fmt: off")
    for name, value in fit(eegs).items():
        print(f"# {COMMENTS[name]}\n{name} = {_text(value)}")
    print("# fmt: on")


if __name__ == "__main__":
    main()
