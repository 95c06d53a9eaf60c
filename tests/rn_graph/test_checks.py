"""Bad input: each message names the argument, the value, the expectation."""

import threading

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from rn_graph import (
    RelationNetwork,
    RNConv,
    checks,
    complete_edge_index,
    question_rows,
    value_checks,
)
from rn_graph.checks import call_trusted, checks_enabled, is_trusted
from rn_graph.pairs import AttentionPairs, KNNPairs, RandomPairs

X = torch.randn(5, 4)
BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = torch.tensor([[0, 1], [1, 4]])
Q = torch.randn(2, 3)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float64]
)
def test_nan_is_found_beside_anything(dtype):
    inf = float("inf")
    for values, expected in (
        ([], False),
        ([1.0, 2.0], False),
        ([6e4, 6e4], False),  # their sum overflows half precision
        ([inf, -inf], False),
        ([inf, -inf, float("nan")], True),
        ([0.0, float("nan")], True),
    ):
        x = torch.tensor(values, dtype=dtype, requires_grad=True)
        assert checks.has_nan(x) == expected


META = torch.zeros(5, dtype=torch.long, device="meta")


def bad_edges(text, edge_index, error=ValueError, **kwargs):
    return pytest.param({}, {"edge_index": edge_index, **kwargs}, error, text)


def bad(text, error=ValueError, made=None, **kwargs):
    return pytest.param(made or {}, kwargs, error, text)


ASKED = {"question_channels": 3}
ATTR = {"edge_channels": 2}


@pytest.mark.parametrize(
    ("made", "given", "error", "text"),
    [
        # Nodes
        bad(r"`x` is ndarray, expected a floating", TypeError, x=X.numpy()),
        bad(r"`x` is NoneType", TypeError, x=None),
        bad(r"`x` is torch.int64", TypeError, x=X.long()),
        bad(r"`x` is torch.complex64", TypeError, x=X.to(torch.complex64)),
        bad(
            r"`x` is torch.float64, expected torch.float32",
            TypeError,
            x=X.double(),
        ),
        bad(r"`x` has shape \[4\], expected \[N, 4\]", x=X[0]),
        bad(r"`x` has shape \[5, 3\], expected \[N, 4\]", x=X[:, :3]),
        bad(r"`x` contains NaN", x=X * float("nan")),
        bad(r"`x` holds 3 tensors, expected \(senders, rec", x=(X, X, X)),
        bad(r"`x` is a pair .* without `edge_index`", x=(X, X.clone())),
        bad_edges(r"`x\[1\]` is NoneType", EDGES, TypeError, x=(X, None)),
        bad_edges(r"`size` is \(3, 5\), expected \(5, 5\)", EDGES, size=(3, 5)),
        bad_edges(r"`size` is \(5,\), expected \(5, 5\)", EDGES, size=(5,)),
        # Graphs
        bad(r"`batch` is list, expected an int64", TypeError, batch=[0] * 5),
        bad(r"`batch` is torch.float32", TypeError, batch=BATCH.float()),
        bad(r"`batch` has shape \[2\], expected \[5\]", batch=BATCH[:2]),
        bad(r"`batch` is not sorted, expected asc", batch=BATCH.flip(0)),
        bad(
            r"`batch` holds values from -1 to 0, expected ≥ 0", batch=BATCH - 1
        ),
        # Questions
        bad(r"`question` is missing, expected \[Q, 3\]", made=ASKED),
        bad(r"`question` is given, but `question_channels` was", question=Q),
        bad(
            r"`question` has shape \[2, 2\], expected \[Q, 3\]",
            made=ASKED,
            question=Q[:, :2],
            batch=BATCH,
        ),
        bad(
            r"`question` is torch.float64, expected torch.float32",
            TypeError,
            made=ASKED,
            question=Q.double(),
            batch=BATCH,
        ),
        bad(r"`question` has 2 rows for 1 graphs", made=ASKED, question=Q),
        bad(
            r"`question` has 1 rows for 2 graphs",
            made=ASKED,
            question=Q[:1],
            batch=BATCH,
        ),
        bad(
            r"`question_batch` has shape \[3\], expected \[2\]",
            made=ASKED,
            question=Q,
            batch=BATCH,
            question_batch=BATCH[:3],
        ),
        bad(
            r"`question_batch` is torch.float32",
            TypeError,
            made=ASKED,
            question=Q,
            batch=BATCH,
            question_batch=torch.zeros(2),
        ),
        bad(
            r"`question_batch` holds values from -1 to -1, expected ≥ 0",
            made=ASKED,
            question=Q,
            batch=BATCH,
            question_batch=-torch.ones(2).long(),
        ),
        bad(
            r"`question_batch` holds values from 0 to 1, expected in \[0, 1\)",
            made=ASKED,
            question=Q,
            question_batch=torch.tensor([0, 1]),
        ),
        bad(
            r"`batch` is not sorted",
            made=ASKED,
            edge_index=EDGES,
            question=Q,
            batch=BATCH.flip(0),
            question_batch=torch.tensor([0, 1]),
        ),
        # Edges
        bad_edges(
            r"`edge_index` is torch.float32, expected torch.int64",
            EDGES.float(),
            TypeError,
        ),
        bad_edges(r"`edge_index` is torch.bool", EDGES.bool(), TypeError),
        bad_edges(
            r"`edge_index` is list, expected a tensor", [[0], [1]], TypeError
        ),
        bad_edges(
            r"`edge_index` is ndarray", np.zeros((2, 1), dtype=int), TypeError
        ),
        bad_edges(
            r"`edge_index` has shape \[3, 2\], expected \[2, E\]",
            torch.zeros(3, 2).long(),
        ),
        bad_edges(
            r"`edge_index` sends from nodes 0 to 5, expected .*\[0, 5\)",
            torch.tensor([[5, 0], [0, 0]]),
        ),
        bad_edges(
            r"`edge_index` leads to nodes -1 to 0, expected .*\[0, 5\)",
            torch.tensor([[0, 0], [-1, 0]]),
        ),
        bad_edges(
            r"`edge_index` has the sparse size \(7, 7\), .* 5 senders",
            EdgeIndex(EDGES, sparse_size=(7, 7)),
        ),
        bad_edges(
            r"`edge_index` is a sparse .* shape \[6, 5\], expected .*\[5, 5\]",
            torch.zeros(6, 5).to_sparse(),
        ),
        bad_edges(
            r"`edge_weight` is given, and `edge_index` is a sparse",
            torch.eye(5).to_sparse(),
            edge_weight=torch.ones(5),
        ),
        bad_edges(
            r"`edge_weight` has shape \[2, 1\], expected \[2\]",
            EDGES,
            edge_weight=torch.ones(2, 1),
        ),
        bad_edges(
            r"`edge_weight` is float, expected a real tensor",
            EDGES,
            TypeError,
            edge_weight=1.0,
        ),
        bad_edges(
            r"`edge_weight` contains NaN",
            EDGES,
            edge_weight=torch.tensor([1.0, float("nan")]),
        ),
        bad_edges(
            r"`edge_attr` is given, but .*`edge_channels=None`",
            EDGES,
            edge_attr=torch.ones(2, 2),
        ),
        bad(
            r"`edge_attr` is missing, but .*`edge_channels=2`",
            made=ATTR,
            edge_index=EDGES,
        ),
        bad(r"`edge_attr` is missing: .*`edge_channels=2`", made=ATTR),
        bad(
            r"`edge_attr` has 1 rows, expected 2",
            made=ATTR,
            edge_index=EDGES,
            edge_attr=torch.ones(1, 2),
        ),
        bad(
            r"`edge_attr` has shape \[2\], expected \[E, 2\]",
            made=ATTR,
            edge_index=EDGES,
            edge_attr=torch.ones(2),
        ),
        bad(
            r"`edge_attr` is given without `edge_index`",
            edge_attr=torch.ones(2, 2),
        ),
        bad(
            r"`edge_weight` is given without `edge_index`",
            edge_weight=torch.ones(2),
        ),
        # Devices
        bad(
            r"`x` is on meta, expected cpu, where the layer's",
            x=torch.zeros(5, 4, device="meta"),
        ),
        bad_edges(
            r"`batch` is on meta, expected cpu, where `x` is", EDGES, batch=META
        ),
        bad_edges(r"`edge_index` is on meta, expected cpu", EDGES.to("meta")),
    ],
)
def test_input_of_the_layer(made, given, error, text):
    conv = RNConv(4, 6, hidden_channels=8, **made)
    given = {"x": X, **given}
    if "meta" in text:  # NaN and order cannot be looked at there
        with value_checks(False), pytest.raises(error, match=text):
            conv(**given)
        return
    with pytest.raises(error, match=text):
        conv(**given)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            {"in_channels": -2},
            "`in_channels` is -2, expected an integer ≥ 0 or",
        ),
        ({"in_channels": (4, 4, 4)}, r"`in_channels` is \(4, 4, 4\), expected"),
        ({"out_channels": 0}, "`out_channels` is 0, expected an integer ≥ 1"),
        ({"hidden_channels": 0}, "`hidden_channels` is 0"),
        ({"num_layers": 0}, "`num_layers` is 0"),
        ({"question_channels": 0}, "`question_channels` is 0"),
        ({"edge_channels": -1}, "`edge_channels` is -1"),
        ({"question_layer": 4}, "`question_layer` is 4, .* 0 to 3"),
        ({"dropout": 1.0}, r"`dropout` is 1.0, expected in \[0, 1\)"),
        ({"norm": "batch_norm"}, "`norm` is 'batch_norm', expected None or"),
        ({"aggr": "max"}, "`aggr` is 'max', expected 'sum' or 'mean'"),
        ({"backend": "fast"}, "`backend` is 'fast', expected None or one of"),
        ({"decomposed_layers": 2}, "`decomposed_layers` is 2, expected 1"),
    ],
)
def test_options_of_the_layer(option, text):
    with pytest.raises(ValueError, match=text):
        RNConv(**{"in_channels": 4, "out_channels": 6, **option})


@pytest.mark.parametrize("name", ["in_channels", "out_channels", "num_layers"])
def test_options_of_another_type(name):
    with pytest.raises(TypeError, match=f"`{name}` is 2.5, expected an int"):
        RNConv(**{"in_channels": 4, "out_channels": 6, name: 2.5})


def test_blocks_know_no_norm():
    conv = RNConv(4, 6, norm="layer_norm", backend="blocked")
    with pytest.raises(ValueError, match=r"`backend` is 'blocked', but it"):
        conv(X)


def test_value_checks_are_switched_off_within_a_block():
    conv, nan = RNConv(4, 6, hidden_channels=8), X * float("nan")
    with value_checks(False):
        assert conv(nan).shape == (5, 6)
        with value_checks(True), pytest.raises(ValueError, match="NaN"):
            conv(nan)
        assert conv(nan).shape == (5, 6)
        with pytest.raises(ValueError, match=r"\[N, 4\]"):  # shapes always are
            conv(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        conv(nan)
    with pytest.raises(RuntimeError, match="inside"), value_checks(False):
        raise RuntimeError("inside")
    with pytest.raises(ValueError, match="NaN"):
        conv(nan)


def test_value_checks_are_each_threads_own():
    """Two uses that overlap, the first of which ends first."""
    inside, over, found = threading.Event(), threading.Event(), {}

    def first():
        with value_checks(False):
            inside.set()
            assert over.wait(10)
        found["after the first"] = checks_enabled()

    def second():
        assert inside.wait(10)
        found["beside the first"] = checks_enabled()
        with value_checks(False):
            over.set()
            other.join(10)
            found["within the second"] = checks_enabled()
        found["after the second"] = checks_enabled()

    other = threading.Thread(target=first)
    threads = [other, threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {
        "beside the first": True,
        "after the first": True,
        "within the second": False,
        "after the second": True,
    }
    assert checks_enabled()


def test_the_module_alone_is_trusted():
    inner, seen = RNConv(4, 6, hidden_channels=8), []

    def outer(x):
        seen.append((is_trusted(outer), is_trusted(inner)))
        with pytest.raises(ValueError, match="NaN"):
            inner(x)
        return call_trusted(inner, x)

    nan = X * float("nan")
    assert call_trusted(outer, nan).shape == (5, 6)
    assert seen == [(True, False)]
    assert not is_trusted(outer)
    with pytest.raises(ValueError, match="NaN"):
        inner(nan)
    with pytest.raises(ValueError, match=r"\[2, E\]"):  # edges are not
        call_trusted(inner, X, torch.zeros(3, 2).long())
    with pytest.raises(RuntimeError, match="inside"):
        call_trusted(_fail)
    assert not is_trusted(_fail)


def _fail():
    raise RuntimeError("inside")


@pytest.mark.parametrize("object_layers", [0, 1])
@pytest.mark.parametrize("kind", ["all", "nearest", "random", "attention"])
def test_a_model_looks_at_each_input_once(kind, object_layers, monkeypatch):
    model = RelationNetwork(
        4,
        3,
        3,
        hidden_channels=8,
        object_layers=object_layers,
        pairs={
            "all": lambda: None,
            "nearest": lambda: KNNPairs(k=2),
            "random": lambda: RandomPairs(share=0.5),
            "attention": lambda: AttentionPairs(
                12 if object_layers else 4, 3, share=0.5
            ),
        }[kind](),
    )
    looked = {"has_nan": [], "isfinite": []}

    def count(holder, name):
        function = getattr(holder, name)

        def counted(x):
            looked[name].append(x.data_ptr())
            return function(x)

        monkeypatch.setattr(holder, name, counted)

    count(checks, "has_nan")
    for holder in (torch, Tensor):
        count(holder, "isfinite")
    x, question, pos = X.clone(), Q.clone(), torch.randn(5, 3)
    model(x, question, BATCH, pos=pos)
    # A selection asks once more, for infinity, of what it goes by.
    goes_by = {"nearest": [pos], "attention": [question]}.get(kind, [])
    if kind == "attention" and not object_layers:
        goes_by.append(x)
    for given in (x, question, pos):
        assert looked["has_nan"].count(given.data_ptr()) == 1
        infinity = looked["isfinite"].count(given.data_ptr())
        assert infinity == any(given is t for t in goes_by)
    for bad in ({"x": x * float("nan")}, {"question": question / 0 * 0}):
        given = {"x": x, "question": question, "batch": BATCH, **bad}
        with pytest.raises(ValueError, match="contains NaN"):
            model(**given)


def test_rows_of_questions():
    with pytest.raises(TypeError, match=r"`batch` is torch.float32"):
        question_rows(BATCH.float(), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"`batch` is not sorted"):
        question_rows(BATCH.flip(0), torch.tensor([0]))
    with pytest.raises(
        ValueError, match=r"`question_batch` holds values from -1"
    ):
        question_rows(BATCH, torch.tensor([-1]))


def test_complete_graphs():
    with pytest.raises(ValueError, match=r"`num_nodes` is needed"):
        complete_edge_index(None)
    with pytest.raises(ValueError, match=r"`batch` is not sorted"):
        complete_edge_index(BATCH.flip(0))
    with pytest.raises(TypeError, match=r"`batch` is torch.float32"):
        complete_edge_index(BATCH.float())
