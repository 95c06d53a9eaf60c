"""The backward pass over a tile of pairs.

Activations are computed again and saved, with their gradients, in a workspace;
layers go two at a time as in the forward pass, an odd one comes last.
"""

# mypy: allow-untyped-defs, allow-untyped-decorators

import triton.language as tl

from rn_graph.ops.triton.forward import layers, through
from rn_graph.ops.triton.tiles import (
    kernel,
    load_rows,
    locate,
    places,
    store_sums,
    tile_pairs,
)


@kernel
def backward_kernel(
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
    grad,
    saved,
    grads,
    plane,
    row_parts,
    late_parts,
    bias_parts,
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
    """Activations of one tile of pairs, and their gradients.

    Program s has tile ``base + s`` and writes its place in the workspace:
    ``saved``, the input of each layer ``[DEPTH, pairs, H]``; ``grads``, the
    gradients of layers 0 to ``DEPTH`` ``[DEPTH + 1, pairs, H]``; and, summed
    in float32, those of the receivers ``row_parts [slots, BI, H]``, of the
    late terms likewise, and of the biases ``bias_parts [slots, DEPTH, H]``.
    """
    slot = tl.program_id(0)
    full = tl.arange(0, H)
    dtype = receiver.dtype.element_ty

    row_tile, start = locate(tiles, row_tiles, search, base + slot, BJ)
    row, node, live = tile_pairs(
        first, length, own, num_rows, row_tile, start, SELF, BI, BJ
    )
    at = slot.to(tl.int64) * (BI * BJ) + tl.arange(0, BI * BJ)
    part_row = slot.to(tl.int64) * BI + tl.arange(0, BI)
    biases = bias_parts + slot.to(tl.int64) * (DEPTH * H)
    y = layers(
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
        True,
        DEPTH,
        LATE,
        H,
        CK,
        PRECISION,
        STAGES,
    )

    d = tl.load(places(grad, row, full, H), mask=live[:, None], other=0.0)
    d = tl.where(y > 0, d, 0.0)
    g = d.to(tl.float32)
    tl.store(biases + (DEPTH - 1) * H + full, tl.sum(g, axis=0))
    if LATE == DEPTH:
        store_sums(late_parts, part_row, full, g, BI, H)
    d = through(places(grads + DEPTH * plane, at, full, H), d)

    # Gradients of the inputs of layers `layer` and the one before.
    for layer in tl.static_range(DEPTH, 1, -2):
        upper = weight + (layer - 1) * H * H
        lower = upper - H * H
        g = tl.zeros([BI * BJ, H], tl.float32)
        for c in tl.range(0, H, CK, num_stages=STAGES):
            some = c + tl.arange(0, CK)
            w = tl.load(upper + full[:, None] * H + some[None, :])
            t = tl.dot(d, w, input_precision=PRECISION)
            h = tl.load(places(saved + (layer - 1) * plane, at, some, H))
            t = tl.where(h > 0, t, 0.0)
            part = t.to(dtype)
            tl.store(places(grads + (layer - 1) * plane, at, some, H), part)
            tl.store(biases + (layer - 2) * H + some, tl.sum(t, axis=0))
            if layer - 1 == LATE:
                store_sums(late_parts, part_row, some, t, BI, H)
            v = tl.load(lower + some[:, None] * H + full[None, :])
            g = tl.dot(part, v, g, input_precision=PRECISION)
        below = tl.load(places(saved + (layer - 2) * plane, at, full, H))
        g = tl.where(below > 0, g, 0.0)
        d = g.to(dtype)
        to = places(grads + (layer - 2) * plane, at, full, H)
        if layer == 2:
            store_sums(row_parts, part_row, full, g, BI, H)
            tl.store(to, d)
        else:
            tl.store(biases + (layer - 3) * H + full, tl.sum(g, axis=0))
            if layer - 2 == LATE:
                store_sums(late_parts, part_row, full, g, BI, H)
            d = through(to, d)

    if DEPTH % 2 == 1:
        for c in tl.range(0, H, CK, num_stages=STAGES):
            some = c + tl.arange(0, CK)
            w = tl.load(weight + full[:, None] * H + some[None, :])
            t = tl.dot(d, w, input_precision=PRECISION)
            h = tl.load(places(saved, at, some, H))
            t = tl.where(h > 0, t, 0.0)
            tl.store(places(grads, at, some, H), t.to(dtype))
            store_sums(row_parts, part_row, some, t, BI, H)


@kernel
def sum_receivers_kernel(
    grads,
    out,
    first,
    length,
    own,
    row_first,
    row_count,
    tiles,
    num_nodes,
    base,
    slots,
    first_node,
    first_row,
    last_row,
    SELF: tl.constexpr,
    H: tl.constexpr,
    BI: tl.constexpr,
    BJ: tl.constexpr,
    BN: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Add each sender's pairs in the workspace, ``[pairs, H]``, to ``out``."""
    node = first_node + tl.program_id(0) * BN + tl.arange(0, BN)
    some = tl.program_id(1) * CHUNK + tl.arange(0, CHUNK)
    inside = node < num_nodes
    start = tl.load(row_first + node, mask=inside, other=0)
    stop = start + tl.load(row_count + node, mask=inside, other=0)
    start = tl.maximum(start, first_row)
    stop = tl.minimum(stop, last_row)
    total = tl.zeros([BN, CHUNK], tl.float32)
    # Pairs of MANY receivers with BN senders, of each sender's own graph.
    MANY: tl.constexpr = 16
    pair = tl.arange(0, MANY * BN)
    sender = first_node + tl.program_id(0) * BN + pair % BN
    for i in range(0, tl.max(stop - start), MANY):
        known = sender < num_nodes
        row = tl.load(row_first + sender, mask=known, other=0)
        last = row + tl.load(row_count + sender, mask=known, other=0)
        row = tl.maximum(row, first_row) + i + pair // BN
        live = known & (row < tl.minimum(last, last_row))
        place = sender - tl.load(first + row, mask=live, other=0)
        if not SELF:
            itself = tl.load(own + row, mask=live, other=0)
            live = live & (place != itself)
            place = tl.where(place > itself, place - 1, place)
        slot = tl.load(tiles + row // BI, mask=live, other=0) - base
        slot += place // BJ
        live = live & (slot >= 0) & (slot < slots)
        at = slot.to(tl.int64) * (BI * BJ) + (row % BI) * BJ + place % BJ
        h = load_rows(grads, at, some, live, H)
        total += tl.sum(tl.reshape(h, [MANY, BN, CHUNK]), axis=0)
    at = places(out, node, some, H)
    inside = inside[:, None]
    tl.store(at, tl.load(at, mask=inside, other=0.0) + total, mask=inside)
