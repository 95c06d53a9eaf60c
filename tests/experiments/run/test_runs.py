"""What a run's folder holds, and what is made of it again."""

import json
import shutil
from dataclasses import replace

import pytest

from datasets.clevr.task import TASK, ClevrData
from datasets.files import read_json
from experiments.config import CompareConfig, ModelConfig
from experiments.run import evaluate
from experiments.run.models import Plan
from experiments.run.runs import Run
from tests.experiments.run.fitting import data


def test_a_run_says_where_it_comes_from(smoke, roots):
    run = read_json(smoke / "rn" / "seed-1" / "run.json")
    assert run["settings"]["seed"] == 1
    assert run["versions"]["torch"]
    assert run["machine"]["cores"] >= 1
    for path in smoke.rglob("*.json"):
        assert str(roots[0].parent) not in path.read_text()


def test_a_run_reads_back(tmp_path, inputs):
    config = CompareConfig(
        TASK.name,
        runs=str(tmp_path),
        data=ClevrData(features="rgb"),
        model=ModelConfig(dropout=0.1),
    )
    plan = Plan(config.model, inputs, 57, 3, 0.2, [0, 5])
    run = Run.plan(config, "gcn_knn", 2, plan)
    run.begin()
    folder = tmp_path / "compare" / "gcn_knn-share-0.2-depth-3" / "seed-2"
    again = Run.read(folder)
    assert again.settings == run.settings
    assert again.task is TASK
    assert (again.inputs, again.sizes) == (inputs, config.model)
    assert (again.data, again.train) == (config.data, config.train)
    (again.folder / "run.json").write_text("{")
    with pytest.raises(ValueError, match="does not hold JSON"):
        Run.read(again.folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", TASK.version + 1),
        ("hidden_channels", 99),
        ("inputs", {"channels": 99}),
        ("data", {"features": "ordinal"}),
        ("sizes", {"aggr": "mean"}),
        ("train", {"clip": 1.0}),
    ],
)
def test_what_was_begun_is_not_gone_on_with_otherwise(smoke, key, value):
    folder = smoke / "rn/seed-0"
    run = Run.read(folder)
    name = key
    if isinstance(value, dict):
        name += f".{next(iter(value))}"
        value = run.settings[key] | value
    other = Run(folder, run.settings | {key: value})
    with pytest.raises(ValueError, match=rf"with `{name}` = .* another"):
        other.begin()
    # Where it is trained makes no difference.
    train = run.settings["train"] | {"accelerator": "auto"}
    Run(folder, run.settings | {"train": train}).begin()


def test_what_was_begun_with_other_data_is_not_gone_on_with(smoke):
    folder = smoke / "rn/seed-0"
    run = Run.read(folder)
    assert set(run.found) == {"train", "val", "test"}
    found = run.found | {"val": run.found["val"] | {"content": "other"}}
    with pytest.raises(ValueError, match=r"begun with other val data \(of"):
        Run(folder, run.settings, found).begin()


@pytest.mark.parametrize("damage", ["text", "cut", "empty", "other"])
def test_a_damaged_checkpoint_is_named(smoke, roots, tmp_path, damage):
    folder = tmp_path / "seed-0"
    shutil.copytree(smoke / "rn/seed-0", folder)
    path = folder / "checkpoints/best.ckpt"
    whole = path.read_bytes()
    if damage == "other":
        shutil.copy(smoke / "deep_sets/seed-0/checkpoints/best.ckpt", path)
    else:
        some = {"text": b"hi", "cut": whole[: len(whole) // 2], "empty": b""}
        path.write_bytes(some[damage])
    message = "another model" if damage == "other" else "is damaged"
    with pytest.raises(ValueError, match=rf"best\.ckpt .*{message}"):
        evaluate.main([str(folder), *data(roots)])


@pytest.mark.parametrize("text", ["{}", "[]", '{"settings": {}}', "5"])
def test_a_foreign_run_file_is_named(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json lacks a run's settings"):
        Run.read(tmp_path)


def test_an_unknown_model_is_named(smoke, tmp_path):
    run = json.loads((smoke / "rn/seed-0/run.json").read_text())
    run["settings"]["model"] = "foo"
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(ValueError, match="names the model 'foo'"):
        Run.read(tmp_path)


def test_what_cannot_be_read_of_settings_is_named(smoke, tmp_path):
    run = read_json(smoke / "rn/seed-0/run.json")
    for key, value, message in (
        ("task", "nope", "`task` is 'nope', expected one of"),
        ("data", {"questions": 1}, "'questions' is not accepted"),
        ("train", {"steps": "many"}, '"steps": .*many'),
    ):
        about = run | {"settings": run["settings"] | {key: value}}
        (tmp_path / "run.json").write_text(json.dumps(about))
        with pytest.raises(ValueError, match=message):
            Run.read(tmp_path)


def test_inputs_decide_what_is_built(smoke):
    run = Run.read(smoke / "rn/seed-0")
    assert run.build().objects.in_channels == run.inputs.channels == 18
    run.inputs = replace(run.inputs, channels=5)
    assert run.build().objects.in_channels == 5
