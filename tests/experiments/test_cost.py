import pytest
import torch

from experiments import cost
from experiments.config import TrainConfig
from experiments.models import MODELS, Plan
from experiments.optimizers import MuonWithAdamW


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
    model = MODELS["rn"].build(Plan(sizes, splits.in_channels, 12))
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
