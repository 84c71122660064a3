import json
import os
import socket
import subprocess
import sys

import pytest

from hms_utils import paths
from hms_utils.lock import locked

HOLD = """
import sys
from pathlib import Path
from hms_utils.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that writes into a folder until its input is closed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=paths.REPOSITORY, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_and_told_who_is_first(tmp_path, holder):
    with pytest.raises(BlockingIOError) as refusal, locked(tmp_path):
        pytest.fail("both hold the lock")
    text = str(refusal.value)
    assert text.startswith(f"{tmp_path}: another run writes here, process {holder.pid} on ")
    assert f" on {socket.gethostname()} since 20" in text
    holder.stdin.close()
    holder.wait(30)
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_lock_and_nothing_half_written(tmp_path, holder):
    half = tmp_path / "figures" / f".{holder.pid}.votes.png"
    half.parent.mkdir()
    half.write_bytes(b"half")
    others = [tmp_path / f".{os.getpid()}.own.png", tmp_path / ".hidden"]
    for path in others:
        path.touch()
    holder.kill()
    holder.wait(30)
    assert (tmp_path / ".lock").is_file()
    with locked(tmp_path):
        assert not half.exists()
        assert all(path.exists() for path in others)


def test_what_a_writer_starts_writes_with_it(tmp_path):
    with locked(tmp_path), locked(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        done = subprocess.run(command, input="", cwd=paths.REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_same_number_on_another_computer_is_another_process(tmp_path, monkeypatch):
    with locked(tmp_path):
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on "):
            locked(tmp_path).__enter__()
