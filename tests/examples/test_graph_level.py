import random

import torch

from examples import graph_level as example
from tests.examples.command import accuracies, check_all_learn, check_sizes


def test_answers_are_those_of_the_graphs():
    rng = random.Random(2)
    answers = []
    for _ in range(100):
        graph = example.draw_graph(rng)
        color = graph.x.argmax(1).tolist()
        edges = graph.edge_index.t().tolist()
        assert all([j, i] in edges and i != j for i, j in edges)
        conflict = any(color[i] == color[j] for i, j in edges)
        assert conflict == bool(graph.y)
        answers.append(conflict)
    assert 30 < sum(answers) < 70


def test_networks_are_compared_fairly():
    torch.manual_seed(0)
    nets = example.make_nets()
    check_sizes(nets, least=0.8)
    check_all_learn(nets, lambda net: example.train(net, 2, 4, seed=0))


def test_command(capsys):
    found = accuracies(example, ["--steps", "3", "--batch-size", "8"], capsys)
    assert list(found) == ["most frequent answer", "GIN", "RNConv"]
    assert all(40 < accuracy <= 100 for (accuracy,) in found.values())
