import pytest
import torch

from rn_graph.encoders.places import OneHotPlaces

STORY = torch.tensor([0, 0, 0, 2, 3, 3])
INDEX = torch.tensor([0, 1, 2, 0, 0, 1])


def test_in_evaluation_a_sequence_begins_at_the_first_place():
    places = OneHotPlaces(4).eval()
    out = places(INDEX, STORY, torch.float64)
    assert torch.equal(out, torch.eye(4).double()[INDEX])


def test_in_training_it_begins_anywhere_that_it_fits():
    torch.manual_seed(0)
    places = OneHotPlaces(4).train()
    starts = [set(), set(), set()]
    for _ in range(200):
        out = places(INDEX, STORY, torch.float32)
        assert torch.equal(out.sum(1), torch.ones(6))
        at = out.argmax(1)
        for i, rows in enumerate(((0, 1, 2), (3,), (4, 5))):
            own = at[list(rows)]
            assert torch.equal(own, own[0] + torch.arange(len(rows)))
            starts[i].add(int(own[0]))
    assert starts == [{0, 1}, {0, 1, 2, 3}, {0, 1, 2}]


def test_none_and_too_few():
    assert OneHotPlaces(0)(INDEX, STORY, torch.float32).shape == (6, 0)
    none = torch.zeros(0, dtype=torch.long)
    assert OneHotPlaces(3)(none, none, torch.float32).shape == (0, 3)
    with pytest.raises(ValueError, match="has 3 elements, expected at most 2"):
        OneHotPlaces(2)(INDEX, STORY, torch.float32)
    with pytest.raises(ValueError, match="`num_places` is -1"):
        OneHotPlaces(-1)
