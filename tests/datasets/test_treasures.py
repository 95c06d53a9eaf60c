import re

import numpy as np
import pytest
import torch

from datasets.dataset import QuestionDataset
from datasets.furthest_pair.task import furthest
from datasets.task import find_task
from datasets.treasures import (
    KINDS,
    TreasureData,
    Treasures,
    as_scenes,
    augment,
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


@pytest.mark.parametrize("task", ["furthest_pair", "max_difference"])
def test_changed_scenes_have_the_same_answers(task, tmp_path):
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    torch.manual_seed(seed)
    settings = TreasureData(train=40, val=1, test=1, seed=seed)
    find_task(task).make(settings, tmp_path)
    batch = QuestionDataset(tmp_path / "train.h5")[:]
    out = augment(batch)
    before, after = (some.x.view(40, 25, 15).numpy() for some in (batch, out))
    values = [
        np.rint((x[..., 6] + 1) * 50).astype(int) for x in (before, after)
    ]
    same = (values[0] == values[1]).all(1)
    assert 0 < same.sum() < 40  # some are mirrored, with all their objects
    assert (values[0][~same] == 100 - values[1][~same]).all()
    assert (before[..., :6] == after[..., :6]).all()
    places = [
        np.rint((x[..., 7:] + 1) * 10).astype(int) for x in (before, after)
    ]
    assert (places[0] != places[1]).any((1, 2)).all()
    assert (furthest(places[0])[0] == furthest(places[1])[0]).all()
    for key in ("y", "support"):
        assert torch.equal(out[key], batch[key])
