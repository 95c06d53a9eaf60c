"""Widths left open, ``-1``, and taken from the first input."""

import copy

import pytest
import torch
from torch import nn

from rn_graph import RNConv

EDGES = torch.tensor([[0, 1, 4], [0, 2, 2]])


@pytest.mark.parametrize("question_layer", [0, 1])
def test_widths_come_from_the_first_input(question_layer):
    options = {
        "hidden_channels": 8,
        "question_channels": 3,
        "question_layer": question_layer,
    }
    conv = RNConv(-1, 6, **options)
    assert str(conv) == "RNConv(-1, 6, num_layers=4)"
    x, question = torch.randn(5, 4), torch.randn(1, 3)
    out = conv(x, question=question)
    assert out.shape == (5, 6)
    known = RNConv(4, 6, **options)
    known.load_state_dict(conv.state_dict())
    assert torch.equal(known(x, question=question), out)
    with pytest.raises(ValueError, match=r"`x` has shape \[5, 7\], .*\[N, 4\]"):
        conv(torch.randn(5, 7), question=question)


@pytest.mark.parametrize("widths", [(-1, -1), (4, -1), (-1, 6)])
def test_bipartite(widths):
    x = (torch.randn(5, 4), torch.randn(3, 6))
    conv = RNConv(widths, 8, hidden_channels=8)
    with pytest.raises(ValueError, match="`edge_index`"):
        conv(x)
    out = conv(x, EDGES)
    assert out.shape == (3, 8)
    known = RNConv((4, 6), 8, hidden_channels=8)
    known.load_state_dict(conv.state_dict())
    assert torch.equal(known(x, EDGES), out)


def test_a_copy_of_an_open_layer_is_open():
    conv = RNConv(-1, 6)
    other = copy.deepcopy(conv)
    assert conv(torch.randn(3, 4)).shape == (3, 6)
    assert other(torch.randn(3, 5)).shape == (3, 6)


@pytest.mark.parametrize("bipartite", [False, True])
def test_a_state_is_loaded_into_an_open_layer(bipartite):
    x = torch.randn(5, 4)
    if bipartite:
        x = (x, torch.randn(3, 6))
    widths = (-1, -1) if bipartite else -1
    first, second = RNConv(widths, 8), RNConv(widths, 8)
    out = first(x, EDGES)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(x, EDGES), out)
    third = RNConv(widths, 8)
    third.load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="of a pair in all, expected"):
        third((torch.randn(5, 9), torch.randn(3, 9)), EDGES)


def test_an_open_state_is_loaded_into_a_layer():
    conv = RNConv(4, 6)
    conv.load_state_dict(RNConv(-1, 6).state_dict())
    assert conv(torch.randn(5, 4)).shape == (5, 6)


def test_open_layers_are_reset_and_moved():
    conv = RNConv(-1, 6)
    conv.reset_parameters()
    assert conv.double()(torch.randn(5, 4).double()).dtype == torch.double


def test_a_call_that_is_refused_leaves_widths_open():
    conv = RNConv(-1, 3, hidden_channels=4)
    with pytest.raises(ValueError, match="without `edge_index`"):
        conv((torch.randn(3, 5), torch.randn(2, 7)))
    out_of_range = torch.tensor([[0], [9]])
    with pytest.raises(ValueError, match="`edge_index` leads to"):
        conv(torch.randn(2, 7), out_of_range)
    assert conv(torch.randn(3, 4)).shape == (3, 3)


@pytest.mark.parametrize("lazy", [True, False])
def test_another_first_layer_knows_its_own_width(lazy):
    conv = RNConv(-1, 4, hidden_channels=8)
    other = nn.LazyLinear(8) if lazy else nn.Sequential(nn.Linear(6, 8))
    conv.g.lins[0] = other
    assert conv(torch.randn(5, 3)).shape == (5, 4)
