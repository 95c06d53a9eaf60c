"""The sum over pairs of a plain MLP, in blocks sized for the cache.

The backward pass is written by hand: activations are kept, as far as a budget
goes, or computed again block by block, so memory does not grow with the
number of pairs. Sums accumulate in at least float32.
"""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.ops.blocks import Block

_Buffers = dict[tuple[str, torch.dtype], Tensor]

#: Largest buffer that a thread keeps: a block of half precision, widened.
MAX_KEPT_BYTES = 8 * 2**20
#: Most bytes of returned matrices that a thread keeps for later calls.
MAX_RETURNED_BYTES = 64 * 2**20

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

    On a CPU each thread keeps them from call to call: memory that was handed
    back to the system costs a tenth of the products to touch again.

    Args:
        like: A tensor of the device and type.
        rows: Rows of the largest block.
    """

    _thread = threading.local()

    def __init__(self, like: Tensor, rows: int) -> None:
        self.like = like
        self.rows = rows
        self.own: _Buffers = {}
        self.kept: _Buffers = {}
        self.returned: list[Tensor] = []
        # Not for tensors of another kind, such as those that only have shapes.
        if like.device.type == "cpu" and type(like) is Tensor:
            thread = vars(self._thread)
            self.kept = thread.setdefault("kept", self.kept)
            self.returned = thread.setdefault("returned", self.returned)

    def get(
        self, name: str, rows: int, width: int, dtype: torch.dtype | None = None
    ) -> Tensor:
        """A matrix ``[rows, width]`` that later calls of its name reuse."""
        key = name, dtype or self.like.dtype
        size = rows * width
        buffer = self.own.get(key, self.kept.get(key))
        if buffer is None or buffer.numel() < size:
            # What inference mode makes could not be written to outside of it.
            with torch.inference_mode(False):
                buffer = torch.empty(
                    self.rows * width, dtype=key[1], device=self.like.device
                )
            # A single row of pairs may be larger than a block should be.
            large = buffer.nbytes > MAX_KEPT_BYTES
            (self.own if large else self.kept)[key] = buffer
        return buffer[:size].view(rows, width)

    def take(self, rows: int, width: int) -> Tensor:
        """A matrix ``[rows, width]`` that is its taker's until given back."""
        size = rows * width
        fitting = [
            b
            for b in self.returned
            if b.dtype == self.like.dtype and size <= b.numel() <= 2 * size
        ]
        if fitting:
            buffer = min(fitting, key=Tensor.numel)
            self.returned[:] = [b for b in self.returned if b is not buffer]
        else:
            buffer = self.like.new_empty(size)
        return buffer[:size].view(rows, width)

    def give_back(self, matrices: list[Tensor]) -> None:
        """Let later calls take what nobody reads any more."""
        for matrix in matrices:
            whole = matrix.new_empty(0).set_(matrix.untyped_storage())
            self.returned.append(whole)
        self.returned.sort(key=lambda buffer: buffer.nbytes)
        while sum(b.nbytes for b in self.returned) > MAX_RETURNED_BYTES:
            del self.returned[0]

    def wide(self, h: Tensor) -> Tensor:
        """The same rows in the type to sum in, until the next call."""
        dtype = accumulation_dtype(h.dtype)
        if dtype == h.dtype:
            return h
        return self.get("wide", h.size(0), h.size(1), dtype).copy_(h)


def _first(
    block: Block, terms: Terms, layers: Layers, space: Workspace
) -> Tensor:
    """Compute the first layer's output for a block's base pairs."""
    h = space.get("h0", block.base_pairs, terms.receiver.size(1))
    block.fill(terms.receiver, terms.sender, h)
    return h.relu_() if layers.is_active(0) else h


def _activations(
    block: Block,
    terms: Terms,
    layers: Layers,
    space: Workspace,
    keep: bool = False,
    only_last: bool = False,
) -> list[Tensor]:
    """Compute every layer's output for a block's pairs.

    They are valid until the next call; to ``keep`` all but the first, they
    are newly allocated. Where ``only_last`` matters, two matrices serve all
    layers in turn, and all other outputs are overwritten.
    """

    def matrix(layer: int, rows: int, width: int) -> Tensor:
        if keep:
            return space.take(rows, width)
        name = layer % 2 if only_last else layer
        return space.get(f"h{name}", rows, width)

    h = _first(block, terms, layers, space)
    outputs = [h]
    parameters = zip(layers.weights, layers.biases, strict=True)
    for layer, (weight, bias) in enumerate(parameters, start=1):
        is_late = terms.late is not None and layer == layers.late_layer
        rows = block.pairs if is_late else h.size(0)
        out = matrix(layer, rows, weight.size(0))
        if is_late:
            assert terms.late is not None
            # The questions of a graph share what comes before their terms.
            base = out
            if block.pairs != block.base_pairs:
                base = space.get("base", block.base_pairs, weight.size(0))
            torch.addmm(bias, h, weight.t(), out=base)
            h = out
            block.add_late(terms.late, base, h)
            if layers.is_active(layer):
                h.relu_()
        else:
            h = torch.addmm(bias, h, weight.t(), out=out)
            if layers.is_active(layer):
                h.relu_()
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
            many bytes. The first layer's are not: they are sums of two rows,
            cheaper to compute again than to keep.

    Returns:
        The sums ``[R, H]``, and what is kept of the first blocks.
    """
    like = terms.receiver
    dtype = accumulation_dtype(like.dtype)
    out = like.new_zeros(num_rows, layers.width(terms), dtype=dtype)
    space = _workspace(terms, blocks)
    kept: list[list[Tensor]] = []
    for block in blocks:
        size = 0
        if keep_bytes > 0:
            size = _bytes_to_keep(block, terms, layers)
            keep_bytes -= size
        keep = size > 0 and keep_bytes >= 0
        outputs = _activations(
            block, terms, layers, space, keep, only_last=not keep
        )
        block.sum_to_rows(space.wide(outputs[-1]), out)
        if keep:
            kept.append(outputs[1:])
    return out, kept


def _bytes_to_keep(block: Block, terms: Terms, layers: Layers) -> int:
    late = 0 if terms.late is None else layers.late_layer
    channels = 0
    for layer, weight in enumerate(layers.weights, start=1):
        pairs = block.base_pairs if layer < late else block.pairs
        channels += pairs * weight.size(0)
    return channels * terms.receiver.element_size()


def backward(
    grad: Tensor,
    terms: Terms,
    layers: Layers,
    blocks: Sequence[Block],
    kept: list[list[Tensor]],
) -> Gradients:
    """Gradients of the terms and layers, given that of the sums.

    What was kept is used up: it must not be given again.
    """
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
            first = _first(block, terms, layers, space)
            outputs = [first, *kept[number]]
        else:
            outputs = _activations(block, terms, layers, space)
        _backward_block(grad, block, outputs, layers, total, space)
        if number < len(kept):
            space.give_back(kept[number])
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
            block.sum_late(space.wide(g), total.late)
            if g.size(0) != below.size(0):
                base = space.get("grad base", below.size(0), g.size(1))
                block.sum_to_base(g, base)
                g = base
        if d_weight.dtype == g.dtype:
            d_weight.addmm_(g.t(), below)
        else:
            d_weight += g.t() @ below
        d_bias += g.sum(0)
        down = space.get(other, *below.shape)
        g = torch.mm(g, layers.weights[layer - 1], out=down)
        _threshold_backward(g, below, 0, grad_input=g)
        other = "grad a" if other == "grad b" else "grad b"
    block.sum_to_nodes(space.wide(g), total.receiver, total.sender)
