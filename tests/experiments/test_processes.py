"""A training shared by two processes equals that of one."""

import os
import subprocess
import sys

import pytest

from experiments import compare
from experiments.results import read_curve
from experiments.runs import read_json

OPTIONS = (
    *("smoke", "--models", "rn", "--seeds", "1", "--cost_steps", "1"),
    *("--train.steps", "20", "--train.learning_rate", "0.003"),
)


def torchrun(*options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node", "2", "-m", "experiments.compare"),
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_two_processes_learn_what_one_does(smoke, roots, tmp_path):
    data = ("--data_root", str(roots[1]))
    alone, both = tmp_path / "alone", tmp_path / "both"
    compare.main([*OPTIONS, *data, "--runs", str(alone)])
    done = torchrun(*OPTIONS, *data, "--runs", str(both))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Took") == 1  # the first process reports

    folder = "smoke/rn/seed-0"
    steps, expected = read_curve(alone / folder, "val/loss")
    found = read_curve(both / folder, "val/loss")
    assert found[0] == steps == [4, 8, 12, 16, 20]
    # The halves of a batch are summed in another order.
    assert found[1] == pytest.approx(expected, rel=1e-4)
    assert abs(expected[-1] - expected[0]) > 1e-2
    for name in ("val", "test"):
        accuracy = [
            read_json(root / folder / f"{name}.json")["accuracy"]
            for root in (alone, both)
        ]
        assert accuracy[0] == accuracy[1]


def test_what_processes_cannot_share_is_refused(tmp_path):
    done = torchrun(
        *("smoke", "--runs", str(tmp_path), "--data_root", str(tmp_path)),
        *("--jobs", "2"),
    )
    assert done.returncode
    assert "`jobs` is 2, expected 1 with the processes" in done.stderr
