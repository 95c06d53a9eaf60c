"""Every path of RNConv gives the formula's value and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric import EdgeIndex

import rn_graph.ops.blocked
from rn_graph import RNConv, complete_edge_index
from tests.rn_graph import slow

TOLERANCE = 1e-10
pytestmark = pytest.mark.filterwarnings("ignore:`question_layer`")


def coo(edges, n):
    ones = torch.ones(edges.size(1), dtype=torch.double)
    return torch.sparse_coo_tensor(edges.flip(0), ones, (n, n))


# Forms that edges come in; all hold the transposed adjacency, as PyG's do.
FORMS = {
    "EdgeIndex": lambda edges, n: EdgeIndex(edges, sparse_size=(n, n)),
    "EdgeIndex by column": lambda edges, n: EdgeIndex(
        edges, sparse_size=(n, n)
    ).sort_by("col")[0],
    "EdgeIndex by row": lambda edges, n: EdgeIndex(
        edges, sparse_size=(n, n)
    ).sort_by("row")[0],
    "COO": coo,
    "CSR": lambda edges, n: coo(edges, n).to_sparse_csr(),
    "CSC": lambda edges, n: coo(edges, n).to_sparse_csc(),
}


@st.composite
def problems(draw, edge_features=False):
    """A layer and a batch of graphs of 0 to 12 nodes, drawn at random."""
    sizes = draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
    asked = draw(st.sampled_from(["none", "one each", "several"]))
    if asked == "one each":
        sizes = [n for n in sizes if n] or [1]
    layers = draw(st.integers(1, 4))
    torch.manual_seed(draw(st.integers(0, 2**31)))
    width, questions = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    edge_channels = draw(st.integers(1, 3)) if edge_features else None
    conv = RNConv(
        width,
        draw(st.integers(1, 5)),
        hidden_channels=draw(st.integers(1, 6)),
        num_layers=layers,
        question_channels=None if asked == "none" else questions,
        edge_channels=edge_channels,
        self_pairs=draw(st.booleans()),
        question_layer=draw(st.integers(0, layers - 1)),
        aggr=draw(st.sampled_from(["sum", "mean"])),
        norm=draw(st.sampled_from([None, None, "layer_norm"])),
        plain_last=draw(st.booleans()),
        symmetric=draw(st.booleans()),
    ).double()
    batch = torch.tensor([b for b, n in enumerate(sizes) for _ in range(n)])
    batch = batch.long()
    x = torch.randn(len(batch), width, dtype=torch.double, requires_grad=True)
    question = question_batch = None
    if asked == "one each":
        question = torch.randn(len(sizes), questions, dtype=torch.double)
    if asked == "several":
        graph = st.integers(0, len(sizes) - 1)
        question_batch = torch.tensor(
            draw(st.lists(graph, min_size=1, max_size=6))
        )
        question = torch.randn(
            len(question_batch), questions, dtype=torch.double
        )
    if question is not None:
        question.requires_grad_()
    return conv, x, batch, question, question_batch


def value_and_gradients(out, inputs, weight):
    # The sum of no rows has no graph: zeros make it a function of all inputs.
    total = (out * weight).sum() + sum(0 * t.sum() for t in inputs)
    grads = torch.autograd.grad(total, inputs, allow_unused=True)
    return [out] + [
        torch.zeros_like(t) if g is None else g
        for t, g in zip(inputs, grads, strict=True)
    ]


def assert_equal(name, found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape, name
        if b.numel() == 0:
            continue
        a, b = a.detach(), b.detach()
        error = float((a - b).abs().max() / b.abs().max().clamp(min=1))
        assert error <= TOLERANCE, (name, error)


def compare(outs, inputs):
    """Compare each named output, and its gradients, with the first."""
    (_, reference), *others = outs.items()
    weight = torch.randn_like(reference)
    expected = value_and_gradients(reference, inputs, weight)
    for name, out in others:
        assert_equal(name, value_and_gradients(out, inputs, weight), expected)


@pytest.mark.parametrize("keep", [0, 2**26], ids=["recomputed", "kept"])
@pytest.mark.parametrize("block", [1, 700, 2**22])
@settings(deadline=None, max_examples=12)
@given(
    problem=problems(),
    forms=st.lists(st.sampled_from(sorted(FORMS)), max_size=2),
)
def test_all_pairs_equal_the_loop(problem, forms, block, keep):
    conv, x, batch, question, question_batch = problem
    inputs = [x, *conv.parameters()] + ([] if question is None else [question])
    rest = {"question": question, "question_batch": question_batch}
    edges = complete_edge_index(batch, self_pairs=conv.self_pairs)
    edges = edges[:, torch.randperm(edges.size(1))]
    outs = {
        "loop": slow.rnconv(
            conv,
            x,
            x,
            batch.tolist(),
            question=question,
            question_batch=None
            if question_batch is None
            else question_batch.tolist(),
        ),
        "edge list": conv(x, edges, batch=batch, **rest),
    }
    for form in forms:
        given_as = FORMS[form](edges, len(x))
        outs[form] = conv(x, given_as, batch=batch, **rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rn_graph.ops.blocked, "BLOCK_BYTES", block)
        conv.keep_bytes = keep
        backends = [None, "rows", "reference"]
        if conv.g.is_plain:
            equal = batch.numel() and len(set(batch.bincount().tolist())) == 1
            backends += ["blocked", "dense"] if equal else ["blocked"]
        for backend in backends:
            conv.backend = backend
            outs[f"all pairs, {backend}"] = conv(x, batch=batch, **rest)
    compare(outs, inputs)


@pytest.mark.parametrize("keep", [0, 2**26], ids=["recomputed", "kept"])
@pytest.mark.parametrize("block", [700, 2**22])
@settings(deadline=None, max_examples=15)
@given(problem=problems(edge_features=True), data=st.data())
def test_edges_with_features_equal_the_loop(problem, data, block, keep):
    conv, x, batch, question, question_batch = problem
    everything = complete_edge_index(batch)
    count = everything.size(1)
    number = st.integers(0, max(count - 1, 0))
    # Some edges are missing, some are listed twice.
    chosen = data.draw(st.lists(number, max_size=40)) if count else []
    edges = everything[:, torch.tensor(chosen, dtype=torch.long)]
    attr = torch.randn(len(chosen), conv.edge_channels, dtype=torch.double)
    weight = torch.randn(len(chosen), dtype=torch.double)
    attr.requires_grad_()
    weight.requires_grad_()
    listed = [(j, i, e) for e, (j, i) in enumerate(edges.t().tolist())]
    inputs = [x, attr, weight, *conv.parameters()]
    inputs += [] if question is None else [question]
    rest = {"question": question, "question_batch": question_batch}
    outs = {
        "loop": slow.rnconv(
            conv,
            x,
            x,
            batch.tolist(),
            listed,
            question,
            None if question_batch is None else question_batch.tolist(),
            attr,
            weight,
        ),
    }
    given = {"edge_attr": attr, "edge_weight": weight, **rest}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rn_graph.ops.blocked, "BLOCK_BYTES", block)
        conv.keep_bytes = keep
        for backend in (None, "rows", "reference"):
            conv.backend = backend
            outs[f"edge list, {backend}"] = conv(x, edges, batch=batch, **given)
    compare(outs, inputs)


def test_edges_with_features_are_summed_in_blocks():
    conv = RNConv(2, 4, 4, num_layers=2, edge_channels=1)
    edges = complete_edge_index(None, 30)
    x, attr = torch.randn(30, 2), torch.randn(900, 1)
    expected = conv(x, edges, edge_attr=attr)
    calls = []
    conv.g.forward = lambda *args: calls.append(args)
    assert_equal("sums", [conv(x, edges, edge_attr=attr)], [expected])
    assert not calls


@settings(deadline=None, max_examples=25)
@given(problem=problems())
def test_permuting_objects_permutes_outputs(problem):
    conv, x, batch, question, question_batch = problem
    order = torch.argsort(batch + torch.rand(len(batch)))
    out = conv(x, batch=batch, question=question, question_batch=question_batch)
    if question_batch is None:
        back = order
    else:
        from rn_graph import question_rows

        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        node, row = question_rows(batch, question_batch)
        # Row r holds node[r]; after the permutation it stands elsewhere in
        # the same question's block.
        key = row * (len(batch) + 1) + place[node]
        back = torch.argsort(key)
    permuted = conv(
        x[order], batch=batch, question=question, question_batch=question_batch
    )
    torch.testing.assert_close(permuted, out[back], rtol=1e-10, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(problem=problems())
def test_a_graph_alone_equals_the_graph_in_a_batch(problem):
    conv, x, batch, question, question_batch = problem
    if question is None:
        question_batch = batch.unique()
    elif question_batch is None:
        question_batch = torch.arange(len(question))
    together = conv(
        x,
        batch=batch,
        question=question,
        question_batch=question_batch if question is not None else None,
    )
    alone = [
        conv(
            x[batch == b], question=None if question is None else question[[i]]
        )
        for i, b in enumerate(question_batch.tolist())
    ]
    expected = torch.cat(alone) if alone else together[:0]
    torch.testing.assert_close(together, expected, rtol=1e-10, atol=1e-12)


@settings(deadline=None, max_examples=10)
@given(problem=problems())
def test_second_derivatives_equal_the_reference(problem):
    conv, x, batch, question, question_batch = problem
    if len(x) == 0:
        return
    found = []
    for backend in (None, "reference"):
        conv.backend = backend
        out = conv(
            x, batch=batch, question=question, question_batch=question_batch
        )
        (first,) = torch.autograd.grad(out.pow(2).sum(), x, create_graph=True)
        inputs = [x, *conv.parameters()]
        found.append(value_and_gradients(first, inputs, torch.ones_like(first)))
    assert_equal("second derivatives", *found)
