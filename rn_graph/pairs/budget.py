"""Budgets, and the best pairs within one, found in blocks of scores.

Scores are numbers, one a pair; they are made for some receivers (or senders)
at a time, so that neither N² × d numbers nor, for a large graph, N² of them
stand in memory at once.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

#: Maps receivers ``[G, R]`` and senders ``[G, S]``, indices of nodes, to the
#: scores of all their pairs, ``[G, R, S]``: the higher, the better.
Score = Callable[[Tensor, Tensor], Tensor]

#: Scores in a block, unless one node alone has more pairs.
BLOCK_PAIRS = 2**21


class Budget(NamedTuple):
    """How many pairs to keep: ``k`` a receiver, or a ``share`` of all.

    Attributes:
        k: Pairs of each receiving node, or ``None``.
        share: Share of a graph's N² pairs, or ``None``.
    """

    k: int | None
    share: float | None

    def kept(self, size: int, self_pairs: bool) -> int:
        """Pairs that a receiver (by ``k``) or a graph (by ``share``) keeps.

        Args:
            size: Nodes of the graph.
            self_pairs: Whether self-pairs are candidates.
        """
        senders = max(size - (not self_pairs), 0)
        if self.share is None:
            assert self.k is not None
            return min(self.k, senders)
        # share * size² may round up past a whole number that it stands for.
        wanted = math.ceil(self.share * size * size * (1 - 1e-12))
        return min(wanted, size * senders)

    def __str__(self) -> str:
        return f"k={self.k}" if self.share is None else f"share={self.share}"


def make_budget(k: int | None = None, share: float | None = None) -> Budget:
    """Make a budget: exactly one of the two is given.

    Args:
        k: Pairs kept of each receiving node.
        share: Share of each graph's N² pairs that is kept, in (0, 1].

    Raises:
        TypeError: If ``k`` is not an integer, or ``share`` not a number.
        ValueError: If not exactly one is given, or it is out of range.
    """
    if (k is None) == (share is None):
        given = "neither is" if k is None else f"k={k} and share={share} are"
        raise ValueError(f"expected one of `k` and `share`, {given} given")
    if k is not None:
        if isinstance(k, bool) or not isinstance(k, int):
            raise TypeError(f"`k` is {k!r}, expected an integer > 0")
        if k <= 0:
            raise ValueError(f"`k` is {k}, expected an integer > 0")
    if share is not None:
        share = check_number("share", share)
        if not 0 < share <= 1:
            raise ValueError(f"`share` is {share}, expected 0 < share ≤ 1")
    return Budget(k, share)


def check_number(name: str, value: object) -> float:
    """Check that a value is a number, and make it a float.

    Raises:
        TypeError: If it is not.
        ValueError: If no float can hold it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{name}` is {value!r}, expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"`{name}` is larger than any float") from error


# Scores are made here without gradients, not of tensors detached before:
# torch.compile cannot hand over detached views of one tensor.
@torch.compiler.disable
@torch.no_grad()
def best_pairs(
    score: Score, sizes: Tensor, budget: Budget, self_pairs: bool
) -> Tensor:
    """Keep the pairs of the highest scores in each graph.

    Of equal scores, the lower sender goes first, then the lower receiver.

    Args:
        score: Gives the scores of pairs.
        sizes: Nodes of each graph, ``[B]``; nodes stand in order of graphs.
        budget: How many pairs to keep.
        self_pairs: Whether self-pairs are candidates.

    Returns:
        ``[2, E]``, senders and receivers, in order of the receivers and of
        the senders within one.
    """
    found = []
    by_sender = budget.share is not None
    for size, blocks in pair_blocks(sizes, by_sender):
        count = budget.kept(size, self_pairs)
        if count == 0:
            continue
        for graph in blocks:
            if by_sender:
                found.append(_best_of_graphs(score, graph, count, self_pairs))
                continue
            for i, j in graph:
                scores = _candidates(score, i, j, self_pairs)
                kept = keep_best(scores.flatten(0, 1), count)
                found.append(_pairs(kept.view_as(scores), i, j))
    return sort_pairs(found, sizes)


def pair_blocks(
    sizes: Tensor, by_sender: bool = False
) -> Iterator[tuple[int, Iterator[list[tuple[Tensor, Tensor]]]]]:
    """Cut all pairs into blocks.

    Args:
        sizes: Nodes of each graph, ``[B]``.
        by_sender: Whether a large graph is cut by senders, else by receivers.

    Yields:
        For each size of graph: the size, and its graphs, some small ones or
        one large one at a time, as a list of blocks (receivers ``[G, R]``,
        senders ``[G, S]``).
    """
    start = sizes.cumsum(0) - sizes

    def blocks(size: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        within = torch.arange(size, device=sizes.device)
        graphs = max(1, BLOCK_PAIRS // size**2)
        rows = max(1, BLOCK_PAIRS // size)
        for first in start[sizes == size].split(graphs):
            nodes = first.unsqueeze(1) + within
            parts = nodes.split(rows, dim=1)
            yield [(nodes, p) if by_sender else (p, nodes) for p in parts]

    for size in torch.unique(sizes).tolist():
        if size > 0:
            yield size, blocks(size)


def keep_best(scores: Tensor, count: int) -> Tensor:
    """Mark the ``count`` highest of each row; of equal ones, the first.

    Args:
        scores: ``[R, M]``.
        count: How many to mark, at least 1.

    Returns:
        Boolean mask, ``[R, M]``.
    """
    if count >= scores.size(1):
        return torch.ones_like(scores, dtype=torch.bool)
    # topk itself leaves open which of equal ones it takes: use its cut alone.
    cut = scores.topk(count, dim=1, sorted=False).values.amin(1, keepdim=True)
    above, tied = scores > cut, scores == cut
    room = count - above.sum(1, keepdim=True)
    return above | (tied & (tied.cumsum(1) <= room))


def sort_pairs(found: list[tuple[Tensor, Tensor]], sizes: Tensor) -> Tensor:
    """Bring (receivers, senders) of blocks in order, as ``[2, E]``."""
    if not found:
        return sizes.new_zeros(2, 0)
    num_nodes = max(int(sizes.sum()), 1)
    rank = torch.cat([i * num_nodes + j for i, j in found]).sort().values
    receiver = rank.div(num_nodes, rounding_mode="floor")
    return torch.stack([rank - receiver * num_nodes, receiver])


def _pairs(kept: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
    """The receivers and senders that a mask ``[G, R, S]`` marks."""
    graph, row, column = kept.nonzero(as_tuple=True)
    return i[graph, row], j[graph, column]


def _candidates(score: Score, i: Tensor, j: Tensor, self_pairs: bool) -> Tensor:
    """The scores of a block; self-pairs that are no candidates get -inf."""
    scores = score(i, j)
    if not self_pairs:
        own = i.unsqueeze(2) == j.unsqueeze(1)
        # Below every candidate, also below one at an infinite distance.
        scores = scores.clamp(min=torch.finfo(scores.dtype).min)
        scores = scores.masked_fill(own, -math.inf)
    return scores


def _best_of_graphs(
    score: Score,
    blocks: list[tuple[Tensor, Tensor]],
    count: int,
    self_pairs: bool,
) -> tuple[Tensor, Tensor]:
    """The best of all pairs of each graph; blocks are in order of senders."""
    if len(blocks) == 1:
        i, j = blocks[0]
        # Columns in order of senders, then of receivers: that of ties.
        scores = _candidates(score, i, j, self_pairs).transpose(1, 2)
        kept = keep_best(scores.flatten(1), count).view_as(scores)
        return _pairs(kept.transpose(1, 2), i, j)

    best: Tensor | None = None  # scores, in the order of ties
    rank = blocks[0][0].new_empty(0)  # their pairs
    for i, j in blocks:
        scores = _candidates(score, i, j, self_pairs).transpose(1, 2)
        size = i.size(1)
        place = (j[0] - i[0, 0]) * size
        if best is None or best.numel() < count:
            new = torch.arange(scores.numel(), device=i.device)
        else:  # what only equals the worst comes later in the order
            new = (scores.flatten() > best.amin()).nonzero().squeeze(1)
        scores, new_rank = scores.flatten()[new], place[0] + new
        if best is not None:
            scores = torch.cat([best, scores])
            new_rank = torch.cat([rank, new_rank])
        kept = keep_best(scores.unsqueeze(0), count).squeeze(0)
        best, rank = scores[kept], new_rank[kept]
    sender = rank.div(size, rounding_mode="floor")
    first = i[0, 0]
    return first + rank - sender * size, first + sender
