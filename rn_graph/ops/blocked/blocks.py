"""A block of pairs: filling it from nodes, summing it to rows, and back.

Blocks of all pairs are dense views of the nodes; blocks of an edge list go
through indices. Both offer the same steps, which is all that the passes need
to know.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from rn_graph.ops.blocked.layout import Segment
from rn_graph.ops.function import EdgeTensors, PairList

_threshold_backward = torch.ops.aten.threshold_backward.grad_input


class DensePairs:
    """All pairs of some graphs.

    Sums take ``h`` in the type of what they add to. ``base_pairs`` is the
    number of pairs before the questions of a graph part, ``pairs`` after.

    Args:
        segments: The graphs.
        self_pairs: Whether a node is paired with itself.
    """

    def __init__(self, segments: list[Segment], self_pairs: bool) -> None:
        self.segments = segments
        self.self_pairs = self_pairs
        self.base_pairs = sum(s.base_pairs for s in segments)
        self.pairs = sum(s.pairs for s in segments)

    def _views(
        self, h: Tensor, base: bool = False
    ) -> Iterator[tuple[Segment, Tensor]]:
        """Each segment's pairs, ``[graphs, questions, receivers, …, H]``."""
        start = 0
        for s in self.segments:
            questions = 1 if base else s.questions
            count = s.base_pairs * questions
            shape = (s.graphs, questions, s.receivers, s.senders, -1)
            yield s, h[start : start + count].view(shape)
            start += count

    @staticmethod
    def _rows(s: Segment, rows: Tensor) -> Tensor:
        """All rows of a segment, ``[graphs, questions, size, H]``."""
        part = rows[s.row : s.row + s.graphs * s.questions * s.size]
        return part.view(s.graphs, s.questions, s.size, -1)

    @staticmethod
    def _nodes(s: Segment, nodes: Tensor) -> Tensor:
        """All nodes of a segment, ``[graphs, size, H]``."""
        part = nodes[s.node : s.node + s.graphs * s.size]
        return part.view(s.graphs, s.size, -1)

    def _skips(self, s: Segment) -> bool:
        """Whether the receiver itself is not among the senders."""
        return not self.self_pairs and not s.mirrored

    def fill(self, receiver: Tensor, sender: Tensor, h: Tensor) -> None:
        """Write ``receiver_i + sender_j`` of each base pair into ``h``."""
        for s, pairs in self._views(h, base=True):
            some = _own(s, self._nodes(s, receiver), 1).unsqueeze(2)
            senders = self._nodes(s, sender)
            if self._skips(s):
                senders = senders[:, _other_nodes(s, h.device)]
            else:
                senders = senders[:, s.size - s.senders :].unsqueeze(1)
            torch.add(some, senders, out=pairs.squeeze(1))

    def add_late(self, late: Tensor, base: Tensor, h: Tensor) -> None:
        """Write the sum of base pairs and their rows' late terms."""
        views = zip(self._views(base, True), self._views(h), strict=True)
        for (s, some), (_, pairs) in views:
            rows = _own(s, self._rows(s, late), 2).unsqueeze(3)
            torch.add(some, rows, out=pairs)

    def drop(self, h: Tensor) -> None:
        """Set g of pairs that do not count to 0; so are then its gradients."""
        for s, pairs in self._views(h) if not self.self_pairs else ():
            if s.mirrored:  # a receiver is its own k-th sender
                torch.diagonal(pairs, dim1=2, dim2=3).zero_()

    def sum_to_rows(self, h: Tensor, out: Tensor) -> None:
        """Add the (weighted) sum over each row's pairs to ``out``."""
        for s, pairs in self._views(h):
            rows = self._rows(s, out)
            own = _own(s, rows, 2)
            if not s.mirrored:
                torch.sum(pairs, 3, out=own)
                continue
            own += pairs.sum(3)
            after = pairs[:, :, :, s.receivers :]
            rows[:, :, s.first + s.receivers :] += after.sum(2)

    def sum_late(self, grad: Tensor, out: Tensor) -> None:
        """Add the sum over each row's pairs, unweighted, to ``out``.

        Rows of one question share their late term.
        """
        for s, pairs in self._views(grad):
            torch.sum(pairs, 3, out=_own(s, self._rows(s, out), 2))

    def spread(self, grad: Tensor, h: Tensor, out: Tensor) -> None:
        """Write each row's gradient to its pairs, 0 where ``h`` is."""
        views = zip(self._views(h), self._views(out), strict=True)
        for (s, pairs), (_, target) in views:
            rows = self._rows(s, grad)
            own = _own(s, rows, 2).unsqueeze(3)
            if s.mirrored:
                other = rows[:, :, s.first :].clone()
                other[:, :, : s.receivers] = 0
                own = torch.add(own, other.unsqueeze(2), out=target)
            _threshold_backward(
                own.expand_as(target), pairs, 0, grad_input=target
            )

    def sum_to_base(self, grad: Tensor, base: Tensor) -> None:
        """Write the sum over the questions of each base pair."""
        views = zip(self._views(base, True), self._views(grad), strict=True)
        for (_, some), (_, pairs) in views:
            torch.sum(pairs, 1, keepdim=True, out=some)

    def sum_to_nodes(
        self, grad: Tensor, receiver: Tensor, sender: Tensor
    ) -> None:
        """Add the sums over each node's base pairs, as receiver, sender."""
        for s, pairs in self._views(grad, base=True):
            some = _own(s, self._nodes(s, receiver), 1)
            some += pairs.sum((1, 3))
            nodes = self._nodes(s, sender)
            if self._skips(s):
                index = _other_nodes(s, grad.device).view(-1)
                flat = pairs.reshape(s.graphs, index.numel(), -1)
                nodes.index_add_(1, index, flat)
            else:
                nodes = nodes[:, s.size - s.senders :]
                nodes += pairs.sum((1, 2))

    def listed(self, device: torch.device) -> PairList:
        """Every pair, in the order of the blocks' nodes and rows."""
        lists = [
            _list(s, self._skips(s), self.self_pairs, device)
            for s in self.segments
        ]
        return PairList(*(torch.cat(part) for part in zip(*lists, strict=True)))


class EdgePairs:
    """Some edges of an edge list.

    Args:
        receiver: Their receivers.
        sender: Their senders.
        edges: What they bring along.
        grads: Where to write, and of the columns add, its gradients.
    """

    def __init__(
        self,
        receiver: Tensor,
        sender: Tensor,
        edges: EdgeTensors,
        grads: EdgeTensors,
    ) -> None:
        self.receiver = receiver
        self.sender = sender
        self.edges = edges
        self.grads = grads
        self.base_pairs = self.pairs = receiver.numel()

    def fill(self, receiver: Tensor, sender: Tensor, h: Tensor) -> None:
        """See :class:`DensePairs`."""
        torch.index_select(receiver, 0, self.receiver, out=h)
        h += sender.index_select(0, self.sender)
        _, attr, columns = self.edges
        if attr is not None and columns is not None:
            h.addmm_(attr, columns.t())

    def add_late(self, late: Tensor, base: Tensor, h: Tensor) -> None:
        """See :class:`DensePairs`."""
        torch.add(base, late.index_select(0, self.receiver), out=h)

    def drop(self, h: Tensor) -> None:
        """See :class:`DensePairs`; all of them count."""

    def sum_to_rows(self, h: Tensor, out: Tensor) -> None:
        """See :class:`DensePairs`."""
        if self.edges.weight is not None:
            h = h * self.edges.weight.unsqueeze(1)
        out.index_add_(0, self.receiver, h)

    def sum_late(self, grad: Tensor, out: Tensor) -> None:
        """See :class:`DensePairs`."""
        out.index_add_(0, self.receiver, grad)

    def spread(self, grad: Tensor, h: Tensor, out: Tensor) -> None:
        """See :class:`DensePairs`."""
        torch.index_select(grad, 0, self.receiver, out=out)
        weight, d_weight = self.edges.weight, self.grads.weight
        if d_weight is not None:
            d_weight.copy_((out * h).sum(1, dtype=d_weight.dtype))
        if weight is not None:
            out *= weight.unsqueeze(1)
        _threshold_backward(out, h, 0, grad_input=out)

    def sum_to_base(self, grad: Tensor, base: Tensor) -> None:
        """See :class:`DensePairs`."""
        base.copy_(grad)

    def sum_to_nodes(
        self, grad: Tensor, receiver: Tensor, sender: Tensor
    ) -> None:
        """See :class:`DensePairs`."""
        receiver.index_add_(0, self.receiver, grad)
        sender.index_add_(0, self.sender, grad)
        _, attr, columns = self.edges
        _, d_attr, d_columns = self.grads
        if attr is not None and d_columns is not None:
            d_columns.addmm_(grad.t(), attr.to(grad.dtype))
        if columns is not None and d_attr is not None:
            torch.mm(grad, columns.to(grad.dtype), out=d_attr)

    def listed(self, device: torch.device) -> PairList:
        """See :class:`DensePairs`."""
        return PairList(self.receiver, self.sender, self.receiver)


def _own(s: Segment, rows: Tensor, dim: int) -> Tensor:
    """Of the rows of whole graphs those of the segment's receivers."""
    return rows.narrow(dim, s.first, s.receivers)


def _other_nodes(s: Segment, device: torch.device) -> Tensor:
    """Index, within its graph, of every sender but the receiver itself.

    Returns:
        ``[receivers, size - 1]``, the same for each graph of the segment.
    """
    receiver = torch.arange(s.first, s.first + s.receivers, device=device)
    sender = torch.arange(s.size - 1, device=device).unsqueeze(0)
    return sender + (sender >= receiver.unsqueeze(1))


def _list(
    s: Segment, skips: bool, self_pairs: bool, device: torch.device
) -> PairList:
    """A segment's pairs, those that stand for two listed both ways."""

    def numbers(count: int) -> Tensor:
        return torch.arange(count, device=device)

    own = s.first + numbers(s.receivers).view(1, 1, -1, 1)
    other = s.size - s.senders + numbers(s.senders).view(1, 1, 1, -1)
    if skips:
        other = _other_nodes(s, device)
    graph = numbers(s.graphs).view(-1, 1, 1, 1)
    node = s.node + graph * s.size
    question = graph * s.questions + numbers(s.questions).view(1, -1, 1, 1)
    row = s.row + question * s.size
    i, j, r, back = torch.broadcast_tensors(
        node + own, node + other, row + own, row + other
    )
    if not s.mirrored:
        return PairList(i.reshape(-1), j.reshape(-1), r.reshape(-1))
    once = ((own != other) | self_pairs).expand_as(i)
    twice = (other >= s.first + s.receivers).expand_as(i)
    return PairList(
        torch.cat([i[once], j[twice]]),
        torch.cat([j[once], i[twice]]),
        torch.cat([r[once], back[twice]]),
    )


#: Both are used alike.
Block = DensePairs | EdgePairs
