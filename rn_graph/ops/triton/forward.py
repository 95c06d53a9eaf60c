"""The forward pass over a tile of pairs, all layers of g in one kernel.

Two layers at a time go through one loop over chunks of ``CK`` channels between
them, so that a pair's activations stay in registers and each weight is read
once a tile, chunk by chunk. An odd layer comes first, where its input can be
built chunk by chunk.
"""

# mypy: allow-untyped-defs, allow-untyped-decorators

import triton
import triton.language as tl

from rn_graph.ops.triton.tiles import (
    kernel,
    load_rows,
    locate,
    places,
    relu,
    store_sums,
    tile_pairs,
)


@triton.jit
def first_layer(receiver, sender, row, node, live, columns, H: tl.constexpr):
    """Layer 0: ``ReLU(receiver_i + sender_j)``, some columns of it."""
    h = load_rows(receiver, row, columns, live, H)
    h += load_rows(sender, node, columns, live, H)
    return relu(h).to(receiver.dtype.element_ty)


@triton.jit
def shift(
    h,
    late,
    bias,
    row,
    live,
    columns,
    layer: tl.constexpr,
    LATE: tl.constexpr,
    H: tl.constexpr,
):
    """Add a layer's bias and, where it enters, the question's term."""
    b = tl.load(bias + (layer - 1) * H + columns)
    h += b.to(tl.float32)[None, :]
    if layer == LATE:
        h += load_rows(late, row, columns, live, H)
    return h


@triton.jit
def through(places, h):
    """Save a tile and read it back.

    A product then takes it from shared memory, not from registers, of which
    its sums need all. The barrier also lets later steps read what other
    threads of the program saved.
    """
    tl.store(places, h)
    tl.debug_barrier()
    return tl.load(places)


@triton.jit
def layers(
    receiver,
    sender,
    late,
    weight,
    bias,
    saved,
    plane,
    at,
    row,
    node,
    live,
    SAVE: tl.constexpr,
    DEPTH: tl.constexpr,
    LATE: tl.constexpr,
    H: tl.constexpr,
    CK: tl.constexpr,
    PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
):
    """The last layer of a tile's pairs, before its ReLU, ``[BM, H]``.

    With ``SAVE``, the inputs of all layers are written to ``saved``, one plane
    a layer, at the rows ``at``.
    """
    full = tl.arange(0, H)
    dtype = receiver.dtype.element_ty
    if DEPTH % 2 == 1:
        y = tl.zeros([row.shape[0], H], tl.float32)
        for c in tl.range(0, H, CK, num_stages=STAGES):
            some = c + tl.arange(0, CK)
            part = first_layer(receiver, sender, row, node, live, some, H)
            if SAVE:
                tl.store(places(saved, at, some, H), part)
            w = tl.load(weight + full[None, :] * H + some[:, None])
            y = tl.dot(part, w, y, input_precision=PRECISION)
        y = shift(y, late, bias, row, live, full, 1, LATE, H)
        if DEPTH > 1:
            h = relu(y).to(dtype)
            if SAVE:
                h = through(places(saved + plane, at, full, H), h)
    else:
        h = first_layer(receiver, sender, row, node, live, full, H)
        if SAVE:
            tl.store(places(saved, at, full, H), h)

    for layer in tl.static_range(DEPTH % 2 + 1, DEPTH, 2):
        lower = weight + (layer - 1) * H * H
        upper = lower + H * H
        y = tl.zeros([row.shape[0], H], tl.float32)
        for c in tl.range(0, H, CK, num_stages=STAGES):
            some = c + tl.arange(0, CK)
            w = tl.load(lower + some[None, :] * H + full[:, None])
            t = tl.dot(h, w, input_precision=PRECISION)
            t = shift(t, late, bias, row, live, some, layer, LATE, H)
            part = relu(t).to(dtype)
            if SAVE:
                tl.store(places(saved + layer * plane, at, some, H), part)
            v = tl.load(upper + full[None, :] * H + some[:, None])
            y = tl.dot(part, v, y, input_precision=PRECISION)
        y = shift(y, late, bias, row, live, full, layer + 1, LATE, H)
        if layer + 1 < DEPTH:
            h = relu(y).to(dtype)
            if SAVE:
                to = saved + (layer + 1) * plane
                h = through(places(to, at, full, H), h)
    return y


@kernel
def forward_kernel(
    receiver,
    sender,
    late,
    weight,
    bias,
    first,
    length,
    own,
    num_rows,
    tiles,
    row_tiles,
    search,
    base,
    row_parts,
    SELF: tl.constexpr,
    DEPTH: tl.constexpr,
    LATE: tl.constexpr,
    H: tl.constexpr,
    BI: tl.constexpr,
    BJ: tl.constexpr,
    CK: tl.constexpr,
    PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Sums of one tile of pairs over its senders.

    Program s has tile ``base + s`` and writes, in float32, its place in
    ``row_parts [slots, BI, H]``.
    """
    slot = tl.program_id(0)
    row_tile, start = locate(tiles, row_tiles, search, base + slot, BJ)
    row, node, live = tile_pairs(
        first, length, own, num_rows, row_tile, start, SELF, BI, BJ
    )
    y = layers(
        receiver,
        sender,
        late,
        weight,
        bias,
        row_parts,
        0,
        row,
        row,
        node,
        live,
        False,
        DEPTH,
        LATE,
        H,
        CK,
        PRECISION,
        STAGES,
    )
    y = tl.where(live[:, None], relu(y), 0.0)
    at = slot.to(tl.int64) * BI + tl.arange(0, BI)
    store_sums(row_parts, at, tl.arange(0, H), y, BI, H)
