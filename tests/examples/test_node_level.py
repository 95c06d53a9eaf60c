import torch

from examples import node_level as example
from tests.examples.command import accuracies, check_all_learn, check_sizes


def test_answers_are_those_of_the_graph():
    torch.manual_seed(1)
    data = example.make_graph(200)
    own = [0] * 200
    for i, j in data.edge_index.t().tolist():
        own[j] += int(data.color[i] == data.color[j])
    assert data.y.tolist() == [int(n >= 3) for n in own]
    assert 0.2 < data.y.float().mean() < 0.8
    splits = torch.stack([data.train_mask, data.val_mask, data.test_mask])
    assert (splits.sum(0) == 1).all()
    assert (data.x.argmax(1) == data.color).float().mean() > 0.95


def test_networks_are_compared_fairly():
    torch.manual_seed(0)
    data, nets = example.make_graph(100), example.make_nets()
    check_sizes(nets, least=0.9)
    check_all_learn(nets, lambda net: example.fit(net, data, 2))


def test_command(capsys):
    found = accuracies(
        example, ["--nodes", "400", "--steps", "60", "--seed", "3"], capsys
    )
    assert list(found)[1:] == ["GCNConv", "SAGEConv", "RNConv"]
    # It is the pairs that are learned from.
    assert found["RNConv"][-1] > found["most frequent answer"][0] + 10
