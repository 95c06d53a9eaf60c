"""RNConv where PyG replicates, samples or cuts: hetero, k hops, trimming."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import HeteroConv, to_hetero
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE
from torch_geometric.utils import k_hop_subgraph

from rn_graph import RNConv
from rn_graph.basic import RN

NODES = {"a": torch.randn(5, 4), "b": torch.randn(3, 6)}
BATCH = {"a": torch.tensor([0, 0, 1, 1, 1]), "b": torch.tensor([0, 0, 1])}
TO, BACK, SELF = ("a", "to", "b"), ("b", "back", "a"), ("a", "self", "a")
METADATA = (["a", "b"], [TO, BACK, SELF])
EDGES = {
    TO: torch.tensor([[0, 4, 1], [0, 2, 0]]),
    BACK: torch.tensor([[0, 2], [1, 4]]),
    SELF: torch.tensor([[0, 1, 3], [1, 1, 4]]),
}
NONE = torch.zeros(2, 0, dtype=torch.long)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        # A last layer without ReLU: by chance all six would give nought.
        self.conv = RNConv(
            (-1, -1),
            6,
            hidden_channels=8,
            num_layers=2,
            question_channels=3,
            plain_last=True,
        )
        self.lin = nn.Linear(6, 2)

    def forward(self, x, edge_index, question, batch):
        return self.lin(self.conv(x, edge_index, question, batch).relu())


def questions():
    question = torch.randn(2, 3)
    return {"a": question, "b": question}


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_to_hetero():
    model, question = to_hetero(Network(), METADATA), questions()
    out = model(NODES, EDGES, question, BATCH)

    def conv(edge_type):
        source, _, target = edge_type
        x = (NODES[source], NODES[target])
        layer = model.conv["__".join(edge_type)]
        return layer(x, EDGES[edge_type], question[target], BATCH[target])

    close(out["b"], model.lin["b"](conv(TO).relu()))
    close(out["a"], model.lin["a"]((conv(BACK) + conv(SELF)).relu()))


@pytest.mark.parametrize("missing", METADATA[1], ids="-".join)
def test_a_missing_edge_type_means_no_edges(missing):
    model, question = to_hetero(Network(), METADATA), questions()
    model(NODES, EDGES, question, BATCH)
    left = {name: e for name, e in EDGES.items() if name != missing}
    expected = model(NODES, {**left, missing: NONE}, question, BATCH)
    for copied in (model, copy.deepcopy(model)):
        found = copied(NODES, left, question, BATCH)
        for name in found:
            assert torch.equal(found[name], expected[name])


def test_the_model_that_was_copied_still_means_all_pairs():
    network = Network()
    to_hetero(network, METADATA)
    x, batch, question = NODES["a"], BATCH["a"], questions()["a"]
    assert network.conv(x, None, question, batch).abs().sum() > 0


def test_all_pairs_where_the_model_hands_over_no_edges():
    class Sets(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = RNConv(4, 6, hidden_channels=8, plain_last=True)

        def forward(self, x, batch):
            return self.conv(x, batch=batch)

    model = to_hetero(Sets(), (["a"], [SELF]))
    x, batch = NODES["a"], BATCH["a"]
    out = model({"a": x}, {"a": batch})["a"]
    close(out, model.conv["a__self__a"](x, batch=batch))
    assert out.abs().sum() > 0


def test_hetero_conv():
    convs = {name: RNConv((-1, -1), 6, question_channels=3) for name in EDGES}
    model, question = HeteroConv(convs), questions()
    out = model(NODES, EDGES, question_dict=question, batch_dict=BATCH)
    x = (NODES["a"], NODES["b"])
    close(out["b"], convs[TO](x, EDGES[TO], question["b"], BATCH["b"]))
    left = {TO: EDGES[TO]}
    out = model(NODES, left, question_dict=question, batch_dict=BATCH)
    assert list(out) == ["b"]


def test_rn_to_hetero():
    model = RN(
        (-1, -1), 8, 2, 3, g_channels=8, question_channels=3, norm="GraphNorm"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, question = to_hetero(model, METADATA), questions()
    out = model(NODES, EDGES, batch=BATCH, question=question)
    assert {name: value.shape for name, value in out.items()} == {
        "a": (5, 3),
        "b": (3, 3),
    }
    left = {name: e for name, e in EDGES.items() if name != SELF}
    found = model(NODES, left, batch=BATCH, question=question)
    expected = model(
        NODES, {**left, SELF: NONE}, batch=BATCH, question=question
    )
    assert all(torch.equal(found[name], expected[name]) for name in found)


# Parts of one graph #########################################################


def random_graph(nodes=30, edges=60):
    return torch.randn(nodes, 4), torch.randint(nodes, (2, edges))


def test_k_hop_subgraph():
    x, edge_index = random_graph()
    question = torch.randn(1, 3)
    model = RN(4, 8, 2, 3, g_channels=8, question_channels=3)
    full = model(x, edge_index, question=question)
    for node in (0, 7, 29):
        subset, part, where, _ = k_hop_subgraph(
            node, 2, edge_index, relabel_nodes=True, num_nodes=30
        )
        found = model(x[subset], part, question=question)
        close(found[where[0]], full[node])


def hops(edge_index, seeds, depth):
    """Nodes and edges of a sampled neighbourhood, hop by hop, all kept."""
    nodes, listed, per_hop = list(seeds), [], [[len(seeds)], []]
    frontier = set(seeds)
    for _ in range(depth):
        here = [e for e in edge_index.t().tolist() if e[1] in frontier]
        new = list(dict.fromkeys(j for j, _ in here if j not in nodes))
        nodes += new
        frontier = set(new)
        listed += here
        per_hop[0].append(len(new))
        per_hop[1].append(len(here))
    place = {node: at for at, node in enumerate(nodes)}
    part = [[place[j], place[i]] for j, i in listed]
    return torch.tensor(nodes), torch.tensor(part).t(), *per_hop


@pytest.mark.parametrize("weighted", [False, True])
def test_trim_to_layer(weighted):
    edge_index = torch.randint(30, (2, 90))
    edge_index[1, :8] = torch.arange(8)  # the seeds have neighbours
    x, question = torch.randn(30, 4), torch.randn(2, 3)
    seeds = list(range(8))
    nodes, part, node_hops, edge_hops = hops(edge_index, seeds, 2)
    batch = torch.tensor([0, 1] * 15)[nodes]  # not in order
    model = RN(4, 8, 2, 3, g_channels=8, question_channels=3)
    weight = torch.rand(part.size(1)) if weighted else None
    given = {"question": question, "batch": batch, "edge_weight": weight}
    whole = model(x[nodes], part, **given)
    trimmed = model(
        x[nodes],
        part,
        num_sampled_nodes_per_hop=node_hops,
        num_sampled_edges_per_hop=edge_hops,
        **given,
    )
    assert len(trimmed) == len(seeds) + node_hops[1]
    close(trimmed[: len(seeds)], whole[: len(seeds)])


@pytest.mark.skipif(
    not (WITH_PYG_LIB or WITH_TORCH_SPARSE),
    reason="NeighborLoader needs pyg-lib or torch-sparse",
)
@pytest.mark.parametrize("disjoint", [False, True])
def test_neighbor_loader(disjoint):
    x, edge_index = random_graph()
    loader = NeighborLoader(
        Data(x=x, edge_index=edge_index),
        num_neighbors=[-1, -1],
        batch_size=7,
        disjoint=disjoint,
    )
    question = torch.randn(1, 3)
    model = RN(4, 8, 2, 3, g_channels=8, question_channels=3)
    full = model(x, edge_index, question=question)
    for part in loader:
        batch = part.batch if disjoint else None
        asked = question.expand(part.batch_size if disjoint else 1, -1)
        out = model(part.x, part.edge_index, batch=batch, question=asked)
        close(out[: part.batch_size], full[part.input_id])
