import pytest
import torch

from examples import set_level as example
from tests.examples.command import accuracies, check_all_learn, check_sizes


@pytest.mark.parametrize("size", [2, 4, 8])
def test_answers_are_those_of_the_calendars(size):
    generator = torch.Generator().manual_seed(size)
    x, batch, y = example.draw_sets(200, size, generator)
    assert batch.bincount().tolist() == [size] * 200
    for calendar, answer in zip(x.view(200, size, 2), y, strict=True):
        start, end = calendar.sort(0).values.t()
        assert (calendar[:, 0] < calendar[:, 1]).all()
        # By rising starts: does one begin before another has ended?
        assert bool((start[1:] < end[:-1]).any()) == bool(answer)
    assert 0.3 < y.float().mean() < 0.7


def test_networks_are_compared_fairly():
    torch.manual_seed(0)
    nets = example.make_nets()
    check_sizes(nets, least=0.9)
    check_all_learn(nets, lambda net: example.train(net, 2, 8, seed=0))


def test_command(capsys):
    found = accuracies(example, ["--steps", "3", "--batch-size", "8"], capsys)
    assert list(found) == ["chance", "Deep Sets", "RN"]
    assert len(found["RN"]) == len(found["Deep Sets"]) == 3
    assert all(30 < accuracy <= 100 for accuracy in found["RN"])
