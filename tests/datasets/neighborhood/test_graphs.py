import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datasets.neighborhood.graphs import draw_graphs, pick, product, reach
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(2, 40))
@fresh(8)
def test_graphs_are_connected_and_have_few_edges(seed, nodes):
    edges = draw_graphs(np.random.default_rng(seed), 20, nodes)
    assert edges.shape == (20, nodes, nodes)
    np.testing.assert_array_equal(edges, edges.transpose(0, 2, 1))
    for one in edges:
        graph = nx.from_numpy_array(one)
        assert nx.is_connected(graph)
        assert not list(nx.selfloop_edges(graph))
        assert max(degree for _, degree in graph.degree) <= 4
        # A tree, and a few more.
        assert nodes - 1 <= graph.number_of_edges() <= 5 * nodes // 4 - 1


def test_graphs_differ_and_the_order_of_nodes_says_nothing():
    edges = draw_graphs(np.random.default_rng(), 400, 20)
    degree = edges.sum(2)
    assert {20, 21, 22, 23} <= set(degree.sum(1) // 2)
    assert set(degree.ravel()) == {1, 2, 3, 4}
    # Six standard errors.
    bound = 6 * degree.std() / np.sqrt(len(edges))
    assert abs(degree.mean(0) - degree.mean()).max() < bound


@given(SEEDS, st.integers(2, 25), st.floats(0, 0.4))
@fresh(8)
def test_what_is_within_so_many_edges(seed, nodes, share):
    # Any graphs, also in parts.
    upper = np.triu(
        np.random.default_rng(seed).random((5, nodes, nodes)) < share, 1
    )
    edges = upper | upper.transpose(0, 2, 1)
    within = reach(edges)
    assert len(within) == 5
    for i, one in enumerate(edges):
        graph = nx.from_numpy_array(one)
        for a, lengths in nx.all_pairs_shortest_path_length(graph):
            for b in range(nodes):
                found = [bool(near[i, a, b]) for near in within]
                far = lengths.get(b, nodes + 4)
                assert found == [far <= most for most in range(5)]


@given(SEEDS)
@fresh(3)
def test_a_product_counts(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((3, 4, 5)) < 0.5, rng.random((3, 5, 6)) < 0.5
    expected = np.einsum("sik,skj->sij", a.astype(int), b.astype(int))
    np.testing.assert_array_equal(product(a, b), expected)


def test_each_that_is_allowed_is_as_likely():
    allowed = np.tile([False, True, True, False, True], (3000, 1))
    counts = np.bincount(pick(np.random.default_rng(), allowed), minlength=5)
    assert counts[[0, 3]].tolist() == [0, 0]
    assert abs(counts[[1, 2, 4]] - 1000).max() < 6 * np.sqrt(3000 * 2 / 9)
