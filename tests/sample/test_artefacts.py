import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import ELECTRODES, SFREQ
from hms_utils.sample import artefacts
from hms_utils.sample.reality import REAL_FILES

N = 30 * SFREQ


def quiet():
    return np.zeros((19, N), np.float32)


def test_heartbeat_beats_and_reaches_the_range_of_real_files():
    columns = [artefacts.heartbeat(np.random.default_rng(seed), N) for seed in range(300)]
    largest = np.array([np.abs(column).max() for column in columns])
    assert largest.max() <= artefacts.EKG_LIMIT
    assert 150 < np.median(largest) < 2000
    assert largest.max() > 8000
    beat = columns[0] - signal.medfilt(columns[0], 101)
    peaks, _ = signal.find_peaks(beat, height=0.5 * beat.max(), distance=SFREQ // 4)
    assert 50 < 60 * len(peaks) / (N / SFREQ) < 120


def test_mains_is_everywhere_and_amplitudes_stay_in_range():
    seen = []
    for seed in range(40):
        eeg = quiet()
        artefacts.add_amplifier(np.random.default_rng(seed), eeg, artefacts.Quirk())
        assert np.isfinite(eeg).all()
        assert np.abs(eeg).max() <= artefacts.EEG_LIMIT
        frequencies, density = signal.welch(eeg, SFREQ, nperseg=2 * SFREQ)
        total = density.sum(axis=0)
        seen.append(
            total[frequencies == 60][0] > 5 * total[(frequencies > 50) & (frequencies < 58)].mean()
        )
    assert np.mean(seen) > 0.75  # a pop outshines it


def test_some_recordings_have_pops_and_some_no_connection():
    pops, lost = 0, 0
    for seed in range(80):
        eeg = np.zeros((19, 10 * 60 * SFREQ), np.float32)
        artefacts.add_amplifier(np.random.default_rng(seed), eeg, artefacts.Quirk())
        largest = np.abs(eeg).max(axis=1)
        pops += largest.max() > 3 * np.median(largest)
        lost += (eeg == 0).all(axis=0).mean() > 0.01
    assert 8 <= pops <= 50
    assert 1 <= lost <= 12
    large = np.full((19, N), 1e4, np.float32)
    artefacts.add_amplifier(np.random.default_rng(0), large, artefacts.Quirk())
    assert np.abs(large).max() == artefacts.EEG_LIMIT


def test_quirks_are_what_their_names_say():
    original = np.random.default_rng(0).normal(0, 20, (19, N)).astype(np.float32)

    def recorded(**quirk):
        eeg = original.copy()
        artefacts.add_amplifier(np.random.default_rng(1), eeg, artefacts.Quirk(**quirk))
        return eeg

    plain = recorded()
    assert (recorded(off=(3,))[3] == 0).all()
    same = recorded(same=((3, 5),))
    np.testing.assert_array_equal(same[3], plain[5])
    swapped = recorded(swapped=((3, 5),))
    np.testing.assert_array_equal(swapped[[3, 5]], plain[[5, 3]])
    drawn = [artefacts.draw_quirk(np.random.default_rng(seed)) for seed in range(1000)]
    shares = [
        np.mean([bool(getattr(q, kind)) for q in drawn]) for kind in ("off", "same", "swapped")
    ]
    np.testing.assert_allclose(shares, [0.03, 0.03, 0.01], atol=0.015)


def test_the_body_adds_to_most_recordings_but_not_to_all():
    sizes = []
    for seed in range(100):
        eeg = quiet()
        artefacts.add_body(np.random.default_rng(seed), eeg, np.ones(N, np.float32))
        assert np.isfinite(eeg).all()
        sizes.append(np.abs(eeg).max())
    sizes = np.array(sizes)
    assert 0.6 < (sizes > 10).mean() < 0.98
    assert np.median(sizes) < 500


def test_muscle_is_each_electrodes_own_and_mostly_over_the_temples():
    sos = signal.butter(4, 30, "highpass", fs=SFREQ, output="sos")
    temples = [ELECTRODES.index(name) for name in ("F7", "F8", "T3", "T4", "Fp1", "Fp2")]
    likeness, shares, tense = [], [], 0
    for seed in range(120):
        eeg = quiet()
        artefacts.add_body(np.random.default_rng(seed), eeg, np.zeros(N, np.float32))
        fast = signal.sosfiltfilt(sos, eeg, axis=1)
        power = fast.var(axis=1)
        if power.max() < 0.2:
            continue
        tense += 1
        shares.append(power[temples].sum() / power.sum())
        first, second = np.argsort(power)[-2:]
        likeness.append(abs(np.corrcoef(fast[[first, second]])[0, 1]))
    assert 0.45 < tense / 120 < 0.75
    assert np.median(shares) > 0.5
    assert np.median(likeness) < 0.1


@pytest.mark.parametrize("seed", range(8))
def test_an_obscuring_artefact_is_larger_than_the_brain(seed):
    eeg = quiet()
    artefacts.obscure(np.random.default_rng(seed), eeg)
    assert np.sqrt(np.mean(eeg**2)) > 30


def test_missing_values_are_as_frequent_as_in_real_files():
    rng = np.random.default_rng(0)
    eeg_shares, shapes = [], set()
    for _ in range(4000):
        eeg = np.zeros((80 * SFREQ, 20), np.float32)
        artefacts.drop_samples(rng, eeg)
        missing = np.isnan(eeg)
        eeg_shares.append(missing.mean())
        if missing.any():
            kinds = {"channel": missing.all(axis=0).any(), "block": missing.all(axis=1).any()}
            shapes.add(next((kind for kind, found in kinds.items() if found), "scattered"))
    assert shapes == {"channel", "block", "scattered"}
    rows = []
    for _ in range(4000):
        spectrogram = np.zeros((330, 4), np.float32)
        artefacts.drop_rows(rng, spectrogram)
        missing = np.isnan(spectrogram)
        assert (missing.all(axis=1) == missing.any(axis=1)).all()
        rows.append(missing.mean())
    real, tolerance = REAL_FILES["NaN share of spectrogram values"]
    assert np.mean(rows) == pytest.approx(real, abs=tolerance)
    real, tolerance = REAL_FILES["NaN share of EEG values"]
    assert np.mean(eeg_shares) == pytest.approx(real, abs=tolerance)
