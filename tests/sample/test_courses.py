from itertools import pairwise

import numpy as np
import pytest

from hms_utils import images
from hms_utils.constants import EEG_SECONDS, LABEL_SECONDS, SFREQ
from hms_utils.sample import artefacts, background, courses, dataset, experts, patterns, plans
from hms_utils.sample.reality import REAL_AMPLITUDES, amplitude_percentiles


def draw_patient(rng):
    """Return a patient of 40 years without quirks, whose patterns are on one side."""
    return plans.Patient(
        brain=background.draw_brain(rng, 40.0),
        origin=patterns.draw_origin(rng),
        quirk=artefacts.Quirk(),
        leaning=0.5,
        panel=0.5,
        n_eegs=3,
    )


@pytest.fixture(scope="module")
def all_plans():
    planned = [dataset.plan_patient((0, number), "train", 3) for number in range(200)]
    return [course for _, all_courses in planned for course in all_courses]


def test_label_windows_overlap_at_even_offsets(all_plans):
    gaps = np.concatenate([np.diff(r.offsets) for plan in all_plans for r in plan])
    assert (gaps > 0).all()
    assert (gaps % 2 == 0).all()
    assert np.median(gaps) < EEG_SECONDS


def test_recordings_of_a_course_follow_each_other(all_plans):
    for plan in all_plans:
        assert plan[0].spectrogram_offsets[0] >= 0
        for earlier, later in pairwise(plan):
            assert later.start >= earlier.start + earlier.seconds
    assert {len(plan) for plan in all_plans} == {1, 2, 3}


def test_a_patient_has_as_many_recordings_as_asked_or_all():
    for number in range(60):
        patient, some = dataset.plan_patient((0, number), "train", 3)
        _, every = dataset.plan_patient((0, number), "train")
        assert sum(map(len, some)) == min(patient.n_eegs, 3)
        assert sum(map(len, every)) == patient.n_eegs


def test_labels_keep_away_from_the_moment_of_change(all_plans):
    changing = [r for plan in all_plans for r in plan if len(r.looks) > 1]
    assert len(changing) > 20
    for recording in changing:
        # A pattern reaches half a label beyond its own.
        assert recording.span(1)[0] - recording.span(0)[1] >= LABEL_SECONDS
        assert set(recording.look_of_row) == {0, 1}


def test_a_test_course_is_one_window_of_a_well_voted_recording():
    _, ((recording,),) = dataset.plan_patient(0, "test")
    assert recording.strata == ("10+",)
    assert recording.seconds == EEG_SECONDS
    assert recording.spectrogram_offsets.tolist() == [0]
    assert plans.n_spectrogram_rows([recording]) == 300


def band_power(spectrogram, seconds, chains=4):
    """Return power by row below 4 Hz, mean over chains, in the rows of these seconds."""
    rows = spectrogram[int(seconds[0] // 2) : int(seconds[1] // 2)]
    return rows.reshape(len(rows), chains, 100)[:, :, :18].mean(axis=(1, 2))


def simulate_clear(names, offsets, seeds):
    """Simulate clear patterns, one for two labels each, and yield course, recording, planted."""
    looks = tuple(experts.Look({name: 1.0}) for name in names)
    offsets = np.array(offsets)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        recording = plans.Recording(275, offsets, looks, ("10+",) * len(looks), 2)
        course, (planted,) = courses.simulate_course(rng, [recording], draw_patient(rng))
        yield course, recording, planted


def test_a_seizure_begins_and_ends_in_the_long_window_and_quietens_the_brain():
    louder, after = [], []
    for course, recording, (planted,) in simulate_clear(["Seizure"], [0, 4], 12):
        first, last = recording.span(0)
        assert 0 < first - planted.start < 80
        assert 0 < planted.stop - last < 80
        spectrogram = images.competition_spectrogram(course)
        before = np.median(band_power(spectrogram, (0, planted.start - 4)))
        within = np.median(band_power(spectrogram, (planted.start + 4, planted.stop - 4)))
        behind = np.median(band_power(spectrogram, (planted.stop + 4, planted.stop + 24)))
        louder.append(within / before)
        after.append(behind / before)
    assert np.median(louder) > 5
    assert np.median(after) < 0.9


def test_other_patterns_often_fill_the_long_window():
    whole, louder = [], []
    for course, recording, (planted,) in simulate_clear(["LPD"], [0, 4], 30):
        whole.append(planted.start == 0 and planted.stop > 590)
        if planted.start > 60:
            spectrogram = images.competition_spectrogram(course)
            within = np.median(band_power(spectrogram, recording.span(0)))
            louder.append(within / np.median(band_power(spectrogram, (0, planted.start - 4))))
    assert 0.3 < np.mean(whole) < 0.9
    assert np.median(louder) > 1.5


def test_a_course_changes_between_its_looks():
    ratios = []
    looks = experts.Look({"GRDA": 1.0}), experts.Look({})
    recording = plans.Recording(275, np.array([0, 4, 30, 34]), looks, ("10+",) * 2, 2)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        course, _ = courses.simulate_course(rng, [recording], draw_patient(rng))
        spectrogram = images.competition_spectrogram(course)
        before, after = (np.median(band_power(spectrogram, recording.span(i))) for i in (0, 1))
        ratios.append(before / after)
    assert np.median(ratios) > 2


def test_what_was_planted_is_in_the_signal():
    sides, one_sided_shares, general_shares = [], [], []
    for course, _, planted in simulate_clear(["LRDA", "GRDA"], [0, 4, 60, 64], 12):
        one_sided, generalised = planted
        assert (one_sided.stop, generalised.start) == (314, 350)  # 5 s beyond the labels
        general_shares.append(generalised.left_share)
        one_sided_shares.append(one_sided.left_share)
        spectrogram = images.competition_spectrogram(course)
        within = spectrogram[int(one_sided.start) // 2 + 2 : int(one_sided.stop) // 2 - 2]
        # The chains are LL, RL, LP, RP.
        power = np.median(within.reshape(-1, 4, 100)[..., :18].sum(axis=2), axis=0)
        sides.append((power[[0, 2]].sum() > power[[1, 3]].sum()) == (one_sided.left_share > 0.5))
    off_centre = np.abs(np.array([one_sided_shares, general_shares]) - 0.5)
    assert np.median(off_centre[0]) > 0.25
    assert np.median(off_centre[1]) < 0.1
    assert np.mean(sides) > 0.8


def test_recordings_of_a_patient_are_of_one_brain():
    """Backgrounds of a patient are more alike than those of two: slopes and sizes of channels."""
    spectra = []
    for number in range(8):
        patient = plans.draw_patient(np.random.default_rng(number))
        for course in range(2):
            rng = np.random.default_rng((number, course))
            eeg = background.background(rng, 60 * SFREQ, patient.brain)
            power = np.abs(np.fft.rfft(eeg)[:, 60:1200:4]) ** 2
            spectra.append(np.log(power.reshape(19, 15, -1).mean(axis=2)).ravel())
    spectra = np.array(spectra)
    distance = np.linalg.norm(spectra[:, None] - spectra[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    assert np.mean(nearest // 2 == np.arange(16) // 2) > 0.7


def test_course_is_as_long_as_its_spectrogram_needs(all_plans):
    plan = all_plans[0]
    rng = np.random.default_rng(0)
    course, _ = courses.simulate_course(rng, plan, draw_patient(rng))
    assert course.dtype == np.float32
    assert course.shape == ((2 * plans.n_spectrogram_rows(plan) + 2) * SFREQ, 20)
    assert len(images.competition_spectrogram(course)) == plans.n_spectrogram_rows(plan)


def test_amplitudes_are_those_of_real_recordings():
    rows = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        patient, (recordings,) = dataset.plan_patient(seed, "test")
        course, _ = courses.simulate_course(rng, recordings, patient)
        rows.append(amplitude_percentiles(course[276 * SFREQ : 326 * SFREQ]))
    medians = np.median(rows, axis=0)
    for (percentile, real), own in zip(REAL_AMPLITUDES.items(), medians, strict=True):
        assert real / 1.5 < own < real * 1.5, percentile


def test_most_patients_have_no_quirk():
    patients = [plans.draw_patient(np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([patient.quirk == artefacts.Quirk() for patient in patients]) > 0.85
