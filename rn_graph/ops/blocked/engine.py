"""The sum over pairs of a plain g, in blocks sized for the cache.

The backward pass is written by hand: activations are kept, as far as a budget
goes, or computed again block by block, so memory does not grow with the
number of pairs. Sums accumulate in at least float32.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from rn_graph.batching import Complete
from rn_graph.dtypes import accumulation_dtype
from rn_graph.edges import Edges
from rn_graph.mlp import PairTerms
from rn_graph.ops.blocked.blocks import Block, DensePairs, EdgePairs
from rn_graph.ops.blocked.layout import Layout, make_layout
from rn_graph.ops.blocked.memory import take
from rn_graph.ops.function import (
    NO_EDGES,
    EdgeTensors,
    Gradients,
    Layers,
    PairList,
)

_threshold_backward = torch.ops.aten.threshold_backward.grad_input

#: Gives a matrix by its name, number of rows, and width.
Matrices = Callable[[str, int, int], Tensor]


class BlockedEngine:
    """See :class:`rn_graph.ops.function.Engine`.

    Args:
        pairs: Which pairs to sum.
        num_rows: Rows of the receivers' terms.
        block_pairs: Pairs of a block.
        mirrored: Whether a pair and its reverse are computed once.
    """

    def __init__(
        self,
        pairs: Complete | Edges,
        num_rows: int,
        block_pairs: int,
        mirrored: bool = False,
    ) -> None:
        self.pairs = pairs
        self.block_pairs = block_pairs
        self.num_rows = num_rows
        self.layout = Layout(None, None, [], num_rows)
        self.index: Sequence[Tensor] = ()
        if isinstance(pairs, Complete):
            self.layout = make_layout(pairs, num_rows, block_pairs, mirrored)
            self.num_rows = self.layout.num_rows
        else:
            self.index = pairs.sender, pairs.receiver

    def _blocks(
        self,
        edges: EdgeTensors = NO_EDGES,
        grads: EdgeTensors = NO_EDGES,
    ) -> Sequence[Block]:
        """Cut the pairs; edges write gradients of what they bring along."""
        pairs = self.pairs
        if isinstance(pairs, Complete):
            return [
                DensePairs(segments, pairs.self_pairs)
                for segments in self.layout.blocks
            ]
        parts: list[Any] = [
            repeat(None) if part is None else part.split(self.block_pairs)
            for part in (pairs.receiver, pairs.sender, *edges[:2], *grads[:2])
        ]
        return [
            EdgePairs(
                i,
                j,
                EdgeTensors(weight, attr, edges.columns),
                EdgeTensors(d_weight, d_attr, grads.columns),
            )
            for i, j, weight, attr, d_weight, d_attr in zip(
                *parts, strict=False
            )
        ]

    def _order(self, terms: PairTerms) -> PairTerms:
        """Bring terms into the order of the blocks."""
        nodes, rows = self.layout[:2]
        receiver, sender, late = terms
        if nodes is not None:
            receiver, sender = receiver[nodes], sender[nodes]
        if rows is not None and late is not None:
            late = late[rows]
        late = None if late is None else late.contiguous()
        return PairTerms(receiver.contiguous(), sender.contiguous(), late)

    def forward(
        self,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors,
        keep_bytes: int,
    ) -> tuple[Tensor, list[Tensor]]:
        """Sum; keep activations of as many blocks as fit in ``keep_bytes``.

        The first layer's are not kept: they are sums of two rows, cheaper to
        compute again than to keep.
        """
        terms = self._order(terms)
        like, width = terms.receiver, layers.width(terms)
        dtype = accumulation_dtype(like.dtype)
        out = like.new_zeros(self.num_rows, width, dtype=dtype)
        matrix = _workspace(like)
        kept: list[Tensor] = []
        for block in self._blocks(edges):
            size = _bytes_to_keep(block, terms, layers) if keep_bytes > 0 else 0
            keep_bytes -= size
            if size and keep_bytes >= 0:
                outputs = _activations(block, terms, layers, matrix, keep=True)
                kept += outputs[1:]
            else:
                outputs = _activations(block, terms, layers, matrix, reuse=True)
            block.sum_to_rows(_wide(outputs[-1], matrix), out)
        return _restore(out, self.layout.row_order), kept

    def backward(
        self,
        grad: Tensor,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors,
        kept: Sequence[Tensor],
    ) -> Gradients:
        """Gradients, in the type that they are summed in."""
        dtype = accumulation_dtype(terms.receiver.dtype)

        def zeros(like: Tensor) -> Tensor:
            return like.new_zeros(like.shape, dtype=dtype)

        terms = self._order(terms)
        total = Gradients(
            PairTerms(
                zeros(terms.receiver),
                zeros(terms.sender),
                None if terms.late is None else zeros(terms.late),
            ),
            [zeros(weight) for weight in layers.weights],
            [zeros(bias) for bias in layers.biases],
            EdgeTensors(
                *(
                    zeros(part)
                    if part is not None and part.requires_grad
                    else None
                    for part in edges
                )
            ),
        )
        nodes, rows = self.layout[:2]
        grad = grad.to(terms.receiver.dtype)
        grad = grad if rows is None else grad[rows]
        matrix = _workspace(terms.receiver)
        depth = len(layers.weights)
        for block in self._blocks(edges, total.edges):
            if kept:
                outputs = [_first(block, terms, matrix), *kept[:depth]]
                kept = kept[depth:]
            else:
                outputs = _activations(block, terms, layers, matrix)
            _backward_block(grad, block, outputs, layers, total, matrix)
        receiver, sender, late = total.terms
        late = None if late is None else _restore(late, rows)
        found = PairTerms(
            _restore(receiver, nodes), _restore(sender, nodes), late
        )
        return total._replace(terms=found)

    def lists(self, device: torch.device) -> Iterator[PairList]:
        """The pairs of each block; an empty list where there are none."""
        nodes, rows = self.layout[:2]
        none = torch.zeros(0, dtype=torch.long, device=device)
        empty = PairList(none, none, none)
        blocks: Sequence[Block | None] = self._blocks() or [None]
        for block in blocks:
            i, j, row = empty if block is None else block.listed(device)
            yield PairList(
                i if nodes is None else nodes[i],
                j if nodes is None else nodes[j],
                row if rows is None else rows[row],
            )

    def listed(self, device: torch.device) -> PairList:
        """Every pair."""
        lists = zip(*self.lists(device), strict=True)
        return PairList(*(torch.cat(part) for part in lists))


def _restore(rows: Tensor, order: Tensor | None) -> Tensor:
    if order is None:
        return rows
    return torch.empty_like(rows).index_copy_(0, order, rows)


def _workspace(like: Tensor) -> Matrices:
    """Matrices that later blocks of a call reuse by their names."""
    found: dict[tuple[str, int], Tensor] = {}
    wide = accumulation_dtype(like.dtype)

    def matrix(name: str, rows: int, width: int) -> Tensor:
        buffer = found.get((name, width))
        if buffer is None or buffer.size(0) < rows:
            dtype = wide if name == "wide" else like.dtype
            buffer = found[name, width] = take(rows, width, like, dtype)
        return buffer[:rows]

    return matrix


def _wide(h: Tensor, matrix: Matrices) -> Tensor:
    """The same rows in the type to sum in, until the next call."""
    if accumulation_dtype(h.dtype) == h.dtype:
        return h
    return matrix("wide", *h.shape).copy_(h)


def _first(block: Block, terms: PairTerms, matrix: Matrices) -> Tensor:
    """The first layer's output for a block's base pairs."""
    h = matrix("h0", block.base_pairs, terms.receiver.size(1))
    block.fill(terms.receiver, terms.sender, h)
    return h.relu_()


def _activations(
    block: Block,
    terms: PairTerms,
    layers: Layers,
    matrix: Matrices,
    keep: bool = False,
    reuse: bool = False,
) -> list[Tensor]:
    """Every layer's output for a block's pairs, until the next call.

    To ``keep`` all but the first, they are taken anew; to ``reuse``, two
    matrices serve all layers in turn: only the last one's output is left.
    """
    h = _first(block, terms, matrix)
    outputs = [h]
    parameters = zip(layers.weights, layers.biases, strict=True)
    for layer, (weight, bias) in enumerate(parameters, start=1):
        late = terms.late if layer == layers.late_layer else None
        rows = h.size(0) if late is None else block.pairs
        if keep:
            out = take(rows, weight.size(0), h)
        else:
            name = layer % 2 if reuse else layer
            out = matrix(f"h{name}", rows, weight.size(0))
        base = out
        if rows != h.size(0):  # the questions of a graph share what was before
            base = matrix("base", h.size(0), weight.size(0))
        torch.addmm(bias, h, weight.t(), out=base)
        if late is not None:
            block.add_late(late, base, out)
        h = out.relu_()
        outputs.append(h)
    block.drop(h)
    return outputs


def _bytes_to_keep(block: Block, terms: PairTerms, layers: Layers) -> int:
    channels = 0
    for layer, weight in enumerate(layers.weights, start=1):
        pairs = block.base_pairs if layer < layers.late_layer else block.pairs
        channels += pairs * weight.size(0)
    return channels * terms.receiver.element_size()


def _backward_block(
    grad: Tensor,
    block: Block,
    outputs: list[Tensor],
    layers: Layers,
    total: Gradients,
    matrix: Matrices,
) -> None:
    d = matrix("grad a", *outputs[-1].shape)
    block.spread(grad, outputs[-1], d)
    other = "grad b"
    for layer in range(len(layers.weights), 0, -1):
        below = outputs[layer - 1]
        d_weight, d_bias = total.weights[layer - 1], total.biases[layer - 1]
        if total.terms.late is not None and layer == layers.late_layer:
            block.sum_late(_wide(d, matrix), total.terms.late)
            if d.size(0) != below.size(0):
                base = matrix("grad base", below.size(0), d.size(1))
                block.sum_to_base(d, base)
                d = base
        if d_weight.dtype == d.dtype:
            d_weight.addmm_(d.t(), below)
        else:
            d_weight += d.t() @ below
        d_bias += d.sum(0)
        down = matrix(other, *below.shape)
        d = torch.mm(d, layers.weights[layer - 1], out=down)
        _threshold_backward(d, below, 0, grad_input=d)
        other = "grad a" if other == "grad b" else "grad b"
    block.sum_to_nodes(_wide(d, matrix), *total.terms[:2])
