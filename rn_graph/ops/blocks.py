"""A block of pairs: filling it from nodes, summing it to rows, and back.

Blocks of all pairs are dense views of the nodes; blocks of an edge list go
through indices. Both offer the same steps, which is all that the blocked
backend needs to know.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from rn_graph.edges import Edges
from rn_graph.ops.layout import Segment

_threshold_backward = torch.ops.aten.threshold_backward.grad_input


class Block(Protocol):
    """What the blocked backend does with a block.

    Attributes:
        base_pairs: Number of pairs before the questions of a graph part.
        pairs: Number of pairs after.
    """

    base_pairs: int
    pairs: int

    def fill(self, receiver: Tensor, sender: Tensor, h: Tensor) -> None:
        """Write ``receiver_i + sender_j`` of each base pair into ``h``."""

    def add_late(self, late: Tensor, base: Tensor, h: Tensor) -> None:
        """Write the sum of base pairs and their rows' late terms."""

    def sum_to_rows(self, h: Tensor, out: Tensor) -> None:
        """Add the (weighted) sum over each row's pairs to ``out``.

        This and the other sums take ``h`` in the type of what they add to.
        """

    def spread(
        self, grad: Tensor, h: Tensor, masked: bool, out: Tensor
    ) -> None:
        """Write each row's gradient to its pairs, masked where ``h`` is 0."""

    def sum_late(self, grad: Tensor, out: Tensor) -> None:
        """Add the sum over each row's pairs, unweighted, to ``out``."""

    def sum_to_base(self, grad: Tensor, base: Tensor) -> None:
        """Write the sum over the questions of each base pair."""

    def sum_to_nodes(
        self, grad: Tensor, receiver: Tensor, sender: Tensor
    ) -> None:
        """Add the sums over each node's base pairs, as receiver and sender."""


class DensePairs:
    """All pairs of some graphs.

    Args:
        segments: The graphs.
        self_pairs: Whether a node is paired with itself.
    """

    def __init__(self, segments: list[Segment], self_pairs: bool) -> None:
        self.segments = segments
        self.self_pairs = self_pairs
        self.base_pairs = sum(s.base_pairs for s in segments)
        self.pairs = sum(s.pairs for s in segments)

    def _base(self, h: Tensor) -> Iterator[tuple[Segment, Tensor]]:
        """Each segment's base pairs, ``[graphs, receivers, senders, H]``."""
        start = 0
        for s in self.segments:
            part = h[start : start + s.base_pairs]
            yield s, part.view(s.graphs, s.receivers, s.senders, -1)
            start += s.base_pairs

    def _pairs(self, h: Tensor) -> Iterator[tuple[Segment, Tensor]]:
        """Each segment's pairs, ``[graphs, questions, receivers, …, H]``."""
        start = 0
        for s in self.segments:
            part = h[start : start + s.pairs]
            yield (
                s,
                part.view(s.graphs, s.questions, s.receivers, s.senders, -1),
            )
            start += s.pairs

    @staticmethod
    def _rows(s: Segment, rows: Tensor) -> Tensor:
        """A segment's rows, ``[graphs, questions, receivers, H]``."""
        part = rows[s.row : s.row + s.graphs * s.questions * s.size]
        part = part.view(s.graphs, s.questions, s.size, -1)
        return part[:, :, s.first : s.first + s.receivers]

    @staticmethod
    def _nodes(s: Segment, nodes: Tensor) -> Tensor:
        """A segment's nodes, ``[graphs, size, H]``."""
        part = nodes[s.node : s.node + s.graphs * s.size]
        return part.view(s.graphs, s.size, -1)

    def fill(self, receiver: Tensor, sender: Tensor, h: Tensor) -> None:
        """See :class:`Block`."""
        for s, pairs in self._base(h):
            nodes = self._nodes(s, receiver)
            some = nodes[:, s.first : s.first + s.receivers].unsqueeze(2)
            senders = self._nodes(s, sender)
            if self.self_pairs:
                senders = senders.unsqueeze(1)
            else:
                senders = senders[:, other_nodes(s, h.device)]
            torch.add(some, senders, out=pairs)

    def add_late(self, late: Tensor, base: Tensor, h: Tensor) -> None:
        """See :class:`Block`."""
        views = zip(self._base(base), self._pairs(h), strict=True)
        for (s, some), (_, pairs) in views:
            rows = self._rows(s, late).unsqueeze(3)
            torch.add(some.unsqueeze(1), rows, out=pairs)

    def sum_to_rows(self, h: Tensor, out: Tensor) -> None:
        """See :class:`Block`."""
        for s, pairs in self._pairs(h):
            torch.sum(pairs, 3, out=self._rows(s, out))

    sum_late = sum_to_rows

    def spread(
        self, grad: Tensor, h: Tensor, masked: bool, out: Tensor
    ) -> None:
        """See :class:`Block`."""
        views = zip(self._pairs(h), self._pairs(out), strict=True)
        for (s, pairs), (_, target) in views:
            rows = self._rows(s, grad).unsqueeze(3).expand_as(target)
            if masked:
                _threshold_backward(rows, pairs, 0, grad_input=target)
            else:
                target.copy_(rows)

    def sum_to_base(self, grad: Tensor, base: Tensor) -> None:
        """See :class:`Block`."""
        views = zip(self._base(base), self._pairs(grad), strict=True)
        for (_, some), (_, pairs) in views:
            torch.sum(pairs, 1, out=some)

    def sum_to_nodes(
        self, grad: Tensor, receiver: Tensor, sender: Tensor
    ) -> None:
        """See :class:`Block`."""
        for s, pairs in self._base(grad):
            nodes = self._nodes(s, receiver)
            some = nodes[:, s.first : s.first + s.receivers]
            some += pairs.sum(2)
            nodes = self._nodes(s, sender)
            if self.self_pairs:
                nodes += pairs.sum(1)
            else:
                index = other_nodes(s, grad.device).view(-1)
                flat = pairs.reshape(s.graphs, index.numel(), -1)
                nodes.index_add_(1, index, flat)


class EdgePairs:
    """Some edges of an edge list.

    Args:
        edges: All edges.
        start: The block's first edge.
        stop: The edge after its last.
        d_weight: Where to write the gradients of the edges' weights, ``[E]``.
    """

    def __init__(
        self,
        edges: Edges,
        start: int,
        stop: int,
        d_weight: Tensor | None = None,
    ) -> None:
        self.receiver = edges.receiver[start:stop]
        self.sender = edges.sender[start:stop]
        self.weight = None
        if edges.weight is not None:
            self.weight = edges.weight[start:stop].unsqueeze(1)
        self.d_weight = None if d_weight is None else d_weight[start:stop]
        self.base_pairs = self.pairs = stop - start

    def fill(self, receiver: Tensor, sender: Tensor, h: Tensor) -> None:
        """See :class:`Block`."""
        torch.index_select(receiver, 0, self.receiver, out=h)
        h += sender.index_select(0, self.sender)

    def add_late(self, late: Tensor, base: Tensor, h: Tensor) -> None:
        """See :class:`Block`."""
        torch.add(base, late.index_select(0, self.receiver), out=h)

    def sum_to_rows(self, h: Tensor, out: Tensor) -> None:
        """See :class:`Block`."""
        if self.weight is not None:
            h = h * self.weight
        out.index_add_(0, self.receiver, h)

    def sum_late(self, grad: Tensor, out: Tensor) -> None:
        """See :class:`Block`."""
        out.index_add_(0, self.receiver, grad)

    def spread(
        self, grad: Tensor, h: Tensor, masked: bool, out: Tensor
    ) -> None:
        """See :class:`Block`."""
        torch.index_select(grad, 0, self.receiver, out=out)
        if self.d_weight is not None:
            self.d_weight.copy_((out * h).sum(1, dtype=self.d_weight.dtype))
        if self.weight is not None:
            out *= self.weight
        if masked:
            _threshold_backward(out, h, 0, grad_input=out)

    def sum_to_base(self, grad: Tensor, base: Tensor) -> None:
        """See :class:`Block`."""
        base.copy_(grad)

    def sum_to_nodes(
        self, grad: Tensor, receiver: Tensor, sender: Tensor
    ) -> None:
        """See :class:`Block`."""
        receiver.index_add_(0, self.receiver, grad)
        sender.index_add_(0, self.sender, grad)


def other_nodes(s: Segment, device: torch.device) -> Tensor:
    """Index, within its graph, of every sender but the receiver itself.

    Returns:
        ``[receivers, size - 1]``, the same for each graph of the segment.
    """
    receiver = torch.arange(s.first, s.first + s.receivers, device=device)
    sender = torch.arange(s.size - 1, device=device).unsqueeze(0)
    return sender + (sender >= receiver.unsqueeze(1))
