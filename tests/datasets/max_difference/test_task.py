import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import max_difference, treasures
from datasets.max_difference.task import TASK
from datasets.task import Source
from datasets.treasures import TreasureData, Treasures
from rn_graph.pairs import PairSelection
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


def check(made, count, num_objects):
    """Work out every answer from the names of the treasures."""
    names = TASK.objects(made, TreasureData(), None)
    assert len(names) == count * num_objects
    support = iter(made.questions["support"].tolist())
    for s in range(count):
        own = names[s * num_objects : (s + 1) * num_objects]
        values = [int(name.split(" of ")[1]) for name in own]
        answer = TASK.schema.answers[made.questions["answer"][s]]
        assert int(answer) == max(values) - min(values)
        expected = {values.index(max(values)), values.index(min(values))}
        found = [next(support) for _ in range(made.questions["num_support"][s])]
        assert found == sorted(expected)
    assert next(support, None) is None
    assert made.questions["scene"].tolist() == list(range(count))
    assert not made.questions["question_type"].any()


@given(SEEDS, st.sampled_from([2, 3, 25, 60]))
@fresh(8)
def test_every_answer_is_the_largest_value_minus_the_smallest(seed, objects):
    made = TASK.sample(
        TreasureData(num_objects=objects), np.random.default_rng(seed), 40
    )
    check(made, 40, objects)


@given(st.lists(st.sampled_from([0, 1, 99, 100]), min_size=2, max_size=6))
@settings(deadline=None)
def test_of_equal_values_the_first_decides(values):
    count = len(values)
    drawn = Treasures(
        np.zeros((1, count, 8), int),
        np.array([values]),
        np.zeros((1, count), int),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            max_difference.task, "draw_treasures", lambda *args: drawn
        )
        made = TASK.sample(
            TreasureData(num_objects=count), np.random.default_rng(), 1
        )
    check(made, 1, count)
    same = min(values) == max(values)
    assert made.questions["num_support"].tolist() == [1 if same else 2]


def test_answers_of_25_treasures():
    assert TASK.schema.answers == tuple(str(i) for i in range(101))
    made = TASK.sample(TreasureData(), np.random.default_rng(), 4000)
    shares = np.bincount(made.questions["answer"], minlength=101) / 4000
    # P(largest − smallest ≤ d) of 25 values, by where the smallest is.
    reached = [
        sum(
            (min(d + 1, 101 - low) / 101) ** 25
            - (min(d, 100 - low) / 101) ** 25
            for low in range(101)
        )
        for d in range(101)
    ]
    expected = np.diff(reached, prepend=0)
    assert expected.max() < 0.1
    bound = 6 * np.sqrt(expected * (1 - expected) / 4000) + 6 / 4000
    assert (abs(shares - expected) <= bound).all()


def test_a_scene_is_asked_and_drawn():
    data = TreasureData(num_objects=7)
    scene = TASK.find_scene(Source(seed=1), data)
    batch = TASK.batch(scene, TASK.example, data)
    assert batch.x.shape == (7, len(treasures.KINDS) + 1 + 8)
    assert TASK.words(batch, 0) == TASK.example
    figure = TASK.draw(
        scene,
        data,
        {"all": PairSelection(torch.tensor([[0, 1], [1, 1]]), None)},
        batch.pos,
    )
    drawn = {text.get_text() for text in figure.axes[0].texts}
    assert drawn == set(TASK.objects(scene, data, batch.pos))
    plt.close(figure)
