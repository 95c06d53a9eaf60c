"""How the pairs of a batch of graphs are cut into blocks.

Nodes are put in the order of their graph's size. Graphs of one size then
stand together, so that their pairs are plain dense views ``[graphs,
receivers, senders, channels]``: no index of pairs is ever made, and no pair
is computed that is not real. Where the questions of one graph share the first
layers of g, graphs with the same number of questions stand together too.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Segment(NamedTuple):
    """The pairs of some graphs of one size, or of some rows of one graph.

    Attributes:
        node: First node of the first graph.
        row: First row (node of a question) of the first graph.
        graphs: Number of graphs.
        questions: Number of questions of each graph.
        size: Nodes of each graph.
        first: First receiver, within its graph.
        receivers: Receivers of each graph.
        senders: Senders of each receiver.
    """

    node: int
    row: int
    graphs: int
    questions: int
    size: int
    first: int
    receivers: int
    senders: int

    @property
    def base_pairs(self) -> int:
        """Number of pairs, the questions of a graph counted once."""
        return self.graphs * self.receivers * self.senders

    @property
    def pairs(self) -> int:
        """Number of pairs, counted for each question."""
        return self.base_pairs * self.questions


class Layout(NamedTuple):
    """A batch's pairs in blocks.

    Attributes:
        node_order: Nodes in the order of segments, ``[N]``; ``None`` where
            they already are.
        row_order: Rows in that order, ``[R]``, or ``None``.
        blocks: The segments of each block.
        num_rows: Number of rows.
        self_pairs: Whether a node is paired with itself.
    """

    node_order: Tensor | None
    row_order: Tensor | None
    blocks: list[list[Segment]]
    num_rows: int
    self_pairs: bool


class _Groups(NamedTuple):
    """Graphs by size and number of questions, in ascending order."""

    kinds: list[tuple[int, int, int]]  # (size, questions, graphs)
    node_order: Tensor | None
    row_order: Tensor | None


def make_layout(
    batch: Tensor | None,
    num_nodes: int,
    block_pairs: int,
    self_pairs: bool,
    question_batch: Tensor | None = None,
) -> Layout:
    """Cut the pairs of a batch into blocks.

    Args:
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        num_nodes: Number of nodes, N.
        block_pairs: Pairs a block holds at most, unless one receiver alone
            has more.
        self_pairs: Whether a node is paired with itself.
        question_batch: Graph of each question, ``[Q]``, where a graph's
            questions share its pairs; ``None``: rows are nodes.
    """
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.long)
        if question_batch is not None:
            batch = batch.to(question_batch.device)
    if question_batch is None:
        groups = _group(batch)
        num_rows = num_nodes
    else:
        groups = _group_with_questions(batch, question_batch)
        num_rows = sum(n * k * count for n, k, count in groups.kinds)
    blocks = list(_cut(groups.kinds, block_pairs, self_pairs))
    return Layout(
        groups.node_order, groups.row_order, blocks, num_rows, self_pairs
    )


def _group(batch: Tensor) -> _Groups:
    sizes = torch.unique_consecutive(batch, return_counts=True)[1]
    kinds, counts = torch.unique(sizes, return_counts=True)
    order = None
    if kinds.numel() > 1:
        order = torch.argsort(
            torch.repeat_interleave(sizes, sizes), stable=True
        )
    pairs = zip(kinds.tolist(), counts.tolist(), strict=True)
    return _Groups([(n, 1, count) for n, count in pairs], order, order)


def _group_with_questions(batch: Tensor, question_batch: Tensor) -> _Groups:
    graphs, sizes = torch.unique_consecutive(batch, return_counts=True)
    if graphs.numel() == 0:
        return _Groups([], None, None)
    # Questions about graphs without nodes have no rows.
    place = torch.searchsorted(graphs, question_batch)
    place = place.clamp(max=graphs.numel() - 1)
    place = place[graphs[place] == question_batch]
    asked = torch.bincount(place, minlength=graphs.numel())
    key = sizes * (int(asked.max()) + 1) + asked
    _, first, counts = _unique_with_first(key)
    rank = torch.empty_like(key)
    rank[torch.argsort(key, stable=True)] = torch.arange(
        key.numel(), device=key.device
    )
    node_order = torch.argsort(
        torch.repeat_interleave(rank, sizes), stable=True
    )
    row_order = torch.argsort(
        torch.repeat_interleave(rank[place], sizes[place]), stable=True
    )
    kinds = zip(
        sizes[first].tolist(),
        asked[first].tolist(),
        counts.tolist(),
        strict=True,
    )
    return _Groups(list(kinds), node_order, row_order)


def _unique_with_first(key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values, inverse, counts = torch.unique(
        key, return_inverse=True, return_counts=True
    )
    first = torch.full_like(counts, key.numel()).scatter_reduce_(
        0, inverse, torch.arange(key.numel(), device=key.device), "amin"
    )
    return values, first, counts


def _cut(
    kinds: list[tuple[int, int, int]], block_pairs: int, self_pairs: bool
) -> Iterator[list[Segment]]:
    def senders(size: int) -> int:
        return size - int(not self_pairs)

    total = sum(n * senders(n) * k * graphs for n, k, graphs in kinds)
    if total == 0:
        return
    # Blocks of equal size: a short last one would waste its products.
    target = -(-total // -(-total // block_pairs))
    block: list[Segment] = []
    room = target
    node = row = 0
    for size, questions, graphs in kinds:
        pairs = size * senders(size) * questions
        left = graphs
        while left and pairs:
            take = min(left, room // pairs)
            if take == 0 and block:
                yield block
                block, room = [], target
                continue
            if take:
                segment = Segment(
                    node, row, take, questions, size, 0, size, senders(size)
                )
                block.append(segment)
                room -= take * pairs
            else:  # one graph has more pairs than a block
                take = 1
                step = max(1, target // (senders(size) * questions))
                for first in range(0, size, step):
                    some = min(step, size - first)
                    yield [
                        Segment(
                            node,
                            row,
                            1,
                            questions,
                            size,
                            first,
                            some,
                            senders(size),
                        )
                    ]
            node += take * size
            row += take * size * questions
            left -= take
        node += left * size  # graphs without pairs
        row += left * size * questions
    if block:
        yield block


def make_rows_layout(
    num_nodes: int, first: int, count: int, block_pairs: int, self_pairs: bool
) -> Layout:
    """Cut the pairs of some rows of one graph, with all its nodes, into blocks.

    Args:
        num_nodes: Number of nodes, N.
        first: First of the rows.
        count: Number of the rows.
        block_pairs: Pairs a block holds at most, unless one receiver alone
            has more.
        self_pairs: Whether a node is paired with itself.

    Returns:
        A layout of all N rows, of which the others have no pairs.
    """
    senders = num_nodes - int(not self_pairs)
    blocks = []
    if count * senders > 0:
        # Blocks of equal size: a short last one would waste its products.
        step = max(1, block_pairs // senders)
        step = -(-count // -(-count // step))
        for start in range(first, first + count, step):
            some = min(step, first + count - start)
            blocks.append(
                [Segment(0, 0, 1, 1, num_nodes, start, some, senders)]
            )
    return Layout(None, None, blocks, num_nodes, self_pairs)
