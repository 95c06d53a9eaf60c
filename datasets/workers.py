"""Work shared out to processes, its results in order."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")


def num_workers(workers: int | None = None) -> int:
    """How many processes to use: as asked for, or one a core.

    Raises:
        ValueError: If they are fewer than one.
    """
    if workers is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if workers < 1:
        raise ValueError(f"`workers` is {workers}, expected ≥ 1")
    return workers


def in_order(
    function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], workers: int
) -> Generator[T, None, None]:
    """Call a function on each job's arguments; the results in their order.

    Args:
        function: A function of a module, which every process can import.
        jobs: Its arguments.
        workers: Processes; 1: this one alone.

    Raises:
        OSError: If a process is killed.
    """
    if workers == 1:
        for job in jobs:
            yield function(*job)
        return
    # Spawned, since the caller may hold threads or a GPU.
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=begin,
    )
    waiting: deque[Future[T]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(function, *job))
            if len(waiting) > 2 * workers:  # no more is made ahead
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise OSError(
            "a worker process ended before its work: it was killed (for want "
            "of memory?), or the script that asked for `workers` lacks its "
            '`if __name__ == "__main__":`; fewer `workers` need less memory, '
            "workers=1 needs neither"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def begin() -> None:
    """Begin a process that works for another one."""
    # An interrupt is for the process that asked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end once the one that started it is gone.

    Else it would go on after a kill, beside the command that goes on from
    there.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
