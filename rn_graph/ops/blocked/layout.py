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

from rn_graph.batching import Complete

#: Strips that a graph's triangle of unordered pairs is cut into, about. Each
#: computes both orders of the pairs within its own receivers.
_STRIPS = 16


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
        senders: Senders of each receiver: the graph's last ones; one less
            than there are nodes where the receiver itself is left out.
        mirrored: Whether a pair stands for its reverse, too: the senders
            start at the first receiver, and pairs with those after the last
            receiver are not computed again the other way round.
    """

    node: int
    row: int
    graphs: int
    questions: int
    size: int
    first: int
    receivers: int
    senders: int
    mirrored: bool = False

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
    """

    node_order: Tensor | None
    row_order: Tensor | None
    blocks: list[list[Segment]]
    num_rows: int


class _Kind(NamedTuple):
    """Graphs that are alike."""

    size: int
    questions: int
    graphs: int


def make_layout(
    pairs: Complete, num_nodes: int, block_pairs: int, mirrored: bool = False
) -> Layout:
    """Cut the pairs of a batch into blocks.

    Args:
        pairs: The pairs.
        num_nodes: Number of nodes, N.
        block_pairs: Pairs a block holds at most, unless one receiver alone
            has more.
        mirrored: Whether a pair and its reverse are computed once.
    """
    if num_nodes == 0:
        return Layout(None, None, [], 0)
    sizes = pairs.sizes(num_nodes)
    if len(set(sizes)) == 1 and pairs.question_batch is None:
        kinds = [_Kind(sizes[0], 1, len(sizes))]
        nodes = rows = None
    else:
        assert pairs.batch is not None
        kinds, nodes, rows = _group(
            torch.tensor(sizes, device=pairs.batch.device), pairs
        )
    mirrored = mirrored and pairs.share is None
    blocks = list(_cut(kinds, block_pairs, pairs, mirrored))
    num_rows = sum(n * k * graphs for n, k, graphs in kinds)
    return Layout(nodes, rows, blocks, num_rows)


def _group(
    sizes: Tensor, pairs: Complete
) -> tuple[list[_Kind], Tensor, Tensor]:
    """Graphs by size and number of questions; orders of nodes and rows."""
    graphs = torch.arange(sizes.numel(), device=sizes.device)
    asked = torch.ones_like(sizes)
    if pairs.question_batch is not None:
        # Questions about graphs without nodes have no rows.
        assert pairs.batch is not None
        known = torch.unique_consecutive(pairs.batch)
        graphs = torch.searchsorted(known, pairs.question_batch)
        graphs = graphs.clamp(max=known.numel() - 1)
        graphs = graphs[known[graphs] == pairs.question_batch]
        asked = torch.bincount(graphs, minlength=sizes.numel())
    most = 1 + int(asked.max())
    kinds, kind, counts = torch.unique(
        sizes * most + asked, return_inverse=True, return_counts=True
    )
    found = [
        _Kind(key // most, key % most, count)
        for key, count in zip(kinds.tolist(), counts.tolist(), strict=True)
    ]
    rank = torch.empty_like(kind)  # place of each graph
    order = torch.argsort(kind, stable=True)
    rank[order] = torch.arange(kind.numel(), device=kind.device)

    def place(some: Tensor) -> Tensor:
        ranks = rank[some].repeat_interleave(sizes[some])
        return torch.argsort(ranks, stable=True)

    node_order = place(torch.arange(sizes.numel(), device=sizes.device))
    rows = node_order if pairs.question_batch is None else place(graphs)
    return found, node_order, rows


def _cut(
    kinds: list[_Kind], block_pairs: int, pairs: Complete, mirrored: bool
) -> Iterator[list[Segment]]:
    less = int(not pairs.self_pairs and not mirrored)

    def strips(kind: _Kind, most: int) -> list[tuple[int, int, int]]:
        """First receiver, receivers and senders of each part of a graph."""
        size = kind.size
        first, rows = pairs.share or (0, size)
        senders = size - less
        step = max(1, most // max(senders * kind.questions, 1))
        if mirrored:
            step = min(step, max(1, size // _STRIPS))
        # Parts of equal size: a short last one would waste its products.
        step = -(-rows // -(-rows // min(step, rows))) if rows else 1
        return [
            (at, min(step, first + rows - at), senders - at * mirrored)
            for at in range(first, first + rows, step)
        ]

    total = sum(
        receivers * senders * kind.questions * kind.graphs
        for kind in kinds
        for _, receivers, senders in strips(kind, block_pairs)
    )
    if total == 0:
        return
    most = -(-total // -(-total // block_pairs))
    block: list[Segment] = []
    room, node, row = most, 0, 0
    for kind in kinds:
        size, questions, graphs = kind
        for first, receivers, senders in strips(kind, most):
            one = receivers * senders * questions
            done = graphs if one == 0 else 0  # graphs without pairs
            while done < graphs:
                take = min(graphs - done, room // one)
                if take <= 0 and block:
                    yield block
                    block, room = [], most
                    continue
                take = max(take, 1)  # one receiver with more than a block
                segment = Segment(
                    node + done * size,
                    row + done * size * questions,
                    take,
                    questions,
                    size,
                    first,
                    receivers,
                    senders,
                    mirrored,
                )
                block.append(segment)
                room -= take * one
                done += take
        node += graphs * size
        row += graphs * size * questions
    if block:
        yield block
