"""The contract: programs know no task, and any task runs through them."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from datasets.sort_of_clevr.task import SortOfClevr
from datasets.sort_of_clevr.task import TASK as PICTURES
from datasets.store import StoreWriter, open_store
from datasets.task import find_task, task_names
from experiments import cli
from experiments.__main__ import main
from experiments.measure import cost
from experiments.run import compare
from experiments.run.data import Splits
from experiments.run.models import MODELS, ModelSpec
from experiments.run.runs import Run, load_model
from rn_graph import SceneQA
from rn_graph.encoders import States, VectorQuestion
from tests.experiments.run.fitting import data

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
    *("--train.batch_size", "20", "--model.hidden_channels", "8"),
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
            line = text[: text.find(name)].count("\n") + 1
            assert name not in text, f"{path}, line {line}, names {name}"


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
    options = ("--name", "s", "--runs", tmp_path, "--data_root", tmp_path, *TINY)
    run(
        *("compare", "--task", SILENT, "--models"),
        *("rn,rn_random,gcn,deep_sets,most_frequent", *options),
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

    def measured(folder, steps, threads, data_root):
        """In this process, which has the model."""
        planned = Run.read(folder)
        splits = Splits(planned.task, planned.data, data_root)
        return cost.measure(planned, splits, steps)

    monkeypatch.setattr(compare, "measure_apart", measured)
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
        assert f"`task` is '{name}', expected one of clevr" in text


def test_a_store_of_another_task(counting, roots, splits):
    stores = ("--data.stores", splits.folder, "--data_root", roots[1])
    text = error_of("compare", "--task", COUNTING, *stores)
    assert "`task` is 'clevr', expected 'counting' as of Counting" in text
    run = ("evaluate", counting / "rn/seed-0", "--stores", splits.folder)
    assert "`task` is 'clevr', expected 'counting'" in error_of(*run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--models", "rn,residual_mlp"), "objects are states, not images"),
        (("--data.objects", "maps"), "`data.objects` is 'maps', expected one"),
        (("--train.augment", "true"), "Counting has nothing that its batches"),
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
def test_pictures_of_another_size(pictures, roots, tmp_path, change, message):
    folder = next(roots[1].glob("sort_of_clevr-12-*"))
    made = open_store(folder / "test.h5")
    with StoreWriter(
        tmp_path / "test.h5", made.schema, split="test", source="", info={}
    ) as writer:
        columns = {
            key.partition("/")[2]: value
            for key, value in made.columns.items()
            if key.startswith("scenes/")
        }
        columns["image"] = change(columns["image"])
        ptr = columns.pop("ptr")
        writer.add_scenes(num_objects=ptr[1:] - ptr[:-1], **columns)
        asked = {
            key.partition("/")[2]: value
            for key, value in made.columns.items()
            if key.startswith("questions/")
        }
        ptr = asked.pop("support_ptr")
        writer.add_questions(num_support=ptr[1:] - ptr[:-1], **asked)
    for name in ("rn", "mlp"):
        run = pictures / name / "seed-0"
        assert message in error_of("evaluate", run, "--stores", tmp_path)


def test_a_question_of_another_kind(smoke, pictures, tmp_path):
    asked = "what is the shape of the red object?"
    run = smoke / "rn/seed-0"
    assert "unknown word" in error_of("ask", "is it mauve?", "--run", run)
    run = pictures / "rn/seed-0"
    assert "question" in error_of("ask", "is it mauve?", "--run", run)
    main(["ask", asked, "--run", str(run)])


def test_a_store_whose_questions_are_of_another_kind(
    counting, tmp_path, monkeypatch
):
    """Vectors where the task has words."""
    schema = SortOfClevr.schema
    assert schema.question == "vector"
    folder = next((counting.parent / "data").glob("counting-*"))
    task = find_task(COUNTING)
    other = type(
        "Other",
        (type(task),),
        {"schema": find_task(SILENT).schema.__class__(
            **{**vars(task.schema), "question": "words", "tokens": ("", "a")}
        )},
    )()  # fmt: skip
    settings = other.settings(stores=str(folder))
    with pytest.raises(ValueError, match="`question` is 'vector', expected"):
        Splits(other, settings, "").dataset("train")
    assert PICTURES.schema is schema
