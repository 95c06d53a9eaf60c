r"""The sum over pairs of a plain MLP by Triton kernels, for CUDA.

Forward, one kernel runs all layers of g over a tile of pairs and sums them:
no activation leaves the chip. Backward, a tile's activations are computed
again and written, with their gradients, into a workspace of constant size,
from which the weights' gradients are taken as large products; so memory does
not grow with the number of pairs. Nothing is added in an order that changes:
equal inputs give equal bits.

Import this module only where Triton is installed.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rn_graph.edges import Edges
from rn_graph.mlp import PairTerms
from rn_graph.ops import autograd
from rn_graph.ops.autograd import Pairs
from rn_graph.ops.blocked import Terms
from rn_graph.ops.triton_backward import (
    backward_kernel,
    sum_receivers_kernel,
)
from rn_graph.ops.triton_forward import forward_kernel
from rn_graph.ops.triton_plan import PARTS, PairRows, Plan, Spec, batch_rows


def pair_sum(
    terms: PairTerms,
    weights: list[Tensor],
    biases: list[Tensor],
    late_layer: int,
    plain_last: bool,
    batch: Tensor | None,
    self_pairs: bool,
) -> Tensor:
    """Sum a plain g over all pairs within graphs.

    Args:
        terms: g's node terms, all of one type.
        weights: Of g's layers after the first, ``[out, in]``.
        biases: Of the same layers.
        late_layer: Layer, from 1, that the late terms enter at; 0: none.
        plain_last: Whether the last layer is without its ReLU.
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        self_pairs: Whether a node is paired with itself.

    Returns:
        ``[N, out_channels]``, float32.
    """
    nodes = terms.receiver.size(0)
    if batch is None:
        rows = batch_rows(torch.tensor([nodes]), self_pairs)
        return row_sum(terms, weights, biases, late_layer, plain_last, rows)
    sizes = torch.unique_consecutive(batch, return_counts=True)[1].cpu()
    # Large graphs first: graphs of one size share tiles, and the longest
    # programs start first.
    place = torch.argsort(
        sizes.repeat_interleave(sizes), descending=True, stable=True
    )
    rows = batch_rows(sizes.sort(descending=True).values, self_pairs)
    order = place.to(batch.device)
    late = None if terms.late is None else terms.late[order]
    terms = PairTerms(terms.receiver[order], terms.sender[order], late)
    out = row_sum(terms, weights, biases, late_layer, plain_last, rows)
    return torch.zeros_like(out).index_copy(0, order, out)


def row_sum(
    terms: PairTerms,
    weights: list[Tensor],
    biases: list[Tensor],
    late_layer: int,
    plain_last: bool,
    rows: PairRows,
) -> Tensor:
    """Sum a plain g over the pairs of rows; see :func:`pair_sum`."""
    width, out_channels = terms.receiver.size(1), weights[-1].size(0)
    more = width - out_channels

    def pad(last: Tensor) -> Tensor:
        # A last layer that is narrower gets channels of zeros.
        if more == 0:
            return last
        return torch.cat([last, last.new_zeros(more, *last.shape[1:])])

    late = terms.late
    if late is not None and late_layer == len(weights) and more:
        late = torch.nn.functional.pad(late, (0, more))
    weight = torch.stack([*weights[:-1], pad(weights[-1])])
    bias = torch.stack([*biases[:-1], pad(biases[-1])])
    out: Tensor = TritonSum.apply(
        Spec(rows, late_layer, plain_last),
        terms.receiver.contiguous(),
        terms.sender.contiguous(),
        None if late is None else late.contiguous(),
        weight,
        bias,
    )
    return out[:, :out_channels]


def _forward(
    plan: Plan, terms: PairTerms, weight: Tensor, bias: Tensor
) -> Tensor:
    out = torch.zeros(
        plan.num_rows, plan.width, dtype=torch.float32, device=plan.device
    )
    slots = plan.slots(plan.receivers * plan.width * out.element_size())
    parts = out.new_empty(slots * plan.receivers, plan.width)
    rows = plan.rows
    for base, low, high in plan.blocks(slots):
        here = min(slots, plan.num_tiles - base)
        forward_kernel[(here,)](
            terms.receiver,
            terms.sender,
            terms.receiver if terms.late is None else terms.late,
            weight,
            bias,
            parts,
            rows.first,
            rows.senders,
            rows.own,
            plan.num_rows,
            plan.starts,
            plan.row_tiles,
            plan.row_tiles.bit_length(),
            base,
            **plan.options,
        )
        plan.add_parts(parts, out, base, low, high, here)
    return out


class _Gradients(NamedTuple):
    """Gradients in float32, of what a sum takes."""

    receiver: Tensor
    sender: Tensor
    late: Tensor | None
    weight: Tensor
    bias: Tensor


def _backward(
    plan: Plan,
    grad: Tensor,
    terms: PairTerms,
    weight: Tensor,
    bias: Tensor,
    total: _Gradients,
) -> None:
    """Add the gradients to ``total``, one workspace of tiles at a time."""
    pairs, depth, width = plan.tiling.pairs, plan.depth, plan.width
    like, rows = terms.receiver, plan.rows
    grad = grad.to(like.dtype)
    slots = plan.slots(pairs * width * (2 * depth + 1) * like.element_size())
    saved = like.new_empty(depth, slots * pairs, width)
    grads = like.new_empty(depth + 1, slots * pairs, width)
    sums = total.weight.new_empty(slots * plan.receivers, width)
    lates = sums if total.late is None else torch.empty_like(sums)
    biases = sums.new_empty(slots, depth, width)

    for base, low, high in plan.blocks(slots):
        here = min(slots, plan.num_tiles - base)
        # Programs past the last tile write zeros, for products of even parts.
        used = -(-here // PARTS) * PARTS
        backward_kernel[(used,)](
            terms.receiver,
            terms.sender,
            terms.receiver if terms.late is None else terms.late,
            weight,
            bias,
            grad,
            saved,
            grads,
            sums,
            lates,
            biases,
            rows.first,
            rows.senders,
            rows.own,
            plan.num_rows,
            plan.starts,
            plan.row_tiles,
            plan.row_tiles.bit_length(),
            base,
            saved.stride(0),
            **plan.options,
        )
        stop = used * pairs
        for layer in range(depth):
            total.weight[layer] += _product(
                grads[layer + 1, :stop], saved[layer, :stop]
            )
        total.bias.add_(biases[:used].sum(0))
        plan.add_parts(sums, total.receiver, base, low, high, here)
        if total.late is not None:
            plan.add_parts(lates, total.late, base, low, high, here)
        first_row = low * plan.receivers
        last_row = min(high * plan.receivers, plan.num_rows)
        first, last = plan.nodes(first_row, last_row)
        senders = 8
        grid = (-(-(last - first) // senders), width // plan.narrow)
        sum_receivers_kernel[grid](
            grads,
            total.sender,
            rows.first,
            rows.senders,
            rows.own,
            rows.row_first,
            rows.row_count,
            plan.starts,
            last,
            base,
            here,
            first,
            first_row,
            last_row,
            SELF=rows.self_pairs,
            H=width,
            BI=plan.receivers,
            BJ=plan.senders,
            BN=senders,
            MANY=16,
            CHUNK=plan.narrow,
        )


def _product(d: Tensor, h: Tensor) -> Tensor:
    """``dᵀ h`` over many pairs, in float32, cut into parts."""
    d = d.view(PARTS, -1, d.size(1)).transpose(1, 2)
    h = h.view(PARTS, -1, h.size(1))
    if d.dtype == torch.float32:
        return torch.bmm(d, h).sum(0)
    if d.device.type != "cuda":
        return torch.bmm(d.float(), h.float()).sum(0)
    return torch.bmm(d, h, out_dtype=torch.float32).sum(0)


class TritonSum(torch.autograd.Function):
    """The sum over pairs and its gradients, by kernels."""

    @staticmethod
    def forward(
        ctx: Any,
        spec: Spec,
        receiver: Tensor,
        sender: Tensor,
        late: Tensor | None,
        weight: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """Compute the sums; keep no activation."""
        ctx.spec, ctx.plan = spec, None
        ctx.save_for_backward(receiver, sender, late, weight, bias)
        if not int(spec.rows.senders.sum()):
            rows = spec.rows.senders.numel()
            return receiver.new_zeros(
                rows, receiver.size(1), dtype=torch.float32
            )
        terms = PairTerms(receiver, sender, late)
        ctx.plan = Plan(spec, terms, weight.size(0))
        with _on(receiver.device):
            return _forward(ctx.plan, terms, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Compute the gradients."""
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            # Gradients of gradients: differentiate the formula instead.
            return None, *_differentiable(ctx.spec, grad, *inputs)
        receiver, sender, late, weight, bias = inputs

        def zeros(like: Tensor) -> Tensor:
            return torch.zeros_like(like, dtype=torch.float32)

        total = _Gradients(
            zeros(receiver),
            zeros(sender),
            None if late is None else zeros(late),
            zeros(weight),
            zeros(bias),
        )
        if ctx.plan is not None:
            terms = PairTerms(receiver, sender, late)
            with _on(receiver.device):
                _backward(
                    ctx.plan, grad.contiguous(), terms, weight, bias, total
                )
        return None, *(
            None if d is None else d.to(t.dtype)
            for d, t in zip(total, inputs, strict=True)
        )


def _differentiable(
    spec: Spec,
    grad: Tensor,
    receiver: Tensor,
    sender: Tensor,
    late: Tensor | None,
    weight: Tensor,
    bias: Tensor,
) -> list[Tensor | None]:
    """Gradients that can be differentiated again; every pair at once."""
    rows, device = spec.rows, receiver.device
    row = torch.arange(rows.senders.numel()).repeat_interleave(rows.senders)
    start = rows.senders.cumsum(0) - rows.senders
    place = torch.arange(row.numel()) - start[row]
    if not rows.self_pairs:
        place += place >= rows.own[row]
    node = rows.first[row] + place
    edges = Edges(node.to(device), row.to(device), None, None)
    pairs = Pairs(None, edges, rows.senders.numel(), 0)
    depth = weight.size(0)
    found = autograd._differentiable(
        autograd.Spec(pairs, spec.late_layer, spec.plain_last, 0),
        grad,
        Terms(receiver, sender, late),
        None,
        (*weight.unbind(), *bias.unbind()),
    )

    def stack(parts: list[Tensor | None]) -> Tensor | None:
        known = [part for part in parts if part is not None]
        return torch.stack(known) if known else None

    parameters = found[4:]
    return [
        *found[:3],
        stack(parameters[:depth]),
        stack(parameters[depth:]),
    ]


def _on(device: torch.device) -> AbstractContextManager[Any]:
    # Triton launches on the current device, whatever its arguments' is.
    if device.type == "cuda":
        return torch.cuda.device(device)
    return nullcontext()
