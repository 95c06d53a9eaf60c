import re

import numpy as np
import pytest

from datasets.treasures import (
    KINDS,
    TreasureData,
    Treasures,
    as_scenes,
    draw_treasures,
)


def test_places_values_and_kinds_are_uniform():
    drawn = draw_treasures(np.random.default_rng(), 400, 25)
    for values, most, shape in (
        (drawn.place, 20, (400, 25, 8)),
        (drawn.value, 100, (400, 25)),
        (drawn.kind, 5, (400, 25)),
    ):
        assert values.shape == shape
        share = 1 / (most + 1)
        counts = np.bincount(values.reshape(-1), minlength=most + 1)
        assert len(counts) == most + 1
        bound = 6 * np.sqrt(values.size * share * (1 - share))
        assert abs(counts - values.size * share).max() < bound


def test_columns_by_hand():
    place = np.array([[[0] * 8, [20] * 8], [[10] * 8, [5] * 8]])
    scenes = as_scenes(
        Treasures(place, np.array([[0, 100], [50, 25]]), np.array([[5, 0]] * 2))
    )
    assert scenes["num_objects"].tolist() == [2, 2]
    pos = np.array([[-1] * 8, [1] * 8, [0] * 8, [-0.5] * 8])
    assert (scenes["pos"] == pos).all()
    assert (scenes["x"][:, 7:] == pos).all()
    assert scenes["x"][:, 6].tolist() == [-1, 1, 0, -0.5]
    kinds = [KINDS[5], KINDS[0]] * 2
    one_hot = [[float(kind == k) for k in KINDS] for kind in kinds]
    assert scenes["x"][:, :6].tolist() == one_hot


@pytest.mark.parametrize("number", [0, 1, 4097])
def test_a_number_out_of_range_is_named(number):
    message = f"`data.num_objects` is {number}, expected 2 to 4,096"
    with pytest.raises(ValueError, match=re.escape(message)):
        TreasureData(num_objects=number)
