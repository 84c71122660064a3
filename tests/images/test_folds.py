import numpy as np
import pandas as pd
import pytest

from hms_utils import images


def test_patients_stay_together_and_folds_are_even():
    patients = np.random.default_rng(0).integers(0, 40, 500)
    table = images.make_folds(patients, 5, seed=1)
    assert table.patient_id.is_unique
    assert set(table.patient_id) == set(patients)
    sizes = np.bincount(table.set_index("patient_id").fold.loc[patients])
    assert len(sizes) == 5
    assert sizes.min() > 60
    pd.testing.assert_frame_equal(table, images.make_folds(patients, 5, seed=1))
    assert not table.equals(images.make_folds(patients, 5, seed=2))


def test_folds_are_even_though_patients_are_not():
    sizes = np.r_[400, 200, 100, np.full(60, 10), np.ones(100, int)]
    patients = np.repeat(np.arange(len(sizes)), sizes)
    table = images.make_folds(patients, 3, seed=0)
    rows = np.bincount(table.set_index("patient_id").fold.loc[patients])
    assert rows.max() - rows.min() < 10


@pytest.mark.parametrize(("n_patients", "n_folds"), [(1, 2), (3, 5), (10, 1)])
def test_too_few_patients_or_folds(n_patients, n_folds):
    with pytest.raises(ValueError, match=f"found {n_folds} folds and {n_patients} patients"):
        images.make_folds(np.arange(n_patients), n_folds)


def test_saved_folds_are_assigned_by_patient(tmp_path):
    index = pd.DataFrame({"patient_id": [7, 5, 7, 9]})
    with pytest.raises(FileNotFoundError, match="02_spectrograms"):
        images.assign_folds(index, tmp_path)
    images.save_folds(pd.DataFrame({"patient_id": [5, 7, 9], "fold": [0, 1, 2]}), tmp_path)
    assert images.assign_folds(index, tmp_path).tolist() == [1, 0, 1, 2]
    with pytest.raises(ValueError, match=r"missing \[8\]"):
        images.assign_folds(pd.DataFrame({"patient_id": [5, 8]}), tmp_path)
