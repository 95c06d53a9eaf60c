"""RN where PyG's GCN, GAT or GIN stands."""

import copy

import pytest
import torch
from torch_geometric.nn import GAT, GCN, GIN, summary

from rn_graph import RNConv, complete_edge_index, question_rows
from rn_graph.basic import RN

BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2]])


@pytest.mark.parametrize("model", [GCN, GAT, GIN, RN])
@pytest.mark.parametrize("jk", [None, "last", "cat", "max", "lstm"])
@pytest.mark.parametrize("out_channels", [None, 3])
def test_one_constructor_for_all(model, jk, out_channels):
    x = torch.randn(5, 4)
    made = model(
        4,
        8,
        3,
        out_channels,
        dropout=0.5,
        act="elu",
        act_first=True,
        norm="LayerNorm",
        jk=jk,
    )
    width = 8 if out_channels is None else 3
    assert str(made) == f"{model.__name__}(4, {width}, num_layers=3)"
    assert made(x, EDGES).shape == (5, width)
    made.eval()
    out = made(x, EDGES)
    assert torch.equal(copy.deepcopy(made)(x, EDGES), out)
    made.reset_parameters()
    assert not torch.allclose(made(x, EDGES), out)


def test_it_is_layers_with_norm_and_activation_between():
    model = RN(4, 8, 2, 64, norm="BatchNorm", g_channels=5, g_layers=2)
    first, second = model.convs
    assert isinstance(first, RNConv)
    assert [lin.out_channels for lin in first.g.lins] == [5, 8]
    x = torch.randn(5, 4)
    expected = second(model.norms[0](first(x, EDGES)).relu(), EDGES)
    torch.testing.assert_close(model(x, EDGES), expected)
    assert (model(x, EDGES) < 0).any()  # no ReLU at the end


def test_questions_and_graphs_reach_each_layer():
    x, question = torch.randn(5, 4), torch.randn(2, 3)
    model = RN(4, 8, 2, 3, question_channels=3, norm="GraphNorm")
    every = complete_edge_index(BATCH)
    out = model(x, batch=BATCH, question=question)
    torch.testing.assert_close(
        out, model(x, every, batch=BATCH, question=question)
    )
    for graph in range(2):
        mine = graph == BATCH
        alone = model(x[mine], question=question[[graph]])
        torch.testing.assert_close(out[mine], alone, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="`question` is missing"):
        model(x, EDGES)


def test_several_questions_a_graph():
    x, question = torch.randn(5, 4), torch.randn(3, 3)
    model = RN(4, 8, 2, 3, question_channels=3)
    node, row = question_rows(BATCH, torch.tensor([1, 0, 1]))
    out = model(x[node], batch=row, question=question)
    alone = model(x[2:], question=question[2:])
    torch.testing.assert_close(out[row == 2], alone, rtol=1e-4, atol=1e-5)


def test_edge_features_and_weights():
    model = RN(4, 8, 2, 3, edge_channels=2)
    x, attr = torch.randn(5, 4), torch.randn(5, 2)
    out = model(x, EDGES, edge_attr=attr)
    ones = model(x, EDGES, edge_attr=attr, edge_weight=torch.ones(5))
    torch.testing.assert_close(ones, out)
    zeros = model(x, EDGES, edge_attr=attr, edge_weight=torch.zeros(5))
    torch.testing.assert_close(
        zeros, model(x, EDGES[:, :0], edge_attr=attr[:0])
    )


def test_what_trimming_needs():
    model, x = RN(4, 8, 2), torch.randn(5, 4)
    with pytest.raises(ValueError, match="`num_sampled_edges_per_hop` is None"):
        model(x, EDGES, num_sampled_nodes_per_hop=[2, 3])
    with pytest.raises(ValueError, match="`edge_index` is missing"):
        model(
            x,
            num_sampled_nodes_per_hop=[2, 3],
            num_sampled_edges_per_hop=[2],
        )


def test_summary():
    pytest.importorskip("tabulate", reason="summary needs tabulate")
    model = RN(4, 8, 2, 3, g_channels=5, g_layers=2, question_channels=3)
    x, question = torch.randn(5, 4), torch.randn(1, 3)
    table = summary(model, x, EDGES, question=question, max_depth=4)
    assert "(0)RNConv" in table
    # Two layers: (4 + 4 + 3)·5 + 5 + 5·8 + 8, and (8 + 8 + 3)·5 + 5 + 5·3 + 3
    assert f"| {108 + 118}" in table
