import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.encoders import ConvNet, ResidualNet

both = pytest.mark.parametrize("kind", [ConvNet, ResidualNet])
few = settings(deadline=None, max_examples=15)


def convolve(x, conv):
    """A convolution of one picture, cell by cell."""
    side, step = conv.kernel_size[0], conv.stride[0]
    x = torch.nn.functional.pad(x, [side // 2] * 4)
    rows, columns = ((n - side) // step + 1 for n in x.shape[1:])
    out = x.new_zeros(conv.out_channels, rows, columns)
    for r in range(rows):
        for c in range(columns):
            seen = x[:, r * step : r * step + side, c * step : c * step + side]
            out[:, r, c] = (conv.weight * seen).sum((1, 2, 3))
    return out if conv.bias is None else out + conv.bias[:, None, None]


def normalize(x, norm):
    """Batch norm in evaluation, of one picture."""
    weight = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * weight
    return x * weight[:, None, None] + shift[:, None, None]


def trained(net):
    """A network whose batch norms are not as they begin."""
    net = net.double()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return net.eval()


def read(net, x):
    """What a ConvNet makes of one picture, slowly."""
    for conv, norm in zip(net.convs, net.norms, strict=True):
        x = normalize(convolve(x, conv).clamp(min=0), norm)
    return x


@few
@given(
    st.integers(4, 11),
    st.integers(4, 11),
    st.sampled_from([(1, 2), (3, 2), (5, 2), (3, 1)]),
    st.integers(0, 2**16),
)
def test_the_cnn_is_its_formula(height, width, size, seed):
    torch.manual_seed(seed)
    net = trained(ConvNet(2, (3, 4), *size))
    x = torch.rand(2, 2, height, width).double()
    out = net(x)
    for picture, found in zip(x, out, strict=True):
        torch.testing.assert_close(
            found, read(net, picture), rtol=1e-10, atol=1e-10
        )
    step = size[1] ** 2
    assert out.shape == (2, 4, -(-height // step), -(-width // step))


@few
@given(st.integers(4, 9), st.integers(0, 2**16))
def test_residual_blocks_are_their_formula(side, seed):
    torch.manual_seed(seed)
    net = trained(ResidualNet(2, (3, 4), num_blocks=2))
    x = torch.rand(2, 2, side, side).double()
    for picture, found in zip(x, net(x), strict=True):
        h = read(net.stem, picture)
        for block in net.blocks:
            (first, second), (one, two) = block.convs, block.norms
            inner = normalize(convolve(h, first), one).clamp(min=0)
            h = (h + normalize(convolve(inner, second), two)).clamp(min=0)
        torch.testing.assert_close(found, h, rtol=1e-10, atol=1e-10)


@both
@pytest.mark.parametrize(("pixels", "cells"), [(75, 5), (128, 8), (16, 1)])
def test_cells_of_the_papers_pictures(kind, pixels, cells):
    net = kind().eval()
    assert net.out_channels == 64
    assert net(torch.rand(1, 3, pixels, pixels)).shape == (1, 64, cells, cells)
    assert net(torch.rand(0, 3, pixels, pixels)).shape == (0, 64, cells, cells)


@both
def test_a_picture_alone_is_read_as_among_others(kind):
    net = trained(kind(3, (4, 4)))
    x = torch.rand(3, 3, 9, 6).double()
    torch.testing.assert_close(net(x[1:2]), net(x)[1:2], rtol=1e-12, atol=1e-12)


@both
def test_layout_in_memory_changes_nothing(kind):
    net = trained(kind(3, (4, 4)))
    x = torch.rand(2, 3, 9, 6).double()
    other = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(net(other), net(x), rtol=1e-12, atol=1e-12)


@both
def test_gradients_and_new_parameters(kind):
    net = kind(3, (4, 4))
    x = torch.rand(3, 3, 8, 8)
    out = net(x)
    # Of a batch's mean, batch norm leaves nothing.
    (out * torch.randn_like(out)).sum().backward()
    for name, p in net.named_parameters():
        if name.split(".")[-1] == "weight":
            assert p.grad.abs().sum() > 0, name
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.reset_parameters()
    after = net.state_dict()
    drawn = [k for k in before if ".convs." in f".{k}" and "weight" in k]
    assert drawn
    assert not any(torch.equal(before[k], after[k]) for k in drawn)
    means = [k for k in before if k.endswith("running_mean")]
    assert means
    assert all(after[k].eq(0).all() for k in means)


@both
@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        ([1], TypeError, "`x` is list, expected floating-point pictures"),
        (
            torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
            TypeError,
            r"`x` is torch.uint8, expected floating-point",
        ),
        (torch.zeros(3, 32, 32), ValueError, r"`x` has shape \[3, 32, 32\]"),
        (
            torch.zeros(1, 1, 32, 32),
            ValueError,
            r"shape \[1, 1, 32, 32\], expected pictures \[G, 3, H, W\]",
        ),
        (
            torch.zeros(1, 3, 32, 15),
            ValueError,
            "pictures of 32 × 15 pixels, expected at least 16 × 16",
        ),
    ],
)
def test_bad_pictures(kind, x, error, text):
    with pytest.raises(error, match=text):
        kind()(x)


@both
@pytest.mark.parametrize(
    ("sizes", "error", "text"),
    [
        ({"in_channels": 0}, ValueError, "`in_channels` is 0"),
        ({"channels": ()}, ValueError, "`channels` is empty"),
        ({"channels": (3, 0)}, ValueError, "`channels` is 0"),
        ({"kernel_size": 4}, ValueError, "`kernel_size` is 4, .* odd"),
        ({"kernel_size": 3.0}, TypeError, r"`kernel_size` is 3\.0"),
        ({"stride": 0}, ValueError, "`stride` is 0"),
    ],
)
def test_sizes_that_cannot_be(kind, sizes, error, text):
    with pytest.raises(error, match=text):
        kind(**sizes)


def test_blocks_that_cannot_be():
    with pytest.raises(ValueError, match="`num_blocks` is 0"):
        ResidualNet(num_blocks=0)
