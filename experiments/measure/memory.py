"""High-water mark of this process's memory, over a base."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Measures the largest memory in use since it was made, in bytes.

    On a GPU the allocator's own figure. On Linux the peak of resident memory
    (``VmHWM``), reset first, where the kernel allows it; else, and on other
    systems, the peak of the process's whole life, so it is best measured in
    a fresh process.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.cuda = device.startswith("cuda")
        gc.collect()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self.base = torch.cuda.memory_allocated()
            return
        _release()
        self.base = _resident()

    def __call__(self) -> int:
        """Peak over the base, in bytes."""
        if self.cuda:
            return torch.cuda.max_memory_allocated() - self.base
        return max(_peak() - self.base, 0)


def _release() -> None:
    """Give freed memory back to the system and forget the peak so far."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        pass


def _field(name: str) -> int | None:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _maxrss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _resident() -> int:
    resident = _field("VmRSS")
    return _maxrss() if resident is None else resident


def _peak() -> int:
    peak = _field("VmHWM")
    return _maxrss() if peak is None else peak
