"""The sum over all pairs of any function, differentiated by autograd.

With all pairs in one block this is the reference that the other backends are
tested against; in several blocks, whose activations are recomputed in the
backward pass, it serves functions that no other backend knows.
"""

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rn_graph.batching import Complete
from rn_graph.dtypes import accumulation_dtype
from rn_graph.mlp import PairMLP, PairTerms
from rn_graph.ops.blocked import block_pairs
from rn_graph.ops.blocked.engine import BlockedEngine


def sum_rows(
    g: PairMLP, terms: PairTerms, pairs: Complete, whole: bool
) -> Tensor:
    """Sum g over all pairs, without a plain last layer that may wait.

    Args:
        g: The function of a pair.
        terms: What g needs of the nodes, a row each.
        pairs: The pairs, rows being nodes.
        whole: Whether to run all pairs at once, and keep all activations.

    Returns:
        The sums, ``[N, width]``, at least float32.
    """
    receiver, sender, late = terms
    nodes = receiver.size(0)
    block = block_pairs(g.out_channels, sender)
    block = max(nodes, 1) ** 2 if whole else block
    engine = BlockedEngine(pairs, nodes, block)

    def function(i: Tensor, j: Tensor) -> Tensor:
        asked = None if late is None else late[i]
        return g(receiver[i], sender[j], late=asked, finish=False)

    out: Tensor | None = None
    again = not whole and len(engine.layout.blocks) > 1
    # Without pairs the function still runs, on none, so that the sums have
    # gradients (of zero).
    for i, j, row in engine.lists(receiver.device):
        value = (
            checkpoint(function, i, j, use_reentrant=False)
            if again
            else function(i, j)
        )
        value = value.to(accumulation_dtype(value.dtype))
        if out is None:
            out = value.new_zeros(nodes, value.size(1))
        out = out.index_add(0, row, value)
    assert out is not None
    return out
