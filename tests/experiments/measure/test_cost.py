import pytest
import torch

from datasets.clevr.task import TASK, ClevrData
from experiments.config import CompareConfig, TrainConfig
from experiments.measure import cost
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
