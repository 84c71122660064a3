"""What holds of any EEG, any votes and any table, whatever their numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hms_utils.constants import CHAINS, DIFFERENCES, EEG_COLUMNS, VOTE_COLUMNS
from hms_utils.eeg import bipolar, bridge_gaps, fill_gaps, select_windows, vote_shares

VOTES = list(VOTE_COLUMNS)
microvolts = st.floats(-1e4, 1e4, width=32) | st.just(np.nan)
eegs = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.just(20)), elements=microvolts)
signals = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=microvolts
)
ballots = hnp.arrays(
    np.int64, st.tuples(st.integers(1, 9), st.just(6)), elements=st.integers(0, 30)
)


@given(eegs)
def test_each_difference_is_of_its_two_electrodes_alone(eeg):
    differences = bipolar(eeg)
    assert differences.shape == (16, len(eeg)) and differences.dtype == np.float32
    column = dict(zip(EEG_COLUMNS, eeg.T, strict=True))
    for found, (front, back) in zip(differences, DIFFERENCES, strict=True):
        np.testing.assert_array_equal(found, column[front] - column[back])


@given(eegs)
def test_what_lies_between_cancels_along_a_chain(eeg):
    differences, column = bipolar(eeg), dict(zip(EEG_COLUMNS, eeg.T, strict=True))
    for number, (first, *between, last) in enumerate(CHAINS.values()):
        total = differences[4 * number : 4 * number + 4].sum(axis=0)
        gaps = np.isnan([column[name] for name in (first, *between, last)]).any(axis=0)
        ends = np.where(gaps, np.nan, column[first] - column[last])
        np.testing.assert_allclose(total, ends, atol=0.05)


@given(signals, st.sampled_from([fill_gaps, bridge_gaps]))
def test_gaps_are_filled_from_what_is_there_and_nothing_else_changes(given_signals, fill):
    before, missing = given_signals.copy(), np.isnan(given_signals)
    filled = fill(given_signals)
    np.testing.assert_array_equal(given_signals, before)
    assert filled.dtype == np.float32 and np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~missing], before[~missing])
    np.testing.assert_array_equal(fill(filled), filled)
    for channel, gaps, known in zip(filled, missing, before, strict=True):
        known = known[~gaps] if not gaps.all() else np.zeros(1, np.float32)
        slack = 1e-3 * (1 + np.abs(known).max())
        assert (channel >= known.min() - slack).all() and (channel <= known.max() + slack).all()


@given(signals)
def test_a_filled_mean_is_that_of_what_is_there(given_signals):
    for channel, filled in zip(given_signals, fill_gaps(given_signals), strict=True):
        known = channel[~np.isnan(channel)].astype(np.float64)
        expected = known.mean() if len(known) else 0
        assert filled.mean(dtype=np.float64) == pytest.approx(expected, rel=1e-5, abs=1e-2)


@given(hnp.arrays(bool, 12), st.floats(-100, 100), st.floats(-1000, 1000))
def test_a_line_is_bridged_to_itself_between_its_known_samples(missing, slope, start):
    missing[[0, -1]] = False
    line = (start + slope * np.arange(12)).astype(np.float32)
    bridged = bridge_gaps(np.where(missing, np.nan, line).astype(np.float32)[None])
    np.testing.assert_allclose(bridged[0], line, rtol=1e-5, atol=1e-3)


@given(ballots, st.integers(1, 9))
def test_vote_shares_are_shares_whatever_the_number_of_voters(votes, factor):
    votes = votes + np.eye(6, dtype=int)[0]  # somebody voted
    shares = vote_shares(pd.DataFrame(votes, columns=VOTES))
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(shares * votes.sum(axis=1, keepdims=True), votes, rtol=1e-5)
    again = vote_shares(pd.DataFrame(factor * votes, columns=VOTES))
    np.testing.assert_allclose(again, shares, rtol=1e-6)


# Few values of each, so that recordings, patients and votes repeat.
rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(0, 4), st.integers(0, 99))
def test_one_window_stands_for_each_vote_of_each_recording(pairs, max_patients, seed):
    eeg_ids, kinds = np.array(pairs).T
    table = pd.DataFrame(np.eye(6, dtype=int)[kinds] * (1 + kinds[:, None]), columns=VOTES)
    table = table.assign(eeg_id=eeg_ids, patient_id=eeg_ids // 2, label_id=np.arange(len(table)))
    windows = select_windows(table, max_patients=max_patients, seed=seed)
    patients = set(table.patient_id)
    assert windows.patient_id.nunique() == min(max_patients or len(patients), len(patients))
    chosen = table[table.patient_id.isin(windows.patient_id)]
    keys = ["eeg_id", *VOTES]
    assert not windows.duplicated(keys).any()
    assert set(map(tuple, windows[keys].to_numpy())) == set(map(tuple, chosen[keys].to_numpy()))
    assert windows.label_id.is_monotonic_increasing
    assert (windows.n_votes == windows[VOTES].sum(axis=1)).all()
    kept = table.loc[windows.label_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(windows[table.columns], kept)
    for window in windows.itertuples():
        alike = chosen.merge(windows[windows.label_id == window.label_id][keys]).label_id
        before, after = (alike < window.label_id).sum(), (alike > window.label_id).sum()
        assert before - after in (0, 1)
    if max_patients:
        fewer = select_windows(table, max_patients=1, seed=seed)
        assert set(fewer.patient_id) <= set(windows.patient_id)
