"""The sum over pairs of any function, differentiated by autograd.

With all pairs in one block this is the reference that the other backends are
tested against; in several blocks, whose activations are recomputed in the
backward pass, it serves functions that the blocked backend does not know.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rn_graph.ops.blocks import other_nodes
from rn_graph.ops.layout import Layout, Segment

#: ``(receiver of each pair [P], sender of each pair [P]) → [P, out]``
PairFunction = Callable[[Tensor, Tensor], Tensor]


def pair_index(
    s: Segment, order: Tensor | None, self_pairs: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Receivers and senders of a segment's pairs, ``[P]`` each."""
    start = s.node + s.size * torch.arange(s.graphs, device=device)
    start = start.view(-1, 1, 1)
    receiver = torch.arange(s.first, s.first + s.receivers, device=device)
    if self_pairs:
        sender = torch.arange(s.size, device=device).view(1, 1, -1)
    else:
        sender = other_nodes(s, device).unsqueeze(0)
    i, j = torch.broadcast_tensors(
        start + receiver.view(1, -1, 1), start + sender
    )
    i, j = i.reshape(-1), j.reshape(-1)
    return (i, j) if order is None else (order[i], order[j])


def row_index(
    s: Segment, layout: Layout, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Receiver, sender and row of a segment's pairs, for each question."""
    i, j = pair_index(s, layout.node_order, layout.self_pairs, device)
    shape = (s.graphs, 1, s.receivers * s.senders)
    whole = (s.graphs, s.questions, s.receivers * s.senders)
    rows = torch.arange(s.graphs * s.questions * s.size, device=device)
    rows = s.row + rows.view(s.graphs, s.questions, s.size, 1)
    rows = rows[:, :, s.first : s.first + s.receivers]
    row = rows.expand(-1, -1, -1, s.senders).reshape(-1)
    if layout.row_order is not None:
        row = layout.row_order[row]
    i = i.view(shape).expand(whole).reshape(-1)
    j = j.view(shape).expand(whole).reshape(-1)
    return i, j, row


def sum_rows(
    function: PairFunction,
    layout: Layout,
    channels: int,
    like: Tensor,
    recompute: bool,
) -> Tensor:
    r"""Sum a function over each node's pairs, :math:`\sum_j g(i, j)`.

    Args:
        function: Called with the nodes of a block's pairs.
        layout: The pairs in blocks, rows being nodes.
        channels: Width of the function's value.
        like: A tensor of the device and type to accumulate in.
        recompute: Whether to keep no activations, and run ``function`` again
            in the backward pass.

    Returns:
        The sums, ``[num_rows, channels]``.
    """
    out = like.new_zeros(layout.num_rows, channels)
    none = torch.zeros(0, dtype=torch.long, device=like.device)
    order, self_pairs = layout.node_order, layout.self_pairs
    # Without pairs the function still runs, on none, so that the sums have
    # gradients (of zero).
    for block in layout.blocks or [[]]:
        index = [pair_index(s, order, self_pairs, like.device) for s in block]
        index = index or [(none, none)]
        i = torch.cat([pair[0] for pair in index])
        j = torch.cat([pair[1] for pair in index])
        value = (
            checkpoint(function, i, j, use_reentrant=False)
            if recompute
            else function(i, j)
        )
        out = out.index_add(0, i, value.to(out.dtype))
    return out
