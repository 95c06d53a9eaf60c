"""Trainings of a comparison: their data, one after another, side by side."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from datasets.files import read_json
from experiments.config import Stage, TrainConfig
from experiments.run import compare
from experiments.run.runs import load_model
from experiments.run.training import StepLoader
from experiments.run.trainings import stages
from tests.experiments.run.fitting import data


def test_stages_of_a_curriculum_follow_each_other(splits):
    config = TrainConfig(
        steps=48,
        val_every=8,
        batch_size=10,
        whole_scenes=True,
        curriculum=[Stage(9, ["zero_hop"]), Stage(20, ["zero_hop", 72, 73])],
    )
    zero_hop = set(range(84, 90))
    loaders = stages(config, splits, 0)
    assert [begin for begin, _ in loaders] == [0, 9, 29]

    def families(first):
        steps = StepLoader(loaders, 8)
        found = []
        for start in range(first, 48, 8):
            steps.start = start
            found += [batch.family.tolist() for batch in steps]
        return found

    asked = families(0)
    assert len(asked) == 48
    assert {f for batch in asked[:9] for f in batch} <= zero_hop
    second = {f for batch in asked[9:29] for f in batch}
    assert second <= zero_hop | {72, 73}
    assert second & {72, 73}
    assert not {f for batch in asked[29:] for f in batch} <= second
    for first in 8, 16, 32:
        assert families(first) == asked[first:]


def test_a_curriculum_of_families_that_are_not_there_is_refused(splits):
    config = TrainConfig(batch_size=99, curriculum=[Stage(9, ["three_hop"])])
    with pytest.raises(ValueError, match=r"only \d+ training .*three_hop"):
        stages(config, splits, 0)


def test_a_model_begins_with_the_weights_of_a_run(smoke, roots, tmp_path):
    init = smoke / "rn/seed-0"
    options = [
        *("smoke", "--runs", str(tmp_path), *data(roots), "--seeds", "1"),
        *("--models", "rn_attention", "--train.init", str(init)),
    ]
    # With next to no learning, what is trained is what it began with.
    compare.main([*options, "--train.learning_rate", "1e-12"])
    given = load_model(init)[1].state_dict()
    run = tmp_path / "smoke/rn_attention-share-0.35/seed-0"
    found = load_model(run)[1].state_dict()
    assert any(
        name.startswith("model.pairs") for name in set(found) - set(given)
    )
    for name, value in given.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9)

    wide = ["--name", "wide", "--model.hidden_channels", "24"]
    with pytest.raises(
        ValueError, match=r"`train.init` is .* has shape .*this"
    ):
        compare.main([*options, *wide])


def test_trainings_side_by_side_give_the_same(smoke, roots, tmp_path):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--jobs", "2"),
            *("--models", "rn,lstm", "--seeds", "1", "--cost_steps", "1"),
        ]
    )
    for name in ("rn", "lstm"):
        path = f"{name}/seed-0/val.json"
        side_by_side = read_json(tmp_path / "smoke" / path)
        alone = read_json(smoke / path)
        assert side_by_side["accuracy"] == alone["accuracy"]


def test_trainings_end_with_the_command_that_began_them(roots, tmp_path):
    command = [
        *(sys.executable, "-m", "experiments", "compare", "smoke"),
        *("--runs", str(tmp_path), *data(roots), "--jobs", "2"),
        *("--models", "rn,deep_sets", "--seeds", "1"),
        *("--train.steps", "1000000"),
    ]
    with (tmp_path / "output").open("wb") as output:
        main = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        children = Path(f"/proc/{main.pid}/task/{main.pid}/children")
        if not children.exists():
            pytest.skip("this system does not list a process's children")
        logs = "smoke/*/seed-0/checkpoints/last.ckpt"
        _wait(lambda: len(list(tmp_path.glob(logs))) == 2)
        started = children.read_text().split()
    finally:
        main.kill()
        main.wait()
    assert len(started) >= 2
    _wait(lambda: not any(map(_runs, started)))


def _runs(pid):
    """Whether a process is there, and no zombie that nobody buries."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def _wait(until, seconds=120):
    for _ in range(10 * seconds):
        if until():
            return
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} seconds")
