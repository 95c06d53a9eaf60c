"""Memory that is used again from block to block, and from call to call.

Matrices that the C library hands back to the system cost a tenth of the
products to touch again. What nobody holds any more is taken again here: the
process keeps a bounded store of it, whatever the number of its threads.
"""

import threading
import weakref
from collections import deque

import torch
from torch import Tensor

#: Most bytes that wait to be taken again.
MAX_IDLE_BYTES = 64 * 2**20
#: Smaller matrices come and go without the system.
_LEAST_BYTES = 2**15


class _Store:
    """Buffers of bytes, each one matrix's at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Tensor] = []
        # A matrix may be freed at any moment, also while the lock is held.
        self._returned: deque[Tensor] = deque()

    def take(self, size: int) -> Tensor:
        """Bytes that are the taker's until nobody holds the tensor."""
        with self._lock:
            self.tidy()
            fitting = [b for b in self._idle if size <= b.numel() <= 2 * size]
            buffer = min(fitting, key=Tensor.numel, default=None)
            if buffer is not None:
                self._idle = [b for b in self._idle if b is not buffer]
        if buffer is None:
            buffer = torch.empty(size, dtype=torch.uint8, device="cpu")
        # A tensor of the lease holds it, so its end is that of the tensor's.
        lease = buffer.numpy()[:size]
        weakref.finalize(lease, self._returned.append, buffer).atexit = False
        return torch.from_numpy(lease)

    def tidy(self) -> None:
        """Take in what was returned, and let go of what is too much."""
        while self._returned:
            self._idle.append(self._returned.popleft())
        while sum(b.numel() for b in self._idle) > MAX_IDLE_BYTES:
            del self._idle[0]


_store = _Store()


def take(rows: int, width: int, like: Tensor) -> Tensor:
    """A matrix ``[rows, width]`` of the type and device of ``like``."""
    size = rows * width * like.element_size()
    if like.device.type != "cpu" or size < _LEAST_BYTES:
        return torch.empty(rows, width, dtype=like.dtype, device=like.device)
    # What inference mode makes could not be written to outside of it.
    with torch.inference_mode(False):
        return _store.take(size).view(like.dtype).view(rows, width)


def idle_bytes() -> int:
    """Bytes that wait to be taken again."""
    with _store._lock:
        _store.tidy()
        return sum(b.numel() for b in _store._idle)
