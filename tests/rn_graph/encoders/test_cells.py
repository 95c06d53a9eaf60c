from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rn_graph.encoders import Cells, ConvNet, map_to_nodes


def batch(**fields):
    return SimpleNamespace(**fields)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))
def test_each_cell_of_each_picture(graphs, height, width):
    cells = Cells(ConvNet(3, (4, 5)), in_channels=3).double().eval()
    images = torch.rand(graphs, 3, height, width).double()
    nodes = cells(batch(image=images))
    rows, columns = -(-height // 4), -(-width // 4)
    assert nodes.x.shape == (graphs * rows * columns, cells.out_channels)
    for g, image in enumerate(images):
        seen = cells.cnn(image[None])[0]
        own = nodes.x[nodes.batch == g].view(rows, columns, -1)
        for r in range(rows):
            for c in range(columns):
                torch.testing.assert_close(own[r, c, :5], seen[:, r, c])
                x = 2 * c / (columns - 1) - 1 if columns > 1 else 0
                y = 2 * r / (rows - 1) - 1 if rows > 1 else 0
                assert own[r, c, 5:].tolist() == pytest.approx([x, y])
    assert torch.equal(nodes.x[:, 5:], nodes.pos)


def test_stored_maps_as_they_are_or_narrower():
    maps = torch.randn(2, 6, 3, 3).half()
    nodes = Cells(None, in_channels=6)(batch(map=maps))
    assert nodes.x.dtype == torch.float32  # a model's type, not the file's
    assert torch.equal(nodes.x, map_to_nodes(maps.float()).x)
    assert Cells(None, 6).out_channels == 8
    assert Cells(None, 6).double()(batch(map=maps)).x.dtype == torch.float64
    narrow = Cells(nn.Conv2d(6, 2, 1), in_channels=6)
    assert narrow.out_channels == 4
    weight, bias = narrow.cnn.weight[:, :, 0, 0], narrow.cnn.bias
    nodes = narrow(batch(map=maps))
    expected = weight @ maps[1, :, 2, 0].float() + bias
    torch.testing.assert_close(nodes.x[15, :2], expected)


def test_another_cnn_says_its_channels_or_is_told():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(ValueError, match="Sequential, has no `out_channels`"):
        Cells(cnn, 3)
    cells = Cells(cnn, 3, channels=4)
    image = batch(image=torch.rand(1, 3, 5, 5))
    out = cells(image).x
    assert out.shape == (9, 6)
    cells.reset_parameters()
    assert not torch.equal(cells(image).x, out)
    assert set(cells.state_dict()) == {"cnn.0.weight", "cnn.0.bias"}
    with pytest.raises(ValueError, match=r"`cnn` maps .* expected \[1, 7, h"):
        Cells(cnn, 3, channels=7)(image)
    with pytest.raises(ValueError, match=r"`channels` is 4 without `cnn`"):
        Cells(None, 3, channels=4)
    with pytest.raises(TypeError, match="`cnn` is 'resnet', expected a torch"):
        Cells("resnet", 3)
    with pytest.raises(ValueError, match="`in_channels` is 0"):
        Cells(None, 0)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({}, ValueError, "`batch.image` is missing, .*`batch.map`"),
        ({"image": [1]}, TypeError, "`batch.image` is list"),
        (
            {"image": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)},
            TypeError,
            r"`batch.image` is torch.uint8, expected images from 0 to 1",
        ),
        (
            {"image": torch.zeros(1, 8, 8, 3)},
            ValueError,
            r"`batch.image` has shape \[1, 8, 8, 3\], .*\[G, 3, H, W\]",
        ),
        ({"map": torch.zeros(3, 8, 8)}, ValueError, "`batch.map` has shape"),
        (
            {"map": torch.zeros(1, 3, 8, 8), "image": torch.zeros(1, 3, 8, 8)},
            ValueError,
            "`batch.image` and `batch.map` are both given, expected one",
        ),
    ],
)
def test_bad_input(fields, error, text):
    with pytest.raises(error, match=text):
        Cells(ConvNet(3), 3)(batch(**fields))


def test_pictures_in_half_precision_under_autocast():
    cells = Cells(ConvNet(3, (4,)), 3)
    with torch.autocast("cpu", torch.bfloat16):
        nodes = cells(batch(image=torch.rand(2, 3, 8, 8)))
    assert nodes.x.dtype == torch.bfloat16
    assert nodes.x.isfinite().all()
