"""Which pairs a sum by Triton kernels is over, and how they are cut."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rn_graph.ops.triton.backward import sum_receivers_kernel
from rn_graph.ops.triton.tiles import sum_tiles_kernel

#: Bytes of the backward pass's workspace, about; never less than 8 tiles.
WORKSPACE_BYTES = 256 * 2**20
#: Parts that a product over the pairs of the workspace is cut into, so that
#: small weight matrices occupy the whole device.
PARTS = 8
#: Share of pairs that a tile may compute in vain.
_WASTE = 0.1


class Tiling(NamedTuple):
    """How kernels are cut.

    Attributes:
        pairs: Pairs of a tile.
        chunk: Channels of a chunk of weights.
        warps: Warps of a program.
        stages: Chunks in flight.
    """

    pairs: int
    chunk: int
    warps: int
    stages: int


def tiling(width: int, dtype: torch.dtype) -> Tiling:
    """The tiling for a width and type of activations."""
    if dtype.itemsize == 4:
        return Tiling(32 if width > 128 else 64, min(width, 32), 8, 1)
    if width <= 64:
        return Tiling(128, width, 8, 2)
    if width == 128:
        return Tiling(64, 64, 4, 2)
    if width == 256:
        return Tiling(128, 64, 8, 2)
    return Tiling(64, 32, 8, 2)


class PairRows(NamedTuple):
    """Which nodes each row is paired with, a run of nodes each.

    Rows of one graph stand together, in the order of its nodes.

    Attributes:
        first: First sender of each row, ``[R]``.
        length: Number of senders of each row, ``[R]``, the row's own node not
            counted where it is left out.
        own: The row's own node, counted from its first sender, ``[R]``.
        row_first: First row of each node's graph, ``[M]``.
        row_count: Rows of each node's graph, ``[M]``.
    """

    first: Tensor
    length: Tensor
    own: Tensor
    row_first: Tensor
    row_count: Tensor


def pair_rows(
    sizes: Tensor, self_pairs: bool, share: tuple[int, int] | None = None
) -> PairRows:
    """All pairs within graphs of these sizes, ``[B]``; rows are nodes.

    Given a share, first and count, rows are only these nodes of the one graph.
    """
    size = sizes.repeat_interleave(sizes)
    start = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    own = torch.arange(start.numel(), device="cpu") - start
    rows = PairRows(start, size - int(not self_pairs), own, start, size)
    if share is None:
        return rows
    some = slice(share[0], sum(share))
    return PairRows(
        start[some],
        rows.length[some],
        own[some],
        start,
        torch.full_like(size, share[1]),
    )


class Block(NamedTuple):
    """Tiles that are in a workspace at a time.

    Attributes:
        base: The first tile.
        slots: Number of tiles.
        first_tile: The first row tile that they are of.
        last_tile: The row tile after the last.
    """

    base: int
    slots: int
    first_tile: int
    last_tile: int


class Plan:
    """A sum's tiles, and the launches of its kernels.

    Args:
        rows: Which pairs to sum; on the CPU.
        self_pairs: Whether a node is paired with itself.
        device: Where to sum them.
        dtype: Type of g's activations.
        width: Width of g's layers.
    """

    def __init__(
        self,
        rows: PairRows,
        self_pairs: bool,
        device: torch.device,
        dtype: torch.dtype,
        width: int,
    ) -> None:
        self.rows, self.self_pairs, self.width = rows, self_pairs, width
        self.tiling = tiling(width, dtype)
        self.senders = _tile_senders(rows.length, self.tiling.pairs)
        self.receivers = self.tiling.pairs // self.senders
        self.num_rows = rows.length.numel()
        padded = F.pad(rows.length, (0, -self.num_rows % self.receivers))
        most = padded.view(-1, self.receivers).amax(1)
        #: First tile of each row tile, and at the end their number.
        self.tiles = F.pad((-(-most // self.senders)).cumsum(0), (1, 0))
        self.num_tiles = int(self.tiles[-1])
        self.narrow = min(width, 32)
        index = {"tiles": self.tiles, **rows._asdict()}
        #: What kernels take of this, by name.
        self.common = {
            **{name: x.to(device, torch.int32) for name, x in index.items()},
            "num_rows": self.num_rows,
            "row_tiles": most.numel(),
            "search": most.numel().bit_length(),
            "SELF": self_pairs,
            "H": width,
            "BI": self.receivers,
            "BJ": self.senders,
            "CK": self.tiling.chunk,
            "CHUNK": self.narrow,
            "STAGES": self.tiling.stages,
        }

    def slots(self, tile_bytes: int) -> int:
        """Tiles that a workspace has room for, a multiple of the parts."""
        most = min(self.num_tiles, WORKSPACE_BYTES // tile_bytes)
        return max(-(-most // PARTS), 1) * PARTS

    def blocks(self, slots: int) -> Iterator[Block]:
        """All tiles, as many at a time as there are slots."""
        for base in range(0, self.num_tiles, slots):
            used = min(slots, self.num_tiles - base)
            span = torch.tensor([base, base + used - 1], device="cpu")
            found = torch.searchsorted(self.tiles, span, right=True)
            low, high = found.tolist()
            yield Block(base, used, low - 1, high)

    def launch(
        self,
        kernel: Any,
        *grid: int,
        num_warps: int = 4,
        **arguments: Any,
    ) -> None:
        """Launch a kernel with those of these and the plan's that it names."""
        known = self.common | arguments
        taken = {name: known[name] for name in kernel.arg_names}
        # Triton launches on the current device, whatever its arguments' is.
        with torch.cuda.device_of(known["tiles"]):
            kernel[grid](**taken, num_warps=num_warps)

    def add_receivers(self, parts: Tensor, out: Tensor, block: Block) -> None:
        """Add a block's sums, ``[slots * receivers, H]``, to their rows."""
        grid = block.last_tile - block.first_tile, self.width // self.narrow
        self.launch(
            sum_tiles_kernel, *grid, parts=parts, out=out, **block._asdict()
        )

    def add_senders(self, grads: Tensor, out: Tensor, block: Block) -> None:
        """Add a block's pairs, ``[slots * pairs, H]``, to their senders."""
        rows = self.rows
        first_row = block.first_tile * self.receivers
        last_row = min(block.last_tile * self.receivers, self.num_rows)
        first = int(rows.first[first_row])
        size = rows.length[last_row - 1] + int(not self.self_pairs)
        last = int(rows.first[last_row - 1] + size)
        nodes = 8
        self.launch(
            sum_receivers_kernel,
            -(-(last - first) // nodes),
            self.width // self.narrow,
            grads=grads,
            out=out,
            num_nodes=last,
            first_node=first,
            first_row=first_row,
            last_row=last_row,
            BN=nodes,
            **block._asdict(),
        )


def _tile_senders(count: Tensor, pairs: int) -> int:
    """The widest tile, in senders, that leaves few of its pairs empty."""
    real = int(count.sum())
    for senders in (16, 8, 4, 2):
        computed = int((-(-count // senders)).sum()) * senders
        if senders <= pairs and computed <= (1 + _WASTE) * real:
            return senders
    return 1
