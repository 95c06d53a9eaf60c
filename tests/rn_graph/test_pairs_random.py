"""Random pairs: as random as they should be, and no more."""

import torch

from rn_graph.pairs import RandomPairs
from tests.rn_graph import pairs_reference as ref


def test_training_draws_anew_and_follows_torchs_seed():
    x = torch.zeros(20, 1)
    pairs = RandomPairs(share=0.1)
    torch.manual_seed(3)
    first, second = pairs(x).edge_index, pairs(x).edge_index
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(pairs(x).edge_index, first)


def test_evaluation_depends_on_seed_and_graph_alone():
    x, pos = torch.zeros(20, 1), torch.rand(20, 2)
    pairs = RandomPairs(share=0.1).eval()
    first = pairs(x, pos=pos).edge_index
    torch.manual_seed(99)
    assert torch.equal(pairs(x + 1, pos=pos).edge_index, first)
    assert torch.equal(pairs(x, pos=pos.double()).edge_index, first)
    other_seed = RandomPairs(share=0.1, seed=1).eval()
    assert not torch.equal(other_seed(x, pos=pos).edge_index, first)
    assert not torch.equal(pairs(x, pos=pos + 1).edge_index, first)
    assert not torch.equal(pairs(x).edge_index, first)
    assert torch.equal(pairs(x).edge_index, pairs(x + 1).edge_index)


def test_zero_has_one_sign():
    x, pos = torch.zeros(9, 1), torch.zeros(9, 1)
    pairs = RandomPairs(k=2).eval()
    plus = pairs(x, pos=pos).edge_index
    assert torch.equal(pairs(x, pos=-pos).edge_index, plus)


def test_pairs_are_drawn_evenly():
    """Every pair is kept equally often, trained or evaluated."""
    scenes, n = 4000, 6
    x, pos = torch.zeros(scenes * n, 1), torch.rand(scenes * n, 2)
    batch = ref.batch_of([n] * scenes)
    for pairs, kept in (
        (RandomPairs(share=0.25), 9),
        (RandomPairs(share=0.25).eval(), 9),
        (RandomPairs(k=2), 12),
        (RandomPairs(k=2, seed=5).eval(), 12),
    ):
        edges = pairs(x, batch=batch, pos=pos).edge_index
        cell = edges[1] % n * n + edges[0] % n
        frequency = torch.bincount(cell, minlength=n * n) / scenes
        p = kept / n**2
        error = (p * (1 - p) / scenes) ** 0.5
        assert (frequency - p).abs().max() < 5 * error, pairs


def test_both_directions_are_drawn_apart():
    scenes, n = 2000, 6
    x, pos = torch.zeros(scenes * n, 1), torch.rand(scenes * n, 2)
    batch = ref.batch_of([n] * scenes)
    pairs = RandomPairs(share=0.2, self_pairs=False).eval()
    j, i = pairs(x, batch=batch, pos=pos).edge_index
    kept = set(zip(i.tolist(), j.tolist(), strict=True))
    both = sum((b, a) in kept for a, b in kept) / len(kept)
    # 8 of 30 candidates; given one direction, the other is 1 of 29 others.
    assert abs(both - 7 / 29) < 0.03
