import pytest
import torch

from examples import point_cloud as example
from tests.examples.command import accuracies, check_all_learn, check_sizes


@pytest.mark.parametrize("shape", range(len(example.SHAPES)))
def test_points_lie_on_their_shape(shape):
    generator = torch.Generator().manual_seed(shape)
    x, y, z = example.draw_points(shape, generator).t()
    around = (x**2 + y**2).sqrt()
    distance = {
        "sphere": (around**2 + z**2).sqrt() - 1,
        "cube": torch.stack([x, y, z]).abs().amax(0) - 3**-0.5,
        "cylinder": around - 0.8,
        "cone": around - 0.8 * (1 - z) / 1.6,
        "torus": (around - 0.7) ** 2 + z**2 - 0.3**2,
    }[example.SHAPES[shape]]
    assert distance.abs().max() < 1e-5
    assert (around**2 + z**2).max() < 1 + 1e-5
    assert z.std() > 0.1


def test_clouds_are_turned_not_bent():
    generator = torch.Generator().manual_seed(3)
    points, batch, y = example.draw_clouds(6, generator)
    assert batch.bincount().tolist() == [example.POINTS] * 6
    assert len(y) == 6
    radius = points.norm(dim=1)[(y == 0)[batch]]  # of spheres
    assert radius.numel() == 0 or (radius - 1).abs().max() < 0.15


def test_networks_are_compared_fairly():
    torch.manual_seed(0)
    nets = example.make_nets()
    check_sizes(nets, least=0.9)
    del nets["all pairs"]  # the same network, at eight times the price
    check_all_learn(nets, lambda net: example.train(net, 2, 4, seed=0))


def test_command(capsys):
    found = accuracies(example, ["--steps", "4", "--batch-size", "4"], capsys)
    names = ["no pairs", "random pairs", "nearest pairs", "all pairs"]
    assert list(found) == ["chance", *names]
    assert all(0 < found[name][-1] <= 100 for name in names)
