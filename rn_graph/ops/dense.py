"""The sum over all pairs of a few equal graphs, dense, by autograd.

Where pairs are few, what a call costs is the number of operators and the
Python between them, not memory: this has the least of both.
"""

from typing import Any

import torch
from torch import Tensor

from rn_graph.batching import Complete
from rn_graph.dtypes import accumulation_dtype
from rn_graph.mlp import PairTerms
from rn_graph.ops.blocked.memory import take
from rn_graph.ops.function import Layers

#: Matrices of fewer bytes are not worth the care for their memory.
_FEW = 2**19


def sum_dense(terms: PairTerms, layers: Layers, pairs: Complete) -> Tensor:
    """Sum a plain g over all pairs of graphs of one size.

    Args:
        terms: g's node terms, a row each.
        layers: g's later layers.
        pairs: The pairs.

    Returns:
        The sums, ``[N, width]``, at least float32.
    """
    nodes, width = terms.receiver.shape
    size = max(pairs.sizes(nodes), default=1) or 1
    receiver = terms.receiver.view(-1, size, 1, width)
    sender = terms.sender.view(-1, 1, size, width)
    late = terms.late
    if late is not None:
        late = late.repeat_interleave(size, 0)
    h = layers.run(receiver + sender, late)
    h = h.view(nodes, size, h.size(1))
    if not pairs.self_pairs:
        own = torch.eye(size, dtype=torch.bool, device=h.device)
        own = own.repeat(nodes // size, 1)
        h = h.masked_fill(own.unsqueeze(2), 0)
    dtype = accumulation_dtype(h.dtype)
    if dtype == h.dtype or h.nbytes < _FEW:
        return h.sum(1, dtype=dtype)
    out: Tensor = _WideSum.apply(h) if h.requires_grad else _wide_sum(h)
    return out


def _wide_sum(h: Tensor) -> Tensor:
    wide = take(h.size(0) * h.size(1), h.size(2), h, torch.float32)
    return wide.view(h.shape).copy_(h).sum(1)


class _WideSum(torch.autograd.Function):
    """The float32 sum of half precision ``[N, size, width]`` over ``size``.

    torch's own makes a matrix of float32 of all pairs, also backward.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        ctx.like = h.size(1), h.dtype
        return _wide_sum(h)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        size, dtype = ctx.like
        return grad.to(dtype).unsqueeze(1).expand(-1, size, -1)
