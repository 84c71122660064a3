import sys
import time

import pytest

from hms_utils import progress


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS", 0.02)


def test_a_log_gets_a_line_now_and_then(often, capsys):
    with progress.progress("Windows", 8) as bar:
        for _ in range(4):
            time.sleep(0.03)
            bar.update(2)
    text = capsys.readouterr().out
    assert "\r" not in text
    lines = text.splitlines()
    assert 2 <= len(lines) <= 6
    assert all(line.startswith("Windows: ") and " of 8 (" in line for line in lines)
    assert lines[-1].startswith("Windows: 8 of 8 (100 %) in ")


def test_short_work_says_nothing_in_a_log(capsys):
    assert list(progress.progress("Windows", 3, items="abc")) == ["a", "b", "c"]
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert list(progress.progress("Windows", 2, items="ab")) == ["a", "b"]
    assert "\r" in capsys.readouterr().out
