"""Edges that are sorted by receiver are summed by segments."""

import pytest
import torch
import torch_geometric.typing
from torch_geometric import EdgeIndex

from rn_graph import RNConv
from rn_graph.edges import Edges, read_edges

needs_scatter = pytest.mark.skipif(
    not torch_geometric.typing.WITH_TORCH_SCATTER,
    reason="needs the extra `scatter`",
)
LISTED = torch.tensor([[0, 1, 2, 3, 4], [1, 1, 2, 2, 2]])


@pytest.mark.parametrize("size", [None, (5, 5), (5, None), (None, 3)])
def test_where_each_receivers_edges_start(size):
    edge_index = EdgeIndex(LISTED, sparse_size=size, sort_order="col")
    assert read_edges(edge_index, 5, 5).ptr.tolist() == [0, 0, 2, 5, 5, 5]


def test_unsorted_edges_have_no_ptr():
    assert read_edges(LISTED, 5, 5).ptr is None
    by_row = EdgeIndex(LISTED, sort_order="row")
    assert read_edges(by_row, 5, 5).ptr is None
    assert read_edges(by_row, 5, 5, flow="target_to_source").ptr is not None


def test_a_matrix_flows_one_way():
    with pytest.raises(ValueError, match="flow 'source_to_target'"):
        read_edges(torch.eye(3).to_sparse(), 3, 3, flow="target_to_source")


class OwnMessage(RNConv):
    """Asks for a row of each edge, as every layer does that changes them."""

    def message(self, receiver_i, sender_j, late_i, edge_term, alpha):
        return super().message(receiver_i, sender_j, late_i, edge_term, alpha)


def layer_and_forms(aggr="sum", kind=OwnMessage):
    """A layer told of features of edges, and sorted forms of them."""
    x = torch.randn(5, 4, dtype=torch.double, requires_grad=True)
    attr = torch.randn(5, 2, dtype=torch.double, requires_grad=True)
    ones = torch.ones(5, dtype=torch.double)
    adj_t = torch.sparse_coo_tensor(LISTED.flip(0), ones, (5, 5))
    forms = [
        EdgeIndex(LISTED, sparse_size=(5, 5), sort_order="col"),
        adj_t.to_sparse_csr(),
    ]
    conv = kind(4, 6, hidden_channels=8, edge_channels=2, aggr=aggr)
    return conv.double(), x, attr, forms


def gradients(conv, x, attr, edge_index):
    """The output, its gradients, and the gradients of a gradient."""
    out = conv(x, edge_index, edge_attr=attr)
    wanted = [x, attr, *conv.parameters()]
    first = torch.autograd.grad(out.pow(2).sum(), wanted, create_graph=True)
    second = torch.autograd.grad(first[0].pow(2).sum(), wanted)
    return [out, *first, *second]


@pytest.mark.parametrize("kind", [RNConv, OwnMessage])
@pytest.mark.parametrize("aggr", ["sum", "mean"])
def test_segments_equal_scattered_sums(aggr, kind):
    conv, x, attr, forms = layer_and_forms(aggr, kind)
    expected = gradients(conv, x, attr, LISTED)
    for form in forms:
        found = gradients(conv, x, attr, form)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.scatter
@needs_scatter
def test_torch_scatter_sums_the_segments(monkeypatch):
    import torch_scatter

    calls, inner = [], torch_scatter.segment_csr

    def segment_csr(*args, **kwargs):
        calls.append(args[1].tolist())
        return inner(*args, **kwargs)

    monkeypatch.setattr(torch_scatter, "segment_csr", segment_csr)
    conv, x, attr, forms = layer_and_forms()
    expected = gradients(conv, x, attr, LISTED)
    assert calls == []
    for form in forms:
        found = gradients(conv, x, attr, form)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    assert len(calls) >= len(forms)
    assert all(ptr == [0, 0, 2, 5, 5, 5] for ptr in calls)


@pytest.mark.scatter
@needs_scatter
@pytest.mark.parametrize("aggr", ["sum", "mean"])
def test_torch_scatter_and_torch_agree(monkeypatch, aggr):
    conv, x, attr, forms = layer_and_forms(aggr)
    found = [gradients(conv, x, attr, form) for form in forms]
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", False)
    for form, one in zip(forms, found, strict=True):
        other = gradients(conv, x, attr, form)
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.bool])
def test_weights_are_summed_in_the_type_that_is_asked_for(dtype):
    index = torch.zeros(3000, dtype=torch.long)
    edges = Edges(index, index, torch.ones(3000).to(dtype))
    assert edges.num_pairs(torch.zeros(1, 2)).tolist() == [[3000.0]]
