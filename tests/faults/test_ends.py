"""What is left when a process ends that should not have: no workers, no half truth."""

import asyncio
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from hms_utils import chain, paths

WORK = """
import os
import time
from joblib import delayed
from hms_utils.threads import processes

def work():
    os.write(1, b"working\\n")  # in one piece: two write at once
    time.sleep(60)

processes(3)([delayed(work)() for _ in range(2)])  # one of them has nothing to do
"""


@pytest.mark.parametrize("moment", ["starting", "working"])
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM], ids=lambda kind: kind.name)
def test_workers_end_within_ten_seconds_of_their_parent(kind, moment):
    parent = subprocess.Popen(
        [sys.executable, "-c", WORK], cwd=paths.REPOSITORY, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline, workers = time.monotonic() + 60, []
    while len(workers) < 3 and time.monotonic() < deadline:
        children = psutil.Process(parent.pid).children(recursive=True)
        workers = [one for one in children if any("LokyProcess" in w for w in one.cmdline())]
    assert len(workers) == 3
    if moment == "working":
        assert [parent.stdout.readline() for _ in range(2)] == ["working\n"] * 2
    parent.send_signal(kind)
    parent.wait(30)
    _, alive = psutil.wait_procs(workers, timeout=10)
    for one in alive:
        one.kill()
    assert alive == []
    parent.stdout.close()


def test_this_process_does_not_end_with_its_parent():
    code = "import threading; from hms_utils.threads import end_with_parent; end_with_parent(); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(threading.active_count())"], cwd=paths.REPOSITORY,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "1\n", done.stderr


CELL = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""


def test_ctrl_c_is_for_the_kernel_and_not_for_its_processes():
    """Those that have only begun would each say where they were."""

    # What a shell starts in the background ignores it, and so does what that starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    async def interrupt():
        kernel = chain._OwnKernel()
        await kernel.start_kernel()
        client = kernel.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            asked = client.execute(CELL)
            me, children = psutil.Process(kernel.provisioner.pid), []
            while not children:
                await asyncio.sleep(0.05)
                children = me.children()
            await kernel.interrupt_kernel()
            reply = {"parent_header": {"msg_id": ""}}
            while reply["parent_header"]["msg_id"] != asked:
                reply = await client.get_shell_msg(timeout=30)
            await asyncio.sleep(1)
            return reply["content"]["ename"], [one.status() for one in children]
        finally:
            client.stop_channels()
            await kernel.shutdown_kernel(now=True)

    name, statuses = asyncio.run(asyncio.wait_for(interrupt(), 120))
    assert name == "KeyboardInterrupt"
    assert len(statuses) == 1 and psutil.STATUS_ZOMBIE not in statuses


def test_a_submission_is_written_once_and_after_the_answers():
    """What is killed before leaves an earlier run's, not one of priors that looks valid."""
    notebook = nbformat.read(paths.REPOSITORY / "notebooks" / "06_submission.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert code.count("write_submission(") == 1
    assert code.index("predict_test(") < code.index("write_submission(")
    assert code.index("require_writable(outputs)") < code.index("predict_test(")
