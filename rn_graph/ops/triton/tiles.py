"""Tiles of pairs: what the Triton kernels have in common.

A tile is ``BI`` receivers by ``BJ`` senders, ``BM = BI * BJ`` pairs, in the
order of receivers. Layers are ``H`` wide and numbered from 1, ``DEPTH`` of
them; layer 0 is the sum of the node terms.
"""

# mypy: allow-untyped-defs, allow-untyped-decorators

import triton
import triton.language as tl

#: Decorates a kernel that is launched; it is compiled at its first launch, for
#: each type and constant, but not anew for numbers that change from batch to
#: batch.
kernel = triton.jit(
    do_not_specialize=[
        "num_rows",
        "num_nodes",
        "row_tiles",
        "search",
        "base",
        "slots",
        "first_tile",
        "first_node",
        "first_row",
        "last_row",
    ]
)


@triton.jit
def relu(h):
    """As torch has it: NaN stays NaN."""
    return tl.maximum(h, 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def places(matrix, row, columns, H: tl.constexpr):
    """Addresses of some columns of rows ``[rows, H]``, in 64 bits."""
    return matrix + row.to(tl.int64)[:, None] * H + columns[None, :]


@triton.jit
def load_rows(matrix, row, columns, live, H: tl.constexpr):
    """Rows of a matrix in float32, zero where not ``live``."""
    at = places(matrix, row, columns, H)
    return tl.load(at, mask=live[:, None], other=0.0).to(tl.float32)


@triton.jit
def locate(tiles, row_tiles, search, tile, BJ: tl.constexpr):
    """Row tile m of a tile, ``tiles[m] <= tile < tiles[m + 1]``; its start."""
    row_tile = 0
    above = row_tiles
    for _ in range(search):
        middle = (row_tile + above) // 2
        before = tl.load(tiles + middle) <= tile
        row_tile = tl.where(before, middle, row_tile)
        above = tl.where(before, above, middle)
    return row_tile, (tile - tl.load(tiles + row_tile)) * BJ


@triton.jit
def tile_pairs(
    first,
    length,
    own,
    num_rows,
    row_tile,
    start,
    SELF: tl.constexpr,
    BI: tl.constexpr,
    BJ: tl.constexpr,
):
    """Receiver and sender of each pair of a tile, and whether it is one."""
    pair = tl.arange(0, BI * BJ)
    row = row_tile * BI + pair // BJ
    place = start + pair % BJ
    inside = row < num_rows
    live = place < tl.load(length + row, mask=inside, other=0)
    if not SELF:  # the senders but the receiver itself
        itself = tl.load(own + row, mask=inside, other=0)
        place = tl.where(place >= itself, place + 1, place)
    node = tl.load(first + row, mask=inside, other=0) + place
    return row, node, live


@triton.jit
def store_sums(out, row, columns, h, BI: tl.constexpr, H: tl.constexpr):
    """Store a tile's sums over each receiver's senders, some columns of it.

    They go to the rows ``row [BI]`` of ``out``, ``[rows, H]``.
    """
    if h.shape[0] > BI:
        h = tl.reshape(h, [BI, h.shape[0] // BI, h.shape[1]])
        h = tl.sum(h, axis=1)
    tl.store(places(out, row, columns, H), h)


@kernel
def sum_tiles_kernel(
    parts,
    out,
    tiles,
    num_rows,
    base,
    slots,
    first_tile,
    H: tl.constexpr,
    BI: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Add the parts of each row tile, ``[slots, BI, H]``, to its rows."""
    row_tile = first_tile + tl.program_id(0)
    some = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    start = tl.maximum(tl.load(tiles + row_tile) - base, 0)
    stop = tl.minimum(tl.load(tiles + row_tile + 1) - base, slots)
    MANY: tl.constexpr = 256 // BI
    part = tl.arange(0, MANY * BI)
    total = tl.zeros([BI, CHUNK], tl.float32)
    for s in range(start, stop, MANY):
        at = s * BI + part
        h = load_rows(parts, at, some, at < stop * BI, H)
        total += tl.sum(tl.reshape(h, [MANY, BI, CHUNK]), axis=0)
    i = row_tile * BI + tl.arange(0, BI)
    inside = (i < num_rows)[:, None]
    at = places(out, i, some, H)
    tl.store(at, tl.load(at, mask=inside, other=0.0) + total, mask=inside)
