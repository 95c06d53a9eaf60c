"""Which pairs a sum by Triton kernels is over, and how they are cut."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.mlp import PairTerms
from rn_graph.ops.triton_tiles import sum_tiles_kernel

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
        senders: Number of senders of each row, ``[R]``, the row's own node not
            counted where it is left out.
        own: The row's own node, counted from its first sender, ``[R]``.
        row_first: First row of each node's graph, ``[M]``.
        row_count: Rows of each node's graph, ``[M]``.
        self_pairs: Whether a node is paired with itself.
    """

    first: Tensor
    senders: Tensor
    own: Tensor
    row_first: Tensor
    row_count: Tensor
    self_pairs: bool

    def to(self, device: torch.device) -> "PairRows":
        """Copy to a device, as the kernels read it."""

        def move(index: Tensor) -> Tensor:
            return index.to(device, torch.int32)

        return PairRows(
            move(self.first),
            move(self.senders),
            move(self.own),
            move(self.row_first),
            move(self.row_count),
            self.self_pairs,
        )


def batch_rows(sizes: Tensor, self_pairs: bool) -> PairRows:
    """All pairs within graphs of these sizes, ``[B]``; rows are nodes."""
    start = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    size = sizes.repeat_interleave(sizes)
    own = torch.arange(start.numel()) - start
    count = size - int(not self_pairs)
    return PairRows(start, count, own, start, size, self_pairs)


def share_rows(
    num_nodes: int, first: int, count: int, self_pairs: bool
) -> PairRows:
    """Nodes ``first`` to ``first + count`` of one graph with all its nodes."""
    rows = torch.arange(first, first + count)
    nothing = torch.zeros(num_nodes, dtype=torch.long)
    return PairRows(
        torch.zeros_like(rows),
        torch.full_like(rows, num_nodes - int(not self_pairs)),
        rows,
        nothing,
        torch.full_like(nothing, count),
        self_pairs,
    )


class Spec(NamedTuple):
    """What is known of a sum beside its tensors.

    Attributes:
        rows: Which pairs to sum; on the CPU.
        late_layer: As in :func:`pair_sum`.
        plain_last: As in :func:`pair_sum`.
    """

    rows: PairRows
    late_layer: int
    plain_last: bool


class Plan:
    """A sum's tiles, and what its kernels have in common."""

    def __init__(self, spec: Spec, terms: PairTerms, depth: int) -> None:
        device, dtype = terms.receiver.device, terms.receiver.dtype
        self.spec = spec
        self.width = terms.receiver.size(1)
        self.depth = depth
        self.device = device
        self.num_rows = spec.rows.first.numel()
        self.rows = spec.rows.to(device)
        self.tiling = tiling(self.width, dtype)
        self.senders = _tile_senders(spec.rows.senders, self.tiling.pairs)
        self.receivers = self.tiling.pairs // self.senders
        self.row_tiles = -(-self.num_rows // self.receivers)
        padded = spec.rows.senders.new_zeros(self.row_tiles * self.receivers)
        padded[: self.num_rows] = spec.rows.senders
        most = padded.view(-1, self.receivers).amax(1)
        #: First tile of each row tile, and at the end their number.
        self.tiles = torch.zeros(self.row_tiles + 1, dtype=torch.long)
        self.tiles[1:] = (-(-most // self.senders)).cumsum(0)
        self.num_tiles = int(self.tiles[-1])
        self.starts = self.tiles.to(device, torch.int32)
        self.narrow = min(self.width, 32)
        tf32 = torch.backends.cuda.matmul.fp32_precision == "tf32"
        self.options = {
            "SELF": spec.rows.self_pairs,
            "DEPTH": depth,
            "LATE": spec.late_layer,
            "PLAIN": spec.plain_last,
            "H": self.width,
            "BI": self.receivers,
            "BJ": self.senders,
            "CK": self.tiling.chunk,
            "PRECISION": "tf32" if tf32 else "ieee",
            "STAGES": self.tiling.stages,
            "num_warps": self.tiling.warps,
        }

    def nodes(self, first_row: int, last_row: int) -> tuple[int, int]:
        """First sender of some rows, and the node after their last."""
        rows, last = self.spec.rows, last_row - 1
        size = rows.senders[last] + int(not rows.self_pairs)
        return int(rows.first[first_row]), int(rows.first[last] + size)

    def slots(self, tile_bytes: int) -> int:
        """Tiles that a workspace has room for, a multiple of the parts."""
        most = min(self.num_tiles, WORKSPACE_BYTES // tile_bytes)
        return max(-(-most // PARTS), 1) * PARTS

    def add_parts(
        self,
        parts: Tensor,
        out: Tensor,
        base: int,
        low: int,
        high: int,
        here: int,
    ) -> None:
        """Add a block's sums, ``[slots * receivers, H]``, to their rows."""
        sum_tiles_kernel[(high - low, self.width // self.narrow)](
            parts,
            out,
            self.starts,
            self.num_rows,
            base,
            here,
            low,
            H=self.width,
            BI=self.receivers,
            MANY=max(1, 256 // self.receivers),
            CHUNK=self.narrow,
        )

    def blocks(self, slots: int) -> Iterator[tuple[int, int, int]]:
        """First tile of each block, and its row tiles, from and to."""
        for base in range(0, self.num_tiles, slots):
            last = min(base + slots, self.num_tiles) - 1
            span = torch.tensor([base, last])
            found = torch.searchsorted(self.tiles, span, right=True)
            low, high = found.tolist()
            yield base, low - 1, high


def _tile_senders(count: Tensor, pairs: int) -> int:
    """The widest tile, in senders, that leaves few of its pairs empty."""
    real = int(count.sum())
    for senders in (16, 8, 4, 2):
        computed = int((-(-count // senders)).sum()) * senders
        if senders <= pairs and computed <= (1 + _WASTE) * real:
            return senders
    return 1
