"""The sum over all pairs of a few equal graphs, dense, by autograd.

Where pairs are few, what a call costs is the number of operators and the
Python between them, not memory: this has the least of both.
"""

import torch
from torch import Tensor

from rn_graph.mlp import PairTerms
from rn_graph.ops.dtypes import accumulation_dtype
from rn_graph.ops.function import Layers


def sum_dense(
    terms: PairTerms, layers: Layers, size: int, self_pairs: bool
) -> Tensor:
    """Sum a plain g over all pairs of graphs of one size.

    Args:
        terms: g's node terms, a row each.
        layers: g's later layers.
        size: Nodes of each graph.
        self_pairs: Whether a node is paired with itself.

    Returns:
        The sums, ``[N, width]``, at least float32.
    """
    receiver, sender, late = (
        None if t is None else t.view(-1, size, t.size(1)) for t in terms
    )
    assert receiver is not None
    assert sender is not None
    late = None if late is None else late.unsqueeze(2)
    h = layers.run(receiver.unsqueeze(2) + sender.unsqueeze(1), late)
    if not self_pairs:
        own = torch.eye(size, dtype=torch.bool, device=h.device)
        h = h.masked_fill(own.unsqueeze(2), 0)
    return h.sum(2, dtype=accumulation_dtype(h.dtype)).flatten(0, 1)
