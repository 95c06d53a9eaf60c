"""The dense sum: values, gradients, and what it is summed in."""

import copy

import pytest
import torch

from rn_graph import RNConv
from rn_graph.ops import dense

BATCH = torch.tensor([0, 0, 0, 1, 1, 1])


def pair(**kwargs):
    """The same layer densely, and by the reference."""
    options = {"hidden_channels": 8, "num_layers": 3, **kwargs}
    conv = RNConv(4, 6, backend="dense", **options)
    slow = copy.deepcopy(conv).double()
    slow.backend = "reference"
    return conv, slow


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("self_pairs", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 1},
        {"question_channels": 3},
        {"question_channels": 3, "question_layer": 1},
        {"question_channels": 3, "question_layer": 2},
        {"question_channels": 3, "question_layer": 1, "plain_last": True},
        {"symmetric": True},
        {"aggr": "mean"},
    ],
    ids=str,
)
def test_values_and_two_derivatives(options, self_pairs):
    conv, slow = pair(self_pairs=self_pairs, **options)
    conv.double()
    x = torch.randn(6, 4, dtype=torch.double, requires_grad=True)
    given, inputs = {"batch": BATCH}, [x]
    if "question_channels" in options:
        given["question"] = torch.randn(2, 3).double().requires_grad_()
        inputs.append(given["question"])
    found = []
    for layer in (conv, slow):
        out = layer(x, **given)
        wanted = [*inputs, *layer.parameters()]
        first = torch.autograd.grad(out.pow(2).sum(), wanted, create_graph=True)
        second = torch.autograd.grad(sum(d.pow(2).sum() for d in first), wanted)
        found.append([out, *first, *second])
    for a, b in zip(*found, strict=True):
        close(a, b, 1e-9)


@pytest.mark.parametrize("self_pairs", [True, False])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    "options",
    [{}, {"plain_last": True}, {"hidden_channels": 80, "num_layers": 2}],
    ids=str,
)
def test_large_matrices_without_gradients(options, mode, self_pairs):
    conv, slow = pair(
        **{"hidden_channels": 64, "self_pairs": self_pairs, **options}
    )
    x = torch.randn(200, 4)  # of two graphs
    batch = torch.arange(2).repeat_interleave(100)
    assert 2 * 100**2 * 64 * 4 >= 2**22  # bytes of a layer's activations
    expected = slow(x.double(), batch=batch)
    scale = expected.abs().max()
    with mode():
        first, second = conv(x, batch=batch), conv(-x, batch=batch)
        again = conv(x, batch=batch)
    close(first.clone().double() / scale, expected / scale, 1e-5)
    assert again.equal(first)
    assert not second.equal(first)


@pytest.mark.parametrize("count", [40, 600])
@pytest.mark.parametrize("grad", [True, False])
def test_half_precision_is_summed_in_float32(count, grad):
    """A sum of ones beyond what bfloat16 counts to, 256."""
    conv, _ = pair(self_pairs=True)
    with torch.no_grad():
        for lin in conv.g.lins:
            lin.weight.zero_()
            lin.bias.fill_(1)
    x = torch.randn(count, 4, requires_grad=grad)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(grad):
        out = conv(x)
        assert out.dtype == torch.float32
        assert out.eq(count).all()
        conv.self_pairs = False
        assert conv(x).eq(count - 1).all()
    if grad:
        out.sum().backward()
        bias = conv.g.lins[-1].bias.grad
        close(bias, torch.full_like(bias, count**2), 1e-2)


def test_half_precision_by_wide_sums_has_the_same_gradients(monkeypatch):
    conv, _ = pair(hidden_channels=16)
    found = []
    for few in (2**40, 0):  # torch's own sum, then ours
        monkeypatch.setattr(dense, "_FEW", few)
        torch.manual_seed(1)
        x = torch.randn(40, 4, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            out = conv(x)
        wanted = [x, *conv.parameters()]
        first = torch.autograd.grad(out.pow(2).sum(), wanted, create_graph=True)
        second = torch.autograd.grad(first[0].pow(2).sum(), x)
        found.append([out, *first, *second])
    for a, b in zip(*found, strict=True):
        scale = b.abs().max().clamp(min=1)
        close(a / scale, b / scale, 1e-2)


def test_order_does_not_matter_to_a_symmetric_g():
    conv, slow = pair(symmetric=True, self_pairs=False)
    conv.double()
    x, order = torch.randn(6, 4).double(), torch.tensor([2, 0, 1, 5, 3, 4])
    out = conv(x, batch=BATCH)
    close(conv(x[order], batch=BATCH), out[order])
    close(slow(x, batch=BATCH), out)
