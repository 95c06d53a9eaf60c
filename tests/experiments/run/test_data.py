"""The splits of a comparison."""

import numpy as np
import pytest
import torch

from datasets.clevr.families import load_families
from datasets.clevr.task import TASK, ClevrData
from experiments.run.data import Splits


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
