from types import SimpleNamespace

import pytest
import torch
from torch_geometric.data import Batch, Data

from rn_graph.encoders import States


def test_objects_as_the_batch_holds_them():
    parts = [Data(x=torch.randn(n, 3), pos=torch.randn(n, 2)) for n in (2, 3)]
    batch = Batch.from_data_list(parts)
    states = States(3)
    nodes = states(batch)
    assert nodes.x is batch.x
    assert nodes.pos is batch.pos
    assert nodes.batch.tolist() == [0, 0, 1, 1, 1]
    assert states.out_channels == 3
    assert not states.state_dict()


def test_without_positions_and_scenes():
    nodes = States(3)(SimpleNamespace(x=torch.randn(4, 3)))
    assert nodes.pos is None
    assert nodes.batch.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ({}, ValueError, r"`batch.x` is missing, expected objects \[N, 3\]"),
        ({"x": [1]}, TypeError, "`batch.x` is list, expected objects"),
        ({"x": torch.ones(2, 4)}, ValueError, r"shape \[2, 4\], .* \[N, 3\]"),
        ({"x": torch.ones(3)}, ValueError, r"`batch.x` has shape \[3\]"),
    ],
)
def test_bad_input(batch, error, text):
    with pytest.raises(error, match=text):
        States(3)(SimpleNamespace(**batch))


def test_a_width_that_cannot_be():
    with pytest.raises(ValueError, match="`in_channels` is -1"):
        States(-1)
