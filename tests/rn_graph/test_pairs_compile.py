"""Selections under torch.compile and the transforms of torch.func.

Which pairs there are is decided outside of what is compiled.
"""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from rn_graph.models import RelationNetwork
from rn_graph.pairs import (
    AllPairs,
    AttentionPairs,
    Distillation,
    KNNPairs,
    RadiusPairs,
    RandomPairs,
)
from tests.rn_graph import pairs_reference as ref

SELECTIONS = {
    "attention": lambda: AttentionPairs(4, 3, k=2),
    "heads": lambda: AttentionPairs(4, 3, share=0.3, heads=2, noise=0.0),
    "no gate": lambda: AttentionPairs(4, 3, k=2, gate=False),
    "all scored": lambda: AttentionPairs(4, 3, share=1.0),
    "all": AllPairs,
    "nearest": lambda: KNNPairs(k=2),
    "nearest by x": lambda: KNNPairs(share=0.4, by="x"),
    "radius": lambda: RadiusPairs(1.0),
    "random": lambda: RandomPairs(k=2),
}


class Net(nn.Module):
    """A selection of views of features, and a sum over pairs."""

    def __init__(self, pairs: nn.Module) -> None:
        super().__init__()
        self.pairs = pairs
        self.encode = nn.Linear(4, 8)
        self.g = nn.Linear(8, 5)

    def forward(self, x, question, batch, pos):
        chosen, x = self.encode(x).tanh().split(4, dim=-1)
        edges, weight = self.pairs(chosen, question, batch, pos)
        h = self.g(torch.cat([x[edges[0]], chosen[edges[1]]], 1)).tanh()
        if weight is not None:
            h = h * weight.unsqueeze(1)
        out = x.new_zeros(question.size(0), 5)
        return out.index_add(0, batch[edges[1]], h)


def draw(sizes):
    n = sum(sizes)
    question = torch.randn(len(sizes), 3)
    return torch.randn(n, 4), question, ref.batch_of(sizes), torch.randn(n, 2)


def step(function, model, *args, **kwargs):
    """An output and all gradients."""
    torch.manual_seed(1)
    out = function(*args, **kwargs)
    parameters = list(model.parameters())
    grads = torch.autograd.grad(
        out.square().sum(), parameters, allow_unused=True
    )
    return [out, *grads]


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        if b is None:
            assert a is None or not a.any()
        else:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SELECTIONS)
def test_compiled_training_is_that_without(name):
    torch._dynamo.reset()
    model = Net(SELECTIONS[name]())
    compiled = torch.compile(model, backend="aot_eager")
    for sizes in [(5, 4), (3, 6, 2)]:
        args = draw(sizes)
        assert_equal(step(compiled, model, *args), step(model, model, *args))
    model.eval()
    assert_equal(step(compiled, model, *args), step(model, model, *args))


def test_compiled_distillation_is_that_without():
    torch._dynamo.reset()
    pairs = AttentionPairs(4, 3, share=1.0, gate=False)
    model = Net(pairs)
    compiled = torch.compile(model, backend="aot_eager")
    args = draw([5, 4])
    compiled(*args)  # before anyone teaches

    def taught(function):
        with Distillation(pairs) as teacher:
            return teacher.loss(function(*args).square().sum())

    for _ in range(2):
        found = step(lambda: taught(compiled), model)
        assert_equal(found, step(lambda: taught(model), model))
        with torch.no_grad():
            assert_equal([compiled(*args)], [model(*args)])


@pytest.mark.nightly  # a compiler of C++ is at work for a minute
def test_the_default_compiler():
    torch._dynamo.reset()
    pairs = AttentionPairs(4, 3, k=2)
    model = RelationNetwork(4, 5, 3, 8, num_layers=2, pairs=pairs)
    compiled = torch.compile(model)
    x, question, batch, _ = draw([5, 4])
    found = step(compiled, model, x, question, batch)
    assert_equal(found, step(model, model, x, question, batch))


@pytest.mark.parametrize("name", SELECTIONS)
def test_torch_func_is_right_or_refuses(name):
    model = Net(SELECTIONS[name]()).double().eval()
    x, question, batch, pos = (
        t if t.dtype == torch.long else t.double() for t in draw([5, 4])
    )

    def run(x):
        return model(x, question, batch, pos).square().sum()

    x.requires_grad_()
    (slope,) = torch.autograd.grad(run(x), x)
    x = x.detach()
    torch.testing.assert_close(grad(run)(x), slope)
    along = torch.randn_like(x)
    found = jvp(run, (x,), (along,))[1]
    torch.testing.assert_close(found, (slope * along).sum())
    several = torch.stack([x, x + along])
    if name in ("attention", "heads", "no gate", "nearest by x"):
        # Each x would have pairs of its own.
        with pytest.raises(RuntimeError, match="nonzero"):
            vmap(run)(several)
    else:
        expected = torch.stack([*map(run, several)])
        torch.testing.assert_close(vmap(run)(several), expected)


def test_distillation_within_torch_func():
    pairs = AttentionPairs(4, 3, share=1.0, gate=False)
    model, args = Net(pairs), draw([5, 4])
    parameters = dict(model.named_parameters())

    def taught(parameters):
        with Distillation(pairs) as teacher:
            out = functional_call(model, parameters, args)
            return teacher.loss(out.square().sum())

    found = grad(taught)(parameters)
    expected = torch.autograd.grad(
        taught(parameters), list(parameters.values()), allow_unused=True
    )
    assert_equal(found.values(), expected)
