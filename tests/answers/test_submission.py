import io
import random

import numpy as np
import pandas as pd
import pytest

from hms_utils import answers
from hms_utils.answers import submission
from hms_utils.constants import VOTE_COLUMNS

IDS = [2574397201, 1321142583, 67887965, 3109600643]


@pytest.fixture
def test_table():
    return pd.DataFrame({"spectrogram_id": [1, 2, 3, 4], "eeg_id": IDS, "patient_id": 0})


@pytest.fixture
def table():
    probabilities = np.random.default_rng(0).dirichlet(np.full(6, 5), len(IDS))
    return pd.DataFrame({"eeg_id": IDS, **dict(zip(VOTE_COLUMNS, probabilities.T, strict=True))})


def test_write_keeps_the_order_of_the_test_table(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), 4)
    answers.write_submission(IDS[::-1], probabilities, test_table, path)
    table = pd.read_csv(path)
    assert tuple(table.columns) == submission.COLUMNS
    assert table.eeg_id.tolist() == IDS
    np.testing.assert_allclose(table.loc[3, list(VOTE_COLUMNS)].astype(float), probabilities[0])
    answers.check(table, test_table)


def test_nothing_is_written_that_kaggle_would_refuse(test_table, tmp_path):
    path = tmp_path / "submission.csv"
    with pytest.raises(ValueError, match="add to one"):
        answers.write_submission(IDS, np.full((4, 6), 0.2), test_table, path)
    assert not path.exists()


def csv(table, **options):
    return table.to_csv(index=False, **options)


def scaled(table, factor):
    return table.assign(**{name: table[name] * factor for name in VOTE_COLUMNS})


ROW = "4 of 4 rows do not, first 2574397201 with ["
# What is done to a good submission, the level of the first finding and its beginning.
WRONG = {
    "an empty file": (lambda t: "", "error", "the file is empty"),
    "blank lines": (lambda t: "\n\n \n", "error", "the file is empty"),
    "only the header": (
        lambda t: csv(t[:0]),
        "error",
        "submission lacks ids: 4, first [2574397201",
    ),
    "binary": (
        lambda t: bytes(range(128, 256)),
        "error",
        "expected a CSV table in UTF-8, found ot",
    ),
    "zero bytes": (lambda t: bytes(500), "error", "expected a CSV table in UTF-8, found bytes of "),
    "UTF-16": (lambda t: csv(t).encode("utf-16"), "error", "expected a CSV table in UTF-8, found"),
    "a web page": (
        lambda t: "<html>404</html>",
        "error",
        "expected columns with commas between them, found one column, '<html>404</html>'",
    ),
    "semicolons": (
        lambda t: csv(t, sep=";", decimal=","),
        "error",
        "expected columns with commas between them, found ';' between them",
    ),
    "tabs": (lambda t: csv(t, sep="\t"), "error", "expected columns with commas between them, f"),
    "a value too many": (
        lambda t: csv(t).replace("\n", ",1\n", 3),
        "error",
        "row 4 has 7 values, the header 8",
    ),
    "an open quote": (lambda t: csv(t).replace(",0", ',"0', 1), "error", "row 2 has 2 values, the"),
    "a column twice": (
        lambda t: csv(t).replace("lpd_vote", "gpd_vote"),
        "error",
        "the header repeats columns: ['gpd_vote']",
    ),
    "the index": (
        lambda t: t.to_csv(),
        "error",
        "Kaggle takes every column but eeg_id for a class: extra ['Unnamed: 0']",
    ),
    "another class": (
        lambda t: csv(t.assign(extra=1)),
        "error",
        "Kaggle takes every column but eeg_id for a class: extra ['extra']",
    ),
    "no header": (
        lambda t: csv(t, header=False),
        "error",
        "Missing submission column eeg_id: missing ['eeg_id', 'seizure_vote', 'lpd_vote', 'gpd_vot",
    ),
    "a class short": (
        lambda t: csv(t.drop(columns="other_vote")),
        "error",
        "Missing submission column other_vote: missing ['other_vote']",
    ),
    "no ids": (
        lambda t: csv(t.drop(columns="eeg_id")),
        "error",
        "Missing submission column eeg_id: missing ['eeg_id'], found ['seizure_vote',",
    ),
    "spaces in the header": (
        lambda t: csv(t.rename(columns={"lpd_vote": " lpd_vote"})),
        "error",
        "Missing submission column lpd_vote: missing ['lpd_vote'], found ['eeg_id', 'seizure_vote'",
    ),
    "the header again": (lambda t: csv(t) + csv(t), "error", "the header stands again in row 6"),
    "a row short": (lambda t: csv(t[:3]), "error", "submission lacks ids: 1, first [3109600643]"),
    "a row twice": (
        lambda t: csv(pd.concat([t, t[:1]])),
        "error",
        "submission repeats ids: 1, first [2574397201]",
    ),
    "a row too many": (
        lambda t: csv(pd.concat([t, t[:1].assign(eeg_id=99)])),
        "error",
        "submission has ids that are not asked for: 1, first [99]",
    ),
    "ids that lost their digits": (
        lambda t: csv(t.assign(eeg_id=t.eeg_id.map("{:.1e}".format))),
        "error",
        "submission lacks ids: 4, first [2574397201, 1321142583, 67887965]",
    ),
    "ids in words": (
        lambda t: csv(t.assign(eeg_id="eeg_" + t.eeg_id.astype(str))),
        "error",
        "submission lacks ids: 4, first [2574397201, 1321142583, 67887965]",
    ),
    "words": (
        lambda t: csv(t.assign(lpd_vote="high")),
        "error",
        "All target values in submission must be numeric: found 'high' for 2574397201 in lpd_vote",
    ),
    "decimal commas": (
        lambda t: csv(t.assign(lpd_vote=[0.1, 0.2, 0.3, "0,4"])),
        "error",
        "All target values in submission must be numeric: found '0,4' for 3109600643 in lpd_vote",
    ),
    "below zero": (
        lambda t: csv(t.assign(lpd_vote=-0.5)),
        "error",
        "All target values in submission must be at least zero: " + ROW,
    ),
    "per cent": (
        lambda t: csv(scaled(t, 100)),
        "error",
        "All target values in submission must be no greater than one: " + ROW,
    ),
    "infinite": (
        lambda t: csv(t.assign(lpd_vote=np.inf)),
        "error",
        "All target values in submission must be no greater than one: " + ROW,
    ),
    "missing values": (
        lambda t: csv(t.assign(lpd_vote=np.nan)),
        "error",
        "Target values in submission do not add to one within all rows: " + ROW,
    ),
    "rounded": (
        lambda t: csv(scaled(t, 1 + 2e-5)),
        "error",
        "Target values in submission do not add to one within all rows: " + ROW,
    ),
    "hardly adding to one": (
        lambda t: csv(scaled(t, 1 + 9e-6)),
        "warning",
        "4 of 4 rows add to one only within Kaggle's tolerance of 1e-5, ",
    ),
    "another order": (
        lambda t: csv(t[::-1]),
        "warning",
        "rows are in another order than in test.csv: Kaggle's metric compares row with row",
    ),
    "one answer": (
        lambda t: csv(t.assign(**t.iloc[0, 1:])),
        "warning",
        "all 4 rows are equal, as if nothing had been predicted",
    ),
    "a class never": (
        lambda t: csv(t.assign(lpd_vote=0.001, gpd_vote=t.gpd_vote + t.lpd_vote - 0.001)),
        "warning",
        "lpd_vote is never above 0.01: at most 0.001",
    ),
    "certainty": (
        lambda t: csv(t.assign(**dict(zip(VOTE_COLUMNS, np.eye(6)[:4].T, strict=True)))),
        "warning",
        "grda_vote is never above 0.01: at most 0",
    ),
    "ids with decimals": (
        lambda t: csv(t.assign(eeg_id=t.eeg_id.astype(float))),
        "warning",
        "4 ids are not written as whole numbers, first '2574397201.0'",
    ),
    "a byte order mark": (
        lambda t: csv(t).encode("utf-8-sig"),
        "warning",
        "the file begins with a byte order mark",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checks_say_what_is_wrong(table, test_table, tmp_path, name):
    spoil, level, message = WRONG[name]
    content, path = spoil(table), tmp_path / "submission.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    findings = answers.diagnose(path, test_table)
    assert findings.level[0] == level
    assert findings.finding[0].startswith(message)
    assert findings.level.is_monotonic_increasing  # errors first


@pytest.mark.parametrize("options", [{}, {"quoting": 1}, {"lineterminator": "\r\n"}])
def test_the_checks_are_content_with_a_good_one(table, test_table, tmp_path, options):
    (tmp_path / "submission.csv").write_bytes(csv(table, **options).encode())
    assert answers.diagnose(tmp_path / "submission.csv", test_table).empty


def test_the_checks_find_all_at_once_in_kaggles_order(table, test_table, tmp_path):
    spoilt = table[:3].assign(lpd_vote="high", gpd_vote=-3.0, grda_vote=2.0, other_vote=1e-16)
    spoilt.to_csv(tmp_path / "submission.csv", index=False)
    findings = answers.diagnose(tmp_path / "submission.csv", test_table)
    assert [text.partition(":")[0] for text in findings.finding] == [
        "submission lacks ids",
        "All target values in submission must be numeric",
        "All target values in submission must be at least zero",
        "All target values in submission must be no greater than one",
    ]
    with pytest.raises(ValueError, match="lacks ids"):
        answers.check(spoilt, test_table)


def test_values_that_kaggle_clips_are_counted(table, test_table, tmp_path):
    table.loc[1, list(VOTE_COLUMNS)] = [0, 0.2, 0.2, 0.2, 0.2, 0.2]
    table.to_csv(tmp_path / "submission.csv", index=False)
    (finding,) = answers.diagnose(tmp_path / "submission.csv", test_table).finding
    assert finding.startswith("1 of 4 rows hold values that Kaggle clips, within 1e-15")
    assert "first 1321142583: " in finding


def test_the_example_handed_in_is_noticed(table, test_table, tmp_path):
    for name in ("submission.csv", "sample_submission.csv"):
        table.to_csv(tmp_path / name, index=False)
    arguments = test_table, tmp_path / "sample_submission.csv"
    findings = answers.diagnose(tmp_path / "submission.csv", *arguments)
    assert findings.finding.tolist() == ["it is sample_submission.csv, unchanged"]
    scaled(table, 1 + 1e-9).to_csv(tmp_path / "submission.csv", index=False)
    assert answers.diagnose(tmp_path / "submission.csv", *arguments).empty


def test_the_checks_survive_any_file(table, test_table, tmp_path):
    for path, message in (
        (tmp_path / "none.csv", "the file cannot be read: No such file"),
        (tmp_path, "the file cannot be read: not a regular file"),
        ("/dev/zero", "the file cannot be read: not a regular file"),
    ):
        assert answers.diagnose(path, test_table).finding[0].startswith(message)
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(2 * 10**8)
    findings = answers.diagnose(tmp_path / "huge.csv", test_table)
    assert findings.finding.tolist() == ["expected a small CSV table, found 200 MB"]
    rng, good, path = random.Random(0), csv(table).encode(), tmp_path / "spoilt.csv"
    n_bad = 0
    for _ in range(300):
        spoilt = bytearray(good)
        for _ in range(rng.randrange(1, 20)):
            place = rng.randrange(len(spoilt))
            spoilt[place : place + rng.randrange(3)] = [rng.choice(b',;"\n\r\0.e-+ x1\xff')]
        path.write_bytes(spoilt)
        n_bad += len(answers.diagnose(path, test_table)) > 0
    assert n_bad > 250


def test_ids_that_the_test_table_repeats_are_answered_once(table, test_table, tmp_path):
    table.to_csv(tmp_path / "submission.csv", index=False)
    twice = pd.concat([test_table, test_table[:2]])
    findings = answers.diagnose(tmp_path / "submission.csv", twice)
    assert findings.finding.tolist() == ["test.csv repeats ids: one row for each of 4 counts"]
    with pytest.raises(ValueError, match="expected eeg_id in the test table"):
        answers.diagnose(tmp_path / "submission.csv", test_table.drop(columns="eeg_id"))


def test_2600_rows_are_checked_in_a_second(tmp_path):
    ids = np.arange(2600) * 1_000_003 % 2**31
    probabilities = np.random.default_rng(0).dirichlet(np.full(6, 5), len(ids))
    table = pd.DataFrame({"eeg_id": ids, **dict(zip(VOTE_COLUMNS, probabilities.T, strict=True))})
    (tmp_path / "submission.csv").write_text(csv(table))
    assert answers.diagnose(tmp_path / "submission.csv", table[["eeg_id"]]).empty


@pytest.mark.parametrize("name", [name for name, each in WRONG.items() if each[1] == "error"])
def test_what_the_checks_call_an_error_check_refuses(table, test_table, name):
    content = WRONG[name][0](table)
    content = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(ValueError, match=r"submission|Kaggle|pars|decode|tokeniz"):
        answers.check(pd.read_csv(io.BytesIO(content)), test_table)
