"""Which rows belong to which graph and question, against plain loops."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from rn_graph import complete_edge_index, question_rows
from rn_graph.batching import Complete

SIZES = st.lists(st.integers(0, 6), max_size=5)


def batch_of(sizes, dtype=torch.long):
    rows = [b for b, n in enumerate(sizes) for _ in range(n)]
    return torch.tensor(rows, dtype=dtype)


@given(SIZES, st.booleans(), st.sampled_from([torch.long, torch.int32]))
def test_complete_edge_index(sizes, self_pairs, dtype):
    batch = batch_of(sizes, dtype)
    b = batch.tolist()
    expected = [
        (j, i)
        for i in range(len(b))
        for j in range(len(b))
        if b[i] == b[j] and (self_pairs or i != j)
    ]
    found = complete_edge_index(batch, self_pairs=self_pairs)
    assert found.dtype == torch.long
    assert [tuple(pair) for pair in found.t().tolist()] == expected
    if len(sizes) == 1:
        one = complete_edge_index(None, sizes[0], self_pairs)
        assert torch.equal(found, one)


@given(SIZES, st.lists(st.integers(0, 6), max_size=6))
def test_question_rows(sizes, asked):
    batch = batch_of(sizes)
    expected = [
        (node, number)
        for number, graph in enumerate(asked)
        for node, b in enumerate(batch.tolist())
        if b == graph
    ]
    rows = question_rows(batch, torch.tensor(asked, dtype=torch.long))
    assert list(zip(*(r.tolist() for r in rows), strict=True)) == expected


def test_pairs_of_a_share_are_counted_beyond_half_precision():
    like = torch.empty(70_000, 1)
    count = Complete(None, False, share=(1, 2)).num_pairs(like)
    assert count[:4, 0].tolist() == [0, 69_999, 69_999, 0]
