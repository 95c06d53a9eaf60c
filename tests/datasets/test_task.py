"""What every task has of itself, and how one is found."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch

import datasets
from datasets.store import Schema
from datasets.task import (
    SPLITS,
    Data,
    Source,
    Task,
    find_task,
    in_range,
    task_names,
)


class Plain(Task):
    """A task that says no more than it has to."""

    name, title = "plain", "Plain"
    schema = Schema(
        task="plain",
        objects=("states", "maps"),
        question="words",
        answers=("yes", "no"),
        question_types=("is", "has"),
        families=("a", "b", "c"),
        tokens=("", "is", "it"),
    )

    def make(self, settings, folder):
        raise NotImplementedError


class Grouped(Plain):
    def group(self, family):
        return "first" if family < 2 else "last"


@dataclass
class More(Data):
    features: str = "a"
    depth: int = 3


def test_every_folder_with_a_task_is_found_by_its_name():
    folders = Path(datasets.__file__).parent.glob("*/task.py")
    assert task_names() == sorted(path.parent.name for path in folders)
    assert len(task_names()) > 1
    for name in task_names():
        task = find_task(name)
        assert task.name == task.schema.task == name
        assert issubclass(task.settings, Data)
        kinds = {kind for group in task.categories.values() for kind in group}
        assert kinds == set(task.schema.question_types)
        assert task.describe(task.settings())
        assert find_task(f"datasets.{name}.task") is task


@pytest.mark.parametrize(
    "name", ["", "nope", "json", "nope.nope", "datasets.task", "..", "a b"]
)
def test_what_is_no_task_is_refused(name):
    with pytest.raises(ValueError, match=f"`task` is '{name}', expected one"):
        find_task(name)


def test_every_task_can_be_asked_its_example(tmp_path):
    """One question about a scene that is made, as objects and as words."""
    story = tmp_path / "story.txt"
    story.write_text("Mary got the milk.\nMary went to the office.\n")
    for name in task_names():
        task = find_task(name)
        told = task.schema.objects == ("sentences",)
        settings = task.settings(objects="" if told else "states")
        # Sentences are told, not made.
        source = Source(seed=3, scene=str(story) if told else None)
        scene = task.find_scene(source, task.settings())
        batch = task.batch(scene, task.example, settings)
        assert batch.question_batch.tolist() == [0]
        names = task.objects(scene, settings, batch.pos)
        assert len(names) == len(batch.words if told else batch.x) > 1
        assert set(task.words(batch, 0).split()) & set(task.example.split())


def test_families_are_their_own_groups_unless_the_task_says_so():
    assert Plain().select_families(["c", 0, "c"]) == [0, 2]
    assert Grouped().select_families(["first"]) == [0, 1]
    assert Grouped().select_families([2, "first"]) == [0, 1, 2]
    for wrong in ("d", 3, -1, "0"):
        with pytest.raises(ValueError, match="below 3 or some of a, b, c"):
            Plain().select_families([wrong])
    with pytest.raises(ValueError, match="some of first, last"):
        Grouped().select_families(["a"])


def test_what_a_task_says_of_itself():
    task = Plain()
    assert task.version == 1
    assert task.describe(Data()) == (
        "made scenes (7,000 train, 500 val, 1,500 test), seed 0"
    )
    assert task.seen(Data()) == "a scene's states"
    assert task.seen(Data(objects="maps")) == "a scene's maps"
    assert task.node_features(Data()) is None
    batch = Batch(
        tokens=torch.tensor([[1, 2, 0], [2, 0, 0]]),
        length=torch.tensor([2, 1]),
        question_type=torch.tensor([0, 1]),
    )
    assert [task.words(batch, i) for i in range(2)] == ["is it", "it"]

    class Vectors(Plain):
        schema = replace(Plain.schema, question="vector")

    assert Vectors().words(batch, 1) == "has"


def test_what_a_task_does_not_say_is_named():
    task = Plain()
    for call in (
        lambda: task.find_scene(Source(), task.settings()),
        lambda: task.batch(None, "is it", Data()),
        lambda: task.draw(None, Data(), {}, None),
    ):
        with pytest.raises(ValueError, match="Plain does not say how a single"):
            call()
    assert task.objects(None, Data(), None) == []
    with pytest.raises(
        ValueError, match=r"`train\.augment` is true, but Plain"
    ):
        task.augmentation(Data())


def test_data_are_the_same_however_they_are_read():
    same = More().identity()
    for reading in (
        {"objects": "maps"},
        {"features": "b"},
        {"stores": "a"},
        {"stores": "a", "hold_out": 3},
    ):
        assert More(**reading).identity() == same
    for making in ({"seed": 1}, {"depth": 4}, *({s: 9} for s in SPLITS)):
        assert More(**making).identity() != same


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Data(val=0), r"`data\.val` is 0, expected 1 to 10,000,000"),
        (lambda: Data(test=10**8), r"`data\.test` is 100000000, expected"),
        (lambda: Data(seed=-1), r"`data\.seed` is -1"),
        (lambda: Data(stores="a", hold_out=-1), r"`data\.hold_out` is -1"),
        (lambda: Data(hold_out=7), r"`data\.hold_out` is 7, expected 0 with"),
        (lambda: Source(index=-1), "`index` is -1"),
        (lambda: Source(objects=-1), "`objects` is -1"),
        (lambda: in_range("a", 4, 1, 3), "`a` is 4, expected 1 to 3"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
