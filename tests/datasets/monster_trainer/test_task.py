from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datasets.dataset import QuestionDataset
from datasets.made import Made
from datasets.monster_trainer.task import (
    DEAREST,
    TASK,
    MonsterTrainerData,
    balanced,
    find_ways,
)
from datasets.task import Source
from rn_graph.pairs import PairSelection
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = MonsterTrainerData()


def ways(place, target):
    """(cost, levels) of all ways up, the cheapest first."""
    between = range(1, target)
    found = []
    for stops in range(target):
        for chosen in combinations(between, stops):
            way = (0, *chosen, target)
            cost = sum(
                (b - a)
                * (
                    abs(place[a][0] - place[b][0])
                    + abs(place[a][1] - place[b][1])
                )
                for a, b in pairwise(way)
            )
            found.append((cost, way))
    return sorted(found)


def read(made, s):
    """Level → place, level → number of its monster, and the target."""
    x = made.scenes["x"].reshape(-1, 11, 4)[s].astype(float)
    level = [round(5 * v + 5) for v in x[:, 0]]
    places = [[round(4.5 * v + 4.5) for v in row] for row in x[:, 2:]]
    assert sorted(level) == list(range(11))
    assert len({tuple(p) for p in places}) == 11
    assert all(0 <= v <= 9 for p in places for v in p)
    (target,) = {round(5 * v + 5) for v in x[:, 1]}
    number = {k: i for i, k in enumerate(level)}
    return [places[number[k]] for k in range(11)], number, target


@given(SEEDS)
@fresh(3)
def test_every_answer_is_what_the_cheapest_of_all_ways_costs(seed):
    made = TASK.sample(SETTINGS, np.random.default_rng(seed), 30)
    asked = made.questions
    support = iter(asked["support"].tolist())
    for s in range(30):
        place, number, target = read(made, s)
        assert asked["vector"][s].tolist() == [i == target for i in range(11)]
        (cost, way), (second, _), *_ = ways(place, target)
        assert cost < second
        assert TASK.schema.answers[asked["answer"][s]] == str(cost)
        moves = TASK.schema.question_types[asked["question_type"][s]]
        assert moves == f"{len(way) - 1} moves"
        family = TASK.schema.families[asked["family"][s]]
        assert family == f"level {target}"
        found = [next(support) for _ in range(asked["num_support"][s])]
        assert found == sorted(number[level] for level in way)
    assert next(support, None) is None
    assert asked["scene"].tolist() == list(range(30))
    np.testing.assert_array_equal(made.scenes["x"][:, 2:], made.scenes["pos"])


@given(SEEDS)
@fresh(4)
def test_ways_that_cost_the_same_are_found_out(seed):
    """Places of a small map: ties are common, as are several numbers."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 4, (60, 11, 2), dtype=np.int16)
    target = rng.integers(1, 11, 60)
    maps, unique = find_ways(place, target)
    assert 0 < unique.sum() < 60
    for s in range(60):
        (cost, way), *others = ways(place[s].tolist(), target[s])
        assert maps.cost[s] == cost
        assert unique[s] == all(other > cost for other, _ in others)
        if unique[s]:
            assert np.flatnonzero(maps.on_way[s]).tolist() == list(way)
            assert maps.moves[s] == len(way) - 1


@given(arrays(np.int16, (1, 11, 2), elements=st.integers(0, 9)))
@settings(deadline=None)
def test_no_cheapest_way_costs_more_than_there_are_answers(place):
    maps, _ = find_ways(np.repeat(place, 10, axis=0), np.arange(1, 11))
    assert maps.cost.min() >= 0
    assert maps.cost.max() <= DEAREST
    assert TASK.schema.answers == tuple(str(i) for i in range(DEAREST + 1))


def test_the_bound_is_the_largest_that_its_proof_allows():
    assert max(min(10 * d, 5 * (36 - d)) for d in range(19)) == DEAREST
    # Round a box of three places: width and height, twice.
    rng = np.random.default_rng()
    places = rng.integers(0, 10, (1000, 3, 2))
    around = abs(places - np.roll(places, 1, axis=1)).sum((1, 2))
    box = places.max(1) - places.min(1)
    np.testing.assert_array_equal(around, 2 * box.sum(1))


@given(SEEDS, st.integers(1, 40))
@fresh(50)
def test_each_number_of_moves_is_as_frequent(seed, count):
    wanted = balanced(np.random.default_rng(seed), count)
    counts = np.bincount(wanted, minlength=8)
    assert counts[:3].sum() == 0
    assert counts.sum() == count
    assert counts[3:].max() - counts[3:].min() <= 1


def test_the_numbers_of_moves_come_in_any_order():
    rng = np.random.default_rng()
    wanted = np.stack([balanced(rng, 7) for _ in range(2000)])
    bound = 6 * np.sqrt(2000 * 0.2 * 0.8)
    for column in wanted.T:
        counts = np.bincount(column, minlength=8)[3:]
        assert abs(counts - 400).max() < bound
    # Nor do they repeat: five on, there may be another one.
    assert (wanted[:, 0] != wanted[:, 5]).mean() > 0.5


@given(SEEDS)
@fresh(2)
def test_a_chunk_is_balanced_and_its_monsters_in_any_order(seed):
    made = TASK.sample(SETTINGS, np.random.default_rng(seed), 203)
    counts = np.bincount(made.questions["question_type"])
    assert sorted(counts.tolist()) == [40, 40, 41, 41, 41]
    x = made.scenes["x"].reshape(203, 11, 4)
    # Levels have the mean 0 and, from −1 to 1, the variance 0.4.
    assert abs(x[:, :, 0].mean(0)).max() < 6 * np.sqrt(0.4 / 203)


def test_levels_are_asked_for_as_often_as_they_are_drawn():
    """Of 3 moves: as in maps of any number, of which those of 3 are kept."""
    rng = np.random.default_rng()
    cells = rng.permuted(np.tile(np.arange(100), (8000, 1)), axis=1)[:, :11]
    place = np.stack(np.divmod(cells, 10), axis=-1).astype(np.int16)
    maps, unique = find_ways(place, rng.integers(0, 11, 8000))
    kept = unique & (maps.moves == 3)
    made = TASK.sample(SETTINGS, rng, 2500).questions
    three = made["question_type"] == 0
    found = made["family"][three] + 3, made["answer"][three]
    expected = maps.target[kept], maps.cost[kept]
    for (here, there), values in (
        ((found[0], expected[0]), range(3, 11)),
        ((found[1], expected[1]), range(10, 30)),
    ):
        for value in values:
            share = np.mean(there == value)
            error = np.sqrt(share * (1 / len(here) + 1 / len(there)))
            assert share > 0
            assert abs(np.mean(here == value) - share) < 6 * error


@pytest.mark.parametrize("level", range(3, 11))
def test_words_of_a_question_are_read_back(level):
    scene = TASK.find_scene(Source(seed=level), SETTINGS)
    words = f"what does it cost to reach level {level}?"
    for text in (words, words[:-1], f"  {words.upper()} "):
        batch = TASK.batch(scene, text, SETTINGS)
        assert TASK.words(batch, 0) == words
        assert batch.vector.shape == (1, 11)
        assert batch.vector.sum() == 1
        # The monsters bear what is asked for, whatever was drawn.
        torch.testing.assert_close(
            batch.x[:, 1], torch.full((11,), level / 5 - 1)
        )


def test_a_scene_as_drawn_is_asked_what_it_was_drawn_for():
    scene = TASK.find_scene(Source(seed=4), SETTINGS)
    before = scene.scenes["x"].copy()
    target = scene.questions["vector"][0].argmax()
    words = f"what does it cost to reach level {target}?"
    batch = TASK.batch(scene, words, SETTINGS)
    np.testing.assert_array_equal(batch.x.numpy(), before)
    np.testing.assert_array_equal(batch.vector, scene.questions["vector"])
    TASK.batch(scene, "what does it cost to reach level 3?", SETTINGS)
    TASK.batch(scene, "what does it cost to reach level 4?", SETTINGS)
    np.testing.assert_array_equal(scene.scenes["x"], before)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "what does it cost to reach level 2?",
        "what does it cost to reach level 11?",
        "what does it cost to reach level 77777777777777777777?",
        "what does it cost to reach level -3?",
        "what does it cost to reach level 7? and 8?",
        "which two kinds are farthest apart?",
    ],
)
def test_what_is_no_question_is_refused(question):
    with pytest.raises(ValueError, match="with a level of 3 to 10"):
        TASK.parse(question)


def test_a_scene_is_drawn():
    scene = TASK.find_scene(Source(seed=5), SETTINGS)
    pairs = PairSelection(torch.tensor([[0, 1], [1, 2]]), None)
    figure = TASK.draw(scene, SETTINGS, {"a": pairs}, None, "title")
    names = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(names) == sorted(f"level {i}" for i in range(11))
    place, number, _ = read(scene, 0)
    assert names == sorted(names, key=lambda name: number[int(name[6:])])
    drawn = figure.axes[0].collections[0].get_offsets()
    for level, i in number.items():
        np.testing.assert_allclose(
            drawn[i], np.array(place[level]) / 4.5 - 1, atol=1e-6
        )
    plt.close(figure)


def test_the_tables_have_a_column_for_each_number_of_moves():
    assert list(TASK.categories) == [f"{i} moves" for i in range(3, 8)]
    assert (SETTINGS.train, SETTINGS.val, SETTINGS.test) == (60000, 6000, 6000)
    with pytest.raises(ValueError, match="`objects` is 5, expected 0"):
        TASK.find_scene(Source(objects=5), SETTINGS)


def test_a_changed_map_has_the_same_answer(tmp_path):
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    torch.manual_seed(seed)
    settings = MonsterTrainerData(train=30, val=1, test=1, seed=seed)
    TASK.make(settings, tmp_path)
    batch = QuestionDataset(tmp_path / "train.h5")[:]
    out = TASK.augmentation(settings)(batch)
    made = Made({"x": out.x.numpy()}, {})
    for s, cost in enumerate(out.y.tolist()):
        place, _, target = read(made, s)
        assert ways(place, target)[0][0] == int(TASK.schema.answers[cost])
