import numpy as np
import pandas as pd
import pytest

from hms_utils import submission
from hms_utils.constants import VOTE_COLUMNS


@pytest.fixture
def test_table():
    return pd.DataFrame({"spectrogram_id": [1, 2, 3], "eeg_id": [30, 10, 20], "patient_id": 0})


def test_write_keeps_the_order_of_the_test_table(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), 3)
    submission.write([10, 20, 30], probabilities, test_table, path)
    table = pd.read_csv(path)
    assert tuple(table.columns) == submission.COLUMNS
    assert table.eeg_id.tolist() == [30, 10, 20]
    np.testing.assert_allclose(table.loc[1, list(VOTE_COLUMNS)].astype(float), probabilities[0])
    submission.check(table, test_table)


def test_nothing_is_written_that_kaggle_would_refuse(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    with pytest.raises(ValueError, match="add to one"):
        submission.write([10, 20, 30], np.full((3, 6), 0.2), test_table, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="other_vote"), r"missing \['other_vote'\]"),
        (lambda t: t.assign(extra=1), r"extra \['extra'\]"),
        (lambda t: t[:2], "lacks ids"),
        (lambda t: t.assign(eeg_id=[10, 10, 20]), "repeats ids"),
        (lambda t: t.assign(eeg_id=[10, 30, 99]), "lacks ids"),
        (lambda t: pd.concat([t, t[:1].assign(eeg_id=99)]), "not asked for"),
        (lambda t: t.assign(lpd_vote="a"), "must be numeric"),
        (lambda t: t.assign(lpd_vote=np.nan), "add to one"),
        (lambda t: t.assign(lpd_vote=-0.5, gpd_vote=0.5), "at least zero"),
    ],
)
def test_check_refuses(test_table, spoil, message):
    table = pd.DataFrame({"eeg_id": [10, 20, 30], **dict.fromkeys(VOTE_COLUMNS, 1 / 6)})
    submission.check(table, test_table)
    with pytest.raises(ValueError, match=message):
        submission.check(spoil(table), test_table)
