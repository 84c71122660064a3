"""Recordings of one's own as a data set: what comes out, and what is refused."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hms_utils import chain, eeg, images, paths, sample
from hms_utils.cli import main
from hms_utils.constants import BIPOLAR_COLUMNS, VOTE_COLUMNS

DOC = paths.REPOSITORY / "docs" / "clinical.md"
VOTES = dict(zip(VOTE_COLUMNS, (0, 3, 1, 0, 0, 2), strict=True))


@pytest.fixture(scope="module")
def recordings(sample_dir, write_edf, tmp_path_factory):
    """Two clinical files of 300 s and one of 70 s, and what they hold."""
    folder = tmp_path_factory.mktemp("own")
    whole = max((sample_dir / "train_eegs").iterdir(), key=lambda path: path.stat().st_size)
    one = np.nan_to_num(eeg.read_eeg(whole))
    signal = np.resize(one, (300 * 200, 20))
    written = {}
    for name, seconds, sfreq in (("a.edf", 300, 200), ("b.bdf", 300, 200), ("c.edf", 70, 256)):
        path = write_edf(folder / name, signal[: seconds * 200], sfreq=sfreq)
        written[name] = path
    return written, signal


def import_(folder, files, rows):
    labels = folder / "labels.csv"
    pd.DataFrame(rows).to_csv(labels, index=False)
    return sample.import_recordings(files, labels, folder / "own", n_jobs=1)


def test_labels_become_windows_of_what_was_recorded(recordings, tmp_path):
    files, signal = recordings
    rows = [
        {"file": "a.edf", "second": second, "patient": "Müller", **VOTES}
        for second in (25, 30.5, 100, 149.99, 275)
    ]
    name = f"{files['b.bdf'].parent.name}/b.bdf"
    rows.append({"file": name, "second": 60, "patient": "2", **VOTES})
    train, test = import_(tmp_path, files.values(), rows)
    folder = tmp_path / "own"
    assert eeg.load_metadata(folder, "train").equals(pd.read_csv(folder / "train.csv"))
    assert train.eeg_id.tolist() == [1, 1, 2, 2, 3, 4]  # in one piece where windows overlap
    assert train.eeg_label_offset_seconds.tolist() == pytest.approx([0, 5.5, 0, 49.99, 0, 0])
    assert train.patient_id.tolist() == [1, 1, 1, 1, 1, 2]
    assert (train[list(VOTE_COLUMNS)] == list(VOTES.values())).all(axis=None)
    assert set(train.expert_consensus) == {"LPD"}
    assert test[["eeg_id", "patient_id"]].to_numpy().tolist() == [[5, 3]]
    origin = pd.read_csv(folder / "imported.csv").set_index("eeg_id")
    for row, label in zip(train.itertuples(), rows, strict=True):
        path, far_path = eeg.source_files(folder, "train", row.eeg_id, row.spectrogram_id)
        window = eeg.cut(eeg.read_eeg(path), row.eeg_label_offset_seconds, 50, 200, path)
        first = round((label["second"] - 25) * 200)
        np.testing.assert_allclose(window, signal[first : first + 10_000], atol=0.1)
        long = eeg.read_spectrogram(far_path)
        far = eeg.cut(long, row.spectrogram_label_offset_seconds, 600, 0.5, far_path)
        # Its row 150 is made of these four seconds, around what was judged.
        begin = origin.start[row.eeg_id] + row.spectrogram_label_offset_seconds + 24
        assert abs(begin + 2 - label["second"]) <= 2
        whole = images.competition_spectrogram(signal[round(begin % 2 * 200) :])
        np.testing.assert_allclose(far[150], whole[int(begin // 2)], rtol=0.05, atol=0.1)
    assert len(eeg.read_eeg(folder / "test_eegs" / "5.parquet")) == 10_000
    assert len(eeg.read_spectrogram(folder / "test_spectrograms" / "5.parquet")) == 300
    assert origin.loc[4, "path"] == str(files["b.bdf"])
    assert origin.loc[5, "start"] == 10
    assert not (folder / paths.SYNTHETIC_MARK).exists()


def test_the_spectrogram_is_that_of_the_whole_recording(recordings, tmp_path):
    files, _ = recordings
    train, _ = import_(
        tmp_path,
        [files["a.edf"]],
        {"file": ["a.edf"], "second": [150], "patient": 1, "class": "gpd"},
    )
    assert train.gpd_vote.tolist() == [1] and train.filter(like="_vote").to_numpy().sum() == 1
    long = eeg.read_spectrogram(tmp_path / "own" / "train_spectrograms" / "1.parquet")
    recording = eeg.open_recording(files["a.edf"])
    np.testing.assert_array_equal(long, images.long_spectrogram(recording, 125))
    known = ~np.isnan(long).any(axis=1)
    assert known.sum() == 148  # of 4 s every 2 s, on a clock that begins at an odd second
    assert images.draw_window(
        eeg.bipolar(eeg.read_eeg(tmp_path / "own" / "train_eegs" / "1.parquet")),
        long,
        reduce=(4, 4),
        db_range=images.DB_RANGE,
    )["kaggle600"].any()


GOOD = {"file": "a.edf", "second": "100", "patient": "1", "class": "LPD"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "d.edf"}, "line 3: expected the name of one of the recordings, found no such"),
        ({"second": "24.9"}, "line 3: expected a second from 25 to 275 in a.edf"),
        ({"second": "275.1"}, "line 3: expected a second from 25 to 275 in a.edf"),
        ({"second": "1,5"}, "found '1,5'"),
        ({"second": ""}, "found ''"),
        ({"second": "inf"}, "line 3: expected a second from 25 to 275 in a.edf"),
        ({"second": "100.0"}, "line 3: expected one row for a second of a recording, found line 2"),
        ({"patient": ""}, "line 3: expected a patient, found none"),
        ({"patient": "2"}, "line 3: expected one patient in a.edf, found 2 and 1"),
        ({"class": "seizures"}, "line 3: expected a class of Seizure, LPD, GPD, LRDA, GRDA, Other"),
        ({"class": ""}, "line 3: expected a class of"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(recordings, tmp_path, changes, message):
    rows = [GOOD, {**GOOD, "second": "120", **changes}]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        import_(tmp_path, [recordings[0]["a.edf"]], rows)
    assert str(tmp_path / "labels.csv") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


@pytest.mark.parametrize("wrong", ["-1", "1.5", "many", "", "1e9", "nan"])
def test_wrong_votes_are_named(recordings, tmp_path, wrong):
    rows = {**GOOD, **dict.fromkeys(VOTE_COLUMNS, 1), "lpd_vote": wrong}
    del rows["class"]
    with pytest.raises(ValueError, match="line 2: expected six whole votes"):
        import_(tmp_path, [recordings[0]["a.edf"]], [rows])


def test_all_that_is_wrong_is_named_at_once(recordings, tmp_path, write_edf):
    files, signal = recordings
    short, bipolar = tmp_path / "short.edf", tmp_path / "banana.edf"
    write_edf(short, signal[:2000])
    banana = np.column_stack([eeg.bipolar(signal[:20_000]).T, np.zeros((20_000, 4))])
    write_edf(bipolar, banana, names=(*BIPOLAR_COLUMNS[:16], "", "", "", ""))
    twin = tmp_path / "twin" / "a.edf"
    twin.parent.mkdir()
    twin.write_bytes(files["a.edf"].read_bytes())
    damaged = tmp_path / "damaged.edf"
    damaged.write_bytes(b"nothing")
    rows = [{**GOOD, "file": name} for name in ("a.edf", "short.edf", "banana.edf")]
    with pytest.raises(ValueError) as caught:
        import_(tmp_path, [files["a.edf"], short, bipolar, twin, damaged, twin], rows)
    lines = str(caught.value).splitlines()
    for path, words in (
        (short, "expected 50 s or more, found 10 s"),
        (bipolar, "expected electrodes, as the competition's layout has them"),
        (damaged, "expected"),
        (twin, "expected each recording once"),
        (tmp_path / "labels.csv", "line 2: expected the name of one of the recordings, found 2"),
    ):
        assert any(line.startswith(str(path)) and words in line for line in lines), lines
    assert len(lines) == 5
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected a CSV table"),
        (b"file;second;patient;class\n", "separated by commas, found file;second"),
        (b"file,second,patient\na.edf,100,1\n", "either class or seizure_vote"),
        (b"file,second,patient,class\n", "expected at least one row"),
        (b"file,second,patient,class\n\xff\xfe,1,2,LPD\n", "expected a CSV table"),
        (b"file,second,patient,class\na.edf,100,0,1,LPD\n", "rows with more cells than its"),
        (b"file,second,patient,class,second \na.edf,100,1,LPD,7\n", r"once, found \['second'\]"),
        (b"file,second,patient,class,lpd_vote\na.edf,100,1,LPD,3\n", "either class or seizure_v"),
        (b"file,second,patient,class\na.edf,100,nan,LPD\n", "line 2: expected a patient, found no"),
    ],
)
def test_a_broken_table_is_refused(recordings, tmp_path, text, message):
    (tmp_path / "labels.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        sample.import_recordings(
            [recordings[0]["a.edf"]], tmp_path / "labels.csv", tmp_path / "own"
        )


def test_spreadsheets_write_tables_with_marks_and_blank_lines(recordings, tmp_path):
    text = "\ufefffile,second,patient,class\r\n\r\n a.edf ,100, 1,lpd \r\n,,,\r\n"
    (tmp_path / "labels.csv").write_bytes(text.encode())
    train, test = sample.import_recordings(
        [recordings[0]["a.edf"]], tmp_path / "labels.csv", tmp_path / "own"
    )
    assert train.lpd_vote.tolist() == [1] and test.empty
    location = paths.find_data_dir(tmp_path / "own")
    assert chain.leave_out_submission(chain.NOTEBOOKS, location) == chain.NOTEBOOKS[:-1]
    assert chain.leave_out_submission(chain.NOTEBOOKS[-1:], location) == chain.NOTEBOOKS[-1:]


def test_the_example_of_the_page_runs(recordings, tmp_path, monkeypatch):
    page = DOC.read_text("utf-8")
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"^python -m hms_utils (import .*?)(?:  #.*)?$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text(table)
    files, _ = recordings
    for name in ("ward1.edf", "ward2.edf", "night.edf"):
        (tmp_path / name).write_bytes(files["a.edf"].read_bytes())
    result = CliRunner().invoke(main, shlex.split(command), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "own: 4 labels of 2 patients, 1 test recordings" in result.output
    assert len(pd.read_csv(tmp_path / "own" / "train.csv")) == 4


def test_what_is_made_of_the_sample_stays_synthetic(sample_dir, tmp_path):
    (path, *_) = sorted((sample_dir / "train_eegs").iterdir())
    rows = {"file": [path.name], "second": [25], "patient": ["1"], "class": ["Other"]}
    import_(tmp_path, [path], rows)
    assert paths.find_data_dir(tmp_path / "own").is_synthetic
