import random

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.scenes import generate_scene
from rn_graph.graphs import from_networkx, to_networkx
from rn_graph.pairs import AllPairs, AttentionPairs, KNNPairs, RandomPairs

F = 4


def selections():
    return [
        AllPairs(),
        KNNPairs(k=2),
        RandomPairs(share=0.4),
        AttentionPairs(F, share=0.5),
    ]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 7), st.integers(0, 3), st.integers(0, 2**16))
def test_there_and_back(count, which, seed):
    torch.manual_seed(seed)
    x, pos = torch.randn(count, F), torch.randn(count, 3)
    edges, weight = selections()[which](x, pos=pos)
    attributes = [{"color": "red", "rank": i} for i in range(count)]
    graph = to_networkx(x, edges, weight, pos, attributes)
    back = from_networkx(graph)
    assert torch.equal(back.x, x)
    assert torch.equal(back.pos, pos)
    assert torch.equal(back.edge_index, edges)
    assert back.attributes == attributes
    assert back.num_nodes == count
    if weight is None:
        assert "edge_weight" not in back
    else:
        assert torch.equal(back.edge_weight, weight)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 7), st.integers(0, 2**16))
def test_any_graph_of_networkx_keeps_its_edges(count, seed):
    """Directed and undirected, with names instead of numbers, with loops."""
    for directed in (True, False):
        graph = nx.gnp_random_graph(count, 0.5, seed, directed)
        graph.add_edge(0, 0)
        graph = nx.relabel_nodes(graph, lambda i: f"node {count - i}")
        names = list(graph)
        data = from_networkx(graph)
        found = {(names[j], names[i]) for j, i in data.edge_index.t().tolist()}
        wanted = set(graph.to_directed().edges)
        assert found == wanted
        assert data.num_edges == len(wanted)
        assert "x" not in data


def test_edges_point_from_sender_to_receiver():
    x, edges = torch.zeros(3, 1), torch.tensor([[0, 0], [1, 2]])
    graph = to_networkx(x, edges, torch.tensor([0.5, 0.25]))
    assert dict(graph.in_degree()) == {0: 0, 1: 1, 2: 1}
    assert graph.edges[0, 2]["weight"] == 0.25


def test_a_clevr_scene_keeps_its_names():
    scene = generate_scene(random.Random(3))
    objects = scene["objects"]
    pos = torch.tensor([o["3d_coords"] for o in objects], dtype=torch.float64)
    edges, _ = KNNPairs(k=3)(pos, pos=pos)
    graph = to_networkx(pos, edges, pos=pos, attributes=objects)
    for i, item in enumerate(objects):
        assert graph.nodes[i]["color"] == item["color"]
        assert graph.nodes[i]["shape"] == item["shape"]
    back = from_networkx(graph, torch.float64)
    assert back.attributes == objects
    assert torch.equal(back.pos, pos)


def test_without_nodes_or_pairs():
    empty = torch.zeros(2, 0, dtype=torch.long)
    back = from_networkx(to_networkx(torch.zeros(0, 2), empty))
    assert back.num_nodes == 0
    assert back.edge_index.shape == (2, 0)
    back = from_networkx(to_networkx(torch.ones(2, 3), empty))
    assert torch.equal(back.x, torch.ones(2, 3))


def test_bad_input():
    x, edges = torch.zeros(3, 2), torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(ValueError, match=r"`edge_index` has shape \[3, 2\]"):
        to_networkx(x, torch.zeros(3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"`edge_index`.*in \[0, 3\)"):
        to_networkx(x, edges + 2)
    with pytest.raises(ValueError, match=r"`edge_weight`.*expected \[2\]"):
        to_networkx(x, edges, torch.zeros(3))
    with pytest.raises(ValueError, match="`pos` has 2 entries, expected 3"):
        to_networkx(x, edges, pos=torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"`attributes` has 1 entries"):
        to_networkx(x, edges, attributes=[{}])
    with pytest.raises(ValueError, match=r"`attributes\[1\]` has 'pos'"):
        to_networkx(x, edges, attributes=[{}, {"pos": 1}, {}])
    with pytest.raises(ValueError, match=r"lists the pair \(0, 1\) twice"):
        to_networkx(x, edges[:, [0, 1, 0]])
    with pytest.raises(ValueError, match="is a MultiDiGraph"):
        from_networkx(nx.MultiDiGraph())
    graph = nx.path_graph(3, nx.DiGraph)
    graph.edges[0, 1]["weight"] = 1.0
    with pytest.raises(ValueError, match=r"1 of 2 edges of `graph`.*'weight'"):
        from_networkx(graph)
    graph = nx.path_graph(3)
    graph.nodes[0]["pos"] = [1.0]
    with pytest.raises(ValueError, match=r"2 of 3 nodes of `graph`.*'pos'"):
        from_networkx(graph)
