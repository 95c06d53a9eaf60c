from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datasets.dataset import QuestionDataset
from datasets.furthest_pair.task import TASK, FurthestPairData, furthest
from datasets.task import Source
from datasets.treasures import KINDS
from rn_graph.pairs import PairSelection
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


def ranked(place):
    """(distance, pair) of all pairs, the furthest first."""
    return sorted(
        (
            (sum(abs(int(a) - int(b)) for a, b in zip(p, q, strict=True)), pair)
            for pair in combinations(range(len(place)), 2)
            for p, q in [(place[pair[0]], place[pair[1]])]
        ),
        reverse=True,
    )


@given(SEEDS, st.sampled_from([2, 3, 9, 25]))
@fresh(6)
def test_every_answer_names_the_kinds_of_the_furthest_pair(seed, objects):
    settings = FurthestPairData(num_objects=objects)
    made = TASK.sample(settings, np.random.default_rng(seed), 12)
    place = np.rint((made.scenes["pos"] + 1) * 10).reshape(12, objects, 8)
    assert place.min() >= 0
    assert place.max() <= 20
    names = TASK.objects(made, settings, None)
    assert made.questions["num_support"].tolist() == [2] * 12
    for s in range(12):
        (most, pair), *others = ranked(place[s])
        assert all(distance < most for distance, _ in others)
        assert made.questions["support"][2 * s : 2 * s + 2].tolist() == [*pair]
        kinds = [names[s * objects + i].split(" of ")[0] for i in pair]
        answer = TASK.schema.answers[made.questions["answer"][s]]
        assert answer.split(" and ") == sorted(kinds, key=KINDS.index)


@given(SEEDS)
@fresh(20)
def test_pairs_as_far_as_each_other_are_found_out(seed):
    """Places of a small map: ties are common."""
    place = np.random.default_rng(seed).integers(0, 3, (50, 4, 2))
    pairs, unique = furthest(place)
    assert 0 < unique.sum() < 50
    for own, pair, alone in zip(place, pairs, unique, strict=True):
        (most, expected), (second, _), *_ = ranked(own)
        assert alone == (second < most)
        if alone:
            assert tuple(pair) == expected


@pytest.mark.parametrize("objects", [2, 25])
def test_answers_are_as_frequent_as_kinds_are_drawn(objects):
    count = 1500 if objects < 25 else 600
    made = TASK.sample(
        FurthestPairData(num_objects=objects), np.random.default_rng(), count
    )
    answers = TASK.schema.answers
    assert len(answers) == 21
    shares = np.bincount(made.questions["answer"], minlength=21) / count
    for answer, share in zip(answers, shares, strict=True):
        # Two kinds come in either order.
        expected = (1 if len({*answer.split(" and ")}) == 1 else 2) / 36
        bound = 6 * np.sqrt(expected * (1 - expected) / count)
        assert abs(share - expected) < bound, answer


def test_a_scene_is_asked_and_drawn():
    settings = FurthestPairData()
    assert (settings.train, settings.val, settings.test) == (60000, 5000, 5000)
    scene = TASK.find_scene(Source(seed=1, objects=9), settings)
    batch = TASK.batch(scene, TASK.example, settings)
    assert batch.x.shape == (9, len(KINDS) + 1 + 8)
    # Near ones are near in all eight coordinates, which a drawing lacks.
    assert batch.pos.shape == (9, 8)
    assert TASK.places(scene).shape == (9, 2)
    assert TASK.words(batch, 0) == TASK.example
    chosen = {"none": PairSelection(torch.zeros(2, 0, dtype=torch.long), None)}
    figure = TASK.draw(scene, settings, chosen, batch.pos)
    drawn = {text.get_text() for text in figure.axes[0].texts}
    assert drawn == set(TASK.objects(scene, settings, batch.pos))
    plt.close(figure)


def test_changed_scenes_are_answered_by_the_same_pair(tmp_path):
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    torch.manual_seed(seed)
    settings = FurthestPairData(train=40, val=1, test=1, seed=seed)
    TASK.make(settings, tmp_path)
    batch = QuestionDataset(tmp_path / "train.h5")[:]
    out = TASK.augmentation(settings)(batch)
    before, after = (some.x[:, :6].argmax(1) for some in (batch, out))
    assert (out.x[:, :6].sum(1) == 1).all()
    for scene in range(40):
        own = slice(25 * scene, 25 * scene + 25)
        pairs = {*zip(before[own].tolist(), after[own].tolist(), strict=True)}
        # One to one: each kind becomes one other.
        assert len(pairs) == len(before[own].unique())
        assert len(pairs) == len(after[own].unique())
    assert (before != after).any()
    worth = (out.x[:, 6] + 1) * 50
    torch.testing.assert_close(worth, worth.round())
    assert 0 <= worth.min() < worth.max() <= 100
    assert (out.x[:, 6].abs() != batch.x[:, 6].abs()).any()
    place = np.rint((out.x[:, 7:].view(40, 25, 8).numpy() + 1) * 10)
    pair, _ = furthest(place.astype(int))
    kinds = np.take_along_axis(after.view(40, 25).numpy(), pair, axis=1)
    for (a, b), answer in zip(kinds, out.y.tolist(), strict=True):
        names = sorted([KINDS[a], KINDS[b]], key=KINDS.index)
        assert TASK.schema.answers[answer].split(" and ") == names
