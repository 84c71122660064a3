"""Numbers of real background EEG, printed by `benchmarks/fit_sample.py`.

From the quieter side of 16 clear LPD and LRDA of the IIIC-SPaRCNet, IIIC-IRR
and GROND data of bdsp-core.
"""

# ruff: noqa: E501
# fmt: off
# Root mean square of the middle difference, µV, and the spread of its logarithm.
LEVEL = (10.03, 0.41)
# Hz.
KNOTS = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40)
# Logarithm (10) of a difference's amplitude density at the knots.
SPECTRUM = (0.76, 0.69, 0.65, 0.49, 0.36, 0.24, 0.1, -0.03, -0.14, -0.24, -0.36, -0.46, -0.59, -0.68, -0.8)
# Its principal components over patients, times their standard deviation.
COMPONENTS = (
    (0.01, 0.01, -0.08, -0.09, -0.12, -0.14, -0.12, -0.08, -0.07, -0.03, 0.03, 0.16, 0.13, 0.16, 0.22),
    (-0.09, -0.08, -0.12, -0.07, -0.02, 0.01, 0.04, 0.07, 0.08, 0.09, 0.05, -0.01, 0.04, 0.02, -0.01),
    (-0.14, -0.04, 0.02, 0.08, 0.07, 0.03, -0.02, -0.03, -0.02, -0.03, -0, -0.01, 0.01, 0.03, 0.05),
)
# 1 to 8 Hz: reach (head radii) and power of the fall of the electrodes' correlation,
# share that an electrode has for itself, spread of the log amplitude over electrodes.
SLOW = (2.36, 1.91, 0.02, 0.3)
# The same for 8 to 35 Hz.
FAST = (1.54, 1.96, 0.11, 0.39)
# fmt: on
