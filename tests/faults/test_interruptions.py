"""Runs that are interrupted at any moment go on to the same submission, to the byte."""

import os
import random
import signal
import subprocess
import time
import uuid

import pytest

from tests.faults.commands import STAGES, last_line, left_over

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
EACH = 3  # interruptions of each stage, one of each kind
CYCLES = 4  # 48 interruptions in all
LINGER = 10  # seconds that processes may need to end


@pytest.mark.parametrize("cycle", range(CYCLES))
def test_an_interrupted_chain_ends_in_the_same_submission(chain, tmp_path, cycle, record_property):
    # Of a shell that runs this in the background Ctrl-C is ignored, and so by what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, outputs, n_interrupted = random.Random(cycle), tmp_path / "outputs", 0
    for number in STAGES:
        for name, number_of_signal in SIGNALS.items():
            for attempt in range(8):  # until it comes before the end of what is left to do
                moment = rng.uniform(0.5, max(1.0, chain.seconds[number] / 2**attempt))
                said = interrupt(
                    chain.command(number, outputs), chain.env, moment, number_of_signal
                )
                if said is not None:
                    break
            else:
                raise AssertionError(f"stage {number} always ended before {name}")
            n_interrupted += 1
            line = ""  # who is killed says nothing
            if name != "SIGKILL":
                line = last_line(said)
                assert line.startswith("Interrupted:"), said
                assert "Traceback" not in said, said
            record_property(
                "fault",
                [f"notebook {number}", f"{name} after {moment:.1f} s", "goes on", line],
            )
        done = chain.run(number, outputs)
        assert done.returncode == 0, done.stdout
    assert n_interrupted == EACH * len(STAGES)
    assert (outputs / "submission.csv").read_bytes() == chain.submission
    assert left_behind(outputs) == left_behind(chain.outputs)


def interrupt(words, env, moment, number):
    """Send a signal after some seconds; return what was said, None if all was done before."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        words, env=env | {"HMS_MARK": mark}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        pass
    else:
        process.communicate()
        return None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal sends it to all of the group
    else:
        process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    deadline = time.monotonic() + LINGER
    while (alive := left_over(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    names = [" ".join(one.cmdline())[:80] for one in alive]
    for one in alive:
        one.kill()
    assert not names, f"still there after {LINGER} s: {names}"
    # While Python ends it takes no signal any more, or has it end at once.
    done = process.returncode == 0 or (process.returncode == -number and "\nReport: " in said)
    return None if done else said


def left_behind(outputs):
    """Return the names of all files."""
    return sorted(str(path.relative_to(outputs)) for path in outputs.rglob("*") if path.is_file())
