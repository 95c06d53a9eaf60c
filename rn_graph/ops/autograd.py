"""The blocked sum as a differentiable operation, eager and compiled."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rn_graph.edges import Edges
from rn_graph.ops import blocked
from rn_graph.ops.blocked import Gradients, Layers, Terms
from rn_graph.ops.blocks import Block, DensePairs, EdgePairs
from rn_graph.ops.layout import Layout, make_layout
from rn_graph.ops.rows import row_index


class Pairs(NamedTuple):
    """Which pairs to sum: those of a layout, or those of an edge list.

    Attributes:
        layout: All pairs within graphs; ``None`` for edges.
        edges: An edge list; ``None`` for all pairs.
        num_rows: Number of rows, R.
        block_pairs: Edges that a block holds at most.
    """

    layout: Layout | None
    edges: Edges | None
    num_rows: int
    block_pairs: int

    def blocks(self, d_weight: Tensor | None = None) -> list[Block]:
        """Cut the pairs; edges write their weights' gradients."""
        if self.layout is not None:
            return [
                DensePairs(segments, self.layout.self_pairs)
                for segments in self.layout.blocks
            ]
        assert self.edges is not None
        count = self.edges.sender.numel()
        return [
            EdgePairs(
                self.edges, at, min(at + self.block_pairs, count), d_weight
            )
            for at in range(0, count, self.block_pairs)
        ]

    def order(self, terms: Terms) -> Terms:
        """Bring terms into the order of the blocks."""
        if self.layout is None:
            return terms
        nodes, rows = self.layout.node_order, self.layout.row_order
        late = terms.late
        if nodes is not None:
            terms = terms._replace(
                receiver=terms.receiver[nodes], sender=terms.sender[nodes]
            )
        if rows is not None and late is not None:
            terms = terms._replace(late=late[rows])
        late = None if terms.late is None else terms.late.contiguous()
        return Terms(
            terms.receiver.contiguous(), terms.sender.contiguous(), late
        )

    def order_rows(self, rows: Tensor) -> Tensor:
        """Bring the rows of sums into the order of the blocks."""
        order = None if self.layout is None else self.layout.row_order
        return rows if order is None else rows[order]

    def restore_rows(self, rows: Tensor) -> Tensor:
        """Bring the rows of sums back."""
        order = None if self.layout is None else self.layout.row_order
        return _restore(rows, order)

    def restore(self, gradients: Gradients) -> Gradients:
        """Bring gradients of terms back."""
        if self.layout is None:
            return gradients
        nodes, rows = self.layout.node_order, self.layout.row_order
        late = gradients.late
        return gradients._replace(
            receiver=_restore(gradients.receiver, nodes),
            sender=_restore(gradients.sender, nodes),
            late=None if late is None else _restore(late, rows),
        )


def _restore(rows: Tensor, order: Tensor | None) -> Tensor:
    if order is None:
        return rows
    return torch.empty_like(rows).index_copy_(0, order, rows)


class Spec(NamedTuple):
    """What is known of a sum beside its tensors.

    Attributes:
        pairs: Which pairs to sum.
        late_layer: As in :class:`~rn_graph.ops.blocked.Layers`.
        plain_last: As in :class:`~rn_graph.ops.blocked.Layers`.
        keep_bytes: Budget for activations kept for the backward pass.
    """

    pairs: Pairs
    late_layer: int
    plain_last: bool
    keep_bytes: int

    def layers(self, parameters: tuple[Tensor, ...]) -> Layers:
        """Weights, then biases, as layers."""
        middle = len(parameters) // 2
        weights, biases = parameters[:middle], parameters[middle:]
        return Layers(
            list(weights), list(biases), self.late_layer, self.plain_last
        )


def _forward(
    spec: Spec, terms: Terms, parameters: tuple[Tensor, ...]
) -> tuple[Tensor, list[list[Tensor]]]:
    pairs = spec.pairs
    out, kept = blocked.forward(
        pairs.order(terms),
        spec.layers(parameters),
        pairs.blocks(),
        pairs.num_rows,
        spec.keep_bytes,
    )
    return pairs.restore_rows(out), kept


def _backward(
    spec: Spec,
    grad: Tensor,
    terms: Terms,
    parameters: tuple[Tensor, ...],
    kept: list[list[Tensor]],
    d_weight: Tensor | None = None,
) -> list[Tensor | None]:
    """Gradients of receiver, sender, late and parameters, in their types."""
    pairs = spec.pairs
    total = pairs.restore(
        blocked.backward(
            pairs.order_rows(grad),
            pairs.order(terms),
            spec.layers(parameters),
            pairs.blocks(d_weight),
            kept,
        )
    )
    rows = [total.receiver, total.sender, total.late]
    return [
        None if d is None or t is None else d.to(t.dtype)
        for d, t in zip(
            [*rows, *total.weights, *total.biases],
            [*terms, *parameters],
            strict=True,
        )
    ]


class BlockedSum(torch.autograd.Function):
    r""":math:`\sum_j w_{ij} g(i, j)` of each row, its backward by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        spec: Spec,
        receiver: Tensor,
        sender: Tensor,
        late: Tensor | None,
        weight: Tensor | None,
        *parameters: Tensor,
    ) -> Tensor:
        """Compute the sums; keep activations as far as the budget goes.

        ``weight`` is that of ``spec``'s edges, here for its gradient.
        """
        if not any(ctx.needs_input_grad):
            spec = spec._replace(keep_bytes=0)
        terms = Terms(receiver, sender, late)
        out, kept = _forward(spec, terms, parameters)
        ctx.spec, ctx.kept = spec, kept
        ctx.save_for_backward(receiver, sender, late, weight, *parameters)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Compute the gradients."""
        receiver, sender, late, weight, *parameters = ctx.saved_tensors
        terms = Terms(receiver, sender, late)
        if torch.is_grad_enabled():
            # Gradients of gradients: differentiate the formula instead.
            return None, *_differentiable(
                ctx.spec, grad, terms, weight, tuple(parameters)
            )
        d_weight = None
        if weight is not None and ctx.needs_input_grad[4]:
            d_weight = torch.zeros_like(weight)
        # Used up: a second pass through the same graph computes it again.
        kept, ctx.kept = ctx.kept, []
        d_receiver, d_sender, d_late, *rest = _backward(
            ctx.spec, grad, terms, tuple(parameters), kept, d_weight
        )
        return None, d_receiver, d_sender, d_late, d_weight, *rest


def _differentiable(
    spec: Spec,
    grad: Tensor,
    terms: Terms,
    weight: Tensor | None,
    parameters: tuple[Tensor, ...],
) -> list[Tensor | None]:
    """Gradients that can be differentiated again; every pair at once."""
    pairs, layers = spec.pairs, spec.layers(parameters)
    i, j, row = _pair_list(pairs, grad.device)
    h = terms.receiver[i] + terms.sender[j]
    h = h.relu() if layers.is_active(0) else h
    for layer in range(1, len(layers.weights) + 1):
        h = F.linear(h, layers.weights[layer - 1], layers.biases[layer - 1])
        if terms.late is not None and layer == layers.late_layer:
            h = h + terms.late[row]
        h = h.relu() if layers.is_active(layer) else h
    h = h.to(grad.dtype)
    h = h if weight is None else h * weight.unsqueeze(1)
    out = grad.new_zeros(grad.shape).index_add(0, row, h)
    inputs = [*terms, weight, *parameters]
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(
        torch.autograd.grad(
            out, wanted, grad, create_graph=True, allow_unused=True
        )
    )
    return [
        next(found) if t is not None and t.requires_grad else None
        for t in inputs
    ]


def _pair_list(
    pairs: Pairs, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Receiver, sender and row of every pair."""
    if pairs.layout is None:
        assert pairs.edges is not None
        i, j = pairs.edges.receiver, pairs.edges.sender
        return i, j, i
    layout = pairs.layout
    lists = [
        row_index(s, layout, device) for block in layout.blocks for s in block
    ]
    none = torch.zeros(0, dtype=torch.long, device=device)
    i, j, row = (
        (torch.cat([none, *parts]) for parts in zip(*lists, strict=True))
        if lists
        else (none, none, none)
    )
    return i, j, row


# Under torch.compile the same sum is one opaque operator: its blocks depend
# on the sizes of the graphs, so tracing through them would compile anew for
# each batch. It computes activations again in the backward pass.


def _compiled_spec(
    receiver: Tensor,
    batch: Tensor | None,
    question_batch: Tensor | None,
    self_pairs: bool,
    late_layer: int,
    plain_last: bool,
    block_pairs: int,
) -> Spec:
    layout = make_layout(
        batch, receiver.size(0), block_pairs, self_pairs, question_batch
    )
    pairs = Pairs(layout, None, layout.num_rows, block_pairs)
    return Spec(pairs, late_layer, plain_last, keep_bytes=0)


@torch.library.custom_op("rn_graph::pair_sum", mutates_args=())
def compiled_sum(
    receiver: Tensor,
    sender: Tensor,
    late: Tensor | None,
    parameters: list[Tensor],
    batch: Tensor | None,
    question_batch: Tensor | None,
    self_pairs: bool,
    late_layer: int,
    plain_last: bool,
    block_pairs: int,
) -> Tensor:
    """The blocked sum over all pairs, as :func:`torch.compile` calls it."""
    spec = _compiled_spec(
        receiver,
        batch,
        question_batch,
        self_pairs,
        late_layer,
        plain_last,
        block_pairs,
    )
    return _forward(spec, Terms(receiver, sender, late), tuple(parameters))[0]


@torch.library.custom_op("rn_graph::pair_sum_backward", mutates_args=())
def compiled_backward(
    grad: Tensor,
    receiver: Tensor,
    sender: Tensor,
    late: Tensor | None,
    parameters: list[Tensor],
    batch: Tensor | None,
    question_batch: Tensor | None,
    self_pairs: bool,
    late_layer: int,
    plain_last: bool,
    block_pairs: int,
) -> list[Tensor]:
    """Its gradients: receiver, sender, late if there is one, parameters."""
    spec = _compiled_spec(
        receiver,
        batch,
        question_batch,
        self_pairs,
        late_layer,
        plain_last,
        block_pairs,
    )
    terms = Terms(receiver, sender, late)
    found = _backward(spec, grad, terms, tuple(parameters), [])
    return [d for d in found if d is not None]


@compiled_sum.register_fake
def _(*inputs: Any) -> Tensor:
    receiver, _, late, parameters, *_ = inputs
    rows = receiver.size(0) if late is None else late.size(0)
    width = receiver.size(1)
    if parameters:
        width = parameters[len(parameters) // 2 - 1].size(0)
    dtype = blocked.accumulation_dtype(receiver.dtype)
    out: Tensor = receiver.new_empty(rows, width, dtype=dtype)
    return out


@compiled_backward.register_fake
def _(grad: Tensor, *inputs: Any) -> list[Tensor]:
    receiver, sender, late, parameters, *_ = inputs
    like = [receiver, sender, *([] if late is None else [late]), *parameters]
    return [t.new_empty(t.shape) for t in like]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    receiver, sender, late, parameters, batch, question_batch, *rest = inputs
    ctx.rest = rest
    ctx.save_for_backward(
        receiver, sender, late, batch, question_batch, *parameters
    )


def _compiled_gradients(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    tensors = ctx.saved_tensors
    receiver, sender, late, batch, question_batch, *parameters = tensors
    rows = [receiver, sender, late]
    found = compiled_backward(
        grad, *rows, parameters, batch, question_batch, *ctx.rest
    )
    terms = 2 + int(late is not None)
    d_rows = found[:terms] + [None] * (3 - terms)
    return (*d_rows, found[terms:], *[None] * (2 + len(ctx.rest)))


compiled_sum.register_autograd(_compiled_gradients, setup_context=_setup)
