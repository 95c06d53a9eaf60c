"""The choice among backends, and what each says it cannot do."""

import pytest
import torch

from rn_graph import RNConv
from rn_graph.batching import Complete
from rn_graph.edges import Edges
from rn_graph.ops import BACKENDS, dispatch
from rn_graph.ops.dispatch import choose, pair_sum, why_not
from tests.rn_graph import slow

RAGGED = torch.tensor([0, 0, 1, 1, 1])
EQUAL = torch.tensor([0, 0, 1, 1])
NONE = torch.zeros(0, dtype=torch.long)


def make(**kwargs):
    options = {"hidden_channels": 8, "num_layers": 3, **kwargs}
    return RNConv(4, 6, **options).double()


def nodes(count):
    return torch.randn(count, 4).double()


# Choices #####################################################################


@pytest.mark.parametrize(
    ("expected", "count", "pairs", "options"),
    [
        ("dense", 4, Complete(EQUAL), {}),
        ("dense", 5, Complete(), {}),
        ("dense", 5, Complete(), {"plain_last": True}),
        ("dense", 5, Complete(), {"symmetric": True}),
        ("dense", 5, Complete(self_pairs=False), {}),
        ("blocked", 5, Complete(RAGGED), {}),
        ("blocked", 0, Complete(NONE), {}),
        ("blocked", 5, Complete(share=(1, 2)), {}),
        ("blocked", 20, Complete(), {"symmetric": True}),
        ("blocked", 2000, Complete(), {}),
        ("blocked", 5, Complete(RAGGED, True, EQUAL), {}),
        ("blocked", 4, Edges(EQUAL, EQUAL), {}),
        ("rows", 5, Complete(), {"norm": "layer_norm"}),
        ("rows", 5, Complete(), {"dropout": 0.5}),
        ("rows", 5, Complete(), {"num_layers": 1, "plain_last": True}),
        (
            "rows",
            5,
            Complete(),
            {"g": torch.nn.Linear(8, 6), "hidden_channels": 256}
            | {"num_layers": 4},
        ),
    ],
)
def test_the_choice(expected, count, pairs, options):
    assert choose(make(**options).g, nodes(count), pairs) == expected


def test_without_dropout_in_evaluation():
    assert choose(make(dropout=0.5).eval().g, nodes(5), Complete()) == "dense"


def test_what_has_no_values_is_left_to_an_operator():
    conv = make().to("meta")
    assert choose(conv.g, nodes(5).to("meta"), Complete()) == "blocked"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dense_form_is_for_few_bytes(dtype):
    conv = make().to(dtype)
    # The layer may train.
    most = dispatch.DENSE_BYTES[dtype == torch.bfloat16]
    size = int((most // (8 * dtype.itemsize)) ** 0.5)
    x = torch.randn(size + 1, 4, dtype=dtype)
    assert choose(conv.g, x[:size], Complete()) == "dense"
    assert choose(conv.g, x, Complete()) == "blocked"


@pytest.mark.parametrize(
    ("backend", "pairs", "options", "reason"),
    [
        ("fast", Complete(), {}, "expected None or one of"),
        ("dense", Complete(), {"norm": "layer_norm"}, "no norm, no dropout"),
        ("blocked", Complete(), {"dropout": 0.5}, "no norm, no dropout"),
        ("triton", Complete(), {"norm": "layer_norm"}, "no norm, no dropout"),
        ("dense", Edges(RAGGED, RAGGED), {}, "not edges: expected 'blocked'"),
        ("rows", Edges(RAGGED, RAGGED), {}, "not edges: expected 'blocked'"),
        ("triton", Edges(RAGGED, RAGGED), {}, "not edges: expected 'blocked'"),
        ("dense", Complete(RAGGED, True, EQUAL), {}, "with a `question_batch`"),
        ("rows", Complete(RAGGED, True, EQUAL), {}, "with a `question_batch`"),
        ("dense", Complete(RAGGED), {}, "graphs are of different sizes"),
        ("dense", Complete(share=(1, 2)), {}, "it sums whole graphs"),
    ],
)
def test_why_not(backend, pairs, options, reason):
    g, x = make(**options).g, nodes(5)
    assert reason in why_not(g, x, pairs, backend)
    with pytest.raises(ValueError, match=f"`backend` is '{backend}', but "):
        choose(g, x, pairs, backend)


@pytest.mark.parametrize("backend", ["dense", "blocked", "rows", "reference"])
def test_nothing_against_it(backend):
    g, x = make().g, nodes(4)
    assert why_not(g, x, Complete(EQUAL), backend) is None
    assert choose(g, x, Complete(EQUAL), backend) == backend


def test_every_backend_has_a_reason_against_ragged_edges_or_none():
    g, x = make(norm="layer_norm").g, nodes(5)
    known = [b for b in BACKENDS if why_not(g, x, Complete(), b) is None]
    assert known == ["rows", "reference"]


# Sums ########################################################################

every_g = pytest.mark.parametrize(
    "options",
    [
        {"symmetric": s, "plain_last": p, "question_channels": 3} | at
        for s in (False, True)
        for p in (False, True)
        for at in ({}, {"question_layer": 1})
    ],
    ids=str,
)


def gradients(conv, out, x, weight):
    return out, *torch.autograd.grad(
        (out * weight).sum(), [x, *conv.parameters()]
    )


def assert_equal(conv, found, expected, x):
    weight = torch.randn_like(expected)
    for a, b in zip(
        gradients(conv, found, x, weight),
        gradients(conv, expected, x, weight),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@every_g
@pytest.mark.parametrize("self_pairs", [True, False])
@pytest.mark.parametrize(
    ("backend", "batch"),
    [("dense", EQUAL)]
    + [(b, RAGGED) for b in ("blocked", "rows", "reference")],
    ids=["dense", "blocked", "rows", "reference"],
)
def test_all_pairs_equal_the_loop(backend, batch, self_pairs, options):
    conv = make(self_pairs=self_pairs, **options)
    x, question = nodes(len(batch)).requires_grad_(), torch.randn(2, 3).double()
    terms = conv.g.terms(x, x, question, row=batch)
    found = pair_sum(conv.g, terms, Complete(batch, self_pairs), backend)
    expected = slow.rnconv(conv, x, x, batch.tolist(), question=question)
    assert_equal(conv, found, expected, x)


@every_g
@pytest.mark.parametrize("weighted", [False, True])
def test_edges_equal_the_loop(weighted, options):
    conv = make(**options)
    x, question = nodes(5).requires_grad_(), torch.randn(2, 3).double()
    index = torch.randint(5, (2, 12))
    weight = torch.randn(12).double() if weighted else None
    terms = conv.g.terms(x, x, question, row=RAGGED)
    found = pair_sum(conv.g, terms, Edges(*index, weight))
    listed = [(j, i, e) for e, (j, i) in enumerate(index.t().tolist())]
    expected = slow.rnconv(
        conv,
        x,
        x,
        RAGGED.tolist(),
        listed,
        question=question,
        edge_weight=weight,
    )
    assert_equal(conv, found, expected, x)
