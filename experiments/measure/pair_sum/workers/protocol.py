"""A peer in a process of its own, asked by lines of JSON.

Each request is a line ``{"op": name, ...}`` on standard input, answered by a
line ``{"value": ...}`` or ``{"error": "a sentence"}``. Arrays travel in .npz
files. Needs numpy alone, so that it runs in any peer's environment.
"""

import ctypes
import gc
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np


class Peer(ABC):
    """What a worker does; a peer's library is imported when it is made."""

    @abstractmethod
    def version(self) -> str:
        """Names and versions of the libraries."""

    @abstractmethod
    def setup(self, arrays: dict[str, np.ndarray]) -> None:
        """Take inputs and weights, see ``contenders/external.py``."""

    @abstractmethod
    def compile(self, mode: str, precision: str) -> None:
        """Compile a case without running it, where that is possible."""

    @abstractmethod
    def run(self, mode: str, precision: str) -> None:
        """Run a case to its end."""

    @abstractmethod
    def results(self) -> dict[str, np.ndarray]:
        """``out``, and after training ``x`` and ``question`` (gradients)."""


def serve(make: type[Peer]) -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not join the answers
    peer: Peer | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["op"] == "start":
                _limit_threads(request["threads"])
                peer = make()
                answer = {"value": peer.version()}
            else:
                assert peer is not None
                answer = {"value": _answer(peer, request)}
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {text[0][:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _limit_threads(threads: int) -> None:
    # Both XLA and TensorFlow make as many threads as they may use cores.
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, cores)


def _answer(peer: Peer, request: dict) -> object:
    op = request["op"]
    if op == "setup":
        with np.load(request["path"]) as file:
            peer.setup(dict(file))
        return None
    if op == "results":
        np.savez(request["path"], **peer.results())
        return None
    case = request["mode"], request["precision"]
    if op == "compile":
        peer.compile(*case)
        return None
    if op == "run":
        began = time.perf_counter()
        peer.run(*case)
        return time.perf_counter() - began
    if op == "peak":
        gc.collect()
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
        except (OSError, AttributeError):
            pass
        base = _status("VmRSS")
        peer.run(*case)
        return max(_status("VmHWM") - base, 0)
    raise ValueError(f"`op` is {op!r}, which is not known")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
