import math
import signal

import lightning as L
import pytest
import torch
from torch import nn

from experiments.accuracy import evaluate
from experiments.config import TrainConfig
from experiments.models import MODELS, Plan
from experiments.results import read_curve
from experiments.training import (
    StepLoader,
    learning_rate_factor,
    load_weights,
    train,
)

# Steps that do not divide the data's epochs (30 scenes, some 18 batches).
CONFIG = TrainConfig(
    steps=40, batch_size=16, warmup_steps=5, val_every=8, learning_rate=3e-3
)


def fit(splits, sizes, folder, config=CONFIG, seed=3, name="rn"):
    L.seed_everything(seed, workers=True, verbose=False)
    model = MODELS[name].build(Plan(sizes, splits.in_channels, 12))
    best = train(
        model,
        splits.loader("train", config.batch_size, seed, shuffle=True),
        splits.loader("val", config.batch_size),
        config,
        seed,
        folder,
    )
    return model, best


def test_schedule():
    config = TrainConfig(steps=110, val_every=10, warmup_steps=10)
    factors = [learning_rate_factor(s, config) for s in range(111)]
    assert factors[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert factors[10] == max(factors) == 1
    assert factors[60] == pytest.approx(0.5)
    assert factors[110] == pytest.approx(0)
    config.schedule = "constant"
    assert learning_rate_factor(105, config) == 1


def test_step_loader_does_not_depend_on_where_it_starts(splits):
    def batches(first, last):
        loader = splits.loader("train", 16, seed=5, shuffle=True)
        steps = StepLoader(loader, 7)
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


class KilledError(Exception):
    """What ends a run in its midst."""


@pytest.mark.parametrize("at", [3, 21])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    splits, sizes, tmp_path, monkeypatch, at
):
    sizes.dropout = 0.3  # so that random numbers matter
    whole, _ = fit(splits, sizes, tmp_path / "whole")

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
            fit(splits, sizes, tmp_path / "cut")
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    done = torch.load(last)["global_step"] if last.exists() else 0
    assert done == at // 8 * 8
    resumed, best = fit(splits, sizes, tmp_path / "cut")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert read_curve(tmp_path / "cut") == read_curve(tmp_path / "whole")
    assert best == tmp_path / "cut" / "checkpoints" / "best.ckpt"


def test_the_best_weights_are_those_of_the_best_look(splits, sizes, tmp_path):
    _, best = fit(splits, sizes, tmp_path)
    steps, accuracy = read_curve(tmp_path)
    assert steps == [8, 16, 24, 32, 40]
    model = MODELS["rn"].build(Plan(sizes, splits.in_channels, 12))
    load_weights(model, best)
    again = evaluate(model, splits.loader("val", 16))["all"]
    assert again == pytest.approx(max(accuracy))


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
    model = MODELS["rn"].build(Plan(sizes, splits.in_channels, 12))
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


def test_a_missing_checkpoint_is_named(sizes, tmp_path):
    model = MODELS["lstm"].build(Plan(sizes, 18, 12))
    with pytest.raises(FileNotFoundError, match=r"best\.ckpt"):
        load_weights(model, tmp_path / "best.ckpt")
