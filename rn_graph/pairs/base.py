"""What every selection of pairs has in common, and the one of all pairs."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rn_graph.batching import complete_edge_index, graph_sizes
from rn_graph.checks import (
    check_features,
    check_index,
    check_rows,
    is_trusted,
    value_checks,
)


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
        question: Tensor | None = None,
        batch: Tensor | None = None,
        pos: Tensor | None = None,
    ) -> PairSelection:
        """Select pairs within each graph.

        Args:
            x: Nodes, ``[N, F]``.
            question: Question of each graph, ``[B, C]``, where the selection
                needs it.
            batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
            pos: Position of each node, ``[N, D]``, where the selection needs
                it.

        Returns:
            The pairs, and their weights where these were learned.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For shapes that do not fit, NaN, infinite numbers in
                what the selection goes by, an unsorted ``batch``, or input
                that is missing.
        """
        batch, sizes = self._graphs(x, question, batch, pos)
        return self.select(x, question, batch, pos, sizes)

    def _goes_by(self) -> dict[str, int | None]:
        """Names of the tensors that decide, and the widths they must have."""
        return {}

    def _graphs(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor | None,
        pos: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Check the input of :meth:`forward`, each tensor in one pass.

        Returns:
            Graph of each node, ``[N]``, and nodes of each graph, ``[B]``.
        """
        trusted, decides = is_trusted(self), self._goes_by()
        given = {"x": x}
        if question is not None:
            given["question"] = question
        if pos is not None:
            given["pos"] = pos
        for name, value in given.items():
            rows = "B" if name == "question" else "N"
            if name in decides:  # a caller's check may let infinity pass
                check_features(name, value, decides[name], rows, finite=True)
            elif not trusted:
                check_features(name, value, rows=rows)
        num_nodes = x.size(0)
        if pos is not None:
            check_rows("pos", pos, num_nodes)
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
            if not trusted:
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
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """Select pairs; the arguments are those of :meth:`forward`, checked.

        Args:
            x: Nodes, ``[N, F]``.
            question: Question of each graph, ``[B, C]``, or ``None``.
            batch: Graph of each node, ``[N]``, ascending.
            pos: Position of each node, ``[N, D]``, or ``None``.
            sizes: Number of nodes of each graph, ``[B]``.
        """
        raise NotImplementedError

    def _all_pairs(self, batch: Tensor) -> Tensor:
        with value_checks(False):  # it was checked
            return complete_edge_index(batch, self_pairs=self.self_pairs)


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
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """List all pairs."""
        return PairSelection(self._all_pairs(batch))

    def extra_repr(self) -> str:
        """Name the option."""
        return f"self_pairs={self.self_pairs}"
