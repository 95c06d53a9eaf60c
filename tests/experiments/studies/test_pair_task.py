"""The pair recall task: what is asked is what the scene shows."""

import pytest
import torch

from experiments.studies.pair_task import (
    COLORS,
    IN_CHANNELS,
    MEDIAN_DISTANCE,
    QUESTION_CHANNELS,
    RELATIONS,
    SHAPES,
    draw_scenes,
    recall,
)


@pytest.mark.parametrize("relation", RELATIONS)
def test_questions_name_the_deciding_pair(relation):
    scenes = draw_scenes(500, relation, objects=20)
    assert scenes.x.shape == (10000, IN_CHANNELS)
    assert scenes.question.shape == (500, QUESTION_CHANNELS)
    names = scenes.x[:, : COLORS + SHAPES].view(500, 20, -1)
    for b in range(500):
        one, other = scenes.deciding[:, b].tolist()
        assert scenes.deciding[:, 500 + b].tolist() == [other, one]
        for node, named in zip(
            (one, other), scenes.question[b].chunk(2), strict=True
        ):
            matches = (names[b] == named).all(1).nonzero().flatten() + 20 * b
            assert matches.tolist() == [node]  # one object alone, this one
        p, p_other = scenes.pos[one], scenes.pos[other]
        material = scenes.x[:, COLORS + SHAPES : COLORS + SHAPES + 2]
        expected = {
            "near": (p - p_other).norm() < MEDIAN_DISTANCE,
            "left": p[0] < p_other[0],
            "same": torch.equal(material[one], material[other]),
        }[relation]
        assert bool(scenes.answer[b]) == bool(expected)
    assert torch.equal(scenes.x[:, -2:], scenes.pos)


@pytest.mark.parametrize("relation", RELATIONS)
def test_answers_are_balanced_and_nodes_in_random_order(relation):
    scenes = draw_scenes(20000, relation)
    assert abs(scenes.answer.float().mean() - 0.5) < 0.02
    place = scenes.deciding[0, :20000] % 20
    assert abs(place.float().mean() - 9.5) < 0.2


def test_a_generator_makes_scenes_again():
    first, second = (
        draw_scenes(5, "near", generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_recall_counts_both_directions():
    deciding = torch.tensor([[0, 3, 1, 4], [1, 4, 0, 3]])
    kept = torch.tensor([[0, 3, 4, 2], [1, 4, 3, 2]])
    assert recall(kept, deciding, 6) == 0.75


def test_bad_input():
    with pytest.raises(ValueError, match="`relation` is 'far', expected"):
        draw_scenes(3, "far")
    with pytest.raises(ValueError, match="`objects` is 1, expected"):
        draw_scenes(3, "near", objects=1)
