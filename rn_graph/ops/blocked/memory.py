"""Memory that is used again from block to block, and from call to call.

Matrices that the C library hands back to the system cost a tenth of the
products to touch again. What nobody holds any more is taken again here: the
process keeps a bounded store of it, whatever the number of its threads.
"""

import os
import threading
import weakref
from collections import deque
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

#: Most bytes that wait to be taken again, unless somebody keeps more.
MAX_IDLE_BYTES = 64 * 2**20
#: Smaller matrices come and go without the system.
_LEAST_BYTES = 2**15


class _Store:
    """Buffers of bytes, each one matrix's at a time."""

    def __init__(self) -> None:
        self.idle_bytes = 0
        #: What layers were told to keep, as long as they live.
        self.asked: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._lock = threading.Lock()
        # By size; those of the size that was last asked for at the end.
        self._idle: dict[int, list[Tensor]] = {}
        self._returned: deque[Tensor] = deque()

    def take(self, size: int) -> Tensor:
        """Bytes that are the taker's until nobody holds the tensor."""
        step = 1 << max(size.bit_length() - 3, 0)
        whole = -(-size // step) * step  # few sizes, a quarter larger at most
        buffer = None
        with self._lock:
            self._take_in()
            if same := self._idle.pop(whole, []):
                buffer = same.pop()
                self.idle_bytes -= whole
            self._idle[whole] = same
        if buffer is None:
            buffer = torch.empty(whole, dtype=torch.uint8, device="cpu")
        # A tensor of the lease holds it, so its end is that of the tensor's.
        lease = buffer.numpy()[:size]
        weakref.finalize(lease, self._return, buffer).atexit = False
        return torch.from_numpy(lease)

    def _return(self, buffer: Tensor) -> None:
        self._returned.append(buffer)
        # Memory is freed at any moment, also while this thread has the lock.
        while self._returned and self._lock.acquire(blocking=False):
            try:
                self._take_in()
            finally:
                self._lock.release()

    def _take_in(self) -> None:
        """Keep what was returned; let go of what was not asked for lately."""
        while self._returned:
            buffer = self._returned.popleft()
            self._idle.setdefault(buffer.numel(), []).append(buffer)
            self.idle_bytes += buffer.numel()
        most = max([MAX_IDLE_BYTES, *self.asked.values()])
        while self.idle_bytes > most:
            size, same = next(iter(self._idle.items()))
            if same:
                same.pop()
                self.idle_bytes -= size
            else:
                del self._idle[size]


_store = _Store()
if hasattr(os, "register_at_fork"):  # a thread may have had the lock
    os.register_at_fork(after_in_child=_store.__init__)  # type: ignore[misc]


def keep(owner: object, size: int) -> None:
    """Let so many bytes wait as long as the owner lives."""
    with _store._lock:
        _store.asked[owner] = size


def idle_bytes() -> int:
    """Bytes that wait to be taken again."""
    return _store.idle_bytes


def take(
    rows: int, width: int, like: Tensor, dtype: torch.dtype | None = None
) -> Tensor:
    """A matrix ``[rows, width]`` where ``like`` is, by default of its type."""
    dtype = dtype or like.dtype
    size = rows * width * dtype.itemsize
    if like.device.type != "cpu" or size < _LEAST_BYTES:
        return torch.empty(rows, width, dtype=dtype, device=like.device)
    # What inference mode makes could not be written to outside of it.
    with torch.inference_mode(False):
        return _store.take(size).view(dtype).view(rows, width)
