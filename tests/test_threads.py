import sys

import numpy as np
import psutil
import pytest

from hms_utils.threads import own_memory, peak_memory


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_what_is_mapped_of_a_file_is_not_own_memory(tmp_path):
    process, size = psutil.Process(), 100_000_000
    (tmp_path / "images.npy").write_bytes(b"1" * size)
    before, resident = own_memory(process), process.memory_info().rss
    mapped = np.memmap(tmp_path / "images.npy", np.uint8, "r")
    assert mapped.max() == ord("1")
    assert process.memory_info().rss - resident > 0.9 * size
    assert own_memory(process) - before < 0.3 * size
    kept = np.ones(size, np.uint8)
    assert own_memory(process) - before > 0.9 * kept.nbytes


def test_the_peak_is_of_all_that_are_watched_and_outlives_them():
    code = "import time; kept = b'1' * 100_000_000; time.sleep(1)"
    several = [psutil.Popen([sys.executable, "-c", code]) for _ in range(2)]
    with peak_memory(lambda: several) as peak:
        assert [one.wait() for one in several] == [0, 0]
    assert 200e6 < peak[0] < 400e6
