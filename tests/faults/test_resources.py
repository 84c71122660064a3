"""What a machine may lack: room, memory, rights, a home, cores; and what a second run does."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.faults.commands import STAGES, as_shell, last_line, outputs_of, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
# What each stage writes; without it the stage has to write it again.
WRITES = {
    "02": "spectrograms",
    "03": "models/cnn/fold0.keras",
    "05": "blend.json",
    "06": "submission.csv",
}


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def refuses(done, words):
    """Return the line with some words of a command that failed as it should."""
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT), done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    # Not in a path, which has words of the test's own name.
    found = [line for line in lines if any(w in re.sub(r"/\S*", "", line) for w in words)]
    assert found, done.stdout
    return found[-1]


def can_mount():
    return (
        not os.geteuid()
        and not subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode
    )


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount")
@pytest.mark.parametrize("free", ["32k", "200k"])
@pytest.mark.parametrize("number", STAGES)
def test_a_full_disk_is_named_and_the_run_goes_on(chain, tmp_path, note, number, free):
    before = chain.copy(tmp_path / "before")
    remove(before / WRITES[number])
    full, after = tmp_path / "full", tmp_path / "after"
    full.mkdir()
    words = as_shell(chain.command(number, full))
    # The first run finds so little room, the second one all that was taken up.
    script = f"""
        mount -t tmpfs -o size=64m tmpfs {full} || exit 99
        cp -r {before}/. {full}
        free=$(df --output=avail -B1k {full} | tail -1)
        head -c $(( (free - {free.removesuffix("k")}) * 1024 )) /dev/zero > {full}/ballast
        {words} > {tmp_path}/first 2>&1; echo $? > {tmp_path}/code
        rm {full}/ballast
        {words} > {tmp_path}/second 2>&1; code=$?
        cp -r {full} {after}; exit $code
    """
    done = run(["unshare", "--mount", "sh", "-c", script], chain.env)
    first = (tmp_path / "first").read_text(errors="replace")
    assert done.returncode == 0, done.stdout + (tmp_path / "second").read_text(errors="replace")
    assert outputs_of(after) == outputs_of(chain.outputs)
    if (tmp_path / "code").read_text().strip() == "0":  # so much was enough
        note(f"{free} of disk left for {number}", "as without it")
        return
    words = "o space left", "no room", "MB of disk for the images"
    line = next(line.strip() for line in first.splitlines() if any(word in line for word in words))
    assert str(full) in line
    note(f"{free} of disk left for {number}", "refused", line.replace(str(full), "outputs"))


@pytest.mark.parametrize("number", ["02", "03", "06"])
def test_too_small_files_are_named(chain, tmp_path, note, number):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES[number])
    script = f"ulimit -f 40; exec {as_shell(chain.command(number, outputs))}"
    done = run(["bash", "-c", script], chain.env)
    line = refuses(done, ["File too large", "cannot be written"])
    note(f"files of 40 kB at most in {number}", "refused", line)
    assert chain.run(number, outputs).returncode == 0
    assert outputs_of(outputs) == outputs_of(chain.outputs)


@pytest.mark.parametrize(("number", "gigabytes"), [("02", 1), ("03", 3), ("06", 3)])
def test_too_little_memory_is_said(chain, tmp_path, note, number, gigabytes):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES[number])
    script = f"ulimit -v {gigabytes * 1_000_000}; exec {as_shell(chain.command(number, outputs))}"
    done = run(["timeout", "400", "bash", "-c", script], chain.env)
    assert done.returncode != 124, "it hangs"
    name = f"{gigabytes} GB of addresses in {number}"
    if done.returncode == 0:
        note(name, "as without it")
    else:
        line = refuses(done, ["emory", "allocate", "resource", "thread"])
        note(name, "refused", line)
    assert chain.run(number, outputs).returncode == 0
    assert outputs_of(outputs) == outputs_of(chain.outputs)


def test_data_that_may_only_be_read_are_enough(chain, tmp_path, note):
    if not can_mount():
        pytest.skip("needs the right to mount")
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / "spectrograms")
    words = as_shell(chain.command("02", outputs))
    mount = f"mount --bind {chain.data} {chain.data} && mount -o remount,ro,bind {chain.data}"
    done = run(["unshare", "--mount", "sh", "-c", f"{mount} && {words}"], chain.env)
    assert done.returncode == 0, done.stdout
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    note("data that may only be read", "as without it")


def test_outputs_that_may_only_be_read_are_named(chain, tmp_path, note):
    if not can_mount():
        pytest.skip("needs the right to mount")
    outputs = chain.copy(tmp_path / "outputs")
    for number in ("02", "06"):
        words = as_shell(chain.command(number, outputs))
        mount = f"mount --bind {outputs} {outputs} && mount -o remount,ro,bind {outputs}"
        done = run(["unshare", "--mount", "sh", "-c", f"{mount} && {words}"], chain.env)
        line = refuses(done, ["Read-only file system"])
        assert str(outputs) in line
        assert outputs_of(outputs) == outputs_of(chain.outputs)
        line = line.replace(str(outputs), "outputs")
        note(f"outputs that may only be read in {number}", "refused", line)


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("no home", {"HOME": None, "KERAS_HOME": None}),
        ("a home that is not there", {"HOME": "/proc/nowhere", "KERAS_HOME": None}),
        ("no room for temporary files named", {"TMPDIR": "/nonexistent/tmp"}),
        ("output in ASCII", {"PYTHONIOENCODING": "ascii"}),
        ("output of an old Windows", {"PYTHONIOENCODING": "cp1252"}),
        ("a locale that is not there", {"LC_ALL": "xx_XX.UTF-8"}),
        ("the C locale", {"LC_ALL": "C", "LANG": "C"}),
        ("another time zone", {"TZ": "Pacific/Kiritimati"}),
        ("channels first in Keras", {"KERAS_IMAGE_DATA_FORMAT": "channels_first"}),
        ("a narrow terminal", {"COLUMNS": "10"}),
    ],
)
def test_an_odd_environment_changes_nothing(chain, tmp_path, note, name, env):
    outputs = chain.copy(tmp_path / "outputs")
    for number in ("02", "06"):
        remove(outputs / WRITES[number])
        environment = {key: value for key, value in (chain.env | env).items() if value is not None}
        done = run(chain.command(number, outputs), environment)
        assert done.returncode == 0, done.stdout
        assert outputs_of(outputs) == outputs_of(chain.outputs)
    note(name, "as without it")


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount")
def test_a_home_that_may_only_be_read_is_enough(chain, tmp_path, note):
    outputs, home = chain.copy(tmp_path / "outputs"), tmp_path / "home"
    home.mkdir()
    env = {key: value for key, value in chain.env.items() if key != "KERAS_HOME"}
    mount = f"mount --bind {home} {home} && mount -o remount,ro,bind {home}"
    for number in ("02", "06"):
        remove(outputs / WRITES[number])
        words = as_shell(chain.command(number, outputs))
        done = run(
            ["unshare", "--mount", "sh", "-c", f"{mount} && {words}"], env | {"HOME": str(home)}
        )
        assert done.returncode == 0, done.stdout
        assert outputs_of(outputs) == outputs_of(chain.outputs)
    note("a home that may only be read", "as without it")


def test_one_core_is_enough(chain, tmp_path, note):
    outputs = chain.copy(tmp_path / "outputs")
    for number in ("02", "06"):
        remove(outputs / WRITES[number])
        done = chain.run(number, outputs, before=["taskset", "-c", "0"])
        assert done.returncode == 0, done.stdout
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    note("one core", "as without it")


@pytest.mark.parametrize("number", ["02", "03", "06"])
def test_a_kernel_that_is_killed_is_named(chain, tmp_path, note, number):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES[number])
    process = subprocess.Popen(
        chain.command(number, outputs), env=chain.env, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    kernel = wait_for(lambda: child(process, "ipykernel"))
    time.sleep(4)  # it is at work, and not done on any machine
    kernel.kill()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "the kernel died" in said and "Traceback" not in said
    line = next(line for line in said.splitlines() if "the kernel died" in line)
    note(f"a kernel that is killed in {number}", "refused", line.strip())
    assert chain.run(number, outputs).returncode == 0
    assert outputs_of(outputs) == outputs_of(chain.outputs)


def child(process, words):
    found = [
        one
        for one in psutil.Process(process.pid).children(recursive=True)
        if any(words in word for word in one.cmdline())
    ]
    return found[0] if found else None


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"nothing within {seconds} s")


def test_a_second_run_is_refused_at_once(chain, tmp_path, note):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES["03"])
    first = subprocess.Popen(
        chain.command("03", outputs), env=chain.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: child(first, "ipykernel"))
        second = chain.run("02", outputs)
        line = refuses(second, ["another run writes here"])
        assert str(first.pid) in line
        assert first.poll() is None, "the first had ended before"
    finally:
        first.wait(600)
    assert first.returncode == 0
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    line = line.replace(str(outputs), "outputs").replace(str(first.pid), "N")
    note("a second run in the same folder", "refused", line)


def test_a_reader_that_goes_away_stops_nothing_half(chain, tmp_path, note):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES["02"])
    script = f"{as_shell(chain.command('02', outputs))} | head -1"
    done = run(["bash", "-c", script], chain.env)
    assert done.stdout.count("\n") < 20, done.stdout
    assert chain.run("02", outputs).returncode == 0
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    note("output into a pipe that is closed", "goes on", last_line(done.stdout))


def test_python_itself_is_not_needed_by_name(chain, tmp_path, note):
    outputs = chain.copy(tmp_path / "outputs")
    remove(outputs / WRITES["02"])
    done = chain.run("02", outputs, PATH="/nonexistent")
    assert done.returncode == 0, done.stdout
    assert sys.executable
    note("an empty PATH", "as without it")
