"""What tasks share whose scenes are drawn."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from datasets import made
from datasets.made import Made, MadeTask, one_each
from datasets.max_difference.task import TASK
from datasets.store import Schema
from datasets.task import SPLITS, Data, Source
from datasets.treasures import TreasureData

#: Three chunks of training scenes, of another size each.
SETTINGS = TreasureData(train=1003, val=2, test=2, seed=3, num_objects=4)


class Chain(MadeTask):
    """Three objects in a row, with edges, and a question of two numbers."""

    name, title, source = "chain", "Chain", "nowhere"
    example = "which?"
    schema = Schema(
        task="chain",
        objects=("states",),
        question="vector",
        answers=("yes",),
        question_types=("which",),
        edges=True,
    )

    def sample(self, settings, rng, count):
        x = rng.random((3, 5), dtype=np.float32)
        edges = np.array([[0, 1], [1, 2]])
        scenes = {
            "num_objects": np.array([3]),
            "x": x,
            "num_edges": np.array([2]),
            "edge_index": edges,
            "edge_attr": np.array([[0.5], [0.25]]),
        }
        return Made(scenes, {"scene": np.array([0])})

    def parse(self, question):
        return np.array([1, 0], np.uint8)

    def objects(self, scene, settings, pos):
        return ["a", "b", "c"]

    def places(self, scene):
        return np.zeros((3, 2))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    TASK.make(SETTINGS, folder)
    return folder


def bytes_of(folder):
    return {split: (folder / f"{split}.h5").read_bytes() for split in SPLITS}


def column(folder, split, key):
    with h5py.File(folder / f"{split}.h5") as file:
        return file[key][()]


def test_any_number_of_processes_gives_the_same_bytes(
    stores, tmp_path, monkeypatch
):
    asked = []

    def two():
        asked.append(2)
        return 2

    monkeypatch.setattr(made, "_FEW", 1000)
    monkeypatch.setattr(made, "num_workers", two)
    TASK.make(SETTINGS, tmp_path)
    assert asked == [2]  # for the training scenes alone
    assert bytes_of(tmp_path) == bytes_of(stores)


def test_a_store_holds_each_chunk_in_its_turn(stores):
    count = SETTINGS.train
    assert column(stores, "train", "scenes/index").tolist() == [*range(count)]
    asked = column(stores, "train", "questions/scene")
    assert asked.tolist() == [*range(count)]
    x = column(stores, "train", "scenes/x").reshape(count, 4, -1)
    assert len(np.unique(x, axis=0)) == count  # no chunk twice
    worth = np.rint((x[:, :, 6] + 1) * 50)
    np.testing.assert_array_equal(
        column(stores, "train", "questions/answer"), np.ptp(worth, axis=1)
    )


def test_splits_and_seeds_are_different_scenes(stores, tmp_path):
    few = replace(SETTINGS, train=2)
    scenes = {}
    for seed in (3, 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        TASK.make(replace(few, seed=seed), folder)
        for split in SPLITS:
            scenes[seed, split] = column(folder, split, "scenes/x")
    assert len({x.tobytes() for x in scenes.values()}) == 6
    # A split is the same whatever the size of another one.
    for split in ("val", "test"):
        there = column(stores, split, "scenes/x")
        np.testing.assert_array_equal(scenes[3, split], there)


def test_what_is_there_is_kept(tmp_path):
    settings = replace(SETTINGS, train=2)
    TASK.make(settings, tmp_path)
    before = bytes_of(tmp_path)
    (tmp_path / "val.h5").unlink()
    (tmp_path / "test.h5").write_bytes(b"kept")
    TASK.make(settings, tmp_path)
    assert bytes_of(tmp_path) == {**before, "test": b"kept"}


def test_one_question_about_each_scene():
    decides = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    found = one_each(np.array([4, 5, 6]), decides, family=np.array([1, 2, 3]))
    assert {key: value.tolist() for key, value in found.items()} == {
        "scene": [0, 1, 2],
        "answer": [4, 5, 6],
        "question_type": [0, 0, 0],
        "family": [1, 2, 3],
        "num_support": [2, 0, 1],
        "support": [0, 2, 1],
    }


def test_a_scene_is_found_by_seed_and_number():
    def find(**source):
        scene = TASK.find_scene(Source(**source), SETTINGS)
        return scene.scenes["x"]

    assert find(seed=1).shape == (4, 15)
    assert (find(seed=1) == find(seed=1)).all()
    different = [find(), find(seed=1), find(index=1), find(seed=1, index=1)]
    assert len({x.tobytes() for x in different}) == 4


def test_a_scene_has_as_many_objects_as_are_asked_for():
    scene = TASK.find_scene(Source(objects=60), SETTINGS)
    assert scene.scenes["num_objects"].tolist() == [60]
    assert len(TASK.objects(scene, SETTINGS, None)) == 60
    assert SETTINGS.num_objects == 4
    with pytest.raises(ValueError, match=r"`data\.num_objects` is 1, expected"):
        TASK.find_scene(Source(objects=1), SETTINGS)
    with pytest.raises(
        ValueError, match="`objects` is 4, expected 0: Chain has a number"
    ):
        Chain().find_scene(Source(objects=4), Data())


def test_there_are_no_files_of_scenes():
    with pytest.raises(
        ValueError, match=r"`scene` is 'a\.json', expected none: a scene of Max"
    ):
        TASK.find_scene(Source(scene="a.json"), SETTINGS)
    with pytest.raises(ValueError, match=r"`image` is 'a\.png', expected none"):
        TASK.find_scene(Source(image="a.png"), SETTINGS)


def test_the_one_question_is_read_in_words():
    scene = TASK.find_scene(Source(), SETTINGS)
    for text in (TASK.example, f" {TASK.example[:-1].upper()} "):
        batch = TASK.batch(scene, text, SETTINGS)
        assert TASK.words(batch, 0) == TASK.example
        assert "vector" not in batch
    with pytest.raises(ValueError, match="`question` is 'why', expected 'what"):
        TASK.batch(scene, "why", SETTINGS)


def test_a_batch_has_edges_and_a_vector_where_a_task_has_them():
    task = Chain()
    scene = task.find_scene(Source(seed=2), Data())
    batch = task.batch(scene, "which", Data())
    np.testing.assert_array_equal(batch.x, scene.scenes["x"])
    assert batch.edge_index.tolist() == [[0, 1], [1, 2]]
    assert batch.edge_attr.tolist() == [[0.5], [0.25]]
    assert batch.vector.tolist() == [[1, 0]]
    assert batch.vector.dtype == batch.edge_attr.dtype == torch.float32
    assert batch.batch.tolist() == [0, 0, 0]
    assert batch.question_batch.tolist() == [0]
