"""g: layers that were replaced, pruned, wrapped or listened to still count."""

import copy
import types
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from rn_graph import RNConv
from tests.rn_graph.slow import awake

BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = torch.tensor([[0, 1, 2, 4], [1, 0, 3, 2]])
INPUTS = {
    "all pairs": {"batch": BATCH},
    "edges": {"batch": BATCH, "edge_index": EDGES},
    "questions": {
        "batch": BATCH,
        "question_batch": torch.tensor([1, 0]),
    },
}
pytestmark = pytest.mark.filterwarnings("ignore:`question_layer`")

every_layer = pytest.mark.parametrize("at", [0, 1, 2])
every_question = pytest.mark.parametrize("question_layer", [0, 1, 2])
every_end = pytest.mark.parametrize(
    "options",
    [
        {},
        {"plain_last": True},
        {"norm": "layer_norm"},
        {"norm": "layer_norm", "plain_last": True},
        {"symmetric": True},
    ],
    ids=str,
)


class Lora(nn.Module):
    """A layer and an addition to its weight, as adapters have it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.weight, self.bias = layer.weight, layer.bias  # as PEFT shows them
        self.more = nn.Parameter(torch.randn_like(layer.weight))

    def forward(self, h):
        return self.layer(h) + h @ self.more.t()


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def make(**kwargs):
    conv = RNConv(
        4, 6, hidden_channels=8, num_layers=3, question_channels=3, **kwargs
    )
    return awake(conv).double()


def assert_same(conv, expected):
    """Values and gradients of two layers, over every kind of pairs."""
    x, question = torch.randn(5, 4).double(), torch.randn(2, 3).double()
    for name, given in INPUTS.items():
        found = []
        for layer in (conv, expected):
            nodes = x.clone().requires_grad_()
            out = layer(nodes, question=question, **given)
            found.append((out, *torch.autograd.grad(out.pow(2).sum(), nodes)))
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(
                a, b, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
            )


@every_layer
@every_question
@every_end
def test_a_wrapped_layer(at, question_layer, options):
    conv = make(question_layer=question_layer, **options)
    merged = copy.deepcopy(conv)
    lora = conv.g.lins[at] = Lora(conv.g.lins[at])
    with torch.no_grad():
        merged.g.lins[at].weight += lora.more
    assert_same(conv, merged)
    question = torch.randn(2, 3).double()
    out = conv(torch.randn(5, 4).double(), question=question, batch=BATCH)
    out.pow(2).sum().backward()
    assert lora.more.grad is not None
    assert lora.more.grad.abs().sum() > 0


@every_layer
@every_question
@every_end
def test_a_layer_without_bias(at, question_layer, options):
    conv = make(question_layer=question_layer, **options)
    merged = copy.deepcopy(conv)
    old = conv.g.lins[at]
    conv.g.lins[at] = nn.Linear(
        old.weight.size(1), old.weight.size(0), bias=False
    ).double()
    with torch.no_grad():
        merged.g.lins[at].weight.copy_(conv.g.lins[at].weight)
        merged.g.lins[at].bias.zero_()
    assert_same(conv, merged)


@every_layer
@every_question
@pytest.mark.parametrize("plain_last", [False, True])
def test_a_pruned_layer_is_never_stale(at, question_layer, plain_last):
    options = {"question_layer": question_layer, "plain_last": plain_last}
    conv, merged = make(**options), make(**options)
    merged.load_state_dict(conv.state_dict())
    lin, weight = conv.g.lins[at], merged.g.lins[at].weight
    prune.random_unstructured(lin, "weight", amount=0.5)
    with torch.no_grad():
        weight.mul_(lin.weight_mask)
    assert_same(conv, merged)
    with torch.no_grad():  # a step of an optimizer
        lin.weight_orig.mul_(2)
        weight.mul_(2)
    assert_same(conv, merged)
    question = torch.randn(2, 3).double()
    out = conv(torch.randn(5, 4).double(), question=question, batch=BATCH)
    out.pow(2).sum().backward()
    assert lin.weight_orig.grad.abs().sum() > 0
    assert lin.weight_orig.grad[lin.weight_mask == 0].eq(0).all()
    prune.remove(lin, "weight")
    assert_same(conv, merged)


@every_layer
@every_question
@pytest.mark.parametrize("plain_last", [False, True])
def test_a_parametrized_layer(at, question_layer, plain_last):
    conv = make(question_layer=question_layer, plain_last=plain_last)
    merged = copy.deepcopy(conv)
    parametrize.register_parametrization(conv.g.lins[at], "weight", Doubled())
    with torch.no_grad():
        merged.g.lins[at].weight.mul_(2)
    assert_same(conv, merged)
    parametrize.remove_parametrizations(conv.g.lins[at], "weight")
    assert conv.g.lins[at].weight.equal(merged.g.lins[at].weight)
    assert_same(conv, merged)


@every_layer
@every_question
@pytest.mark.parametrize("plain_last", [False, True])
@pytest.mark.parametrize("how", ["hook", "pre-hook", "own forward"])
def test_a_layer_that_is_listened_to(at, question_layer, plain_last, how):
    conv = make(question_layer=question_layer, plain_last=plain_last)
    merged, lin = copy.deepcopy(conv), conv.g.lins[at]
    with torch.no_grad():
        merged.g.lins[at].weight.mul_(2)
        if how != "pre-hook":
            merged.g.lins[at].bias.mul_(2)
    handle = None
    if how == "hook":
        handle = lin.register_forward_hook(lambda _, __, out: 2 * out)
    elif how == "pre-hook":
        handle = lin.register_forward_pre_hook(lambda _, given: 2 * given[0])
    else:

        def forward(self, h):
            return 2 * type(self).forward(self, h)

        lin.forward = types.MethodType(forward, lin)
    assert_same(conv, merged)
    with torch.no_grad():
        merged.load_state_dict(conv.state_dict())
    if handle is None:
        del lin.forward
    else:
        handle.remove()
    assert conv.g.is_plain
    assert_same(conv, merged)


def test_a_replaced_layer_is_not_for_blocks():
    conv = make(backend="blocked")
    conv.g.lins[1] = Lora(conv.g.lins[1])
    x, question = torch.randn(5, 4).double(), torch.randn(2, 3).double()
    with pytest.raises(ValueError, match="'blocked', but it knows no norm"):
        conv(x, question=question, batch=BATCH)


@pytest.mark.parametrize(
    "option",
    [
        {"hidden_channels": 7},
        {"num_layers": 3},
        {"plain_last": True},
        {"norm": "layer_norm"},
        {"dropout": 0.5},
        {"symmetric": True},
    ],
    ids=str,
)
def test_options_of_g_are_not_for_a_module_in_its_place(option):
    (name,) = option
    with pytest.raises(ValueError, match=rf"`{name}` is .*but `g` is given"):
        RNConv(4, 6, g=nn.Linear(8, 6), **option)


def test_a_question_at_a_plain_last_layer_is_warned_of():
    options = {"num_layers": 3, "question_channels": 3}
    with pytest.warns(UserWarning, match="`question_layer` is 2, g's last"):
        RNConv(4, 6, question_layer=2, plain_last=True, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RNConv(4, 6, question_layer=1, plain_last=True, **options)
        RNConv(4, 6, question_layer=2, **options)


def test_a_question_at_a_plain_last_layer_is_added_to_each_sum():
    conv = make(question_layer=2, plain_last=True)
    question = torch.randn(2, 3).double()
    x = torch.randn(5, 4).double()
    weight = conv.g.lins[2].weight[:, -3:]
    more = conv(x, question=question, batch=BATCH) - conv(
        x, question=torch.zeros_like(question), batch=BATCH
    )
    count = torch.tensor([2.0, 2, 3, 3, 3]).double()
    expected = (question @ weight.t())[BATCH] * count[:, None]
    torch.testing.assert_close(more, expected)


@pytest.mark.parametrize("plain_last", [False, True])
@pytest.mark.parametrize("backend", [None, "blocked", "rows", "reference"])
def test_a_symmetric_g_does_not_tell_sender_from_receiver(backend, plain_last):
    conv = make(symmetric=True, plain_last=plain_last, backend=backend)
    x, question = torch.randn(2, 4).double(), torch.randn(1, 3).double()
    conv.self_pairs = False
    a, b = conv(x, question=question)
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    edge = torch.tensor([[0], [1]])
    forth = conv(x, edge, question=question)[1]
    back = conv(x, edge.flip(0), question=question)[0]
    torch.testing.assert_close(forth, back, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(forth, b, rtol=1e-10, atol=1e-10)
