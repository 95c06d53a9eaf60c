"""Nearest pairs, against a double loop over all pairs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.pairs import KNNPairs, RadiusPairs
from tests.rn_graph import pairs_reference as ref

quick = settings(deadline=None, max_examples=60)


def points(sizes: list[int], seed: int, ties: bool) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    if ties:  # on a small grid, so that distances are exact and often equal
        return torch.randint(0, 3, (sum(sizes), 2), generator=g).double()
    return torch.rand(sum(sizes), 3, generator=g, dtype=torch.double)


@quick
@given(ref.sizes, ref.budgets, ref.seeds, st.booleans(), st.booleans())
def test_knn_equals_reference(sizes, budget, seed, ties, self_pairs):
    pos = points(sizes, seed, ties)
    at = pos.tolist()
    batch = ref.batch_of(sizes)
    expected = ref.slow_best(
        lambda i, j: math.dist(at[i], at[j]),
        sizes,
        **budget,
        self_pairs=self_pairs,
    )
    x = torch.zeros(len(pos), 1)
    by_pos = KNNPairs(**budget, self_pairs=self_pairs)(x, pos=pos, batch=batch)
    assert ref.as_list(by_pos.edge_index) == expected
    by_x = KNNPairs(**budget, by="x", self_pairs=self_pairs)
    assert ref.as_list(by_x(pos, batch=batch).edge_index) == expected


@quick
@given(
    ref.sizes,
    st.sampled_from([0, 1, 1.5, 2, math.inf]),
    ref.seeds,
    st.booleans(),
    st.booleans(),
)
def test_radius_equals_reference(sizes, r, seed, ties, self_pairs):
    pos = points(sizes, seed, ties)
    at = pos.tolist()
    expected = [
        (j, i)
        for j, i in ref.slow_best(
            lambda i, j: 0.0, sizes, k=99, self_pairs=self_pairs
        )
        if math.dist(at[i], at[j]) <= r  # at exactly r, too
    ]
    pairs = RadiusPairs(r, self_pairs=self_pairs)
    x = torch.zeros(len(pos), 1)
    kept = pairs(x, pos=pos, batch=ref.batch_of(sizes)).edge_index
    assert ref.as_list(kept) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_far_from_the_origin_distances_stay_exact(dtype):
    """The matrix-product form of the distance would lose these."""
    offset = 4096.0 if dtype == torch.float32 else 128.0
    pos = torch.tensor([[0.0], [3.0], [1.0], [6.0]], dtype=dtype) + offset
    x = torch.zeros(4, 1, dtype=dtype)
    kept = KNNPairs(k=1, self_pairs=False)(x, pos=pos).edge_index
    assert kept.tolist() == [[2, 2, 0, 1], [0, 1, 2, 3]]


def test_no_gradient_flows_through_distances():
    x = torch.rand(5, 3, requires_grad=True)
    edges, weight = KNNPairs(k=2, by="x")(x)
    assert not edges.requires_grad
    assert weight is None


def test_a_node_is_never_its_own_neighbour_however_far_the_others():
    pos = torch.tensor([[0.0], [1e20]])  # squared, it is infinite in float32
    x = torch.randn(2, 1)
    for near in (
        KNNPairs(k=1, self_pairs=False),
        KNNPairs(share=0.5, self_pairs=False),
    ):
        assert near(x, pos=pos).edge_index.tolist() == [[1, 0], [0, 1]]
