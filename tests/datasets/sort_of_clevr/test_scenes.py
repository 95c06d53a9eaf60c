import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.sort_of_clevr.scenes import (
    PLACES,
    SPLITS,
    Scenes,
    allowed_layouts,
    center_to_pos,
    make_streams,
    pos_to_center,
    sample_scenes,
)
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


def slow_rule(layout):
    """Whether a layout's objects are apart and its distances far from ties."""
    for (x, y), (u, v) in itertools.combinations(layout, 2):
        if abs(x - u) <= 10 and abs(y - v) <= 10:
            return False
    for i, one in enumerate(layout):
        ranked = sorted(
            math.dist(one, other) for j, other in enumerate(layout) if j != i
        )
        if ranked[1] - ranked[0] <= 1 or ranked[-1] - ranked[-2] <= 1:
            return False
    return True


def test_places_are_in_the_picture_and_not_at_its_middle():
    assert PLACES.tolist() == [*range(5, 37), *range(39, 71)]


@given(SEEDS)
@fresh(5)
def test_the_rule_of_layouts_is_the_slow_one(seed):
    rng = np.random.default_rng(seed)
    layouts = rng.choice(PLACES, (2000, 6, 2))
    expected = [slow_rule(layout) for layout in layouts.tolist()]
    assert allowed_layouts(layouts).tolist() == expected
    assert 0 < sum(expected) < 1000


# Seen from the first, the others lie at 20, 35.6, 41.1, 60 and at the place.
@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ((21, 0), False),
        ((22, 0), True),
        ((0, 21), False),
        ((0, 22), True),
        ((0, 59), False),
        ((0, 58), True),
        ((0, 61), False),
        ((0, 62), True),
    ],
)
def test_a_difference_of_just_one_pixel_is_a_near_tie(place, allowed):
    layout = [(0, 0), (-20, 0), (-28, 22), (-37, -18), (-60, 0), place]
    assert slow_rule(layout) is allowed
    assert allowed_layouts(np.array([layout])).tolist() == [allowed]


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ((10, 10), False),
        ((10, 0), False),
        ((0, -10), False),
        ((11, 0), True),
        ((-11, 10), True),
        ((10, -11), True),
    ],
)
def test_squares_that_touch_are_not_apart(place, allowed):
    # Near no tie, wherever the last is.
    layout = [(0, 0), (-22, -24), (15, 52), (3, 48), (60, 4), place]
    assert slow_rule(layout) is allowed
    assert allowed_layouts(np.array([layout])).tolist() == [allowed]


@given(SEEDS, st.sampled_from(SPLITS))
@fresh(5)
def test_scenes_follow_the_rules(seed, split):
    scenes = sample_scenes(make_streams(seed, split, 0, 100))
    assert len(scenes) == 100
    assert np.isin(scenes.center, PLACES).all()
    assert all(slow_rule(layout) for layout in scenes.center.tolist())
    assert set(np.unique(scenes.shape)) == {0, 1}


@given(SEEDS, st.integers(0, 10**6), st.integers(0, 30))
@fresh(5)
def test_a_scene_depends_on_its_own_number_alone(seed, first, skip):
    def make(first, count):
        return sample_scenes(make_streams(seed, "val", first, count))

    many, few = make(first, 40), make(first + skip, 10)
    for name in ("center", "shape"):
        a, b = getattr(many, name), getattr(few, name)
        np.testing.assert_array_equal(a[skip : skip + 10], b)


def test_seeds_splits_and_numbers_give_other_scenes():
    made = [
        sample_scenes(make_streams(seed, split, first, 1)).center.tobytes()
        for seed, split, first in itertools.product(
            (0, 1), SPLITS, (0, 1, 2**20)
        )
    ]
    assert len(set(made)) == len(made)


@given(SEEDS)
@fresh(2)
def test_shapes_are_fair_coins_and_places_lean_to_no_side(seed):
    scenes: Scenes = sample_scenes(make_streams(seed, "train", 0, 1500))
    # 1,500 coins: six standard deviations are 0.077.
    assert abs(scenes.shape.mean(0) - 0.5).max() < 0.077
    sides = scenes.center > 37.5
    assert abs(sides.mean(0) - 0.5).max() < 0.077
    # Two objects' shapes do not depend on each other.
    same = scenes.shape[:, :, None] == scenes.shape[:, None]
    assert abs(same.mean(0)[np.triu_indices(6, 1)] - 0.5).max() < 0.077


def test_positions_are_centres_between_minus_one_and_one():
    center = np.array([[5, 70], [36, 39]])
    pos = center_to_pos(center)
    assert pos.dtype == np.float32
    np.testing.assert_allclose(pos, [[-13 / 15, 13 / 15], [-0.04, 0.04]], 1e-6)
    places = np.arange(76)
    np.testing.assert_array_equal(pos_to_center(center_to_pos(places)), places)
