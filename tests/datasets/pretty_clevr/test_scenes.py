import math
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datasets.pretty_clevr.scenes import (
    APART,
    MARGIN,
    draw_apart,
    draw_scenes,
    find_ways,
)
from tests.datasets.pretty_clevr.slow import way_from
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


def smallest_gap(pos):
    """Of all jumps of all ways."""
    gaps = []
    for first in range(8):
        way = way_from(pos, first, 7)
        for jump in range(1, 7):
            here = pos[way[jump - 1]]
            left = sorted(math.dist(pos[i], here) for i in way[jump:])
            gaps.append(left[1] - left[0])
    return min(gaps)


@given(SEEDS)
@fresh(3)
def test_ways_go_to_the_nearest_not_yet_visited(seed):
    # Also where objects are anywhere, not apart.
    places = np.random.default_rng(seed).random((20, 8, 2))
    ways, gap = find_ways(places)
    for pos, found, least in zip(places.tolist(), ways, gap, strict=True):
        assert found.tolist() == [way_from(pos, i, 7) for i in range(8)]
        np.testing.assert_allclose(least, smallest_gap(pos), atol=1e-12)


def test_ways_along_a_line():
    line = np.array([0, 1, 3, 7, 15, 31, 63, 127]) / 127
    places = np.stack([line, 0 * line], axis=1)[None]
    ways, gap = find_ways(places)
    assert ways[0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert ways[0, 3].tolist() == [3, 2, 1, 0, 4, 5, 6, 7]
    assert ways[0, 7].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    # The least is at the second: 1 to the left, 2 to the right.
    np.testing.assert_allclose(gap, [1 / 127])
    # Two that are as far, from the first alone.
    places[0, 7] = [0, 1 / 127]
    assert find_ways(places)[1] == 0


@given(SEEDS)
@fresh(2)
def test_objects_are_apart_and_no_jump_is_near_a_tie(seed):
    rng = np.random.default_rng(seed)
    apart = draw_apart(rng, 200)
    assert 50 < len(apart) < 180
    drawn = draw_scenes(rng, 60)
    assert drawn.shape == (60, 8, 2)
    for pos in (*apart.tolist(), *drawn.tolist()):
        assert all(0 <= v < 1 for place in pos for v in place)
        for a, b in combinations(pos, 2):
            assert math.dist(a, b) ** 2 >= APART - 1e-12
    gaps = [smallest_gap(pos) for pos in drawn.tolist()]
    assert min(gaps) >= MARGIN - 1e-12
    # Margins would be smaller without that.
    assert min(smallest_gap(pos) for pos in apart.tolist()) < MARGIN


def test_any_number_of_scenes():
    for count in (1, 2, 7):
        assert len(draw_scenes(np.random.default_rng(0), count)) == count
