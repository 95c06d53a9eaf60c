import errno
import math
import resource
import shutil
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from datasets.clevr.task import TASK
from experiments.config import Stage, TrainConfig
from experiments.report.frames import read_log
from experiments.run.accuracy import evaluate
from experiments.run.models import MODELS, Plan
from experiments.run.optimizers import make_optimizer
from experiments.run.runs import load_weights
from experiments.run.training import (
    StepLoader,
    WholeCheckpoints,
    learning_rate_factor,
)
from tests.experiments.run.fitting import CONFIG, fit


def test_schedule():
    config = TrainConfig(steps=110, val_every=10, warmup_steps=10)
    factors = [learning_rate_factor(s, config) for s in range(111)]
    assert factors[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert factors[10] == max(factors) == 1
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0)
    config.schedule = "constant"
    assert learning_rate_factor(105, config) == 1
    config.schedule = "linear"
    assert learning_rate_factor(35, config) == pytest.approx(0.75)
    assert learning_rate_factor(110, config) == pytest.approx(0)


def test_step_loader_does_not_depend_on_where_it_starts(splits):
    def batches(first, last):
        loader = splits.loader("train", 16, seed=5, shuffle=True)
        steps = StepLoader([(0, loader)], 7)
        out = []
        for epoch in range(first, last):
            steps.start = 7 * epoch
            out += [batch.tokens for batch in steps]
        return out

    whole = batches(0, 8)
    assert len(whole) == 56 > 2 * len(splits.loader("train", 16, shuffle=True))
    for a, b in zip(whole[21:], batches(3, 8), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(whole[0], whole[7])


def test_muon_takes_hidden_matrices_and_adamw_the_rest(sizes, inputs):
    config = TrainConfig(optimizer="muon", learning_rate=0.02)
    for name, spec in MODELS.items():
        if spec.build is None or spec.cells:
            continue
        degrees = [0, 3, 5]
        model = spec.build(Plan(sizes, inputs, 12, 2, 0.5, degrees))
        names = {id(p): name for name, p in model.named_parameters()}
        muon, adamw = make_optimizer(model, config).param_groups
        assert (muon["lr"], adamw["lr"]) == pytest.approx((0.02, 0.001))
        kinds = [
            [names[id(p)] for p in group["params"]] for group in (muon, adamw)
        ]
        assert sorted(kinds[0] + kinds[1]) == sorted(names.values()), name
        last = len(model.model.readout.lins) - 1
        assert f"model.readout.lins.{last}.weight" in kinds[1]
        assert "encoder.embedding.weight" in kinds[1]
        assert "encoder.lstm.weight_hh_l0" in kinds[0]
        assert not any("bias" in name for name in kinds[0])


class KilledError(Exception):
    """What ends a run in its midst."""


MUON = replace(
    CONFIG,
    optimizer="muon",
    learning_rate=0.02,
    whole_scenes=True,
    curriculum=[Stage(18, ["zero_hop"])],
    augment=True,
    shrink_steps=20,
)


@pytest.mark.parametrize(
    ("config", "name"),
    [(CONFIG, "rn"), (MUON, "rn_attention"), (MUON, "rn_distilled")],
    ids=["adamw", "muon", "distilled"],
)
@pytest.mark.parametrize("at", [3, 21])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    splits, sizes, tmp_path, monkeypatch, at, config, name
):
    sizes.dropout = 0.3  # so that random numbers matter
    whole, _ = fit(splits, sizes, tmp_path / "whole", config, name=name)

    calls = []
    forward = nn.functional.cross_entropy

    def dies(*args, **kwargs):
        calls.append(args)
        if len(calls) == at + at // 8 * 4:  # validation calls it too
            raise KilledError
        return forward(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("torch.nn.functional.cross_entropy", dies)
        with pytest.raises(KilledError):
            fit(splits, sizes, tmp_path / "cut", config, name=name)
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    done = torch.load(last)["global_step"] if last.exists() else 0
    assert done == at // 8 * 8
    if done:
        shutil.copyfile(last, tmp_path / "part")
    resumed, best = fit(splits, sizes, tmp_path / "cut", config, name=name)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    curves = [read_log(tmp_path / name)["val/all"] for name in ("cut", "whole")]
    assert curves[0].equals(curves[1])
    assert best == tmp_path / "cut" / "checkpoints" / "best.ckpt"
    kept = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt")
    before = torch.load(tmp_path / "part")["seconds"] if done else 0
    assert kept["seconds"] > before


@pytest.mark.parametrize(("name", "step"), [("best", 8), ("last", 24)])
def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(
    splits, sizes, tmp_path, monkeypatch, name, step
):
    through, _ = fit(splits, sizes, tmp_path / "whole")
    folder = tmp_path / "cut" / "checkpoints"
    save = WholeCheckpoints.save_checkpoint
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_up(self, checkpoint, path, storage_options=None):
        """No file can get larger than a part of a checkpoint."""
        if checkpoint["global_step"] == step and name in str(path):
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        save(self, checkpoint, path, storage_options)

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpoints, "save_checkpoint", fills_up)
        try:
            with pytest.raises(OSError, match=rf"{name}\.ckpt") as error:
                fit(splits, sizes, tmp_path / "cut")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    kept = ["best.ckpt", "last.ckpt"] if step > 8 else []
    assert sorted(p.name for p in folder.iterdir()) == kept
    if kept:
        assert torch.load(folder / "last.ckpt")["global_step"] == step - 8
    resumed, best = fit(splits, sizes, tmp_path / "cut")
    for a, b in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    expected = torch.load(tmp_path / "whole/checkpoints/best.ckpt")
    found = torch.load(best)
    assert found["global_step"] == expected["global_step"]


def test_the_best_weights_are_those_of_the_best_look(splits, sizes, tmp_path):
    _, best = fit(splits, sizes, tmp_path)
    log = read_log(tmp_path).set_index("step")
    accuracy = log["val/all"].dropna()
    assert list(accuracy.index) == [8, 16, 24, 32, 40]
    model = MODELS["rn"].build(Plan(sizes, splits.inputs, 12))
    load_weights(model, best)
    again = evaluate(model, splits.loader("val", 16), TASK).accuracy()
    assert again["all"] == pytest.approx(max(accuracy))


def test_a_loss_that_is_not_finite_stops_the_run(
    splits, sizes, tmp_path, monkeypatch
):
    calls = []
    forward = nn.functional.cross_entropy

    def overflows(*args, **kwargs):
        calls.append(args)
        factor = math.nan if len(calls) > 20 else 1.0
        return forward(*args, **kwargs) * factor

    monkeypatch.setattr("torch.nn.functional.cross_entropy", overflows)
    with pytest.raises(FloatingPointError, match=r"nan at step \d+.*learning"):
        fit(splits, sizes, tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    model = MODELS["rn"].build(Plan(sizes, splits.inputs, 12))
    load_weights(model, last)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_ctrl_c_stops_the_whole_comparison(
    splits, sizes, tmp_path, monkeypatch
):
    def stops(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("torch.nn.functional.cross_entropy", stops)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(splits, sizes, tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_missing_checkpoint_is_named(sizes, inputs, tmp_path):
    model = MODELS["lstm"].build(Plan(sizes, inputs, 12))
    with pytest.raises(FileNotFoundError, match=r"best\.ckpt"):
        load_weights(model, tmp_path / "best.ckpt")


class Touch:
    """A pickle that touches a file where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("damage", ["code", "cut", "empty"])
def test_a_checkpoint_is_numbers_or_is_refused(splits, sizes, tmp_path, damage):
    short = replace(CONFIG, steps=8)
    fit(splits, sizes, tmp_path, short)
    last = tmp_path / "checkpoints" / "last.ckpt"
    touched = tmp_path / "touched"
    if damage == "code":
        state = torch.load(last, weights_only=False)
        torch.save({**state, "more": Touch(touched)}, last)
    else:
        whole = last.read_bytes()
        last.write_bytes(whole[: len(whole) // 2 if damage == "cut" else 0])
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged, or holds"):
        fit(splits, sizes, tmp_path, replace(CONFIG, steps=16))
    assert not touched.exists()
