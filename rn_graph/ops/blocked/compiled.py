"""The blocked sum over all pairs as an operator that a compiler calls.

Its blocks depend on the sizes of the graphs, so tracing through them would
compile anew for each batch. It computes activations again in the backward
pass. Tensors that have shapes alone get a sum that has its shape alone.
"""

from typing import Any

import torch
from torch import Tensor

from rn_graph.batching import Complete
from rn_graph.dtypes import accumulation_dtype
from rn_graph.mlp import PairTerms
from rn_graph.ops.blocked.engine import BlockedEngine
from rn_graph.ops.function import NO_EDGES, Layers, split_layers


def _read(*inputs: Any) -> tuple[BlockedEngine, PairTerms, Layers]:
    receiver, sender, late, parameters, batch, asked, *options = inputs
    self_pairs, late_layer, mirrored, block_pairs = options
    pairs = Complete(batch, self_pairs, asked)
    engine = BlockedEngine(pairs, receiver.size(0), block_pairs, mirrored)
    layers = split_layers(parameters, late_layer)
    return engine, PairTerms(receiver, sender, late), layers


_INPUTS = (
    "Tensor receiver, Tensor sender, Tensor? late, Tensor[] parameters, "
    "Tensor? batch, Tensor? question_batch, bool self_pairs, int late_layer, "
    "bool mirrored, int block_pairs"
)


@torch.library.custom_op(
    "rn_graph::pair_sum", mutates_args=(), schema=f"({_INPUTS}) -> Tensor"
)
def compiled_sum(*inputs: Any) -> Tensor:
    """The sum; ``parameters`` are weights, then biases."""
    engine, terms, layers = _read(*inputs)
    return engine.forward(terms, layers, NO_EDGES, 0)[0]


@torch.library.custom_op(
    "rn_graph::pair_sum_backward",
    mutates_args=(),
    schema=f"(Tensor grad, {_INPUTS}) -> Tensor[]",
)
def compiled_backward(grad: Tensor, *inputs: Any) -> list[Tensor]:
    """Its gradients: receiver, sender, late if there is one, parameters."""
    engine, terms, layers = _read(*inputs)
    found = engine.backward(grad, terms, layers, NO_EDGES, [])
    flat = (*found.terms, *found.weights, *found.biases)
    return [d.to(terms.receiver.dtype) for d in flat if d is not None]


@compiled_sum.register_fake
def _(*inputs: Any) -> Tensor:
    receiver, _, late, parameters, *_ = inputs
    rows = receiver.size(0) if late is None else late.size(0)
    terms = PairTerms(receiver, receiver, late)
    width = split_layers(parameters, 0).width(terms)
    dtype = accumulation_dtype(receiver.dtype)
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


def _gradients(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    tensors = ctx.saved_tensors
    receiver, sender, late, batch, question_batch, *parameters = tensors
    rows = [receiver, sender, late]
    found = compiled_backward(
        grad, *rows, parameters, batch, question_batch, *ctx.rest
    )
    terms = 2 + int(late is not None)
    d_rows = found[:terms] + [None] * (3 - terms)
    return (*d_rows, found[terms:], *[None] * (2 + len(ctx.rest)))


compiled_sum.register_autograd(_gradients, setup_context=_setup)
