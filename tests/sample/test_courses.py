from itertools import pairwise

import numpy as np
import pytest

from hms_utils import images
from hms_utils.constants import EEG_SECONDS, LABEL_SECONDS, SFREQ
from hms_utils.sample import artefacts, courses, experts
from hms_utils.sample.reality import REAL_AMPLITUDES, amplitude_percentiles

PATIENT = courses.Patient(age=40.0, gain=1.0, background="alpha", quirk=artefacts.Quirk())


@pytest.fixture(scope="module")
def plans():
    rng = np.random.default_rng(0)
    return [courses.plan(rng, "train") for _ in range(300)]


def test_label_windows_overlap_at_even_offsets(plans):
    gaps = np.concatenate([np.diff(r.offsets) for plan in plans for r in plan])
    assert (gaps > 0).all()
    assert (gaps % 2 == 0).all()
    assert np.median(gaps) < EEG_SECONDS


def test_recordings_of_a_course_follow_each_other(plans):
    for plan in plans:
        assert len(plan) <= courses.MOST_RECORDINGS
        assert plan[0].spectrogram_offsets[0] >= 0
        for earlier, later in pairwise(plan):
            assert later.start >= earlier.start + earlier.seconds
    assert {len(plan) for plan in plans} == {1, 2, 3}


def test_labels_keep_away_from_the_moment_of_change(plans):
    changing = [r for plan in plans for r in plan if len(r.contents) > 1]
    assert len(changing) > 20
    for recording in changing:
        # A pattern reaches half a label beyond its own.
        assert recording.span(1)[0] - recording.span(0)[1] >= LABEL_SECONDS
        assert set(recording.content_of_row) == {0, 1}


def test_a_test_course_is_one_window_of_a_well_voted_recording():
    (recording,) = courses.plan(np.random.default_rng(0), "test")
    assert recording.stratum == "10+"
    assert recording.seconds == EEG_SECONDS
    assert recording.spectrogram_offsets.tolist() == [0]
    assert courses.n_spectrogram_rows([recording]) == 300


def band_power(spectrogram, seconds, chains=4):
    """Return power by row below 4 Hz, mean over chains, in the rows of these seconds."""
    rows = spectrogram[int(seconds[0] // 2) : int(seconds[1] // 2)]
    return rows.reshape(len(rows), chains, 100)[:, :, :18].mean(axis=(1, 2))


def test_a_pattern_starts_and_stops_around_its_labels():
    clear = experts.Content("idealised", {"GRDA": 1.0})
    recording = courses.Recording("10+", 275, np.array([0, 4, 8]), (clear,), 3)
    within, outside = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        course, _ = courses.simulate_course(rng, [recording], PATIENT)
        spectrogram = images.competition_spectrogram(course)
        within.append(np.median(band_power(spectrogram, recording.span(0))))
        outside.append(np.median(band_power(spectrogram, (0, 60))))
    assert np.median(np.divide(within, outside)) > 5


def test_a_course_changes_between_its_contents():
    contents = experts.Content("idealised", {"GRDA": 1.0}), experts.Content("idealised", {})
    recording = courses.Recording("10+", 275, np.array([0, 4, 30, 34]), contents, 2)
    ratios = []
    for seed in range(6):
        course, _ = courses.simulate_course(np.random.default_rng(seed), [recording], PATIENT)
        spectrogram = images.competition_spectrogram(course)
        before, after = (np.median(band_power(spectrogram, recording.span(i))) for i in (0, 1))
        ratios.append(before / after)
    assert np.median(ratios) > 3


def test_what_was_planted_is_in_the_signal():
    clear = experts.Content("idealised", {"LRDA": 1.0}), experts.Content("idealised", {"GRDA": 1.0})
    recording = courses.Recording("10+", 275, np.array([0, 4, 60, 64]), clear, 2)
    sides, times = [], []
    for seed in range(8):
        course, planted = courses.simulate_course(np.random.default_rng(seed), [recording], PATIENT)
        ((one_sided, generalised),) = planted
        assert (one_sided.stop, generalised.start) == (314, 350)  # 5 s beyond the labels
        assert 0.4 < generalised.left_share < 0.6
        spectrogram = images.competition_spectrogram(course)
        within = spectrogram[int(one_sided.start) // 2 + 2 : int(one_sided.stop) // 2 - 2]
        # The chains are LL, RL, LP, RP.
        power = np.median(within.reshape(-1, 4, 100)[..., :18].sum(axis=2), axis=0)
        assert max(one_sided.left_share, 1 - one_sided.left_share) > 0.8
        sides.append((power[[0, 2]].sum() > power[[1, 3]].sum()) == (one_sided.left_share > 0.5))
        inside = band_power(spectrogram, (one_sided.start + 4, one_sided.stop - 4))
        outside = band_power(spectrogram, (0, one_sided.start - 4))
        times.append(np.median(inside) / np.median(outside))
    assert np.mean(sides) > 0.8
    assert np.median(times) > 3


def test_course_is_as_long_as_its_spectrogram_needs(plans):
    plan = plans[0]
    course, _ = courses.simulate_course(np.random.default_rng(0), plan, PATIENT)
    assert course.dtype == np.float32
    assert course.shape == ((2 * courses.n_spectrogram_rows(plan) + 2) * SFREQ, 20)
    assert len(images.competition_spectrogram(course)) == courses.n_spectrogram_rows(plan)


def test_amplitudes_are_those_of_real_recordings():
    rows = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plan = courses.plan(rng, "test")
        course, _ = courses.simulate_course(rng, plan, courses.draw_patient(rng))
        rows.append(amplitude_percentiles(course[276 * SFREQ : 326 * SFREQ]))
    medians = np.median(rows, axis=0)
    for (percentile, real), own in zip(REAL_AMPLITUDES.items(), medians, strict=True):
        assert real / 1.5 < own < real * 1.5, percentile


def test_most_patients_are_old_and_have_no_quirk():
    patients = [courses.draw_patient(np.random.default_rng(seed)) for seed in range(400)]
    ages = [patient.age for patient in patients]
    assert 0 < min(ages) < 12
    assert 50 < np.median(ages) < 65
    assert np.mean([patient.quirk == artefacts.Quirk() for patient in patients]) > 0.85
