import math

import pytest
import yaml

from datasets.sort_of_clevr.task import SortOfClevrData
from datasets.task import find_task
from experiments.cli import parse
from experiments.config import (
    PRESETS,
    CompareConfig,
    ModelConfig,
    TrainConfig,
    load_preset,
    preset_path,
    read,
    to_yaml,
)


def parsed(*argv):
    return parse(CompareConfig, list(argv), "compare", "help")


def compared(**values):
    return read(CompareConfig, {"task": "clevr", **values})


@pytest.mark.parametrize("path", PRESETS.glob("*.yaml"), ids=lambda p: p.stem)
def test_every_preset_is_a_valid_config_under_its_own_name(path):
    config = parsed(path.stem)
    assert config.name == path.stem
    # Its section `data` is its task's own.
    assert type(config.data) is find_task(config.task).settings


def test_options_after_the_preset_win():
    config = parsed(
        "quick", "--seeds", "4", "--models", "rn,lstm", "--train.steps", "3000"
    )
    assert config.seeds == 4
    assert config.models == ["rn", "lstm"]
    assert config.train.steps == 3000
    assert config.train.batch_size == parsed("quick").train.batch_size


def test_a_preset_may_be_a_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "task: clevr\nname: mine\nmodels: [rn]\ntrain: {steps: 200}\n"
    )
    for argv in ([str(path)], ["--config", str(path)], [f"--config={path}"]):
        config = parsed(*argv)
        assert (config.name, config.models) == ("mine", ["rn"])
        assert config.train.steps == 200


def test_a_preset_changes_some_keys_of_another(tmp_path):
    (tmp_path / "one.yaml").write_text(
        "a: 1\nmodels: [rn, gcn]\ntrain: {steps: 4, clip: 2}\n"
    )
    (tmp_path / "two.yaml").write_text(
        "base: one\nmodels: [lstm]\ntrain: {steps: 6}\n"
    )
    (tmp_path / "three.yaml").write_text("base: two\na: 3\n")
    assert load_preset("three", tmp_path) == {
        "a": 3,
        "models": ["lstm"],  # a list is replaced whole
        "train": {"steps": 6, "clip": 2},
    }
    (tmp_path / "one.yaml").write_text("base: three\n")
    with pytest.raises(ValueError, match=r"builds on itself .* `base`"):
        load_preset("two", tmp_path)
    (tmp_path / "one.yaml").write_text("base: four\n")
    with pytest.raises(FileNotFoundError, match="no preset 'four'"):
        load_preset("two", tmp_path)
    (tmp_path / "one.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match=r"one\.yaml holds \[1\], expected"):
        load_preset("two", tmp_path)


def test_yaml_reads_back_as_the_same_config():
    config = parsed("smoke")
    text = to_yaml(config)
    again = read(CompareConfig, yaml.safe_load(text))
    assert again == config
    assert "runs" not in yaml.safe_load(text)


def test_numbers_are_python_s_own():
    """What is written down of them is plain."""
    config = parsed(
        "smoke", "--train.curriculum", "[{steps: 2, families: [0]}]"
    )
    for value in (
        config.seeds,
        config.shares[0],
        config.depths[0],
        config.model.readout_channels[0],
        config.train.curriculum[0].steps,
        config.train.learning_rate,
    ):
        assert type(value) in (int, float)


@pytest.mark.parametrize("argv", [["--task", "nope"], ["--task=nope"]])
def test_an_unknown_task_names_those_that_exist(argv):
    message = (
        r"`task` is 'nope', expected one of babi, clevr, .*sort_of_clevr, or a"
    )
    with pytest.raises(ValueError, match=message):
        parsed("smoke", *argv)
    with pytest.raises(ValueError, match=message):
        read(CompareConfig, {"task": "nope"})


@pytest.mark.parametrize("values", [{}, {"task": ""}, {"task": None}, [1]])
def test_a_task_is_needed(values):
    with pytest.raises(ValueError, match=r"`task` is '\w*', expected one of"):
        read(CompareConfig, values)


def test_another_task_has_other_settings(capsys):
    config = parsed(
        *("--task", "sort_of_clevr", "--data.objects", "states"),
    )
    assert config.data == SortOfClevrData(objects="states")
    with pytest.raises(SystemExit):
        parsed("smoke", "--task", "sort_of_clevr")
    assert "'data' does not accept option" in capsys.readouterr().err


def test_models_that_need_pictures_are_only_trained_where_asked_for():
    models = compared().models
    assert {"rn", "gcn", "mlp", "most_frequent"} <= set(models)
    assert not {"residual_mlp", "film"} & set(models)
    assert "rn_distilled" not in models  # needs `train.shrink_steps`


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(FileNotFoundError, match=r"'nope'.*quick.*smoke"):
        preset_path("nope")


def test_an_unknown_key_is_refused(tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("task: clevr\ntrain: {stepz: 3}\n")
    with pytest.raises(SystemExit):
        parsed(str(path))
    assert "stepz" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"'train' does not .* 'stepz'"):
        compared(train={"stepz": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": "rn,foo"}, "'foo': expected some of rn"),
        ({"models": []}, "`models` is empty"),
        (
            {"models": "rn,gcn,rn"},
            r"`models` is \['rn', 'gcn', 'rn'\], expected 'rn' once",
        ),
        ({"models": "rn_distilled"}, r"`train\.shrink_steps` is 0, .* learns"),
        ({"reference": "foo"}, "'foo'"),
        ({"shares": [0.1, 0.10]}, "expected 0.1 once"),
        ({"shares": []}, "`shares` is empty"),
        ({"shares": [0.0]}, '"shares": .*Share: 0.0 does not conform'),
        ({"shares": [1.5]}, '"shares": .*Share: 1.5 does not conform'),
        ({"depths": [2, 2]}, "expected 2 once"),
        ({"depths": []}, "`depths` is empty"),
        ({"depths": [0]}, '"depths": .*: 0 does not'),
        ({"learning_rates": [0.001, 0.0]}, '"learning_rates": .* 0.0 does not'),
        (
            {"learning_rates": [0.001, math.inf]},
            r"`learning_rates` is \[0\.001, inf\], expected finite rates",
        ),
        (
            {"learning_rates": [0.01, 0.02]},
            r"expected `train\.learning_rate` \(0\.001\) among them",
        ),
        (
            {"learning_rates": [1e-3, 0.001]},
            r"`learning_rates` is \[0\.001, 0\.001\], expected 0\.001 once",
        ),
        ({"seeds": 0}, '"seeds": .*: 0 does not'),
        ({"seeds": 1.5}, '"seeds": .*1.5 not an integer'),
        ({"seeds": True}, '"seeds": .*True not a number'),
        ({"cost_rounds": 0}, '"cost_rounds": .*: 0 does not'),
        ({"train": None}, "`train` is None, expected a section of keys"),
        ({"data": 3}, "`data` is 3, expected a section of keys"),
        ({"stepz": 3}, "'stepz' is not accepted"),
    ],
)
def test_bad_values_of_a_comparison(values, message):
    refused(CompareConfig, {"task": "clevr", **values}, message)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_results_stay_inside_their_folder(name):
    refused(CompareConfig, {"task": "clevr", "name": name}, "`name` is")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ModelConfig, {"dropout": 1.0}, '"dropout": .* 1.0 does not'),
        (
            ModelConfig,
            {"readout_channels": [0]},
            '"readout_channels": .* 0 does',
        ),
        (ModelConfig, {"aggr": "max"}, '"aggr": .*value: max'),
        (
            ModelConfig,
            {"question_heads": 2, "question_channels": 7},
            r"`model\.question_channels` is 7, expected an even",
        ),
        (
            ModelConfig,
            {"question_heads": 2, "sentence_channels": 9},
            r"`model\.sentence_channels` is 9, expected an even",
        ),
        (
            ModelConfig,
            {"question_layer": 4},
            r"`model\.question_layer` is 4, expected 0 to 3",
        ),
        (
            ModelConfig,
            {"object_sum": True},
            r"`model\.object_sum` is true and `model\.object_layers` is 0",
        ),
        (ModelConfig, {"cnn_channels": []}, r"`model\.cnn_channels` is empty"),
        (TrainConfig, {"optimizer": "Muon"}, "'adamw', 'muon'.* value: Muon"),
        (TrainConfig, {"augment": "maybe"}, '"augment": .*value: maybe'),
        (TrainConfig, {"augment": 1}, '"augment": .*value: 1'),
        (TrainConfig, {"learning_rate": 0}, '"learning_rate": .* 0 does not'),
        (TrainConfig, {"learning_rate": math.nan}, '"learning_rate": .* nan'),
        (TrainConfig, {"learning_rate": math.inf}, "inf, expected a fin"),
        (TrainConfig, {"clip": -1.0}, '"clip": .*: -1.0 does not'),
        (TrainConfig, {"steps": 10, "val_every": 4}, "multiple of"),
        (TrainConfig, {"warmup_steps": -1}, '"warmup_steps": .*: -1 does not'),
        (
            TrainConfig,
            {"shrink_steps": 2001},
            r"`train\.shrink_steps` is 2001, expected at most .* \(2000\)",
        ),
        (
            TrainConfig,
            {"curriculum": [{"steps": 0, "families": [1]}]},
            '"curriculum": .*"steps": .*: 0 does not',
        ),
        (
            TrainConfig,
            {"curriculum": [{"steps": 2001, "families": [1]}]},
            r"stages of \[2001\] steps, expected at most .* \(2000\)",
        ),
    ],
)
def test_bad_values_of_a_section(kind, values, message):
    refused(kind, values, message)


def refused(kind, values, message):
    """It is refused in one line."""
    with pytest.raises(ValueError, match=message) as error:
        read(kind, values)
    assert "\n" not in str(error.value)
