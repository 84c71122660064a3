import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import ELECTRODES, SFREQ
from hms_utils.sample import simulate

SECONDS = 60
LEFT = [ELECTRODES.index(name) for name in ("F3", "C3", "P3", "F7", "T3", "T5")]
RIGHT = [ELECTRODES.index(name) for name in ("F4", "C4", "P4", "F8", "T4", "T6")]


def make(name, seed, clarity=1.0, frequency=1.5):
    rng = np.random.default_rng(seed)
    side = -1 if seed % 2 else 1
    origin = simulate.Origin(x=side * 0.7, y=0.2, frequency=frequency, seed=seed)
    return simulate.pattern(rng, name, SECONDS * SFREQ, origin, clarity)


def spectrum(wave):
    return signal.welch(wave, SFREQ, nperseg=8 * SFREQ)


def power(eeg, electrode, low, high):
    frequencies, density = spectrum(eeg[ELECTRODES.index(electrode)])
    return density[(frequencies >= low) & (frequencies < high)].sum()


def strongest(eeg):
    return eeg[np.argmax(eeg.std(axis=1))]


def test_a_source_is_seen_most_where_it_is():
    seen = simulate.field(-0.5, 0.0, 0.4)
    assert ELECTRODES[seen.argmax()] == "C3"
    assert seen[ELECTRODES.index("Cz")] > seen[ELECTRODES.index("C4")]


@pytest.mark.parametrize("kind", simulate.BACKGROUNDS)
def test_background_is_of_plausible_size_and_coherence(kind):
    eeg = simulate.background(np.random.default_rng(0), SECONDS * SFREQ, kind, 40)
    assert eeg.shape == (19, SECONDS * SFREQ)
    assert eeg.dtype == np.float32
    assert 3 < np.percentile(np.abs(eeg), 75) < 80
    correlation = np.corrcoef(eeg)
    f3 = ELECTRODES.index("F3")
    assert correlation[f3, ELECTRODES.index("Fz")] > correlation[f3, ELECTRODES.index("T6")] + 0.1


def test_alpha_slows_down_with_age():
    def peak(age):
        rng = np.random.default_rng(0)
        eeg = simulate.background(rng, SECONDS * SFREQ, "alpha", age)
        frequencies, density = spectrum(eeg[ELECTRODES.index("O1")])
        inside = (frequencies > 3.5) & (frequencies < 13)
        return frequencies[inside][(density * frequencies**2)[inside].argmax()]

    assert peak(1) < peak(90) < peak(20)


def test_backgrounds_are_what_their_names_say():
    eeg = {
        kind: simulate.background(np.random.default_rng(1), SECONDS * SFREQ, kind, 40)
        for kind in simulate.BACKGROUNDS
    }

    def ratio(kind, electrode, low, high):
        return power(eeg[kind], electrode, low, high) / power(eeg[kind], electrode, 0.5, 30)

    assert ratio("alpha", "O1", 7, 12) > 2 * ratio("alpha", "Fz", 7, 12)
    assert ratio("alpha", "O1", 7, 12) > 2 * ratio("slow", "O1", 7, 12)
    assert ratio("sleep", "Cz", 11, 15) > 2 * ratio("slow", "Cz", 11, 15)
    seconds = eeg["suppressed"].reshape(19, SECONDS, SFREQ).std(axis=(0, 2))
    assert np.percentile(seconds, 90) > 3 * np.percentile(seconds, 10)
    seconds = eeg["slow"].reshape(19, SECONDS, SFREQ).std(axis=(0, 2))
    assert np.percentile(seconds, 90) < 3 * np.percentile(seconds, 10)


@pytest.mark.parametrize("seed", range(6))
def test_patterns_are_where_their_names_say(seed):
    def sides(name):
        eeg = make(name, seed)
        return eeg[LEFT].std(), eeg[RIGHT].std()

    for name in ("LPD", "LRDA"):
        left, right = sides(name)
        assert (left > 3 * right) if seed % 2 else (right > 3 * left)
    for name in ("GPD", "GRDA"):
        left, right = sides(name)
        assert 0.6 < left / right < 1.6


@pytest.mark.parametrize("name", ["LPD", "GPD", "LRDA", "GRDA"])
@pytest.mark.parametrize("frequency", [0.7, 1.5, 3.6])
def test_patterns_repeat_at_their_frequency(name, frequency):
    wave = strongest(make(name, 3, frequency=frequency))
    if name in ("LPD", "GPD") and frequency > 2.5:
        frequency /= 2
    lags = np.arange(int(0.5 * SFREQ / frequency), int(1.5 * SFREQ / frequency))
    wave = wave - wave.mean()
    repeats = [np.mean(wave[lag:] * wave[:-lag]) for lag in lags]
    assert lags[np.argmax(repeats)] / SFREQ == pytest.approx(1 / frequency, rel=0.1)


def test_discharges_are_sharp_and_rhythmic_delta_is_nearly_a_sine():
    for seed in range(6):
        sharp, sine = (
            strongest(make("LPD", seed, 1.0, 1.0)),
            strongest(make("LRDA", seed, 1.0, 1.0)),
        )
        # The kurtosis of a sine is 1.5, of a spike train large.
        kurtosis = [np.mean(wave**4) / np.mean(wave**2) ** 2 for wave in (sharp, sine)]
        assert kurtosis[0] > 3.5
        assert kurtosis[1] < 2.7


def test_an_unclear_pattern_comes_and_goes():
    def steadiness(clarity):
        size = [
            strongest(make("LRDA", seed, clarity, 2.0)).reshape(-1, SFREQ).std(axis=1)
            for seed in range(6)
        ]
        return np.mean([np.percentile(each, 10) / np.median(each) for each in size])

    assert steadiness(1.0) > 0.5
    assert steadiness(0.3) < 0.4


def test_seizures_evolve_in_frequency_size_and_place():
    changes, growth, spread = [], [], []
    for seed in range(12):
        eeg = make("Seizure", seed)
        first, last = np.split(eeg, [SECONDS * SFREQ // 3, 2 * SECONDS * SFREQ // 3], axis=1)[::2]
        peaks = []
        for part in (first, last):
            frequencies, density = spectrum(strongest(part))
            inside = (frequencies > 1) & (frequencies < 12)
            peaks.append(frequencies[inside][density[inside].argmax()])
        changes.append(abs(peaks[0] - peaks[1]))
        growth.append(strongest(last).std() / strongest(first).std())
        spread.append((last.std(axis=1) > 0.3 * last.std(axis=1).max()).sum())
        spread[-1] -= (first.std(axis=1) > 0.3 * first.std(axis=1).max()).sum()
    assert np.median(changes) > 1
    assert np.median(growth) > 1.1
    assert np.mean(spread) > 1


def test_patterns_of_one_origin_share_their_rhythm():
    lpd, gpd = strongest(make("LPD", 4)), strongest(make("GPD", 4))
    apart = strongest(make("LPD", 6))

    def discharges(wave):
        peaks, _ = signal.find_peaks(-wave, height=0.5, distance=SFREQ // 4)
        return peaks

    def matched(a, b):
        return np.mean([np.abs(b - peak).min() < 0.05 * SFREQ for peak in a])

    assert matched(discharges(lpd), discharges(gpd)) > 0.9
    assert matched(discharges(apart), discharges(gpd)) < 0.6
