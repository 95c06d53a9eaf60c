"""A training shared by two processes equals that of one."""

import os
import subprocess
import sys

import pytest

from datasets import dataset
from datasets.clevr.task import TASK, ClevrData
from datasets.files import read_json
from experiments.report.frames import read_log
from experiments.run import compare, data, processes
from experiments.run.data import Splits

OPTIONS = (
    *("smoke", "--models", "rn", "--seeds", "1", "--cost_steps", "1"),
    *("--train.steps", "20", "--train.learning_rate", "0.003"),
)


def torchrun(*options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node", "2", "-m", "experiments", "compare"),
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_two_processes_learn_what_one_does(smoke, roots, tmp_path):
    root = ("--data_root", str(roots[1]))
    alone, both = tmp_path / "alone", tmp_path / "both"
    compare.main([*OPTIONS, *root, "--runs", str(alone)])
    models = ("--models", "rn,rn_distilled")
    done = torchrun(*OPTIONS, *models, *root, "--runs", str(both))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Took") == 1  # the first process reports

    folder = "smoke/rn/seed-0"
    expected, found = (
        read_log(root / folder).set_index("step")["val/loss"].dropna()
        for root in (alone, both)
    )
    assert list(found.index) == list(expected.index) == [4, 8, 12, 16, 20]
    # The halves of a batch are summed in another order.
    assert list(found) == pytest.approx(list(expected), rel=1e-4)
    assert abs(expected[20] - expected[4]) > 1e-2
    # Its pairs get gradients in the first steps alone.
    assert (both / "smoke/rn_distilled-share-0.35/seed-0/val.json").exists()
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


def test_small_sets_lie_where_they_are_trained_on(roots, splits, monkeypatch):
    there = Splits(
        TASK, ClevrData(train=30, val=5, test=5), str(roots[1]), "meta"
    )
    assert there.dataset("train").device.type == "meta"
    assert splits.dataset("train").device.type == "cpu"
    # Large ones are streamed, a batch at a time.
    for module in (data, dataset):
        monkeypatch.setattr(module, "MEMORY_LIMIT", 10)
    there = Splits(
        TASK, ClevrData(train=30, val=5, test=5), str(roots[1]), "meta"
    )
    assert there.dataset("train").device.type == "cpu"
    batch = next(iter(there.loader("train", 16, shuffle=True)))
    assert batch.x.device.type == "meta"
    assert batch.y.shape == (16,)


def test_devices(monkeypatch):
    assert processes.device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert processes.device("gpu") == processes.device("auto") == "cuda:0"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert processes.device("cuda") == "cuda:3"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert processes.device("auto") == "cpu"
    with pytest.raises(ValueError, match=r"is 'gpu', but there is no GPU"):
        processes.device("gpu")
