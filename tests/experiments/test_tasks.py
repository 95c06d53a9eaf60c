"""The contract: programs know no task, and any task runs through them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from datasets.sort_of_clevr.generate import make_chunk
from datasets.sort_of_clevr.task import SCHEMA
from datasets.store import StoreWriter
from datasets.task import find_task, task_names
from experiments import cli
from experiments.__main__ import main
from experiments.run.data import Splits
from experiments.run.models import MODELS, ModelSpec
from experiments.run.runs import Run, load_model
from rn_graph import SceneQA
from rn_graph.encoders import States, VectorQuestion

ROOT = Path(__file__).parents[2]
SHARED = [
    *(ROOT / "experiments").rglob("*.py"),
    *(ROOT / "datasets").glob("*.py"),
    *(ROOT / "datasets" / "store").rglob("*.py"),
]
COUNTING, SILENT = "tests.experiments.counting", "tests.experiments.silent"
TINY = [
    *("--seeds", "1", "--cost_steps", "1", "--threads", "1"),
    *("--train.steps", "8", "--train.val_every", "4"),
    *("--train.batch_size", "20", "--model.hidden_channels", "16"),
    *("--model.readout_channels", "[8]", "--model.num_layers", "2"),
]


def test_no_program_names_a_task():
    assert len(SHARED) > 50
    tasks = [find_task(name) for name in task_names()]
    names = {n.lower() for task in tasks for n in (task.name, task.title)}
    assert {"clevr", "sort-of-clevr"} <= names
    for path in SHARED:
        text = path.read_text(encoding="utf-8").lower()
        for name in names:
            # Not as a part of another word.
            found = re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", text)
            line = text[: found.start()].count("\n") + 1 if found else 0
            assert found is None, f"{path}, line {line}, names {name}"


def run(*argv):
    """What a command prints."""
    main([str(word) for word in argv])


def error_of(*argv):
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(word) for word in argv])
    text = str(stop.value)
    assert text.startswith("error: ")
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    """A results folder of a task that is in a test, and its data."""
    runs = tmp_path_factory.mktemp("counting")
    run(
        *("compare", "--task", COUNTING, "--name", "c", "--runs", runs),
        *("--data_root", runs / "data", "--models"),
        *("rn,rn_attention,gcn,deep_sets,mlp,lstm,most_frequent", *TINY),
    )
    return runs / "c"


def test_a_task_of_a_test_is_trained_and_reported(counting, capsys):
    saved = yaml.safe_load((counting / "config.yaml").read_text())
    assert saved["task"] == COUNTING
    assert saved["data"]["most"] == 4
    for name in ("rn", "mlp", "most_frequent"):
        found = json.loads((counting / name / "seed-0/test.json").read_text())
        assert set(found["accuracy"]) == {"all", "count"}
        assert set(found["families"]) == {"0", "1", "2"}
    capsys.readouterr()
    run("report", counting)
    table = (counting / "table.md").read_text()
    for label in ("RN, all pairs", "Deep Sets", "Question only"):
        assert label in table
    assert "count" in table


def test_a_task_of_a_test_is_evaluated(counting, capsys):
    folder = counting.parent / "data"
    for name in ("rn", "lstm", "most_frequent"):
        run(
            *("evaluate", counting / name / "seed-0", "--families", "true"),
            *("--data_root", folder),
        )
        text = capsys.readouterr().out
        assert "\nequal to the stored figures" in text
        assert re.search(r"^ +2 +blue +\d", text, re.M)


def test_a_task_of_a_test_is_asked(counting, capsys, tmp_path):
    out = tmp_path / "asked.png"
    run(
        *("ask", "green", "--run", counting / "rn/seed-0", "--objects", "3"),
        *("--pairs", "2", "--out", out),
    )
    text = capsys.readouterr().out
    assert sum(line.endswith(" %") for line in text.splitlines()) == 5
    assert text.split("object j\n")[1].split("\n\n")[0].count("\n") == 2
    assert out.stat().st_size > 1000
    argv = ("ask", "mauve", "--run", counting / "rn/seed-0")
    assert "`question` is 'mauve', expected a colour" in error_of(*argv)


def test_a_task_without_questions(tmp_path, capsys):
    run(
        *("compare", "--task", SILENT, "--models"),
        *("rn,rn_random,gcn,deep_sets,most_frequent", *TINY),
        *("--name", "s", "--runs", tmp_path, "--data_root", tmp_path),
    )
    folder = tmp_path / "s/rn/seed-0"
    assert Run.read(folder).build().encoder is None
    capsys.readouterr()
    run("evaluate", folder, "--data_root", tmp_path)
    assert "equal to the stored figures" in capsys.readouterr().out
    run("ask", "red", "--run", folder)
    assert "The pairs that spoke most for" in capsys.readouterr().out


class InSteps(nn.Module):
    """Answers after one, and after two looks at the sum of the objects."""

    def __init__(self, channels, question_channels, answers):
        super().__init__()
        self.start = nn.Linear(question_channels, 8)
        self.look = nn.Linear(channels + 8, 8)
        self.answer = nn.Linear(8, answers)

    def forward(self, x, question, batch, question_batch, pos):
        seen = x.new_zeros(int(batch.max()) + 1, x.size(1))
        seen = seen.index_add(0, batch, x)[question_batch]
        state, steps = self.start(question), []
        for _ in range(2):
            state = self.look(torch.cat([seen, state], 1)).relu()
            steps.append(self.answer(state))
        return torch.stack(steps)


def test_a_model_that_answers_at_each_step(tmp_path, monkeypatch, capsys):
    def build(plan):
        inputs = plan.inputs
        model = InSteps(inputs.channels, inputs.vector, inputs.answers)
        objects = States(inputs.channels)
        return SceneQA(objects, VectorQuestion(inputs.vector), model)

    spec = ModelSpec("In steps", build, matched=False)
    monkeypatch.setitem(MODELS, "in_steps", spec)

    run(
        *("compare", "--task", COUNTING, "--models", "in_steps", *TINY),
        *("--runs", tmp_path, "--data_root", tmp_path, "--name", "n"),
    )
    folder = tmp_path / "n/in_steps/seed-0"
    planned, model = load_model(folder)
    splits = Splits(planned.task, planned.data, str(tmp_path))
    [batch] = splits.loader("test", 100)
    steps = model(batch)
    assert steps.shape == (2, 30, 5)
    right = (steps[-1].argmax(1) == batch.y).double().mean()
    capsys.readouterr()
    run("evaluate", folder, "--data_root", tmp_path)
    text = capsys.readouterr().out
    assert "equal to the stored figures" in text
    assert f"{100 * right:.2f} %" in text  # the last step counts
    run("ask", "blue", "--run", folder)
    assert "This model has no g" in capsys.readouterr().out


# What does not fit together ###################################################


def test_a_task_that_there_is_not():
    for name in ("nope", "tests.experiments.nope", "nope.nope", "a b", "json"):
        text = error_of("compare", "--task", name)
        assert f"`task` is '{name}', expected one of babi, clevr" in text


def test_a_store_of_another_task(counting, roots, splits):
    stores = ("--data.stores", splits.folder, "--data_root", roots[1])
    text = error_of("compare", "--task", COUNTING, *stores)
    assert "`task` is 'clevr', expected 'counting' as of Counting" in text
    text = error_of(
        *("evaluate", counting / "rn/seed-0", "--stores", splits.folder)
    )
    assert "`task` is 'clevr', expected 'counting'" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--models", "rn,residual_mlp"), "objects are states, not images"),
        (("--models", "rn,film"), "objects are states, not images or maps"),
        (("--data.objects", "maps"), "`data.objects` is 'maps', expected one"),
        (
            ("--models", "rn", "--train.augment", "true"),
            "Counting has nothing that its batches",
        ),
        (("--data.val", "0"), "`data.val` is 0, expected 1 to"),
    ],
)
def test_settings_that_do_not_fit_a_task(counting, tmp_path, options, message):
    text = error_of(
        *("compare", "--task", COUNTING, *options, *TINY),
        *("--runs", tmp_path, "--data_root", counting.parent / "data"),
    )
    assert message in text
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_model_of_questions_alone_needs_some(tmp_path):
    text = error_of(
        *("compare", "--task", SILENT, "--models", "rn,lstm", *TINY),
        *("--runs", tmp_path, "--data_root", tmp_path),
    )
    assert "the task has no questions" in text
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image[:, :60], "`size` is (60, 75), expected (75, 75)"),
        (lambda image: image[:, :, :74], "`size` is (75, 74), expected"),
    ],
)
def test_pictures_of_another_size(pictures, tmp_path, change, message):
    made = make_chunk(0, "test", 0, 2)
    with StoreWriter(
        tmp_path / "test.h5", SCHEMA, split="test", source="made", info={}
    ) as writer:
        writer.add_scenes(
            np.arange(2),
            num_objects=np.full(2, 6),
            x=made.codes,
            pos=made.pos,
            image=change(made.image),
        )
        writer.add_questions(
            made.scene,
            made.answer,
            made.question_type,
            made.family,
            vector=made.vector,
            num_support=made.num_support,
            support=made.support,
        )
    for name in ("rn", "mlp"):
        folder = pictures / name / "seed-0"
        assert message in error_of("evaluate", folder, "--stores", tmp_path)


def test_a_question_of_another_kind(smoke, pictures):
    asked = "is it mauve?"
    text = error_of("ask", asked, "--run", smoke / "rn/seed-0")
    assert "unknown word 'mauve'" in text
    text = error_of("ask", asked, "--run", pictures / "rn/seed-0")
    assert asked in text


def test_a_store_whose_questions_are_of_another_kind(counting, monkeypatch):
    """Vectors where the task has words."""
    task = find_task(COUNTING)
    words = replace(task.schema, question="words", tokens=("", "red"))
    monkeypatch.setattr(type(task), "schema", words)
    [folder] = (counting.parent / "data").glob("counting-*")
    text = error_of("compare", "--task", COUNTING, "--data.stores", folder)
    assert "`question` is 'vector', expected 'words' as of Counting" in text
