import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph import RNConv
from rn_graph.dense import DenseRNConv, dense_to_nodes, nodes_to_dense

seeds = st.integers(0, 2**16)
masks = (
    st.integers(1, 4)
    .flatmap(
        lambda n: st.lists(
            st.lists(st.booleans(), min_size=n, max_size=n),
            min_size=1,
            max_size=4,
        )
    )
    .map(torch.tensor)
)


@settings(deadline=None, max_examples=30)
@given(masks, seeds)
def test_nodes_are_the_rows_that_the_mask_marks(mask, seed):
    torch.manual_seed(seed)
    x, pos = torch.randn(*mask.shape, 3), torch.randn(*mask.shape, 2)
    nodes = dense_to_nodes(x, mask, pos)
    rows = [
        (x[b, n], b, pos[b, n])
        for b in range(mask.size(0))
        for n in range(mask.size(1))
        if mask[b, n]
    ]
    assert len(nodes.x) == len(nodes.batch) == len(nodes.pos) == len(rows)
    for i, (row, graph, place) in enumerate(rows):
        assert torch.equal(nodes.x[i], row)
        assert nodes.batch[i] == graph
        assert torch.equal(nodes.pos[i], place)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), seeds)
def test_there_and_back(sizes, seed):
    torch.manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.randn(sum(sizes), 3)
    dense, mask = nodes_to_dense(x, batch, len(sizes))
    assert dense.shape == (len(sizes), max(sizes), 3)
    assert mask.sum(1).tolist() == sizes
    assert not dense[~mask].any()
    nodes = dense_to_nodes(dense, mask)
    assert torch.equal(nodes.x, x)
    assert torch.equal(nodes.batch, batch)
    wide, _ = nodes_to_dense(x, batch, len(sizes), max_num_nodes=6)
    assert wide.shape == (len(sizes), 6, 3)
    assert torch.equal(wide[:, : max(sizes)], dense)


def layers(**kwargs) -> tuple[DenseRNConv, RNConv]:
    torch.manual_seed(1)
    dense = DenseRNConv(3, 5, hidden_channels=7, num_layers=3, **kwargs)
    sparse = RNConv(3, 5, hidden_channels=7, num_layers=3, **kwargs)
    sparse.load_state_dict(dense.conv.state_dict())
    return dense.double(), sparse.double()


@settings(deadline=None, max_examples=30)
@given(masks, seeds, st.booleans())
def test_dense_layer_equals_one_graph_at_a_time(mask, seed, ask):
    dense, sparse = layers(question_channels=2 if ask else None)
    torch.manual_seed(seed)
    x = torch.randn(*mask.shape, 3).double()
    question = torch.randn(len(x), 2).double() if ask else None
    # What stands in the padding is not read, whatever it is.
    x[~mask] = torch.nan
    x.requires_grad_()
    out = dense(x, mask, question)
    assert out.shape == (*mask.shape, 5)
    assert not out[~mask].any()
    for b in range(len(x)):
        q = None if question is None else question[b : b + 1]
        alone = sparse(x[b][mask[b]], question=q)
        torch.testing.assert_close(out[b][mask[b]], alone)
    (grad,) = torch.autograd.grad(out.square().sum(), x)
    assert not grad[~mask].any()
    assert torch.isfinite(grad).all()


def test_without_a_mask_every_row_counts():
    dense, _ = layers()
    x = torch.randn(2, 4, 3).double()
    ones = torch.ones(2, 4, dtype=torch.bool)
    assert torch.equal(dense(x), dense(x, ones))
    assert dense_to_nodes(x).batch.tolist() == [0] * 4 + [1] * 4


def test_repr_reset_and_lazy_width():
    dense = DenseRNConv(-1, 5, hidden_channels=7, num_layers=2)
    assert dense(torch.randn(2, 4, 6)).shape == (2, 4, 5)
    dense, _ = layers()
    assert repr(dense) == "DenseRNConv(3, 5, num_layers=3)"
    assert (dense.in_channels, dense.out_channels) == (3, 5)
    before = dense.conv.g.lins[1].weight.clone()
    dense.reset_parameters()
    assert not torch.equal(before, dense.conv.g.lins[1].weight)


def test_no_graphs():
    dense, _ = layers()
    assert dense(torch.zeros(0, 4, 3).double()).shape == (0, 4, 5)
    x, mask = nodes_to_dense(torch.zeros(0, 3), torch.zeros(0).long())
    assert x.shape == (0, 0, 3)
    assert mask.shape == (0, 0)


def test_bad_input():
    dense, _ = layers(question_channels=2)
    x, question = torch.zeros(2, 4, 3).double(), torch.zeros(2, 2).double()
    mask = torch.ones(2, 4, dtype=torch.bool)
    for wrong in (mask[:, :3], mask[:1], mask.unsqueeze(-1)):
        with pytest.raises(ValueError, match=r"contradicts.*expected \[2, 4\]"):
            dense(x, wrong, question)
    with pytest.raises(TypeError, match=r"`mask` is torch.float32.*bool"):
        dense(x, mask.float(), question)
    with pytest.raises(TypeError, match="`mask` is list"):
        dense(x, mask.tolist(), question)
    with pytest.raises(ValueError, match=r"`x` has shape \[4, 3\]"):
        dense(x[0], None, question)
    with pytest.raises(ValueError, match=r"`question` has 1 rows, expected 2"):
        dense(x, mask, question[:1])
    with pytest.raises(ValueError, match="`question` is missing"):
        dense(x, mask)
    with pytest.raises(ValueError, match=r"`pos` has shape \[2, 3, 2\]"):
        dense_to_nodes(x, mask, torch.zeros(2, 3, 2))
    batch = torch.tensor([0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"`max_num_nodes` is 2.*3 nodes"):
        nodes_to_dense(torch.zeros(4, 3), batch, max_num_nodes=2)
    with pytest.raises(ValueError, match=r"from 0 to 1, expected in \[0, 1\)"):
        nodes_to_dense(torch.zeros(4, 3), batch, num_graphs=1)
    with pytest.raises(ValueError, match="`batch` is not sorted"):
        nodes_to_dense(torch.zeros(4, 3), batch.flip(0))
    with pytest.raises(TypeError, match="`in_channels` is"):
        DenseRNConv((3, 3), 5)
