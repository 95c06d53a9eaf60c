"""The engine that sums by Triton kernels; import it where Triton is."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rn_graph.mlp import PairTerms
from rn_graph.ops.function import (
    NO_EDGES,
    EdgeTensors,
    Gradients,
    Layers,
    PairList,
)
from rn_graph.ops.triton.backward import backward_kernel
from rn_graph.ops.triton.forward import forward_kernel
from rn_graph.ops.triton.plan import PARTS, Plan, pair_rows


class TritonEngine:
    """Sums a plain g over all pairs within graphs.

    There is a row of sums, and of late terms, for each node. All layers have
    the width of the first, but the last one may be narrower.

    Args:
        sizes: Nodes of each graph, ``[B]``, in the order of nodes; on the CPU.
        self_pairs: Whether a node is paired with itself.
        device: Where the terms are.
        share: First and number of the rows to sum, of the one graph; the
            others are zero. ``None``: all rows. (default: ``None``)
    """

    #: None that anybody else could change.
    index: Sequence[Tensor] = ()

    def __init__(
        self,
        sizes: Tensor,
        self_pairs: bool,
        device: torch.device,
        share: tuple[int, int] | None = None,
    ) -> None:
        self.num_rows = int(sizes.sum())
        self._nodes: Tensor | None = None
        if bool((sizes.diff() > 0).any()):
            # Large graphs first: graphs of one size share tiles, and the
            # longest programs start first.
            size = sizes.repeat_interleave(sizes)
            self._nodes = size.argsort(descending=True, stable=True).to(device)
            sizes = sizes.sort(descending=True).values
        self._rows = self._nodes
        if share is not None:
            self._rows = torch.arange(share[0], sum(share), device=device)
        self._pairs = pair_rows(sizes, self_pairs, share), self_pairs, device
        self._plans: dict[tuple[torch.dtype, int], Plan] = {}

    def forward(
        self,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors = NO_EDGES,
        keep_bytes: int = 0,
    ) -> tuple[Tensor, list[Tensor]]:
        """The sums, ``[num_rows, width]``, float32; nothing is kept."""
        plan = self._plan(terms)
        inputs = self._inputs(plan, terms, layers)
        shape = plan.num_rows, plan.width
        out = inputs["receiver"].new_zeros(shape, dtype=torch.float32)
        slots = plan.slots(plan.receivers * plan.width * out.element_size())
        parts = out.new_empty(slots * plan.receivers, plan.width)
        for block in plan.blocks(slots):
            plan.launch(
                forward_kernel,
                block.slots,
                base=block.base,
                row_parts=parts,
                **inputs,
            )
            plan.add_receivers(parts, out, block)
        return self._put(out[:, : layers.width(terms)], self._rows), []

    def backward(
        self,
        grad: Tensor,
        terms: PairTerms,
        layers: Layers,
        edges: EdgeTensors,
        kept: Sequence[Tensor],
    ) -> Gradients:
        """Gradients in float32, a workspace of tiles at a time."""
        plan = self._plan(terms)
        inputs = self._inputs(plan, terms, layers)
        pairs, width, depth = plan.tiling.pairs, plan.width, len(layers.weights)
        like = inputs["receiver"]
        slots = plan.slots(
            pairs * width * (2 * depth + 1) * like.element_size()
        )
        saved = like.new_empty(depth, slots * pairs, width)
        grads = like.new_empty(depth + 1, slots * pairs, width)
        receiver, sender, weight, bias = (
            torch.zeros_like(inputs[name], dtype=torch.float32)
            for name in ("receiver", "sender", "weight", "bias")
        )
        late = None if terms.late is None else torch.zeros_like(receiver)
        sums = receiver.new_empty(slots * plan.receivers, width)
        lates = sums if late is None else torch.empty_like(sums)
        biases = sums.new_empty(slots, depth, width)
        inputs |= {
            "grad": _take(_pad(grad.to(like.dtype), width), self._rows),
            "saved": saved,
            "grads": grads,
            "plane": saved.stride(0),
            "row_parts": sums,
            "late_parts": lates,
            "bias_parts": biases,
        }
        for block in plan.blocks(slots):
            # Programs past the last tile write zeros, for products of even
            # parts.
            used = -(-block.slots // PARTS) * PARTS
            plan.launch(backward_kernel, used, base=block.base, **inputs)
            stop = used * pairs
            for layer in range(depth):
                weight[layer] += _product(
                    grads[layer + 1, :stop], saved[layer, :stop]
                )
            bias += biases[:used].sum(0)
            plan.add_receivers(sums, receiver, block)
            if late is not None:
                plan.add_receivers(lates, late, block)
            plan.add_senders(grads, sender, block)
        if terms.late is not None and late is not None:
            late = self._put(late[:, : terms.late.size(1)], self._rows)
        receiver = self._put(receiver, self._rows)
        sender = self._put(sender, self._nodes)
        return Gradients(
            PairTerms(receiver, sender, late),
            [
                d[: w.size(0)]
                for d, w in zip(weight, layers.weights, strict=True)
            ],
            [d[: b.size(0)] for d, b in zip(bias, layers.biases, strict=True)],
        )

    def listed(self, device: torch.device) -> PairList:
        """Every pair, in the order of nodes that the terms have."""
        rows, self_pairs, _ = self._pairs
        row = torch.arange(rows.length.numel(), device="cpu")
        row = row.repeat_interleave(rows.length)
        start = rows.length.cumsum(0) - rows.length
        place = torch.arange(row.numel(), device="cpu") - start[row]
        if not self_pairs:
            place += place >= rows.own[row]
        node, row = (rows.first[row] + place).to(device), row.to(device)
        if self._nodes is not None:
            node = self._nodes.to(device)[node]
        if self._rows is not None:
            row = self._rows.to(device)[row]
        return PairList(row, node, row)

    def _plan(self, terms: PairTerms) -> Plan:
        key = terms.receiver.dtype, terms.receiver.size(1)
        if key not in self._plans:
            self._plans[key] = Plan(*self._pairs, *key)
        return self._plans[key]

    def _inputs(
        self, plan: Plan, terms: PairTerms, layers: Layers
    ) -> dict[str, Any]:
        """What the forward and the backward kernel take, by name."""
        receiver = late = _take(terms.receiver, self._rows)
        if terms.late is not None:
            late = _take(_pad(terms.late, plan.width), self._rows)
        # A last layer that is narrower gets channels of zeros.
        weights = [_pad(w.t(), plan.width).t() for w in layers.weights]
        biases = [_pad(b, plan.width) for b in layers.biases]
        tf32 = torch.backends.cuda.matmul.fp32_precision == "tf32"
        return {
            "receiver": receiver,
            "sender": _take(terms.sender, self._nodes),
            "late": late,
            "weight": torch.stack(weights),
            "bias": torch.stack(biases),
            "DEPTH": len(weights),
            "LATE": layers.late_layer,
            "PRECISION": "tf32" if tf32 else "ieee",
            "num_warps": plan.tiling.warps,
        }

    def _put(self, x: Tensor, order: Tensor | None) -> Tensor:
        """Bring rows back to their places; the others are zero."""
        if order is None:
            return x
        return x.new_zeros(self.num_rows, x.size(1)).index_copy_(0, order, x)


def _take(x: Tensor, order: Tensor | None) -> Tensor:
    return (x if order is None else x[order]).contiguous()


def _pad(x: Tensor, width: int) -> Tensor:
    """Widen the last dimension by zeros."""
    more = width - x.size(-1)
    return F.pad(x, (0, more)) if more else x


def _product(d: Tensor, h: Tensor) -> Tensor:
    """``dᵀ h`` over many pairs, in float32, cut into parts."""
    d = d.view(PARTS, -1, d.size(1)).transpose(1, 2)
    h = h.view(PARTS, -1, h.size(1))
    if d.dtype == torch.float32:
        return torch.bmm(d, h).sum(0)
    if d.device.type != "cuda":
        return torch.bmm(d.float(), h.float()).sum(0)
    return torch.bmm(d, h, out_dtype=torch.float32).sum(0)
