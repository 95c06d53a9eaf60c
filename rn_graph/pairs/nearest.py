"""The nearest pairs: k or a share of them, or all within a radius."""

import torch
from torch import Tensor

from rn_graph.pairs.base import PairSelection, PairSelector
from rn_graph.pairs.budget import (
    Budget,
    best_pairs,
    check_number,
    make_budget,
    pair_blocks,
    sort_pairs,
)

_BY = ("pos", "x")


class _NearPairs(PairSelector):
    """What selections by Euclidean distance share."""

    def __init__(self, by: str, self_pairs: bool) -> None:
        super().__init__(self_pairs)
        if by not in _BY:
            raise ValueError(f"`by` is {by!r}, expected one of {_BY}")
        self.by = by

    def _goes_by(self) -> dict[str, int | None]:
        return {self.by: None}

    def _points(self, x: Tensor, pos: Tensor | None) -> Tensor:
        points = x if self.by == "x" else pos
        if points is None:
            raise ValueError(
                f"`pos` is None, expected positions [N, D]: "
                f"{type(self).__name__}(by='pos') measures distances between "
                f"them (by='x' measures between features)"
            )
        # cdist knows these two types; narrower ones are exact in float32.
        return points if points.dtype == torch.float64 else points.float()


class KNNPairs(_NearPairs):
    r"""The nearest pairs by Euclidean distance.

    With ``k``, each receiving node keeps its ``k`` nearest senders, or all of
    them where its graph has fewer. With ``share``, each graph keeps its
    :math:`\lceil \mathrm{share} \cdot N^2 \rceil` closest pairs (at most the
    :math:`N (N - 1)` candidates that there are without self-pairs). Of equal
    distances, the lower index of the sender goes first, then that of the
    receiver: where distances tie, the order of the nodes matters, and nowhere
    else. Distances are exact (no matrix-product form).

    Args:
        k: Pairs of each receiving node; or
        share: share of each graph's :math:`N^2` pairs, in (0, 1].
        by: Distance between positions, ``"pos"``, or features, ``"x"``.
            (default: ``"pos"``)
        self_pairs: Whether a node's pair with itself, at distance 0, is a
            candidate and counts in the budget. (default: ``True``)

    Raises:
        TypeError: If ``k`` is no integer or ``share`` no number.
        ValueError: If not exactly one of them is given, or out of range.

    .. code-block:: python

        edge_index, _ = KNNPairs(k=4)(x, batch=batch, pos=pos)
    """

    budget: Budget

    def __init__(
        self,
        k: int | None = None,
        share: float | None = None,
        by: str = "pos",
        self_pairs: bool = True,
    ) -> None:
        super().__init__(by, self_pairs)
        self.budget = make_budget(k, share)

    def select(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """Keep the nearest pairs."""
        points = self._points(x, pos)

        def score(i: Tensor, j: Tensor) -> Tensor:
            return -_distance(points[i], points[j])

        return PairSelection(
            best_pairs(score, sizes, self.budget, self.self_pairs)
        )

    def extra_repr(self) -> str:
        """Name the options."""
        return f"{self.budget}, by={self.by!r}, self_pairs={self.self_pairs}"


class RadiusPairs(_NearPairs):
    r"""All pairs within a distance: :math:`\lVert p_i - p_j \rVert \le r`.

    Args:
        r: The distance; pairs at exactly ``r`` are kept.
        by: Distance between positions, ``"pos"``, or features, ``"x"``.
            (default: ``"pos"``)
        self_pairs: Whether a node is paired with itself. (default: ``True``)

    Raises:
        TypeError: If ``r`` is not a number.
        ValueError: If ``r`` is negative, NaN or larger than any float.
    """

    def __init__(
        self, r: float, by: str = "pos", self_pairs: bool = True
    ) -> None:
        super().__init__(by, self_pairs)
        self.r = check_number("r", r)
        if not self.r >= 0:  # nor NaN
            raise ValueError(f"`r` is {r}, expected a number ≥ 0")

    def select(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """Keep the pairs within the radius."""
        return PairSelection(self._within(self._points(x, pos), sizes))

    @torch.compiler.disable
    @torch.no_grad()
    def _within(self, points: Tensor, sizes: Tensor) -> Tensor:
        found = []
        for _, graphs in pair_blocks(sizes):
            for i, j in (block for graph in graphs for block in graph):
                near = _distance(points[i], points[j]) <= self.r
                if not self.self_pairs:
                    near &= i.unsqueeze(2) != j.unsqueeze(1)
                graph, row, column = near.nonzero(as_tuple=True)
                found.append((i[graph, row], j[graph, column]))
        return sort_pairs(found, sizes)

    def extra_repr(self) -> str:
        """Name the options."""
        return f"r={self.r}, by={self.by!r}, self_pairs={self.self_pairs}"


def _distance(receivers: Tensor, senders: Tensor) -> Tensor:
    """Distances ``[G, R, S]`` between ``[G, R, D]`` and ``[G, S, D]``."""
    return torch.cdist(
        receivers.detach(),
        senders.detach(),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
