"""Random pairs: the control that a choice of pairs must beat."""

import torch
from torch import Tensor

from rn_graph.checks import check_channels
from rn_graph.pairs.base import PairSelection, PairSelector
from rn_graph.pairs.budget import Budget, best_pairs, make_budget

# Odd 64-bit constants, for mixing bits (written as signed numbers).
_MIX = (-7046029254386353131, -4658895280553007687, -7723592293110705685)


class RandomPairs(PairSelector):
    r"""Pairs drawn at random, without replacement.

    With ``k``, each receiving node keeps ``k`` random senders, or all of them
    where its graph has fewer. With ``share``, each graph keeps
    :math:`\lceil \mathrm{share} \cdot N^2 \rceil` random pairs (at most the
    :math:`N (N - 1)` candidates that there are without self-pairs).

    In training every call draws anew, by torch's generator. At evaluation the
    draw depends on ``seed`` and on the graph alone, never on the rest of the
    batch: with positions, a pair's place in the draw is a hash of the seed
    and the two nodes' positions, so that a graph keeps the same pairs in
    whatever order its nodes stand (nodes at one position are told apart by
    their order alone); without, it is a hash of the seed, the graph's size
    and the two nodes' indices within it.

    Args:
        k: Pairs of each receiving node; or
        share: share of each graph's :math:`N^2` pairs, in (0, 1].
        seed: The draw at evaluation, in [0, 2^63). (default: ``0``)
        self_pairs: Whether a node's pair with itself is a candidate and
            counts in the budget. (default: ``True``)

    Raises:
        TypeError: If ``k`` or ``seed`` is no integer or ``share`` no number.
        ValueError: If not exactly one of ``k`` and ``share`` is given, or one
            of the three is out of range.
    """

    budget: Budget

    def __init__(
        self,
        k: int | None = None,
        share: float | None = None,
        seed: int = 0,
        self_pairs: bool = True,
    ) -> None:
        super().__init__(self_pairs)
        self.budget = make_budget(k, share)
        check_channels("seed", seed, least=0)
        if seed >= 2**63:
            raise ValueError(f"`seed` is {seed}, expected 0 ≤ seed < 2**63")
        self.seed = seed

    def _goes_by(self) -> dict[str, int | None]:
        return {} if self.training else {"pos": None}

    def select(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """Draw pairs."""
        if self.training:

            def score(i: Tensor, j: Tensor) -> Tensor:
                # 53 random bits: equal numbers would favour low indices.
                return torch.rand(
                    *i.shape, j.size(1), dtype=torch.float64, device=x.device
                )

        else:
            node = self._node_hash(pos, batch, sizes)

            def score(i: Tensor, j: Tensor) -> Tensor:
                # The two nodes play different parts: (i, j) is not (j, i).
                receiver = _mix(node[i] ^ _MIX[0]).unsqueeze(2)
                draw = _mix(receiver + node[j].unsqueeze(1))
                return _shift(draw, 11).double()  # 53 bits: exact

        return PairSelection(
            best_pairs(score, sizes, self.budget, self.self_pairs)
        )

    def _node_hash(
        self, pos: Tensor | None, batch: Tensor, sizes: Tensor
    ) -> Tensor:
        """A hash of each node, ``[N]``, int64."""
        node = torch.full_like(batch, self.seed)
        if pos is None:
            start = sizes.cumsum(0) - sizes
            index = torch.arange(batch.numel(), device=batch.device)
            columns = torch.stack([sizes[batch], index - start[batch]], dim=1)
        else:
            # + 0.0 makes -0.0 and 0.0 one; float64 holds all types exactly.
            columns = (pos.detach().double() + 0.0).view(torch.int64)
        for column in columns.unbind(1):
            node = _mix(node + _mix(column))
        return node

    def extra_repr(self) -> str:
        """Name the options."""
        return f"{self.budget}, seed={self.seed}, self_pairs={self.self_pairs}"


def _mix(bits: Tensor) -> Tensor:
    """Scramble the bits of int64 numbers one to one (as splitmix64 does)."""
    bits = bits + _MIX[0]
    bits = (bits ^ _shift(bits, 30)) * _MIX[1]
    bits = (bits ^ _shift(bits, 27)) * _MIX[2]
    return bits ^ _shift(bits, 31)


def _shift(bits: Tensor, count: int) -> Tensor:
    """Shift right and fill with zeros (``>>`` would repeat the sign)."""
    return (bits >> count) & ((1 << (64 - count)) - 1)
