"""Blocks of all pairs: each pair once, and no block too large."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph import question_rows
from rn_graph.batching import Complete
from rn_graph.ops.blocked.engine import BlockedEngine
from rn_graph.ops.blocked.layout import make_layout

CPU = torch.device("cpu")


def batch_of(sizes):
    """The graphs of nodes; those without are only left out."""
    return torch.repeat_interleave(torch.tensor(sizes, dtype=torch.long))


def every_pair(pairs, num_nodes):
    """(receiver, sender, row) of each pair, by the definition."""
    graph = [0] * num_nodes if pairs.batch is None else pairs.batch.tolist()
    nodes = rows = range(num_nodes)
    if pairs.question_batch is not None:
        nodes = question_rows(pairs.batch, pairs.question_batch).node.tolist()
        rows = range(len(nodes))
    if pairs.share is not None:
        first, count = pairs.share
        nodes = rows = rows[first : first + count]
    return Counter(
        (i, j, row)
        for i, row in zip(nodes, rows, strict=True)
        for j in range(num_nodes)
        if graph[i] == graph[j] and (pairs.self_pairs or i != j)
    )


def listed(pairs, num_nodes, block_pairs, mirrored=False):
    """The same as an engine lists it, and its blocks."""
    engine = BlockedEngine(pairs, num_nodes, block_pairs, mirrored)
    found = torch.stack(engine.listed(CPU))
    return Counter(map(tuple, found.t().tolist())), engine.layout.blocks


@st.composite
def problems(draw):
    """Pairs, the number of nodes, and whether they are mirrored."""
    sizes = draw(st.lists(st.integers(0, 20), min_size=1, max_size=5))
    if draw(st.booleans()):  # graphs of one size are cut in another way
        sizes = [max(sizes)] * len(sizes)
    self_pairs = draw(st.booleans())
    kind = draw(st.sampled_from(["graphs", "one", "questions", "share"]))
    if kind == "graphs":
        pairs = Complete(batch_of(sizes), self_pairs)
    elif kind == "one":
        sizes = sizes[:1]
        pairs = Complete(None, self_pairs)
    elif kind == "questions":
        graph = st.integers(0, len(sizes))  # the last has no nodes
        asked = torch.tensor(draw(st.lists(graph, min_size=1, max_size=8)))
        pairs = Complete(batch_of(sizes), self_pairs, asked)
    else:
        sizes = sizes[:1]
        first = draw(st.integers(0, sizes[0]))
        count = draw(st.integers(0, sizes[0] - first))
        pairs = Complete(None, self_pairs, share=(first, count))
    return pairs, sum(sizes), draw(st.booleans())


@settings(deadline=None, max_examples=200)
@given(problem=problems(), block_pairs=st.integers(1, 500))
def test_every_pair_is_listed_once(problem, block_pairs):
    pairs, num_nodes, mirrored = problem
    found, _ = listed(pairs, num_nodes, block_pairs, mirrored)
    assert found == every_pair(pairs, num_nodes)


@settings(deadline=None, max_examples=200)
@given(problem=problems(), block_pairs=st.integers(1, 500))
def test_blocks_are_not_too_large(problem, block_pairs):
    pairs, num_nodes, mirrored = problem
    _, blocks = listed(pairs, num_nodes, block_pairs, mirrored)
    for block in blocks:
        alone = len(block) == 1 and block[0].graphs * block[0].receivers == 1
        assert sum(s.pairs for s in block) <= block_pairs or alone


@pytest.mark.parametrize("self_pairs", [True, False])
def test_a_mirrored_graph_has_about_half_the_pairs(self_pairs):
    pairs = Complete(None, self_pairs)
    whole, half = (
        sum(
            s.pairs for b in make_layout(pairs, 160, 10**6, m).blocks for s in b
        )
        for m in (False, True)
    )
    assert whole == 160 * (160 if self_pairs else 159)
    assert whole / 2 < half < 0.6 * whole


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_receiver_with_more_than_a_block_is_one_alone(mirrored):
    blocks = make_layout(Complete(), 40, 30, mirrored).blocks
    for block in blocks:
        assert sum(s.receivers for s in block) == 1 or (
            sum(s.pairs for s in block) <= 30
        )


def test_few_large_graphs_fill_their_blocks():
    # 100 receivers of 100 pairs, 30 a block: in four blocks of 25.
    blocks = make_layout(Complete(), 100, 3_000).blocks
    assert [sum(s.pairs for s in b) for b in blocks] == [2_500] * 4


def test_small_graphs_share_a_block():
    blocks = make_layout(Complete(batch_of([3, 5, 3, 4])), 15, 1_000).blocks
    assert [[(s.graphs, s.size) for s in block] for block in blocks] == [
        [(2, 3), (1, 4), (1, 5)]
    ]


def test_no_nodes_and_no_pairs():
    assert make_layout(Complete(batch_of([0])), 0, 10).blocks == []
    layout = make_layout(Complete(batch_of([1, 1]), self_pairs=False), 2, 10)
    assert layout.blocks == []
    assert layout.num_rows == 2
