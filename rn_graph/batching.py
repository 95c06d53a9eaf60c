"""Which rows belong to which graph, and to which question."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.checks import check_index, has_values


class QuestionRows(NamedTuple):
    """The nodes of each question's graph, one block a question.

    Attributes:
        node: Index of each row's node, ``[R]``.
        question: Index of each row's question, ``[R]``, ascending.
    """

    node: Tensor
    question: Tensor


@dataclass
class Complete:
    """All pairs within each graph.

    Attributes:
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        self_pairs: Whether a node is paired with itself.
        question_batch: Graph of each question, ``[Q]``, where there is a row
            for each node of each question, and what comes before the question
            is computed once a graph; ``None``: rows are nodes.
        share: First of the rows to sum, and their number; ``None``: all.
    """

    batch: Tensor | None = None
    self_pairs: bool = True
    question_batch: Tensor | None = None
    share: tuple[int, int] | None = None

    def sizes(self, num_nodes: int) -> list[int]:
        """Nodes of each graph that has some."""
        return [num_nodes] if self.batch is None else self._sizes

    @cached_property
    def _sizes(self) -> list[int]:
        assert self.batch is not None
        counts = torch.unique_consecutive(self.batch, return_counts=True)[1]
        return counts.tolist()

    def num_pairs(self, like: Tensor) -> Tensor | int:
        """Pairs of each row, ``[R, 1]``, or one number for all.

        Args:
            like: A tensor of the nodes, ``[N, ...]``.
        """
        less = int(not self.self_pairs)
        if self.share is not None:
            first, rows = self.share
            count = like.new_zeros(like.size(0), 1)
            count[first : first + rows] = like.size(0) - less
            return count
        if self.batch is None:
            return like.size(0) - less
        sizes = graph_spans(self.batch, self.batch)[1]
        if self.question_batch is not None:
            sizes = graph_spans(self.batch, self.question_batch)[1]
            sizes = sizes.repeat_interleave(sizes)
        return (sizes - less).unsqueeze(1)


def graph_sizes(batch: Tensor, num_graphs: int) -> Tensor:
    """Count the nodes of each graph, ``[num_graphs]``, graphs without too."""
    graphs = torch.arange(num_graphs, device=batch.device)
    return graph_spans(batch, graphs)[1]


def graph_spans(batch: Tensor, graph: Tensor) -> tuple[Tensor, Tensor]:
    """First node and number of nodes of the graphs named in ``graph``.

    Args:
        batch: Graph of each node, ``[N]``, ascending.
        graph: Indices of graphs, of any shape; one without nodes has size 0.
    """
    start = torch.searchsorted(batch, graph)
    return start, torch.searchsorted(batch, graph, right=True) - start


def question_rows(batch: Tensor, question_batch: Tensor) -> QuestionRows:
    r"""List the nodes of each question's graph, in the order of questions.

    Where several questions are asked about one graph, a layer's output is one
    block of :math:`|\mathcal{V}_g|` rows for each question; this gives each
    row's node and question.

    Args:
        batch: Graph of each node, ``[N]``, ascending.
        question_batch: Graph of each question, ``[Q]``, any order. A graph
            that no node belongs to has no rows.

    Returns:
        The rows: ``node [R]`` and ``question [R]``, with
        :math:`R = \sum_q |\mathcal{V}_{g(q)}|`.

    Raises:
        TypeError: If either is not an integer tensor.
        ValueError: If ``batch`` is not sorted, or an index is negative.

    Example:
        >>> batch = torch.tensor([0, 0, 1])
        >>> rows = question_rows(batch, torch.tensor([1, 0, 0]))
        >>> rows.node.tolist(), rows.question.tolist()
        ([2, 0, 1, 0, 1], [0, 1, 1, 2, 2])
    """
    check_index("batch", batch, ordered=True)
    check_index("question_batch", question_batch)
    _check_values("batch", batch)
    _check_values("question_batch", question_batch)
    start, lengths = graph_spans(batch, question_batch)
    questions = torch.arange(lengths.numel(), device=batch.device)
    question = questions.repeat_interleave(lengths)
    first = lengths.cumsum(0) - lengths
    within = torch.arange(question.numel(), device=batch.device)
    return QuestionRows(within + (start - first)[question], question)


def complete_edge_index(
    batch: Tensor | None,
    num_nodes: int | None = None,
    self_pairs: bool = True,
    device: torch.device | None = None,
) -> Tensor:
    """List all ordered pairs within each graph, ``[2, P]``.

    Args:
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        num_nodes: Number of nodes; needed where ``batch`` is ``None``.
        self_pairs: Whether a node is paired with itself. (default: ``True``)
        device: Where to make the list if ``batch`` is ``None``.

    Returns:
        Senders and receivers, by receiver, then sender.

    Raises:
        TypeError: If ``batch`` is not an integer tensor.
        ValueError: If it is not sorted, or both arguments are missing.

    Example:
        >>> complete_edge_index(torch.tensor([0, 0, 1])).tolist()
        [[0, 1, 0, 1, 2], [0, 0, 1, 1, 2]]
    """
    if batch is None:
        if num_nodes is None:
            raise ValueError("`num_nodes` is needed where `batch` is None")
        nodes = torch.arange(num_nodes, device=device)
        receiver = nodes.repeat_interleave(num_nodes)
        sender = nodes.repeat(num_nodes)
    else:
        # Each node asks about its graph.
        check_index("batch", batch, num_nodes)
        sender, receiver = question_rows(batch, batch)
    index = torch.stack([sender, receiver])
    return index if self_pairs else index[:, sender != receiver]


def _check_values(name: str, index: Tensor) -> None:
    if not (torch.compiler.is_compiling() or has_values(index)):
        raise ValueError(
            f"`{name}` has a shape alone (on meta, or fake), expected values: "
            f"the number of rows depends on them"
        )
