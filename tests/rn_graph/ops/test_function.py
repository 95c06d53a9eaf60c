"""What every engine's sum has in common: gradients, also of gradients."""

import gc
import weakref

import pytest
import torch

from rn_graph import RNConv

EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 1, 0, 4, 2]])


def gradients(conv, x, wanted, create_graph):
    return torch.autograd.grad(
        conv(x).pow(2).sum(), wanted, create_graph=create_graph
    )


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("shared", ["weight and bias", "first bias", "layer"])
def test_parameters_that_layers_share(shared, create_graph):
    """Their gradients are whole, once, in any way that they are asked for."""
    conv = RNConv(3, 4, 4, 3, backend="blocked").double()
    first, second, third = conv.g.lins
    if shared == "layer":
        conv.g.lins[2] = second
    elif shared == "first bias":
        second.bias = first.bias
    else:
        third.weight, third.bias = second.weight, second.bias
    with torch.no_grad():
        first.bias += 1  # most of its ReLUs are awake
    x = torch.randn(6, 3).double().requires_grad_()
    wanted = [x, *conv.parameters()]
    found = gradients(conv, x, wanted, create_graph)
    conv.backend = "reference"
    expected = gradients(conv, x, wanted, create_graph)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_weights_are_let_go_after_the_backward_pass():
    conv, x = RNConv(3, 4, 4, 3), torch.randn(5, 3)
    weight = torch.rand(5, requires_grad=True) * 1
    seen = weakref.ref(weight)
    out = conv(x, EDGES, edge_weight=weight)
    out.sum().backward()
    del weight
    gc.collect()
    assert seen() is None
    assert out.shape == (5, 4)  # and is still held


@pytest.mark.parametrize("dtype", [torch.float32, torch.double])
def test_one_tensor_as_senders_and_receivers(dtype):
    from rn_graph.batching import Complete
    from rn_graph.ops import pair_sum

    g = RNConv(4, 4, 4, 3).to(dtype).g
    h = torch.randn(5, 4, dtype=dtype, requires_grad=True)
    terms = g.terms(torch.randn(5, 4, dtype=dtype), h)
    terms = terms._replace(receiver=h, sender=h)
    found = []
    for backend in ("blocked", "reference"):
        out = pair_sum(g, terms, Complete(), backend)
        (d,) = torch.autograd.grad(out.pow(2).sum(), h, create_graph=True)
        found.append(d)
    torch.testing.assert_close(*found)
