"""The recordings of some patients, fetched file by file from a Kaggle that is played."""

import kagglehub
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hms_utils import eeg, paths
from hms_utils.cli import main
from hms_utils.constants import COMPETITION


@pytest.fixture
def asked(sample_dir, tmp_path, monkeypatch):
    """The names of the files that were asked for; a limit stops the network after so many."""
    names = []

    def fetch(handle, path=None, **_):
        assert handle == COMPETITION
        if len(names) == fetch.limit:
            raise ConnectionError("the network has gone")
        names.append(path)
        cached = tmp_path / "cache" / path
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes((sample_dir / path).read_bytes())
        return str(cached)

    fetch.limit = -1
    monkeypatch.setattr(kagglehub, "competition_download", fetch)
    names_and_limit = names, fetch
    return names_and_limit


def download(*arguments):
    return CliRunner().invoke(main, ["download", *map(str, arguments)])


def test_some_patients_are_fetched_and_an_interruption_costs_nothing(asked, sample_dir, tmp_path):
    (names, fetch), out = asked, tmp_path / "data"
    fetch.limit = 5
    result = download("--out", out, "--patients", 3)
    assert result.exit_code == 1
    assert "ConnectionError: the network has gone" in result.output
    there = {path.name for path in out.rglob("*.parquet")}
    assert len(there) == 3
    fetch.limit = -1
    names.clear()
    result = download("--out", out, "--patients", 3)
    assert result.exit_code == 0, result.output
    assert not there & {name.split("/")[-1] for name in names}

    whole = eeg.load_metadata(sample_dir, "train")
    rows = eeg.load_metadata(out, "train")
    # The patients that notebook 2 would draw.
    drawn = eeg.select_windows(whole, max_patients=3, seed=0).patient_id
    assert set(rows.patient_id) == set(drawn)
    assert rows.label_id.tolist() == whole[whole.patient_id.isin(drawn)].label_id.tolist()
    files = {path.stem for path in (out / "train_eegs").iterdir()}
    assert files == set(rows.eeg_id.astype(str))
    assert paths.find_data_dir(out).path == out
    assert not list((tmp_path / "cache").rglob("*.parquet"))  # not kept twice
    names.clear()
    result = download("--out", out, "--patients", 3)
    assert "Complete, 0 new files" in result.output
    assert all(name.endswith(".csv") for name in names)
    # More of them are these and others.
    result = download("--out", out, "--patients", 5)
    assert result.exit_code == 0, result.output
    more = set(eeg.load_metadata(out, "train").patient_id)
    assert len(more) == 5 and more > set(drawn)


def test_more_patients_join_and_others_are_left_alone(asked, sample_dir, tmp_path):
    known = np.sort(pd.read_csv(sample_dir / "train.csv").patient_id.unique())
    out = tmp_path / "data"
    assert download("--out", out, "--ids", known[0]).exit_code == 0
    result = download("--out", out, "--ids", f"{known[0]},{known[1]}")
    assert result.exit_code == 0, result.output
    assert set(pd.read_csv(out / "train.csv").patient_id) == set(known[:2])
    before = (out / "train.csv").read_bytes()
    for arguments, message in (
        (["--ids", known[2]], "it has rows of other patients; name another folder"),
        (["--ids", "1,2"], "expected patients of train.csv, found [1, 2]"),
        (["--ids", "all"], 'expected ids of patients such as "42516,1045", found "all"'),
        (["--patients", 10**6], "expected at most the 8 patients of train.csv, found 1000000"),
    ):
        result = download("--out", out, *arguments)
        assert result.exit_code == 1
        assert message in result.output
    assert (out / "train.csv").read_bytes() == before
