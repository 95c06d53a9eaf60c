"""Pretty-CLEVR by the contract of every task."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from datasets.dataset import QuestionDataset
from datasets.made import Made
from datasets.pretty_clevr.augment import augment
from datasets.pretty_clevr.questions import COLORS, MARKERS, STARTS
from datasets.pretty_clevr.task import TASK, PrettyClevrData
from datasets.task import Source
from rn_graph.pairs import PairSelection
from tests.datasets.pretty_clevr.slow import answer, ones

plt.switch_backend("agg")


@pytest.fixture
def data(tmp_path):
    """The questions about a few scenes of a fresh seed."""
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    settings = PrettyClevrData(train=10, val=1, test=1, seed=seed)
    TASK.make(settings, tmp_path)
    return QuestionDataset(tmp_path / "train.h5", schema=TASK.schema)


def test_all_questions_of_a_scene_are_answered(data):
    batch = data[:]
    assert len(data) == 1280
    assert batch.x.shape == (80, 18)
    assert torch.equal(batch.x[:, 16:], batch.pos)
    for scene in range(10):
        here = batch.batch == scene
        x, pos = batch.x[here].tolist(), batch.pos[here].tolist()
        kinds = [ones(row[:16]) for row in x]
        # Each colour and each marker once.
        assert sorted(a for pair in kinds for a in pair) == list(range(16))
        asked = torch.flatten((batch.question_batch == scene).nonzero())
        assert len({tuple(v) for v in batch.vector[asked].tolist()}) == 128
        for i in asked.tolist():
            vector = batch.vector[i].tolist()
            expected, way = answer(x, pos, vector)
            assert STARTS[int(batch.y[i])] == expected
            support = batch.support[batch.support_batch == i] - 8 * scene
            assert support.tolist() == way
            [start], [jumps] = ones(vector[:16]), ones(vector[16:])
            assert batch.question_type[i] == jumps
            kind = TASK.schema.question_types[jumps]
            where = "colour" if start < 8 else "marker"
            family = TASK.schema.families[int(batch.family[i])]
            assert family == f"{kind}, from a {where}"
            assert kind == ("1 jump" if jumps == 1 else f"{jumps} jumps")


def test_each_answer_is_as_likely():
    rng = np.random.default_rng()
    made = TASK.sample(PrettyClevrData(), rng, 300)
    answers, types = (
        made.questions[key].reshape(300, 16, 8)
        for key in ("answer", "question_type")
    )
    assert (types == np.arange(8)).all()
    for starts, first in ((answers[:, :8], 8), (answers[:, 8:], 0)):
        assert starts.min() == first
        assert starts.max() == first + 7
        for jumps in range(8):
            # Of one start: the others of a scene hang together with it.
            counts = np.bincount(starts[:, 0, jumps] - first, minlength=8)
            bound = 6 * np.sqrt(300 * 7) / 8
            assert abs(counts - 300 / 8).max() < bound, (first, jumps)


def test_a_batch_is_what_the_store_would_give(data):
    stored = data[:128]  # the first scene's
    seed = data.store.info["seed"]
    made = TASK.sample(
        PrettyClevrData(), np.random.default_rng([seed, 0, 0]), 10
    )
    scene = Made({key: made.scenes[key][:8] for key in ("x", "pos")}, {})
    for question in range(128):
        words = TASK.words(stored, question)
        batch = TASK.batch(scene, words, PrettyClevrData())
        assert TASK.words(batch, 0) == words
        assert torch.equal(batch.vector[0], stored.vector[question])
        for key in ("x", "pos"):
            assert torch.equal(batch[key], stored[key])


def test_objects_are_named_and_drawn():
    settings = PrettyClevrData()
    scene = TASK.find_scene(Source(seed=3), settings)
    names = TASK.objects(scene, settings, None)
    for name, row in zip(names, scene.scenes["x"], strict=True):
        color, marker = ones(row[:16])
        assert name == f"{COLORS[color]} {MARKERS[marker - 8]}"
    pairs = PairSelection(torch.tensor([[0], [7]]), torch.ones(1))
    figure = TASK.draw(scene, settings, {"a": pairs}, None, "why")
    painted = figure.axes[0].collections
    places = np.concatenate([c.get_offsets() for c in painted])
    np.testing.assert_allclose(places, scene.scenes["pos"])
    colors = [tuple(c.get_facecolor()[0][:3]) for c in painted]
    assert len(set(colors)) == 8
    assert len(figure.axes[0].patches) == 1
    plt.close(figure)
    with pytest.raises(ValueError, match="`objects` is 6, expected 0"):
        TASK.find_scene(Source(objects=6), settings)


def test_what_it_says_of_itself():
    assert TASK.augmentation(PrettyClevrData()) is augment
    assert TASK.describe(PrettyClevrData()) == (
        "made scenes (20,000 train, 1,000 val, 1,000 test), seed 0"
    )
    assert list(TASK.categories) == list(TASK.schema.question_types)
    assert TASK.select_families(["3 jumps"]) == [3, 11]


def test_families_are_chosen_by_their_number_of_jumps():
    families = TASK.schema.families
    found = TASK.select_families(["0 jumps", "7 jumps"])
    assert {families[i] for i in found} == {
        f"{jumps} jumps, from a {start}"
        for jumps in (0, 7)
        for start in ("colour", "marker")
    }
