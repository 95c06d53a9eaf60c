"""The layer ``rnconv`` in a GraphGym network."""

import pytest
import torch

pytest.importorskip("yacs", reason="GraphGym needs yacs")

from torch_geometric.data import Batch, Data
from torch_geometric.graphgym.config import cfg, set_cfg
from torch_geometric.graphgym.models.gnn import GNN
from torch_geometric.graphgym.register import layer_dict

from rn_graph import RNConv
from rn_graph.graphgym import RNConvLayer


@pytest.fixture
def config():
    set_cfg(cfg)
    cfg.merge_from_list(
        [
            "gnn.layer_type", "rnconv",
            "gnn.head", "graph",
            "gnn.layers_mp", 2,
            "gnn.dim_inner", 8,
            "dataset.task", "graph",
            "share.dim_in", 4,
            "rn.g_channels", 8,
        ]
    )  # fmt: skip
    yield cfg
    set_cfg(cfg)


def graphs(question=None):
    data = []
    for number in range(2):
        edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
        one = Data(x=torch.randn(3, 4), edge_index=edge_index)
        one.y = torch.tensor([number])
        if question is not None:
            one.question = question[[number]]
        data.append(one)
    return Batch.from_data_list(data)


@pytest.mark.parametrize("all_pairs", [False, True])
@pytest.mark.parametrize("channels", [0, 5])
def test_a_network_of_it_runs(config, all_pairs, channels):
    assert layer_dict["rnconv"] is RNConvLayer
    config.rn.all_pairs = all_pairs
    config.rn.question_channels = channels
    model = GNN(4, 3)
    convs = [m for m in model.modules() if isinstance(m, RNConv)]
    assert len(convs) == 2
    assert convs[0].g.lins[0].out_channels == 8
    question = torch.randn(2, channels) if channels else None
    out, label = model(graphs(question))
    assert out.shape == (2, 3)
    out.sum().backward()
    assert all(p.grad is not None for c in convs for p in c.parameters())
    assert label.tolist() == [0, 1]


def test_it_is_the_layer(config):
    layer = layer_dict["rnconv"]
    from torch_geometric.graphgym.models.layer import new_layer_config

    made = layer(new_layer_config(4, 6, 1, True, True, config))
    batch = graphs()
    expected = made.model(batch.x, batch.edge_index)
    assert torch.equal(made(batch).x, expected)
