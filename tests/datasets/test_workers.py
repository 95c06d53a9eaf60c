import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.workers import in_order, num_workers

ROOT = Path(__file__).parents[2]


def square(number):
    return number**2


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers):
    jobs = [(i,) for i in range(20)]
    assert list(in_order(square, jobs, workers)) == [i**2 for i in range(20)]


def test_no_number_of_workers_is_one_a_core():
    assert num_workers() >= 1
    assert num_workers(3) == 3
    with pytest.raises(ValueError, match="`workers` is 0, expected ≥ 1"):
        num_workers(0)


ENDLESS = """
import multiprocessing
from datasets.sort_of_clevr.generate import generate
chunks = generate(10**7, workers=2, progress=False)
next(chunks)
children = multiprocessing.active_children()
print(*(child.pid for child in children), flush=True)
for chunk in chunks:
    pass
"""


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture
def endless():
    """A process that makes scenes with two workers, and their ids."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc to look for processes in")
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        yield process, workers
        process.kill()
        for pid in filter(is_running, workers):
            os.kill(pid, signal.SIGKILL)


def ended(pids):
    for _ in range(200):
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.05)
    return False


def test_workers_end_when_their_parent_is_killed(endless):
    process, workers = endless
    assert len(workers) == 2
    assert all(map(is_running, workers))
    process.kill()
    process.wait()
    assert ended(workers)


def test_a_killed_worker_is_an_error_not_a_wait(endless):
    process, workers = endless
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "OSError: a worker process ended before its work" in errors
    assert ended(workers)
