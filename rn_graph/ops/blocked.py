"""The sum over pairs of a plain MLP, in blocks sized for the cache.

The backward pass is written by hand: activations are kept, as far as a budget
goes, or computed again block by block, so memory does not grow with the
number of pairs. Sums accumulate in at least float32.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.ops.blocks import Block
from rn_graph.ops.linear import add_sum, linear, linear_relu, product

_threshold_backward = torch.ops.aten.threshold_backward.grad_input


class Terms(NamedTuple):
    """g's node terms, in the order of the blocks.

    Attributes:
        receiver: ``[N, H]``.
        sender: ``[M, H]``.
        late: The questions' terms at a later layer, ``[R, H]``, or ``None``.
    """

    receiver: Tensor
    sender: Tensor
    late: Tensor | None


class Layers(NamedTuple):
    """g's layers after the first.

    Attributes:
        weights: ``[out, in]`` each.
        biases: ``[out]`` each.
        late_layer: Layer (from 1) that the late terms are added at.
        plain_last: Whether the last layer is without its ReLU.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    late_layer: int
    plain_last: bool

    def width(self, terms: Terms) -> int:
        """Width of g's last layer."""
        if self.weights:
            return self.weights[-1].size(0)
        return terms.receiver.size(1)

    def is_active(self, layer: int) -> bool:
        """Whether a layer ends in a ReLU."""
        return layer < len(self.weights) or not self.plain_last


class Gradients(NamedTuple):
    """Gradients, in the type that they are summed in.

    Attributes:
        receiver: ``[N, H]``.
        sender: ``[M, H]``.
        late: ``[R, H]`` or ``None``.
        weights: Of each weight.
        biases: Of each bias.
    """

    receiver: Tensor
    sender: Tensor
    late: Tensor | None
    weights: list[Tensor]
    biases: list[Tensor]


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type to sum in: float32 for half precision, else unchanged."""
    return torch.float32 if dtype.itemsize < 4 else dtype


class Workspace:
    """Matrices that are reused from block to block.

    Args:
        like: A tensor of the device and type.
        rows: Rows of the largest block.
    """

    def __init__(self, like: Tensor, rows: int) -> None:
        self.like = like
        self.rows = rows
        self.store: dict[tuple[str, int], Tensor] = {}

    def get(self, name: str, rows: int, width: int) -> Tensor:
        """A matrix ``[rows, width]`` that later calls of its name reuse."""
        matrix = self.store.get((name, width))
        if matrix is None:
            matrix = self.like.new_empty(self.rows, width)
            self.store[name, width] = matrix
        return matrix[:rows]


def _activations(
    block: Block, terms: Terms, layers: Layers, space: Workspace | None
) -> list[Tensor]:
    """Compute every layer's output for a block's pairs.

    With a workspace, only the last output remains valid after the next call;
    without, all are newly allocated.
    """

    def matrix(name: str, rows: int, width: int) -> Tensor:
        if space is None:
            return terms.receiver.new_empty(rows, width)
        return space.get(name, rows, width)

    h = matrix("h0", block.base_pairs, terms.receiver.size(1))
    block.fill(terms.receiver, terms.sender, h)
    if layers.is_active(0):
        h.relu_()
    outputs = [h]
    parameters = zip(layers.weights, layers.biases, strict=True)
    for layer, (weight, bias) in enumerate(parameters, start=1):
        width = weight.size(0)
        out = matrix(f"h{layer}", h.size(0), width)
        if terms.late is not None and layer == layers.late_layer:
            shared = linear(h, weight, bias, out)
            if block.pairs == block.base_pairs:
                h = shared
            else:
                h = matrix("late", block.pairs, width)
            block.add_late(terms.late, shared, h)
            if layers.is_active(layer):
                h.relu_()
        elif layers.is_active(layer):
            h = linear_relu(h, weight, bias, out)
        else:
            h = linear(h, weight, bias, out)
        outputs.append(h)
    return outputs


def _workspace(terms: Terms, blocks: Sequence[Block]) -> Workspace:
    return Workspace(terms.receiver, max((b.pairs for b in blocks), default=0))


def forward(
    terms: Terms,
    layers: Layers,
    blocks: Sequence[Block],
    num_rows: int,
    keep_bytes: int = 0,
) -> tuple[Tensor, list[list[Tensor]]]:
    """Sum g over each row's pairs.

    Args:
        terms: g's node terms.
        layers: g's later layers.
        blocks: The pairs.
        num_rows: Number of rows, R.
        keep_bytes: Activations are kept, for as many blocks as fit, in this
            many bytes.

    Returns:
        The sums ``[R, H]``, and the activations of the first blocks.
    """
    like = terms.receiver
    dtype = accumulation_dtype(like.dtype)
    out = like.new_zeros(num_rows, layers.width(terms), dtype=dtype)
    space = _workspace(terms, blocks)
    kept: list[list[Tensor]] = []
    width = like.size(1) + sum(w.size(0) for w in layers.weights)
    for number, block in enumerate(blocks):
        keep_bytes -= block.pairs * width * like.element_size()
        keep = keep_bytes >= 0 and len(kept) == number
        outputs = _activations(block, terms, layers, None if keep else space)
        block.sum_to_rows(outputs[-1], out)
        if keep:
            kept.append(outputs)
    return out, kept


def backward(
    grad: Tensor,
    terms: Terms,
    layers: Layers,
    blocks: Sequence[Block],
    kept: list[list[Tensor]],
) -> Gradients:
    """Gradients of the terms and layers, given that of the sums."""
    dtype = accumulation_dtype(terms.receiver.dtype)

    def zeros(like: Tensor) -> Tensor:
        return like.new_zeros(like.shape, dtype=dtype)

    total = Gradients(
        zeros(terms.receiver),
        zeros(terms.sender),
        None if terms.late is None else zeros(terms.late),
        [zeros(w) for w in layers.weights],
        [zeros(b) for b in layers.biases],
    )
    grad = grad.to(terms.receiver.dtype)
    space = _workspace(terms, blocks)
    for number, block in enumerate(blocks):
        if number < len(kept):
            outputs = kept[number]
        else:
            outputs = _activations(block, terms, layers, space)
        _backward_block(grad, block, outputs, layers, total, space)
    return total


def _backward_block(
    grad: Tensor,
    block: Block,
    outputs: list[Tensor],
    layers: Layers,
    total: Gradients,
    space: Workspace,
) -> None:
    last = outputs[-1]
    depth = len(layers.weights)
    g = space.get("grad a", *last.shape)
    block.spread(grad, last, layers.is_active(depth), g)
    other = "grad b"
    for layer in range(depth, 0, -1):
        below = outputs[layer - 1]
        d_weight, d_bias = total.weights[layer - 1], total.biases[layer - 1]
        if total.late is not None and layer == layers.late_layer:
            block.sum_late(g, total.late)
            if g.size(0) != below.size(0):
                base = space.get("grad base", below.size(0), g.size(1))
                block.sum_to_base(g, base)
                g = base
        if d_weight.dtype == g.dtype:
            d_weight.addmm_(g.t(), below)
        else:
            d_weight += g.t() @ below
        add_sum(g, d_bias)
        down = space.get(other, *below.shape)
        g = product(g, layers.weights[layer - 1], down)
        _threshold_backward(g, below, 0, grad_input=g)
        other = "grad a" if other == "grad b" else "grad b"
    block.sum_to_nodes(g, total.receiver, total.sender)
