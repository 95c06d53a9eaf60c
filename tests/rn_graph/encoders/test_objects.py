import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rn_graph import QuestionEncoder, RelationNetwork, RNConv
from rn_graph.encoders.objects import (
    attributes_to_nodes,
    grid_size,
    map_to_nodes,
    nodes_to_map,
    sequence_to_nodes,
    text_to_nodes,
)
from rn_graph.pairs import KNNPairs

some = settings(deadline=None, max_examples=30)
sides = st.integers(1, 4)


@some
@given(st.integers(0, 3), st.integers(0, 3), sides, sides)
def test_cells_of_a_map(graphs, channels, height, width):
    x = torch.randn(graphs, channels, height, width)
    nodes = map_to_nodes(x)
    assert nodes.x.shape == (graphs * height * width, channels + 2)
    i = 0
    for b in range(graphs):
        for row in range(height):
            for column in range(width):
                place = [
                    2 * column / (width - 1) - 1 if width > 1 else 0.0,
                    2 * row / (height - 1) - 1 if height > 1 else 0.0,
                ]
                assert torch.equal(nodes.x[i, :channels], x[b, :, row, column])
                assert nodes.x[i, channels:].tolist() == pytest.approx(place)
                assert nodes.pos[i].tolist() == pytest.approx(place)
                assert nodes.batch[i] == b
                i += 1
    if channels:
        back = nodes_to_map(nodes.x, (height, width))
        assert torch.equal(back[:, :channels], x)


@some
@given(st.integers(1, 3), sides, sides, st.integers(0, 99))
def test_the_size_of_maps_is_found_from_their_cells(
    graphs, height, width, seed
):
    nodes = map_to_nodes(torch.zeros(graphs, 1, height, width))
    assert grid_size(nodes.pos, nodes.batch, graphs) == (height, width)
    # Any other order, but the same cell twice, is none of a map's.
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(nodes.pos), generator=g)
    if not torch.equal(nodes.pos[order], nodes.pos):
        with pytest.raises(ValueError, match="`pos`"):
            grid_size(nodes.pos[order], nodes.batch, graphs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": None}, "`pos` is None, expected column and row"),
        ({"pos": torch.zeros(12, 3)}, r"`pos` is of shape \[12, 3\], expected"),
        ({"pos": torch.zeros(0, 2)}, "`pos` has 0 rows of 2 graphs"),
        ({"num_graphs": 5}, "`pos` has 12 rows of 5 graphs"),
        ({"num_graphs": 0}, "`pos` has 12 rows of 0 graphs"),
        ({"num_graphs": 3}, "`pos` has rows of unequal lengths|no grid"),
        ({"pos": torch.zeros(12, 2)}, "`pos` is no grid in each graph"),
        ({"batch": torch.tensor([0] * 5 + [1] * 7)}, "`pos` is no grid"),
        ({"batch": torch.tensor([0] * 6 + [2] * 6)}, "`pos` is no grid"),
    ],
)
def test_nodes_that_are_no_cells(change, message):
    nodes = map_to_nodes(torch.zeros(2, 1, 2, 3))
    given = {"pos": nodes.pos, "batch": nodes.batch, "num_graphs": 2}
    with pytest.raises(ValueError, match=message):
        grid_size(**(given | change))


def test_an_rn_layer_drops_into_a_cnn():
    class Relate(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = RNConv(8 + 2, 8, hidden_channels=8, num_layers=2)

        def forward(self, x):
            nodes = map_to_nodes(x)
            out = self.conv(nodes.x, batch=nodes.batch)
            return x + nodes_to_map(out, x.shape[-2:])

    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), Relate(), nn.Conv2d(8, 4, 3)
    )
    images = torch.randn(2, 3, 11, 9)
    out = cnn(images)
    assert out.shape == (2, 4, 3, 2)
    torch.testing.assert_close(cnn(images[1:]), out[1:])
    out.square().sum().backward()
    assert all(p.grad is not None for p in cnn.parameters())


def test_coordinates_keep_dtype_and_gradients():
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    nodes = map_to_nodes(x)
    assert nodes.x.dtype == nodes.pos.dtype == torch.float64
    (grad,) = torch.autograd.grad(nodes.x.sum(), x)
    assert torch.equal(grad, torch.ones_like(x))


@some
@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 99))
def test_words_with_their_place(lengths, seed):
    torch.manual_seed(seed)
    x = torch.randn(len(lengths), 5, 3)
    kept = torch.arange(5) < torch.tensor(lengths)[:, None]
    padded = x.masked_fill(~kept.unsqueeze(-1), torch.nan)
    nodes = text_to_nodes(padded, torch.tensor(lengths))
    i = 0
    for b, length in enumerate(lengths):
        for t in range(length):
            tag = 2 * t / (length - 1) - 1 if length > 1 else 0.0
            assert torch.equal(nodes.x[i, :3], x[b, t])
            assert nodes.x[i, 3].item() == pytest.approx(tag)
            assert nodes.pos[i].tolist() == [t]
            assert nodes.batch[i] == b
            i += 1
    assert i == len(nodes.x)


def test_stories_of_sentences():
    """Stories of 3 and 2 sentences, each read by an LSTM; then a question."""
    torch.manual_seed(0)
    encoder = QuestionEncoder(20, 4, 6)
    tokens = torch.randint(20, (5, 7))
    length = torch.tensor([3, 7, 2, 5, 1])
    story = torch.tensor([0, 0, 0, 1, 1])
    nodes = sequence_to_nodes(encoder(tokens, length), story)
    assert nodes.x.shape == (5, 7)
    assert nodes.x[:, -1].tolist() == [-1, 0, 1, -1, 1]
    model = RelationNetwork(7, 4, 6, hidden_channels=8, num_layers=2)
    out = model(nodes.x, torch.randn(2, 6), nodes.batch)
    assert out.shape == (2, 4)
    # Neighbours are 1 apart, in a story of any length.
    edges, _ = KNNPairs(k=2)(nodes.x, batch=nodes.batch, pos=nodes.pos)
    assert (nodes.pos[edges[0]] - nodes.pos[edges[1]]).abs().max() <= 1


def test_the_order_of_a_story_matters():
    torch.manual_seed(0)
    model = RelationNetwork(4, 2, hidden_channels=8, num_layers=2)
    x, story = torch.randn(3, 3), torch.zeros(3).long()
    told = model(sequence_to_nodes(x, story).x)
    assert not torch.allclose(
        told, model(sequence_to_nodes(x[[1, 0, 2]], story).x)
    )


@some
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(0, 6),
    st.booleans(),
)
def test_attributes_are_one_hot(num_values, count, with_pos):
    columns = [torch.randint(v, (count,)) for v in num_values]
    pos = torch.randn(count, 3).double() if with_pos else None
    batch = torch.arange(count) // 2
    nodes = attributes_to_nodes(torch.stack(columns, 1), num_values, pos, batch)
    parts = nodes.x.split([*num_values, 3 if with_pos else 0], dim=1)
    for part, column in zip(parts, columns, strict=False):
        assert torch.equal(part.sum(1), torch.ones(count, dtype=part.dtype))
        assert torch.equal(part.argmax(1), column)
    if with_pos:
        assert torch.equal(parts[-1], pos)
        assert nodes.pos is pos
    assert torch.equal(nodes.batch, batch)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`x` has shape \[3, 4, 4\].*C, H, W"):
        map_to_nodes(torch.zeros(3, 4, 4))
    with pytest.raises(TypeError, match=r"`x` is torch.int64.*floating"):
        map_to_nodes(torch.zeros(1, 3, 4, 4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"10 rows.*multiple of 3 × 3"):
        nodes_to_map(torch.zeros(10, 2), (3, 3))
    x = torch.zeros(2, 4, 3)
    with pytest.raises(ValueError, match=r"`length` holds 5.*at most 4"):
        text_to_nodes(x, torch.tensor([5, 1]))
    with pytest.raises(ValueError, match=r"`length` has shape \[3\]"):
        text_to_nodes(x, torch.tensor([1, 1, 1]))
    with pytest.raises(ValueError, match=r"`length` holds values from -1"):
        text_to_nodes(x, torch.tensor([-1, 1]))
    with pytest.raises(ValueError, match=r"`x` has shape \[4, 3\].*B, T, C"):
        text_to_nodes(x[0], torch.tensor([1]))
    with pytest.raises(ValueError, match="`batch` is not sorted"):
        sequence_to_nodes(torch.zeros(2, 3), torch.tensor([1, 0]))
    codes = torch.tensor([[0, 2]])
    with pytest.raises(ValueError, match=r"`codes\[:, 1\]`.*in \[0, 2\)"):
        attributes_to_nodes(codes, [2, 2])
    with pytest.raises(ValueError, match=r"2 columns, expected 3"):
        attributes_to_nodes(codes, [2, 2, 2])
    with pytest.raises(TypeError, match=r"torch.float32"):
        attributes_to_nodes(codes.float(), [2, 3])
    with pytest.raises(ValueError, match=r"`pos` has 2 rows, expected 1"):
        attributes_to_nodes(codes, [2, 3], torch.zeros(2, 2))
