"""Selections as double Python loops: slow and obvious."""

import math
from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor


def slow_best(
    cost: Callable[[int, int], float],
    sizes: list[int],
    k: int | None = None,
    share: float | None = None,
    self_pairs: bool = True,
) -> list[tuple[int, int]]:
    """Pairs (sender, receiver) of the lowest cost(receiver, sender)."""
    kept = []
    start = 0
    for n in sizes:
        nodes = range(start, start + n)
        start += n
        pairs = [
            (cost(i, j), j, i)
            for i in nodes
            for j in nodes
            if self_pairs or i != j
        ]
        if k is not None:
            for i in nodes:
                mine = sorted(p for p in pairs if p[2] == i)
                kept += [(j, i) for _, j, i in mine[:k]]
        else:
            count = math.ceil(share * n * n - 1e-9)
            kept += [(j, i) for _, j, i in sorted(pairs)[:count]]
    return sorted(kept, key=lambda pair: (pair[1], pair[0]))


def as_list(edge_index: Tensor) -> list[tuple[int, int]]:
    return [(j, i) for j, i in edge_index.t().tolist()]


def batch_of(sizes: list[int]) -> Tensor:
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


def shifted(edge_index: Tensor, start: int) -> list[tuple[int, int]]:
    return as_list(edge_index + start)


sizes = st.lists(st.integers(0, 6), min_size=1, max_size=5)
budgets = st.one_of(
    st.integers(1, 8).map(lambda k: {"k": k}),
    st.sampled_from([0.01, 0.05, 0.07, 0.25, 1 / 3, 5 / 9, 0.9, 1.0]).map(
        lambda share: {"share": share}
    ),
)
seeds = st.integers(0, 2**32 - 1)
