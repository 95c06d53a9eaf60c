import torch

from examples import heterogeneous as example
from tests.examples.command import accuracies, check_all_learn, check_sizes


def test_answers_are_those_of_the_year():
    data = example.make_year(200, seed=4)
    grades, jobs = data["applicant"].x.tolist(), data["job"].x.tolist()
    filled = [0] * 200
    edges = data[example.APPLIED].edge_index
    for applicant, job in edges.t().tolist():
        subject = jobs[job][:-1].index(1.0)
        filled[job] |= grades[applicant][subject] >= jobs[job][-1]
    assert data["job"].y.tolist() == filled
    assert edges[1].bincount().tolist() == [example.APPLICATIONS] * 200
    assert 0.2 < sum(filled) / 200 < 0.8
    other = example.make_year(200, seed=5)
    assert not torch.equal(other["job"].x, data["job"].x)


def test_networks_are_compared_fairly():
    torch.manual_seed(0)
    data, nets = example.make_year(50, seed=0), example.make_nets()
    check_sizes(nets, least=0.8)
    check_all_learn(nets, lambda net: example.train(net, data, 2))


def test_command(capsys):
    found = accuracies(example, ["--jobs", "500", "--steps", "60"], capsys)
    assert list(found) == ["most frequent answer", "SAGEConv", "RNConv"]
    assert found["RNConv"][-1] > found["most frequent answer"][0] + 5
