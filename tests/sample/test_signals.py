from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import DIFFERENCES, ELECTRODES, SFREQ
from hms_utils.sample import background, fitted, patterns, waves

SECONDS = 60
N = SECONDS * SFREQ
FIRST, SECOND = np.array([[ELECTRODES.index(e) for e in pair] for pair in DIFFERENCES]).T
LEFT, RIGHT = [*range(4), *range(8, 12)], [*range(4, 8), *range(12, 16)]
TEMPORAL = range(8)
FRONT = [0, 4, 8, 12]
PATTERNS = ["LPD", "GPD", "LRDA", "GRDA"]


def origin(seed, frequency=1.2, **fields):
    return replace(patterns.draw_origin(np.random.default_rng(seed)), frequency=frequency, **fields)


def make(name, seed, clarity=1.0, n_samples=N, **fields):
    rng = np.random.default_rng([seed, 1])
    return patterns.pattern(rng, name, n_samples, origin(seed, **fields), clarity)


def banana(eeg):
    return eeg[FIRST] - eeg[SECOND]


def strongest(eeg):
    differences = banana(eeg)
    return differences[np.argmax(differences.std(axis=1))]


def spectrum(wave):
    return signal.welch(wave, SFREQ, nperseg=8 * SFREQ)


def peak(wave, low=0.3, high=12):
    frequencies, density = spectrum(wave)
    inside = (frequencies > low) & (frequencies < high)
    return frequencies[inside][density[inside].argmax()]


def regularity(wave):
    """Return the largest autocorrelation at lags of 0.25 to 2 s."""
    wave = (wave - wave.mean()) / wave.std()
    lags = range(SFREQ // 4, 2 * SFREQ)
    return max(np.mean(wave[lag:] * wave[:-lag]) for lag in lags)


def kurtosis(wave):
    wave = wave - wave.mean()
    return np.mean(wave**4) / np.mean(wave**2) ** 2


def brain(seed, age=60.0):
    return background.draw_brain(np.random.default_rng(seed), age)


def draw_background(seed, **fields):
    rng = np.random.default_rng([seed, 2])
    return background.background(rng, N, replace(brain(seed), **fields))


def test_a_source_is_seen_most_where_it_is():
    seen = waves.field(-0.5, 0.0, 0.4)
    assert ELECTRODES[seen.argmax()] == "C3"
    assert seen[ELECTRODES.index("Cz")] > seen[ELECTRODES.index("C4")]


@pytest.fixture(scope="module")
def backgrounds():
    return [draw_background(seed) for seed in range(60)]


def test_backgrounds_are_as_large_as_real_ones_and_as_different(backgrounds):
    levels = [waves.visible_level(eeg) for eeg in backgrounds]
    assert backgrounds[0].shape == (19, N)
    assert backgrounds[0].dtype == np.float32
    assert fitted.LEVEL[0] / 1.5 < np.median(levels) < fitted.LEVEL[0] * 1.3
    assert np.log(levels).std() == pytest.approx(fitted.LEVEL[1], rel=0.4)


def test_background_has_the_fitted_spectrum(backgrounds):
    plain = [
        draw_background(seed, deltas=(), alpha=(10.0, 0.0, 0.0), suppressed=0.0, sleep=0.0)
        for seed in range(30)
    ]
    logs = []
    for eeg in plain:
        frequencies, density = signal.welch(banana(eeg), SFREQ, nperseg=4 * SFREQ)
        at = [np.abs(frequencies - knot).argmin() for knot in fitted.KNOTS]
        logs.append(0.5 * np.log10(np.median(density, axis=0)[at]))
    logs = np.array(logs) - np.mean(logs, axis=1, keepdims=True)
    wanted = np.array(fitted.SPECTRUM) - np.mean(fitted.SPECTRUM)
    np.testing.assert_allclose(logs.mean(axis=0)[1:], wanted[1:], atol=0.15)
    real = np.linalg.norm(fitted.COMPONENTS, axis=0).mean()
    assert logs.std(axis=0).mean() == pytest.approx(real, rel=0.5)


def test_neighbours_are_alike_as_far_as_in_real_background(backgrounds):
    """Real: .5 to .6 for parallel differences below 8 Hz, .4 above, .3 across the head."""

    def alike(low, high, pairs):
        sos = signal.butter(4, [low, high], "bandpass", fs=SFREQ, output="sos")
        found = []
        for eeg in backgrounds:
            correlation = np.corrcoef(signal.sosfiltfilt(sos, banana(eeg), axis=1))
            found.append(np.mean([correlation[pair] for pair in pairs]))
        return np.median(found)

    parallel = [(i, i + 8) for i in range(8)]
    across = [(i, i + 4) for i in (0, 1, 2, 3, 8, 9, 10, 11)]
    assert 0.4 < alike(1, 8, parallel) < 0.75
    assert 0.2 < alike(8, 35, parallel) < 0.6
    assert alike(1, 8, across) < alike(1, 8, parallel)


def test_recordings_of_one_brain_are_more_alike_than_those_of_two(backgrounds):
    def profile(eeg):
        _, density = signal.welch(banana(eeg), SFREQ, nperseg=SFREQ)
        return np.log(density[:, 1:36]).ravel()

    own, others = [], []
    for seed, eeg in enumerate(backgrounds[:20]):
        again = background.background(np.random.default_rng([seed, 3]), N, brain(seed))
        own.append(np.abs(profile(eeg) - profile(again)).mean())
        others.append(np.abs(profile(eeg) - profile(backgrounds[seed + 20])).mean())
    assert np.median(own) < 0.5 * np.median(others)


def test_background_changes_within_minutes():
    changes = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        eeg = background.background(rng, 600 * SFREQ, replace(brain(seed), suppressed=0.0))
        minutes = banana(eeg).reshape(16, 20, -1).std(axis=2).mean(axis=0)
        changes.append(minutes.max() / minutes.min())
    assert 1.2 < np.median(changes) < 3


def test_some_brains_are_lopsided_and_some_suppressed():
    shares = [waves.left_share(draw_background(seed)) for seed in range(40)]
    assert 0.04 < np.std(shares) < 0.25
    assert np.mean([brain(seed).suppressed > 0 for seed in range(400)]) == pytest.approx(
        0.1, abs=0.05
    )
    eeg = draw_background(0, suppressed=0.9)
    seconds = eeg.reshape(19, SECONDS, SFREQ).std(axis=(0, 2))
    assert np.percentile(seconds, 90) > 3 * np.percentile(seconds, 10)


def test_alpha_is_in_the_back_and_slows_down_with_age():
    def rhythm(age):
        brains = [brain(seed, age) for seed in range(60)]
        return [each.alpha for each in brains if any(each.alpha[1:])]

    frequencies = {age: np.mean([alpha[0] for alpha in rhythm(age)]) for age in (1, 20, 90)}
    assert frequencies[1] < frequencies[90] < frequencies[20]
    assert 0.05 < len(rhythm(40)) / 60 < 0.4
    eeg = draw_background(1, alpha=(10.0, 3.0, 3.0), deltas=())
    frequencies, density = spectrum(eeg)
    inside = (frequencies > 9) & (frequencies < 11)
    power = density[:, inside].sum(axis=1)
    assert power[ELECTRODES.index("O1")] > 3 * power[ELECTRODES.index("Fz")]


def test_patterns_are_about_one_in_the_strongest_difference():
    for name in [*PATTERNS, "Seizure"]:
        for seed in range(4):
            assert np.percentile(np.abs(strongest(make(name, seed))), 97) == pytest.approx(1)


@pytest.mark.parametrize("name", ["LPD", "LRDA"])
def test_lateralised_patterns_are_on_their_side(name):
    for seed in range(12):
        x = origin(seed).x
        share = waves.left_share(make(name, seed))
        assert (share > 0.7) == (x < 0)
        assert (share < 0.3) == (x > 0)


@pytest.mark.parametrize("name", ["GPD", "GRDA"])
def test_generalised_patterns_are_broad_and_mostly_frontal(name):
    fronts, temporal = [], []
    for seed in range(30):
        differences = banana(make(name, seed))
        power = differences.var(axis=1)
        assert 0.3 < power[LEFT].sum() / power.sum() < 0.7
        temporal.append(power[TEMPORAL].sum() / power.sum())
        fronts.append(power[FRONT].sum() / power.sum())
    assert np.median(fronts) > 0.28  # even would be .25
    assert np.median(temporal) > 0.4
    assert np.percentile(temporal, 5) > 0.15


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("frequency", [0.7, 1.3, 2.4])
def test_patterns_repeat_at_their_frequency(name, frequency):
    rate = frequency * {"LPD": 0.85, "GPD": 1.1, "LRDA": 1.15, "GRDA": 0.9}[name]
    found = []
    for seed in range(9):
        wave = strongest(make(name, seed, frequency=frequency, spikes=0.0))
        wave = np.abs(wave) if name in ("LPD", "GPD") else wave
        wave = wave - wave.mean()
        lags = np.arange(int(0.6 * SFREQ / rate), int(1.5 * SFREQ / rate))
        repeats = [np.mean(wave[lag:] * wave[:-lag]) for lag in lags]
        found.append(SFREQ / lags[np.argmax(repeats)])
    assert np.median(found) == pytest.approx(rate, rel=0.2)


def intervals(seed, clarity):
    sharp = {"sharpness": 0.02, "phases": 1, "spikes": 0.0, "slow_wave": 0.1, "polarity": 1}
    wave = strongest(make("LPD", seed, clarity, n_samples=3 * N, frequency=1.2, **sharp))
    wave *= np.sign(np.mean(wave**3))
    peaks, _ = signal.find_peaks(wave, height=0.3, distance=SFREQ // 4)
    return np.diff(peaks) / SFREQ


def test_discharges_come_irregularly_and_more_so_in_doubt():
    clear, doubtful = ([intervals(seed, clarity) for seed in range(10)] for clarity in (1.0, 0.4))
    spreads = [each.std() / each.mean() for each in clear]
    # The first sample's were 3 to 4 %, which drew a ladder of harmonics.
    assert 0.07 < np.median(spreads) < 0.4
    assert np.median([each.std() / each.mean() for each in doubtful]) > 1.3 * np.median(spreads)


def test_there_is_no_ladder_of_harmonics():
    heights = []
    for seed in range(10):
        frequencies, density = signal.welch(
            strongest(make("GPD", seed, frequency=1.25)), SFREQ, nperseg=10 * SFREQ
        )
        inside = (frequencies > 6) & (frequencies < 12)
        local = signal.medfilt(density, 21)
        heights.append(np.percentile((density / local)[inside], 95))
    # Of a train with even intervals it is above 10.
    assert np.median(heights) < 4


def test_discharges_are_sharp_and_rhythmic_delta_is_narrow_band_noise():
    sharp = [kurtosis(strongest(make("LPD", seed))) for seed in range(12)]
    delta = [kurtosis(strongest(make("LRDA", seed))) for seed in range(12)]
    assert np.median(sharp) > 4
    # A sine's is 1.5, noise has 3.
    assert 2 < np.median(delta) < 3.6
    assert 0.4 < np.median([regularity(strongest(make("LRDA", seed))) for seed in range(12)]) < 0.9


@pytest.mark.parametrize("name", PATTERNS)
def test_doubt_shows_in_the_shape(name):
    """The same origin is less regular and comes and goes; discharges are blunter."""
    measured = {}
    for clarity in (1.0, 0.3):
        waves = [strongest(make(name, seed, clarity)) for seed in range(12)]
        seconds = [wave.reshape(-1, 2 * SFREQ).std(axis=1) for wave in waves]
        measured[clarity] = (
            np.median([regularity(wave) for wave in waves]),
            np.median([np.percentile(each, 10) / np.median(each) for each in seconds]),
            np.median([np.abs(np.diff(wave)).mean() / wave.std() for wave in waves]),
        )
    regular, steady, sharp = zip(*measured.values(), strict=True)
    assert regular[0] > 1.1 * regular[1]
    assert steady[0] > 1.1 * steady[1]
    if name in ("LPD", "GPD"):
        assert sharp[0] > 1.1 * sharp[1]


def test_seizures_are_slow_with_harmonics_and_evolve():
    speeds, growth, spread, shares = [], [], [], []
    for seed in range(16):
        eeg = make("Seizure", seed)
        first, last = np.split(eeg, [N // 3, 2 * N // 3], axis=1)[::2]
        speeds.append((peak(strongest(first)), peak(strongest(last))))
        growth.append(strongest(last).std() / strongest(first).std())
        sizes = [banana(part).std(axis=1) for part in (first, last)]
        spread.append(np.subtract(*[(size > 0.3 * size.max()).sum() for size in sizes[::-1]]))
        frequencies, density = spectrum(strongest(eeg))
        shares.append(density[(frequencies > 1) & (frequencies < 5)].sum() / density.sum())
    speeds = np.array(speeds)
    assert 1.2 < np.median(speeds) < 4.5
    assert np.mean(speeds[:, 0] > speeds[:, 1]) > 0.7
    assert np.median(growth) > 1.2
    assert np.mean(spread) > 0
    assert 0.5 < np.median(shares) < 0.95
    onset = strongest(make("Seizure", 0))
    assert onset[:SFREQ].std() < 0.5 * onset.std()


def test_sizes_are_of_the_background_and_some_are_faint():
    rng = np.random.default_rng(0)
    sizes = {
        name: np.array([patterns.draw_size(rng, name, 10.0) for _ in range(300)])
        for name in [*PATTERNS, "Seizure"]
    }
    for name in PATTERNS:
        low, middle, high = np.percentile(sizes[name], [5, 50, 95])
        assert 30 < middle < 120
        assert high / low > 2.5
    assert np.median(sizes["Seizure"]) > 1.8 * np.median(sizes["LPD"])
    twice = [patterns.draw_size(np.random.default_rng(1), "LPD", level) for level in (10.0, 20.0)]
    assert twice[1] == pytest.approx(2 * twice[0])


def test_another_recording_of_a_patient_is_slightly_different():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        own = patterns.draw_origin(rng)
        other = patterns.vary(rng, own)
        assert other != own
        assert np.sign(other.x) == np.sign(own.x)
        assert (other.phases, other.polarity) == (own.phases, own.polarity)
        assert 0.5 < other.frequency / own.frequency < 2
