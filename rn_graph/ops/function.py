"""The sum of a plain g over pairs as one differentiable operation.

How it is computed is an engine's matter; what autograd needs beside it,
gradients of gradients among it, is the same for all engines.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from rn_graph.checks import is_batched, is_transformed
from rn_graph.dtypes import accumulation_dtype, compute_dtype
from rn_graph.mlp import PairTerms


class Layers(NamedTuple):
    """g's layers after the first; a ReLU follows each layer of g.

    Attributes:
        weights: ``[out, in]`` each.
        biases: ``[out]`` each.
        late_layer: Layer (from 1) that the late terms are added at; 0: none.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    late_layer: int

    def width(self, terms: PairTerms) -> int:
        """Width of g's last layer."""
        return (self.weights or [terms.receiver.t()])[-1].size(0)

    def run(self, h: Tensor, late: Tensor | None) -> Tensor:
        """The last layer's output, from a sum of terms, which is used up.

        Args:
            h: Of each pair, ``[..., width]``, not a view.
            late: The late term of each pair.
        """
        # In place while it is no view: a view's backward pass copies it. One
        # row a pair: of more dimensions, torch adds biases in another pass.
        h = torch.relu_(h).flatten(0, -2)
        pairs = zip(self.weights, self.biases, strict=True)
        for layer, (weight, bias) in enumerate(pairs, start=1):
            h = F.linear(h, weight, bias)
            if late is not None and layer == self.late_layer:
                h = h + late
            h = torch.relu_(h)
        return h


class EdgeTensors(NamedTuple):
    """What edges bring along, in their order.

    Attributes:
        weight: Their weights, ``[E]``, or ``None``.
        attr: Their features, ``[E, D]``, or ``None``.
        columns: The features' columns of g's first weight, ``[hidden, D]``.
    """

    weight: Tensor | None = None
    attr: Tensor | None = None
    columns: Tensor | None = None


NO_EDGES = EdgeTensors()


class Gradients(NamedTuple):
    """Gradients of what a sum takes, of any type.

    Attributes:
        terms: Of the node terms.
        weights: Of each weight.
        biases: Of each bias.
        edges: Of what edges bring along.
    """

    terms: PairTerms
    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    edges: EdgeTensors = NO_EDGES


class PairList(NamedTuple):
    """Pairs by their indices, ``[P]`` each.

    Attributes:
        receiver: Row of the receivers' terms.
        sender: Row of the senders' terms.
        row: Row of the sums, and of the late terms.
    """

    receiver: Tensor
    sender: Tensor
    row: Tensor


class Engine(Protocol):
    """Sums a plain g over certain pairs.

    Attributes:
        num_rows: Number of rows of the sums.
        index: Tensors that a backward pass will read again.
    """

    num_rows: int
    index: Sequence[Tensor]

    def forward(
        self,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors,
        keep_bytes: int,
    ) -> tuple[Tensor, list[Tensor]]:
        """The sums ``[num_rows, width]``, and what is kept for backward."""

    def backward(
        self,
        grad: Tensor,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors,
        kept: Sequence[Tensor],
    ) -> Gradients:
        """Gradients, given those of the sums and what was kept."""

    def listed(self, device: torch.device) -> PairList:
        """Every pair."""


def formula(
    listed: PairList,
    num_rows: int,
    terms: PairTerms,
    layers: Layers,
    edges: EdgeTensors,
) -> Tensor:
    """The sums as their formula says, every pair's rows at once."""
    i, j, row = listed
    late = None if terms.late is None else terms.late[row]
    h = terms.receiver[i] + terms.sender[j]
    if edges.attr is not None and edges.columns is not None:
        h = h + F.linear(edges.attr, edges.columns)
    h = layers.run(h, late)
    h = h.to(accumulation_dtype(h.dtype))
    if edges.weight is not None:
        h = h * edges.weight.unsqueeze(1)
    return h.new_zeros(num_rows, h.size(1)).index_add(0, row, h)


class PairSum(torch.autograd.Function):
    r""":math:`\sum_j w_{ij} g(i, j)` of each row, by an engine."""

    @staticmethod
    def forward(
        ctx: Any,
        engine: Engine,
        late_layer: int,
        keep_bytes: int,
        receiver: Tensor,
        sender: Tensor,
        late: Tensor | None,
        weight: Tensor | None,
        attr: Tensor | None,
        columns: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        """Compute the sums; ``parameters`` are weights, then biases."""
        terms = PairTerms(receiver, sender, late)
        edges = EdgeTensors(weight, attr, columns)
        layers = split_layers(parameters, late_layer)
        if not any(ctx.needs_input_grad):
            keep_bytes = 0
        out, kept = engine.forward(terms, layers, edges, keep_bytes)
        ctx.engine, ctx.late_layer = engine, late_layer
        ctx.counts = len(parameters), len(kept)
        # Saved, not only held: whoever changes an index in place hears of it,
        # and a checkpoint frees what is kept.
        ctx.save_for_backward(*terms, *edges, *parameters, *kept, *engine.index)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Compute the gradients."""
        saved, (parameters, kept) = ctx.saved_tensors, ctx.counts
        inputs, kept = saved[: 6 + parameters], saved[6 + parameters :][:kept]
        if torch.is_grad_enabled() or is_transformed() or is_batched(grad):
            # Gradients of gradients: differentiate the formula instead.
            return *[None] * 3, *_of_formula(ctx, grad, inputs)
        terms, edges = PairTerms(*inputs[:3]), EdgeTensors(*inputs[3:6])
        layers = split_layers(inputs[6:], ctx.late_layer)
        total = ctx.engine.backward(grad, terms, layers, edges, kept)
        flat = *total.terms, *total.edges, *total.weights, *total.biases
        return *[None] * 3, *(
            None if d is None or t is None else d.to(t.dtype)
            for d, t in zip(flat, inputs, strict=True)
        )


def _of_formula(
    ctx: Any, grad: Tensor, inputs: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again, and be batched."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Each input by itself, also where one is made of another.
        own: list[Any] = [None if t is None else t.view_as(t) for t in inputs]
        out = formula(
            ctx.engine.listed(grad.device),
            ctx.engine.num_rows,
            PairTerms(*own[:3]),
            split_layers(own[6:], ctx.late_layer),
            EdgeTensors(*own[3:6]),
        )
    some = [t for t in own if t is not None and t.requires_grad]
    found = iter(
        torch.autograd.grad(
            out, some, grad, create_graph=again, allow_unused=True
        )
    )
    return [
        next(found) if t is not None and t.requires_grad else None for t in own
    ]


def cast(terms: PairTerms, layers: Layers) -> tuple[PairTerms, Layers]:
    """Terms and layers in the type that autocast would have.

    It does not reach into an engine, so it is done by hand.
    """
    dtype = compute_dtype(terms.receiver)
    receiver, sender, late = terms
    late = None if late is None else late.to(dtype)
    # A weight may be a part of a wider one: oneDNN is very slow at it.
    weights = [w.to(dtype).contiguous() for w in layers.weights]
    biases = [b.to(dtype) for b in layers.biases]
    return (
        PairTerms(receiver.to(dtype), sender.to(dtype), late),
        Layers(weights, biases, layers.late_layer),
    )


def apply(
    engine: Engine,
    terms: PairTerms,
    layers: Layers,
    edges: EdgeTensors = NO_EDGES,
    keep_bytes: int = 0,
) -> Tensor:
    """The sums by an engine, ``[num_rows, width]``."""
    dtype = terms.receiver.dtype
    edges = EdgeTensors(
        None
        if edges.weight is None
        else edges.weight.to(accumulation_dtype(dtype)),
        *(None if part is None else part.to(dtype) for part in edges[1:]),
    )
    # A Function cannot tell: what its inputs need is the same in `no_grad`.
    keep_bytes = keep_bytes if torch.is_grad_enabled() else 0
    out: Tensor = PairSum.apply(
        engine,
        layers.late_layer,
        keep_bytes,
        *terms,
        *edges,
        *layers.weights,
        *layers.biases,
    )
    return out


def split_layers(parameters: Sequence[Tensor], late_layer: int) -> Layers:
    """Weights, then biases, as layers."""
    middle = len(parameters) // 2
    weights, biases = parameters[:middle], parameters[middle:]
    return Layers(list(weights), list(biases), late_layer)
