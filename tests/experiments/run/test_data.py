"""The splits of a comparison."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from datasets.clevr.families import load_families
from datasets.clevr.task import TASK, ClevrData
from datasets.task import find_task
from experiments.run.data import Splits, folder_name
from experiments.run.models import Inputs


def held_out(splits, count):
    return Splits(
        TASK, ClevrData(stores=str(splits.folder), hold_out=count), ""
    )


def test_of_a_release_training_scenes_are_held_out(splits):
    held = held_out(splits, 4)
    whole = splits.dataset("train")
    train, val = held.dataset("train"), held.dataset("val")
    assert set(train.scene) == set(range(26))
    assert set(val.scene) == set(range(26, 30))
    assert len(train) + len(val) == len(whole)
    assert held.dataset("test").store.path.name == "val.h5"

    types, answers = held.types_and_answers("val")
    batch = val[np.arange(len(val))]
    assert torch.equal(batch.y, answers)
    assert torch.equal(batch.question_type, types)
    assert held.inputs == splits.inputs


def test_families_are_found_among_the_held_out(splits):
    loader = held_out(splits, 20).loader("val", 8, families=["one_hop"])
    families = torch.cat([batch.family for batch in loader]).tolist()
    assert families
    assert {load_families()[f].group for f in families} == {"one_hop"}


def test_something_is_left_to_train_on(splits):
    with pytest.raises(ValueError, match=r"hold_out` is 30, .* the 30 scenes"):
        held_out(splits, 30).dataset("train")


def test_every_answer_must_be_known(splits, monkeypatch):
    own = Splits(TASK, ClevrData(stores=str(splits.folder)), "")
    data = splits.dataset("val")
    answers = data.labels("answer").copy()
    answers[0] = -1
    columns = {**data.store.columns, "questions/answer": answers}
    monkeypatch.setattr(
        "datasets.dataset.open_store",
        lambda *_: data.store.__class__(
            **{**vars(data.store), "columns": columns}
        ),
    )
    known, count = len(answers) - 1, len(answers)
    with pytest.raises(ValueError, match=f"{known} questions .* of {count}"):
        own.dataset("val")


def test_the_folder_says_which_data_are_made():
    name = folder_name(TASK, ClevrData())
    assert name.startswith("clevr-7000-500-1500-")
    assert folder_name(TASK, ClevrData(features="rgb")) == name
    others = {
        folder_name(TASK, ClevrData(**change))
        for change in ({"seed": 1}, {"min_objects": 4}, {"families": [3]})
    }
    assert len(others - {name}) == 3
    newer = replaced(TASK, version=TASK.version + 1)
    assert folder_name(newer, ClevrData()) != name


def replaced(task, **values):
    """A task that differs in some of what it says."""
    return type("Other", (type(task),), values)()


def test_objects_are_the_task_s_first_unless_said(tmp_path):
    task = find_task("sort_of_clevr")
    sizes = {"train": 3, "val": 1, "test": 1}
    made = Splits(task, task.settings(objects="", **sizes), str(tmp_path))
    assert made.inputs == Inputs("images", 3, 10, size=(75, 75), vector=11)
    states = task.settings(objects="states", **sizes)
    same = Splits(task, states, str(tmp_path))
    assert same.folder == made.folder
    assert same.inputs == Inputs("states", 10, 10, most=6, vector=11)
    same.check_fits(same.inputs, "val")
    same.check_fits(replace(same.inputs, most=3), "val")
    with pytest.raises(ValueError, match="`objects` is states, expected image"):
        same.check_fits(made.inputs, "val")
    with pytest.raises(ValueError, match="`vector` is 11, expected 7"):
        same.check_fits(replace(same.inputs, vector=7), "test")
    wrong = task.settings(objects="sentences", train=99)
    with pytest.raises(ValueError, match=r"`data\.objects` is 'sentences', ex"):
        Splits(task, wrong, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1  # nothing was made for that


def test_states_are_of_a_size(splits):
    sizes = [
        int(np.diff(splits.dataset(split).store.columns["scenes/ptr"]).max())
        for split in ("train", "val", "test")
    ]
    assert splits.inputs == Inputs("states", 18, 28, most=max(sizes), words=84)
