r"""The floor: the hidden layers' matrix products alone.

A training step cannot take less than, for each pair and hidden layer, the
product of the forward pass, that for the input's gradient and that for the
weight's. Each is timed at its fastest kernel and block size, on buffers that
stay in the cache, with nothing between them: no bias, no ReLU, no sum, no
first layer. Where activations are computed twice, the forward product counts
twice. A plain last layer has no product of pairs: what is counted is what the
function needs at least, though others compute that product for each pair.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

PARTS = ("forward", "input", "weight")
BLOCKS = (1024, 2048, 4096, 8192, 16384)
#: Rows that are measured at most; more take proportionally longer.
MAX_ROWS = 2**16
_TUNE_SECONDS = 0.02

#: ``(a, b, out) → a @ b.T``; ``out`` may be used.
Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]


def kernels() -> dict[str, Kernel]:
    """The matrix products at hand, by name."""
    found: dict[str, Kernel] = {
        "mm": lambda a, b, out: torch.mm(a, b.t(), out=out),
        "linear": lambda a, b, out: F.linear(a, b),
    }
    pointwise = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if pointwise is not None:
        found["mkldnn"] = lambda a, b, out: pointwise(
            a, b, None, "none", [], ""
        )
    return found


class Choice(NamedTuple):
    """The fastest way found for a part.

    Attributes:
        kernel: Its name.
        block: Rows of a block.
        gflops: Billions of operations a second when it was chosen.
    """

    kernel: str
    block: int
    gflops: float


class Floor:
    """Times the hidden layers' products of g.

    Args:
        width: Channels of each layer.
        products: Number of hidden products.
        precision: ``"fp32"`` or ``"bf16"``.
        device: Where to compute.
        blocks: Block sizes to try.
    """

    def __init__(
        self,
        width: int,
        products: int,
        precision: str,
        device: str = "cpu",
        blocks: tuple[int, ...] = BLOCKS,
    ) -> None:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.width = width
        self.products = products
        self.cuda = device.startswith("cuda")
        self.kernels = kernels()
        self.weights = [
            (torch.randn(width, width) / width**0.5).to(device, dtype)
            for _ in range(products)
        ]
        self.rows = [
            torch.randn(max(blocks), width).to(device, dtype) for _ in range(2)
        ]
        self.square = torch.empty(width, width, dtype=dtype, device=device)
        self.choices = {part: self._choose(part, blocks) for part in PARTS}

    def flops(self, rows: int) -> int:
        """FLOPs of one part on so many rows."""
        return 2 * rows * self.products * self.width**2

    def seconds(self, rows: int) -> dict[str, float]:
        """Time each part on so many rows.

        Returns:
            Seconds of ``"forward"``, ``"input"`` and ``"weight"``.
        """
        some = min(rows, MAX_ROWS)
        return {
            part: self._time(part, choice.kernel, choice.block, some)
            * (rows / some)
            for part, choice in self.choices.items()
        }

    def rate(self) -> float:
        """Operations a second, the mean over a training step's parts."""
        each = [1 / choice.gflops for choice in self.choices.values()]
        return 1e9 * len(each) / sum(each)

    def _choose(self, part: str, blocks: tuple[int, ...]) -> Choice:
        tried = []
        for kernel in self.kernels:
            for block in blocks:
                try:
                    seconds = self._fastest(part, kernel, block)
                except (RuntimeError, NotImplementedError):
                    continue  # a kernel that does not know this layout
                rate = 2 * block * self.width**2 / seconds / 1e9
                tried.append(Choice(kernel, block, rate))
        return max(tried, key=lambda choice: choice.gflops)

    def _fastest(self, part: str, kernel: str, block: int) -> float:
        """Seconds of one product on a block."""
        self._time(part, kernel, block, block, products=1)
        best, spent, runs = float("inf"), 0.0, 0
        while runs < 3 or spent < _TUNE_SECONDS:
            took = self._time(part, kernel, block, block, products=1)
            best, spent, runs = min(best, took), spent + took, runs + 1
        return best

    def _time(
        self,
        part: str,
        kernel: str,
        block: int,
        rows: int,
        products: int | None = None,
    ) -> float:
        run = getattr(self, f"_{part}")
        product = self.kernels[kernel]
        weights = self.weights[:products]
        with torch.inference_mode():
            self._wait()
            began = time.perf_counter()
            for first in range(0, rows, block):
                run(product, weights, min(block, rows - first))
            self._wait()
            return time.perf_counter() - began

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def _forward(
        self, product: Kernel, weights: list[Tensor], rows: int
    ) -> None:
        h, other = (t[:rows] for t in self.rows)
        for weight in weights:
            product(h, weight, other)
            h, other = other, h

    def _input(self, product: Kernel, weights: list[Tensor], rows: int) -> None:
        g, other = (t[:rows] for t in self.rows)
        for weight in weights:
            product(g, weight.t(), other)
            g, other = other, g

    def _weight(
        self, product: Kernel, weights: list[Tensor], rows: int
    ) -> None:
        g, h = (t[:rows] for t in self.rows)
        for _ in weights:
            product(g.t(), h.t(), self.square)


def floor_seconds(
    parts: dict[str, float], training: bool, recomputed: float = 0.0
) -> float:
    """The floor of a step.

    Args:
        parts: Seconds of each part.
        training: Whether gradients are computed.
        recomputed: Share of activations that are computed twice.
    """
    if not training:
        return parts["forward"]
    return (
        (1 + recomputed) * parts["forward"] + parts["input"] + parts["weight"]
    )
