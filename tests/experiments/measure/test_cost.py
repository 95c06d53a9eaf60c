import pytest
import torch

from datasets.clevr.task import TASK, ClevrData
from experiments.config import CompareConfig, TrainConfig
from experiments.measure import cost
from experiments.run.data import Splits
from experiments.run.models import MODELS, Plan
from experiments.run.optimizers import MuonWithAdamW
from experiments.run.runs import Run


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_step_is_measured_as_it_is_trained(
    splits, sizes, monkeypatch, precision
):
    seen = []
    forward = cost.logits

    def looks(model, batch):
        seen.append(torch.is_autocast_enabled("cpu"))
        return forward(model, batch)

    monkeypatch.setattr(cost, "logits", looks)
    model = MODELS["rn"].build(Plan(sizes, splits.inputs, 12))
    config = TrainConfig(optimizer="muon", precision=precision)
    step = cost.Step(model, config, "cpu")
    before = [p.clone() for p in model.parameters()]
    step(next(iter(splits.loader("train", 16))))
    assert isinstance(step.optimizer, MuonWithAdamW)
    assert seen == [precision == "bf16-mixed"]
    assert any(
        not torch.equal(a, b)
        for a, b in zip(before, model.parameters(), strict=True)
    )


def test_a_batch_may_be_larger_than_validation(splits, sizes, tmp_path):
    count = len(splits.dataset("val"))
    config = CompareConfig(
        TASK.name,
        runs=str(tmp_path),
        data=ClevrData(),
        model=sizes,
        train=TrainConfig(batch_size=count + 9),
    )
    plan = Plan(sizes, splits.inputs, 12)
    found = cost.measure(Run.plan(config, "rn", 0, plan), splits, 1)
    batch = next(iter(splits.loader("val", count)))
    ptr = batch.ptr.diff()[batch.question_batch]
    assert found["pairs"] == pytest.approx((ptr**2).double().mean().item())


def test_a_fresh_process_measures_the_same(smoke, roots):
    """All that does not depend on the clock, and what does, in bounds."""
    folder = smoke / "rn/seed-0"
    apart = cost.measure_apart(folder, 2, 1, str(roots[1]))
    planned = Run.read(folder)
    here = cost.measure(planned, Splits(TASK, planned.data, str(roots[1])), 2)
    assert set(apart) == set(here)
    for key in ("hidden_channels", "pairs", "parameters", "flops"):
        assert apart[key] == pytest.approx(here[key])
    assert apart["step_ms"] > 0
    assert apart["memory_mib"] >= 0
    with pytest.raises(RuntimeError, match="failed"):
        cost.measure_apart(folder / "none", 2, 1, str(roots[1]))
