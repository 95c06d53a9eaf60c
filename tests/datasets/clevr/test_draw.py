"""A scene seen from above, and pairs over its picture."""

import random

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Arc, FancyArrowPatch

from datasets.clevr.draw import draw, from_above, over_image
from datasets.clevr.scenes import generate_scene
from rn_graph.pairs import AllPairs, PairSelection

plt.switch_backend("agg")


@pytest.fixture
def scene():
    return generate_scene(random.Random(4), min_objects=6, max_objects=6)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def count(axes, kind):
    return sum(isinstance(patch, kind) for patch in axes.patches)


@pytest.mark.parametrize("view", ["above", "picture"])
def test_an_arrow_for_each_pair_and_a_loop_for_each_self_pair(
    scene, axes, view
):
    pairs = AllPairs()(torch.zeros(6, 1))
    if view == "above":
        from_above(axes, pairs, scene)
    else:
        over_image(axes, pairs, scene, np.zeros((4, 6, 3)))
    assert count(axes, FancyArrowPatch) == 30
    assert count(axes, Arc) == 6


def test_left_of_in_the_scene_is_left_in_the_drawing(scene, axes):
    from_above(axes, PairSelection(torch.zeros(2, 0).long()), scene)
    pictures = [image.get_extent() for image in axes.images]
    centres = [((a + b) / 2, (c + d) / 2) for a, b, c, d in pictures]
    assert len(centres) == 6
    for name, axis, sign in (("left", 0, -1), ("behind", 1, 1)):
        for i, others in enumerate(scene["relationships"][name]):
            for j in others:
                assert sign * (centres[j][axis] - centres[i][axis]) > 0.2 - 1e-6


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_second_row_where_there_is_a_picture(scene, number):
    pairs = AllPairs()(torch.zeros(6, 1))
    chosen = {str(i): pairs for i in range(number)}
    image = np.zeros((4, 6, 3))
    for picture, drawn in ((None, number), (image, 2 * number)):
        figure = draw(scene, chosen, picture, "Is there a cube?")
        assert sum(bool(axes.patches) for axes in figure.axes) == drawn
        assert figure.get_suptitle() == "Is there a cube?"
        plt.close(figure)
