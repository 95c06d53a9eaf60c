import math

import pytest
import yaml

from datasets.clevr.task import ClevrData
from experiments.cli import parse
from experiments.config import (
    PRESETS,
    CompareConfig,
    ModelConfig,
    TrainConfig,
    from_dict,
    preset_path,
    to_yaml,
)
from experiments.run.data import folder_name


def read(*argv):
    return parse(CompareConfig, list(argv), "compare", "help")


@pytest.mark.parametrize("path", PRESETS.glob("*.yaml"), ids=lambda p: p.stem)
def test_every_preset_is_a_valid_config_under_its_own_name(path):
    assert read(path.stem).name == path.stem


def test_options_after_the_preset_win():
    config = read(
        "quick", "--seeds", "4", "--models", "rn,lstm", "--train.steps", "3000"
    )
    assert config.seeds == 4
    assert config.models == ["rn", "lstm"]
    assert config.train.steps == 3000
    assert config.train.batch_size == read("quick").train.batch_size


def test_a_preset_may_be_a_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodels: [rn]\ntrain: {steps: 200}\n")
    config = read(str(path))
    assert (config.name, config.models) == ("mine", ["rn"])
    assert config.train.steps == 200


def test_yaml_reads_back_as_the_same_config():
    config = read("smoke")
    text = to_yaml(config)
    again = from_dict(CompareConfig, yaml.safe_load(text))
    assert again == config
    assert "runs" not in yaml.safe_load(text)


def test_folders_from_before_the_fewest_objects_are_found():
    assert folder_name(ClevrData()) == folder_name(ClevrData(min_objects=3))
    assert folder_name(ClevrData()) != folder_name(ClevrData(min_objects=4))


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(FileNotFoundError, match=r"'nope'.*quick.*smoke"):
        preset_path("nope")


def test_an_unknown_key_is_refused(tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("train: {stepz: 3}\n")
    with pytest.raises(SystemExit):
        read(str(path))
    assert "stepz" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"'stepz'.*expected some of steps"):
        from_dict(CompareConfig, {"train": {"stepz": 3}})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CompareConfig(models="rn,foo"), "'foo': expected some of rn"),
        (lambda: CompareConfig(models=[]), "`models` is empty"),
        (
            lambda: CompareConfig(models="rn,gcn,rn"),
            r"`models` is \['rn', 'gcn', 'rn'\], expected 'rn' once",
        ),
        (lambda: ModelConfig(shares=[0.1, 0.10]), "expected 0.1 once"),
        (lambda: ModelConfig(depths=[2, 2]), "expected 2 once"),
        (
            lambda: CompareConfig(learning_rates=[0.001, 0.0]),
            r"`learning_rates` is \[0\.001, 0\.0\], expected finite rates",
        ),
        (
            lambda: CompareConfig(learning_rates=[0.001, math.inf]),
            r"`learning_rates` is \[0\.001, inf\], expected finite rates",
        ),
        (
            lambda: CompareConfig(learning_rates=[0.01, 0.02]),
            r"expected `train\.learning_rate` \(0\.001\) among them",
        ),
        (
            lambda: CompareConfig(learning_rates=[1e-3, 0.001]),
            r"`learning_rates` is \[0\.001, 0\.001\], expected 0\.001 once",
        ),
        (
            lambda: from_dict(TrainConfig, {"optimizer": "Muon"}),
            "`optimizer` is 'Muon', expected one of adamw, muon",
        ),
        (
            lambda: from_dict(CompareConfig, {"train": {"augment": "no"}}),
            "`augment` is 'no', expected one of False, True",
        ),
        (
            lambda: CompareConfig(models="rn_distilled"),
            r"`train\.shrink_steps` is 0, .* rn_distilled learns",
        ),
        (lambda: CompareConfig(reference="foo"), "'foo'"),
        (lambda: CompareConfig(seeds=0), "`seeds` is 0"),
        (lambda: CompareConfig(name="a/b"), "`name` is 'a/b'"),
        (lambda: ClevrData(val=0), r"`data\.val` is 0"),
        (lambda: ClevrData(hold_out=7), r"`data\.hold_out` is 7, expected 0"),
        (lambda: ModelConfig(depths=[]), r"`model\.depths`"),
        (lambda: ModelConfig(dropout=1.0), r"`model\.dropout` is 1\.0"),
        (lambda: ModelConfig(readout_channels=[0]), "readout_channels"),
        (lambda: TrainConfig(learning_rate=0), r"`train\.learning_rate`"),
        (lambda: TrainConfig(learning_rate=math.inf), "inf, expected a fin"),
        (lambda: TrainConfig(steps=10, val_every=4), "multiple of"),
        (lambda: TrainConfig(warmup_steps=-1), r"`train\.warmup_steps`"),
        (
            lambda: TrainConfig(shrink_steps=2001),
            r"`train\.shrink_steps` is 2001, expected at most .* \(2000\)",
        ),
        (
            lambda: ModelConfig(question_heads=2, question_channels=7),
            r"`model\.question_channels` is 7, expected an even",
        ),
        (
            lambda: ModelConfig(object_sum=True),
            r"`model\.object_sum` is true and `model\.object_layers` is 0",
        ),
        (
            lambda: ClevrData(min_objects=5, max_objects=4),
            r"`data\.max_objects`",
        ),
    ],
)
def test_bad_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
