"""What every selection of pairs has in common, and the one of all pairs."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rn_graph.batching import complete_edge_index, graph_sizes
from rn_graph.checks import check_features, check_index, checks_enabled


class PairSelection(NamedTuple):
    """The pairs that a selection kept.

    Attributes:
        edge_index: ``[2, E]``: row 0 the senders j, row 1 the receivers i
            (PyG's ``source_to_target`` flow), in order of the receivers, and
            of the senders within one.
        edge_weight: Weight of each pair ``[E]`` where it was learned, else
            ``None``.
    """

    edge_index: Tensor
    edge_weight: Tensor | None = None


class PairSelector(nn.Module):
    """Base class of all selections: reads the input, checks it, and selects.

    A selection of your own defines :meth:`select`, which is handed input that
    was checked.

    Args:
        self_pairs: Whether a node's pair with itself is a candidate.
            (default: ``True``)
    """

    def __init__(self, self_pairs: bool = True) -> None:
        super().__init__()
        self.self_pairs = self_pairs

    def forward(
        self,
        x: Tensor,
        pos: Tensor | None = None,
        question: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> PairSelection:
        """Select pairs within each graph.

        Args:
            x: Nodes, ``[N, F]``.
            pos: Position of each node, ``[N, D]``, where the selection needs
                it.
            question: Question of each graph, ``[B, C]``, where the selection
                needs it.
            batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.

        Returns:
            The pairs, and their weights where these were learned.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For shapes that do not fit, NaN or infinite numbers,
                an unsorted ``batch``, or input that is missing.
        """
        batch, sizes = self._graphs(x, pos, question, batch)
        return self.select(x, pos, question, batch, sizes)

    def _graphs(
        self,
        x: Tensor,
        pos: Tensor | None,
        question: Tensor | None,
        batch: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Check the input of :meth:`forward`.

        Returns:
            Graph of each node, ``[N]``, and nodes of each graph, ``[B]``.
        """
        check_features("x", x)
        num_nodes = x.size(0)
        if pos is not None:
            check_features("pos", pos)
            if pos.size(0) != num_nodes:
                raise ValueError(
                    f"`pos` has {pos.size(0)} rows, expected {num_nodes}, one "
                    f"for each row of `x`"
                )
        if question is not None:
            check_features("question", question, rows="B")
        if batch is None:
            if question is not None and question.size(0) != 1:
                raise ValueError(
                    f"`question` has {question.size(0)} rows and `batch` is "
                    f"None, which means one graph: expected 1 row"
                )
            batch = torch.zeros(num_nodes, dtype=torch.long, device=x.device)
            num_graphs = 1
        else:
            known = None if question is None else question.size(0)
            check_index("batch", batch, num_nodes, known, ordered=True)
            batch = batch.long()
            if known is not None:
                num_graphs = known
            else:
                num_graphs = int(batch[-1]) + 1 if num_nodes > 0 else 0
        return batch, graph_sizes(batch, num_graphs)

    def select(
        self,
        x: Tensor,
        pos: Tensor | None,
        question: Tensor | None,
        batch: Tensor,
        sizes: Tensor,
    ) -> PairSelection:
        """Select pairs; the arguments are those of :meth:`forward`, checked.

        Args:
            x: Nodes, ``[N, F]``.
            pos: Position of each node, ``[N, D]``, or ``None``.
            question: Question of each graph, ``[B, C]``, or ``None``.
            batch: Graph of each node, ``[N]``, ascending.
            sizes: Number of nodes of each graph, ``[B]``.
        """
        raise NotImplementedError


class AllPairs(PairSelector):
    r"""Every ordered pair of nodes within each graph, as in the paper.

    :class:`~rn_graph.RNConv` sums over the same pairs without a list of them
    where it is given no edges; this lists them, for other layers.

    Args:
        self_pairs: Whether a node is paired with itself: :math:`N^2` pairs
            with, :math:`N (N - 1)` without. (default: ``True``)
    """

    def select(
        self,
        x: Tensor,
        pos: Tensor | None,
        question: Tensor | None,
        batch: Tensor,
        sizes: Tensor,
    ) -> PairSelection:
        """List all pairs."""
        edges = complete_edge_index(batch, self_pairs=self.self_pairs)
        return PairSelection(edges)

    def extra_repr(self) -> str:
        """Name the option."""
        return f"self_pairs={self.self_pairs}"


def check_finite(name: str, x: Tensor) -> None:
    """Check that ``x`` holds finite numbers alone (NaN was checked before).

    Raises:
        ValueError: If it does not.
    """
    if checks_enabled() and not bool(torch.isfinite(x).all()):
        raise ValueError(f"`{name}` contains infinity, expected finite numbers")
