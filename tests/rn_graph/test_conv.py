"""RNConv as a PyG layer: forms of input, options, types, memory."""

import copy
import io
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch_geometric import EdgeIndex

import rn_graph.ops.blocked
import rn_graph.ops.dispatch
from rn_graph import RNConv, complete_edge_index, question_rows
from rn_graph.ops.blocked import engine

BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = complete_edge_index(BATCH)


def make(**kwargs):
    return RNConv(4, 6, **{"hidden_channels": 8, "num_layers": 3, **kwargs})


def asking(**kwargs):
    """A layer with a question, and its input."""
    inputs = {"question": torch.randn(2, 3), "batch": BATCH}
    return make(question_channels=3, **kwargs), torch.randn(5, 4), inputs


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_rnconv():
    x = torch.randn(4, 4)
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    conv = make()
    assert str(conv) == "RNConv(4, 6, num_layers=3)"
    out = conv(x, edge_index)
    assert out.shape == (4, 6)
    assert out[2:].eq(0).all()  # isolated nodes
    close(conv(x, edge_index, size=(4, 4)), out)
    by_column = EdgeIndex(edge_index, sparse_size=(4, 4), sort_order="col")
    close(conv(x, by_column), out)
    adj_t = torch.sparse_coo_tensor(edge_index.flip(0), torch.ones(4), (4, 4))
    for form in (adj_t, adj_t.to_sparse_csr(), adj_t.to_sparse_csc()):
        close(conv(x, form), out)
    close(conv((x, x), edge_index), out)


def test_bipartite():
    conv = RNConv((4, 2), 6, hidden_channels=8, edge_channels=3)
    x = (torch.randn(4, 4), torch.randn(2, 2))
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    inputs = {"edge_attr": torch.randn(4, 3), "edge_weight": torch.rand(4)}
    assert str(conv) == "RNConv((4, 2), 6, num_layers=4)"
    out = conv(x, edge_index, **inputs, size=(4, 2))
    assert out.shape == (2, 6)
    close(conv(x, edge_index, **inputs, size=(4, None)), out)
    order = torch.randperm(4)
    shuffled = {name: value[order] for name, value in inputs.items()}
    close(conv(x, edge_index[:, order], **shuffled), out)


def test_flow_is_reversed():
    x = torch.randn(4, 4)
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    conv = make(flow="target_to_source")
    other = make()
    other.load_state_dict(conv.state_dict())
    close(conv(x, edge_index), other(x, edge_index.flip(0)))
    weight = torch.rand(4)
    by_row = EdgeIndex(edge_index, sparse_size=(4, 4), sort_order="row")
    close(
        conv(x, by_row, edge_weight=weight),
        other(x, edge_index.flip(0), edge_weight=weight),
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize(
    "options",
    [
        {"backend": "rows"},
        {"backend": "reference"},
        {"backend": "rows", "aggr": "mean"},
        {"norm": "layer_norm"},
        {"edge_channels": 2},
        {"question_channels": 3, "question_layer": 1, "backend": "rows"},
        {},
    ],
    ids=str,
)
def test_flows_and_index_types_agree_with_gradients(options, dtype):
    """Of senders and receivers of different number and width."""
    conv, other = (
        RNConv((4, 5), 6, hidden_channels=8, num_layers=3, flow=flow, **options)
        for flow in ("source_to_target", "target_to_source")
    )
    other.load_state_dict(conv.state_dict())
    conv, other = conv.double(), other.double()
    x = (torch.randn(7, 4).double(), torch.randn(3, 5).double())
    edges = torch.stack([torch.randint(7, (9,)), torch.randint(3, (9,))])
    given = {}
    if "edge_channels" in options:
        given["edge_attr"] = torch.randn(9, 2).double()
    if "question_channels" in options:
        given["question"] = torch.randn(1, 3).double()

    def run(layer, edge_index):
        nodes = tuple(part.clone().requires_grad_() for part in x)
        out = layer(nodes, edge_index, **given)
        return out, *torch.autograd.grad(out.square().sum(), nodes)

    expected = run(conv, edges)
    reversed_edges = edges.flip(0).to(dtype)
    for found in (run(conv, edges.to(dtype)), run(other, reversed_edges)):
        for a, b in zip(found, expected, strict=True):
            close(a, b, 1e-10)
    by_receiver = EdgeIndex(reversed_edges, sparse_size=(3, 7)).sort_by("row")
    if not given:
        for a, b in zip(run(other, by_receiver.values), expected, strict=True):
            close(a, b, 1e-10)


def test_an_edge_listed_twice_counts_twice():
    x, conv = torch.randn(3, 4), make()
    once, twice = torch.tensor([[0], [1]]), torch.tensor([[0, 0], [1, 1]])
    close(conv(x, twice), 2 * conv(x, once))
    weight = torch.tensor([0.25, -1.0])
    close(conv(x, twice, edge_weight=weight), -0.75 * conv(x, once))
    coo = torch.sparse_coo_tensor(twice.flip(0), weight, (3, 3))
    close(conv(x, coo), -0.75 * conv(x, once))


def test_values_of_a_sparse_matrix_are_weights_with_gradients():
    x, conv = torch.randn(5, 4), make()
    weight = torch.rand(EDGES.size(1), requires_grad=True)
    out = conv(x, EDGES, edge_weight=weight)
    (expected,) = torch.autograd.grad(out.sum(), weight)
    coo = torch.sparse_coo_tensor(EDGES.flip(0), weight, (5, 5))
    for form in (coo, coo.to_sparse_csr(), coo.to_sparse_csc()):
        (found,) = torch.autograd.grad(
            conv(x, form).sum(), weight, retain_graph=True
        )
        close(found, expected)


def test_self_pairs_are_left_out():
    conv, x = make(self_pairs=False), torch.randn(5, 4)
    edges = complete_edge_index(BATCH, self_pairs=False)
    assert edges.size(1) == 2 * 1 + 3 * 2
    close(conv(x, batch=BATCH), conv(x, edges))
    assert conv(x[:1]).eq(0).all()


def test_mean_is_the_sum_over_the_number_of_pairs():
    conv, x = make(aggr="mean"), torch.randn(5, 4)
    total = make()
    total.load_state_dict(conv.state_dict())
    sizes = torch.tensor([2, 2, 3, 3, 3]).unsqueeze(1)
    close(conv(x, batch=BATCH), total(x, batch=BATCH) / sizes)
    close(conv(x, EDGES), total(x, EDGES) / sizes)
    none = torch.zeros(2, 0, dtype=torch.long)
    assert conv(x, none).eq(0).all()


def test_layer_norm_in_g():
    conv, x = make(norm="layer_norm"), torch.randn(5, 4)
    assert len(conv.g.norms) == 3
    assert len(make(norm="layer_norm", plain_last=True).g.norms) == 2
    close(conv(x, batch=BATCH), conv(x, EDGES))


def test_a_module_in_gs_place():
    rows = []

    class Pairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(4 + 4 + 3, 6)

        def forward(self, pairs):
            rows.append(len(pairs))
            return self.lin(pairs).tanh()

    conv, x = RNConv(4, 6, question_channels=3, g=Pairs()), torch.randn(5, 4)
    inputs = {"question": torch.randn(2, 3), "batch": BATCH}
    out = conv(x, **inputs)
    assert sum(rows) == 4 + 9
    close(conv(x, EDGES, **inputs), out)
    q = inputs["question"][BATCH]
    pairs = torch.cat([x[EDGES[1]], x[EDGES[0]], q[EDGES[1]]], dim=1)
    expected = torch.zeros(5, 6).index_add(0, EDGES[1], conv.g.lins[0](pairs))
    close(out, expected)
    before = conv.g.lins[0].lin.weight.clone()
    conv.reset_parameters()
    assert not torch.equal(conv.g.lins[0].lin.weight, before)


def test_a_module_of_another_width_is_named():
    conv = RNConv(4, 6, g=nn.Linear(8, 5))
    with pytest.raises(ValueError, match=r"`g` maps 25 pairs to \[25, 5\]"):
        conv(torch.randn(5, 4))


def test_g_must_be_a_module_and_its_question_enter_at_a_layer():
    with pytest.raises(TypeError, match=r"`g` is .*relu.*, expected a torch"):
        RNConv(4, 6, g=torch.relu)
    with pytest.raises(TypeError, match=r"`question_layer` is 1\.5"):
        make(question_channels=3, question_layer=1.5)
    with pytest.raises(ValueError, match="`question_layer` is 3, expected one"):
        make(question_channels=3, question_layer=3)


def test_dropout_takes_rows_in_training_and_not_in_evaluation(monkeypatch):
    used = []
    for name in ("sum_rows", "sum_dense"):
        inner = getattr(rn_graph.ops.dispatch, name)
        monkeypatch.setattr(
            rn_graph.ops.dispatch,
            name,
            lambda *a, _inner=inner, _name=name: (
                used.append(_name),
                _inner(*a),
            )[1],
        )
    conv, x = make(dropout=0.5), torch.randn(5, 4)
    first, second = conv(x), conv(x)
    assert not torch.equal(first, second)
    conv.eval()
    assert torch.equal(conv(x), conv(x))
    assert used == ["sum_rows", "sum_rows", "sum_dense", "sum_dense"]


def test_dropout_recomputes_the_same_mask(monkeypatch):
    # Blocks whose activations are recomputed must not draw another mask.
    conv, x = make(dropout=0.5), torch.randn(6, 4, dtype=torch.double)
    conv.double()
    found = []
    for block in (1, 2**22):
        monkeypatch.setattr(rn_graph.ops.blocked, "BLOCK_BYTES", block)
        y = x.clone().requires_grad_()
        torch.manual_seed(1)
        out = conv(y)
        (grad,) = torch.autograd.grad(out.sum(), y)
        step = torch.full_like(y, 1e-6)
        torch.manual_seed(1)
        moved = conv((y + step).detach())
        slope = (moved - out).sum() / 1e-6
        found.append((grad.sum().item(), slope.item()))
    for analytic, numeric in found:
        assert analytic == pytest.approx(numeric, rel=1e-3, abs=1e-3)


# Types ######################################################################


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    conv, x, inputs = asking()
    full = conv(x, **inputs)
    with torch.autocast("cpu", dtype):
        paths = [
            conv(x, **inputs),
            conv(x, EDGES, **inputs),
            conv(x, EdgeIndex(EDGES, sort_order="col"), **inputs),
        ]
        conv.backend = "rows"
        paths.append(conv(x, **inputs))
    for out in paths:
        assert out.dtype == torch.float32
        close(out, paths[0], 2e-2)
        close(out, full, 3e-2)
    sum(out.sum() for out in paths).backward()
    assert all(p.grad.dtype == torch.float32 for p in conv.parameters())


def test_autocast_leaves_float64_alone():
    conv, x, inputs = asking()
    conv.double()
    x, inputs["question"] = x.double(), inputs["question"].double()
    expected = conv(x, **inputs)
    with torch.autocast("cpu", torch.bfloat16):
        for edges in (None, EDGES):
            close(conv(x, edges, **inputs), expected, 1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_accumulates_in_float32(dtype):
    # A running sum of bfloat16 would stop at 256, of float16 at 2048.
    n = 3000
    conv = RNConv(1, 1, num_layers=1).to(dtype)
    with torch.no_grad():
        conv.g.lins[0].weight.zero_()
        conv.g.lins[0].bias.fill_(1.0)
    x = torch.zeros(n, 1, dtype=dtype)
    senders = torch.arange(n)
    edges = torch.stack([senders, torch.zeros_like(senders)])
    for out in (conv(x)[:1], conv(x, edges)[:1]):
        assert out.dtype == dtype
        assert float(out) == pytest.approx(n, rel=2**-8)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.bool]
)
def test_weights_of_any_type_are_summed_widely(dtype):
    conv = RNConv(2, 1, 8, 2, plain_last=True)
    with torch.no_grad():
        conv.g.lins[1].weight.zero_()
        conv.g.lins[1].bias.fill_(1.0)
    x, edges = torch.randn(2, 2), torch.zeros(2, 3000, dtype=torch.long)
    weight = torch.ones(3000).to(dtype)
    assert float(conv(x, edges, edge_weight=weight)[0]) == 3000
    half = conv.to(torch.bfloat16)
    out = half(x.bfloat16(), edges, edge_weight=weight)
    assert float(out[0]) == pytest.approx(3000, rel=2**-8)


def test_sums_leave_autocast_as_float32_whatever_the_weights():
    conv, x = make(norm="layer_norm"), torch.randn(5, 4)
    weight = torch.rand(EDGES.size(1), dtype=torch.double)
    with torch.autocast("cpu", torch.bfloat16):
        for layer in (conv, make(), make(plain_last=True)):
            assert layer(x, EDGES, edge_weight=weight).dtype == torch.float32


def test_double():
    conv, x, inputs = asking()
    conv.double()
    inputs["question"] = inputs["question"].double()
    out = conv(x.double(), **inputs)
    assert out.dtype == torch.double
    close(out, conv(x.double(), EDGES, **inputs), 1e-12)


def test_large_values_stay_finite_and_infinite_ones_pass():
    conv, x = make(), torch.randn(5, 4)
    assert conv(x * 1e30).isfinite().all()
    assert not conv(x * float("inf")).isfinite().all()


def test_int32_indices():
    conv, x, inputs = asking()
    out = conv(x, **inputs)
    small = {**inputs, "batch": BATCH.int()}
    close(conv(x, **small), out)
    close(conv(x, EDGES.int(), **small), out)
    by_column = EdgeIndex(EDGES.int(), sparse_size=(5, 5), sort_order="col")
    close(conv(x, by_column, **small), out)
    several = {**small, "question_batch": torch.tensor([1, 0]).int()}
    assert conv(x, EDGES.int(), **several).shape == (5, 6)


def test_memory_layout_does_not_matter():
    conv = make()
    x = torch.randn(4, 5).t()
    wide = torch.randn(10, 8)[::2, ::2]
    same = torch.randn(1, 4).expand(5, 4)
    for strided in (x, wide, same):
        assert not strided.is_contiguous()
        y, z = strided.detach().clone(), strided.detach()
        y, z = y.contiguous().requires_grad_(), z.requires_grad_()
        a, b = conv(y), conv(z)
        close(a, b)
        weight = torch.randn(6, 5).t()
        (da,) = torch.autograd.grad(a, y, weight)
        (db,) = torch.autograd.grad(b, z, weight.contiguous())
        close(da, db)


# Nothing there ##############################################################


@pytest.mark.parametrize("backend", [None, "rows", "reference"])
def test_nothing_to_sum(backend):
    conv, x, _ = asking(backend=backend)
    none = torch.zeros(2, 0, dtype=torch.long)
    empty, question = x[:0], torch.randn(2, 3)
    nothing = BATCH[:0]
    cases = [
        conv(empty, question=question[:0], batch=nothing),
        conv(empty, question=question[:1]),
        conv(empty, question=question, batch=nothing),  # two empty graphs
        conv(empty, none, question=question[:0], batch=nothing),
        conv(
            x,
            question=question[:0],
            batch=BATCH,
            question_batch=torch.tensor([], dtype=torch.long),
        ),
        conv(
            x,
            question=question,
            batch=BATCH,
            question_batch=torch.tensor([7, 9]),  # graphs without nodes
        ),
    ]
    for out in cases:
        assert out.shape == (0, 6)
        out.sum().backward()
    out = conv(x, none, question=question, batch=BATCH)
    assert out.shape == (5, 6)
    assert out.eq(0).all()
    out.sum().backward()


def test_a_graph_between_without_nodes():
    conv, x, _ = asking()
    question = torch.randn(4, 3)
    gap = torch.tensor([0, 0, 3, 3, 3])
    out = conv(x, question=question, batch=gap)
    close(out, conv(x, question=question[[0, 3]], batch=BATCH))


def test_several_questions_are_one_block_each():
    conv, x, _ = asking()
    question, asked = torch.randn(3, 3), torch.tensor([1, 0, 1])
    inputs = {"batch": BATCH, "question": question, "question_batch": asked}
    out = conv(x, **inputs)
    node, row = question_rows(BATCH, asked)
    assert node.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert row.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    for q, graph in enumerate(asked.tolist()):
        alone = conv(x[graph == BATCH], question=question[[q]])
        close(out[row == q], alone)
    close(conv(x, EDGES, **inputs), out)
    one = {"question": question, "question_batch": torch.zeros(3).long()}
    assert conv(x, **one).shape == (15, 6)


def test_edges_take_any_order_of_the_batch_vector():
    # As of NeighborLoader with disjoint=True, whose hops are interleaved.
    conv, x, inputs = asking()
    order = torch.randperm(5)
    place = torch.argsort(order)
    shuffled = {**inputs, "batch": BATCH[order]}
    out = conv(x[order], place[EDGES], **shuffled)
    close(out, conv(x, EDGES, **inputs)[order])


# Modes and copies ###########################################################


def test_without_gradients():
    conv, x, inputs = asking()
    expected = conv(x, **inputs)
    with torch.no_grad():
        assert not conv(x, **inputs).requires_grad
    with torch.inference_mode():
        out = conv(x, **inputs)
    assert torch.equal(out, expected)


@pytest.mark.parametrize(
    "trained", [[], ["g.lins.1.weight"], ["g.lins.0.bias"]]
)
def test_frozen_weights(trained):
    conv, x, inputs = asking(question_layer=1)
    for name, parameter in conv.named_parameters():
        parameter.requires_grad = name in trained
    found = []
    for edges in (None, EDGES):
        y = x.clone().requires_grad_()
        conv.zero_grad()
        conv(y, edges, **inputs).pow(2).sum().backward()
        found.append([y.grad] + [p.grad for p in conv.parameters()])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b, 1e-4)
    for name, parameter in conv.named_parameters():
        assert (parameter.grad is not None) == (name in trained)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing(reentrant):
    conv, x, inputs = asking()
    y, z = x.clone().requires_grad_(), x.clone().requires_grad_()
    conv(y, **inputs).sum().backward()
    checkpoint(
        lambda t: conv(t, **inputs), z, use_reentrant=reentrant
    ).sum().backward()
    close(y.grad, z.grad)


@pytest.mark.parametrize("layer", [0, 2])
def test_second_derivatives(layer):
    conv, x, inputs = asking(question_layer=layer)
    conv.double()
    x = x.double().requires_grad_()
    q = inputs["question"].double().requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda a, b: conv(a, question=b, batch=BATCH), (x, q)
    )


def test_a_weight_changed_before_the_backward_pass_is_noticed():
    conv, x = make(), torch.randn(5, 4)
    out = conv(x).sum()
    with torch.no_grad():
        conv.g.lins[1].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_copies():
    conv, x, inputs = asking()
    out = conv(x, **inputs)
    buffer = io.BytesIO()
    torch.save(conv, buffer)
    buffer.seek(0)
    for other in (
        copy.deepcopy(conv),
        pickle.loads(pickle.dumps(conv)),
        torch.load(buffer, weights_only=False),
    ):
        assert torch.equal(other(x, **inputs), out)
    before = {name: p.clone() for name, p in conv.named_parameters()}
    conv.reset_parameters()
    for name, parameter in conv.named_parameters():
        assert not torch.equal(parameter, before[name]), name


def test_deterministic_mode_gives_the_same_bits_twice():
    conv, x, inputs = asking()
    torch.use_deterministic_algorithms(True)
    try:
        for edges in (None, EDGES):
            found = []
            for _ in range(2):
                y = x.clone().requires_grad_()
                conv.zero_grad()
                out = conv(y, edges, **inputs)
                out.pow(2).sum().backward()
                found.append(
                    [out, y.grad, *(p.grad for p in conv.parameters())]
                )
            assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    finally:
        torch.use_deterministic_algorithms(False)


def test_functional_transforms_by_the_reference():
    conv, x = make(backend="reference"), torch.randn(5, 4)
    found = torch.func.grad(lambda t: conv(t).pow(2).sum())(x)
    y = x.clone().requires_grad_()
    make_plain = make()
    make_plain.load_state_dict(conv.state_dict())
    make_plain(y).pow(2).sum().backward()
    close(found, y.grad, 1e-4)


# Memory #####################################################################


def test_no_pair_list_is_made(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a list of all pairs was made")

    monkeypatch.setattr("rn_graph.conv.complete_edge_index", fail)
    conv, x = make(), torch.randn(300, 4, requires_grad=True)
    conv(x).sum().backward()
    conv.explain = True
    conv._edge_mask = torch.ones(300 * 300)
    with pytest.raises(AssertionError, match="a list of all pairs"):
        conv(x)


MEMORY = """
import resource, torch
torch.set_num_threads(1)
from rn_graph import RNConv
torch.manual_seed(0)
conv = RNConv(8, 16, hidden_channels=16, num_layers=2)
conv(torch.randn(10, 8)).sum().backward()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
x = torch.randn(2000, 8, requires_grad=True)
conv(x).sum().backward()
print((peak() - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB there")
def test_what_is_kept_is_not_computed_again(monkeypatch):
    computed = []

    def count(block, *rest, **options):
        computed.append(block.pairs)
        return activations(block, *rest, **options)

    activations = engine._activations
    monkeypatch.setattr(engine, "_activations", count)
    monkeypatch.setattr(rn_graph.ops.blocked, "BLOCK_BYTES", 4 * 8 * 100)
    x, edges = torch.randn(30, 5), complete_edge_index(torch.zeros(30).long())
    layers = 2 * 4 * 8  # two layers after the first, of 8 float32s
    gradients = []
    # Blocks of all pairs hold three rows, 90 pairs; those of edges hold 100.
    for keep, again in (0, (900, 900)), (290, (630, 700)), (900, (0, 0)):
        torch.manual_seed(0)
        conv = RNConv(5, 8, 8, 3, backend="blocked", keep_bytes=layers * keep)
        for form, more in zip((None, edges), again, strict=True):
            computed.clear()
            conv(x, form).sum().backward()
            assert sum(computed) == 900 + more
        gradients.append(conv.g.lins[1].weight.grad)
    for other in gradients[1:]:
        torch.testing.assert_close(gradients[0], other)


def test_without_gradients_nothing_is_kept(monkeypatch):
    kept = []

    def watch(*rest):
        out, found = forward(*rest)
        kept.append(len(found))
        return out, found

    forward = engine.BlockedEngine.forward
    monkeypatch.setattr(engine.BlockedEngine, "forward", watch)
    conv, x = RNConv(5, 8, num_layers=2, backend="blocked"), torch.randn(6, 5)
    edges = complete_edge_index(torch.zeros(6).long())
    for form in (None, edges):
        conv(x, form)
        with torch.no_grad():
            conv(x, form)
        with torch.inference_mode():
            conv(x, form)
    assert kept == [1, 0, 0] * 2


def _gradients(conv, x, *rest):
    """Those of two passes, the second begun before the first one's backward."""
    parameters = list(conv.parameters())
    losses = [conv(k * x, *rest).square().sum() for k in (1, 2)]
    found = [
        torch.autograd.grad(loss, parameters, retain_graph=True)
        for loss in losses
    ]
    again = torch.autograd.grad(losses[0], parameters)
    torch.testing.assert_close(again, found[0])
    return found


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    width=st.integers(1, 9),
    listed=st.booleans(),
    keep=st.sampled_from([0, 2_000, 10**9]),
    seed=st.integers(0, 2**16),
)
def test_memory_that_is_used_again_is_nobody_elses(
    sizes, width, listed, keep, seed
):
    # By now this thread has matrices of other sizes from other layers.
    torch.manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.randn(len(batch), 3).double()
    conv = RNConv(3, width, width, num_layers=3, keep_bytes=keep).double()
    inputs = x, complete_edge_index(batch) if listed else None, None, batch
    with torch.inference_mode():
        conv(*inputs)
    slow = copy.deepcopy(conv)
    slow.backend = "reference"
    expected = _gradients(slow, x, None, None, batch)
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_gradients, conv, *inputs) for _ in range(4)]
    for found in [_gradients(conv, *inputs), *(job.result() for job in jobs)]:
        torch.testing.assert_close(found, expected)


def test_bytes_to_keep_must_be_some():
    with pytest.raises(ValueError, match="`keep_bytes` is -1, expected"):
        RNConv(5, 8, keep_bytes=-1)
    with pytest.raises(TypeError, match="`keep_bytes` is 0"):
        RNConv(5, 8, keep_bytes=0.5)


def test_memory_does_not_grow_with_the_number_of_pairs():
    # 2,000 objects: the rows of one layer alone would take 244 MiB.
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 160
