"""Which rows belong to which graph, and to which question."""

from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.checks import check_index


class QuestionRows(NamedTuple):
    """The nodes of each question's graph, one block a question.

    Attributes:
        node: Index of each row's node, ``[R]``.
        question: Index of each row's question, ``[R]``, ascending.
    """

    node: Tensor
    question: Tensor


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

    .. code-block:: python

        question_rows(tensor([0, 0, 1]), tensor([1, 0, 0]))
        # node     [2, 0, 1, 0, 1]
        # question [0, 1, 1, 2, 2]

    Raises:
        TypeError: If either is not an integer tensor.
        ValueError: If ``batch`` is not sorted, or an index is negative.
    """
    check_index("batch", batch, ordered=True)
    check_index("question_batch", question_batch)
    start, lengths = graph_spans(batch, question_batch)
    question = _expand(lengths)
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
    """
    if batch is None:
        if num_nodes is None:
            raise ValueError("`num_nodes` is needed where `batch` is None")
        nodes = torch.arange(num_nodes, device=device)
        receiver = nodes.repeat_interleave(num_nodes)
        sender = nodes.repeat(num_nodes)
    else:
        check_index("batch", batch, num_nodes, ordered=True)
        start, sizes = graph_spans(batch, batch)
        receiver = _expand(sizes)
        first = sizes.cumsum(0) - sizes
        within = torch.arange(receiver.numel(), device=batch.device)
        sender = within + (start - first)[receiver]
    index = torch.stack([sender, receiver])
    return index if self_pairs else index[:, sender != receiver]


def _expand(lengths: Tensor) -> Tensor:
    """Repeat each position as often as its length says."""
    positions = torch.arange(lengths.numel(), device=lengths.device)
    return torch.repeat_interleave(positions, lengths)
