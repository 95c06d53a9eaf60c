"""Budgets that change while their pairs are trained."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from experiments.run.budgets import Budgets, shrunk
from experiments.run.models import MODELS, Plan
from rn_graph.pairs import AttentionPairs
from tests.experiments.run.fitting import CONFIG, fit


def test_a_budget_shrinks_geometrically():
    assert shrunk(1, 0.25, 0) == 1
    assert shrunk(1, 0.25, 0.5) == pytest.approx(0.5)
    assert shrunk(1, 0.25, 1) == shrunk(1, 0.25, 1.5) == 0.25


def test_models_without_shares_are_left_alone(sizes, inputs):
    for name in ("rn", "gcn", "lstm"):
        model = MODELS[name].build(Plan(sizes, inputs, 12, 2))
        budgets = Budgets(model, 20)
        assert budgets.shares == budgets.teachers == []


@pytest.mark.parametrize(
    ("name", "wide"),
    [
        ("rn_attention", [0.3 ** (step / 20) for step in range(20)]),
        ("rn_distilled", [1.0] * 20),
    ],
)
def test_a_budget_shrinks_from_all_pairs_to_its_own(
    splits, sizes, tmp_path, monkeypatch, name, wide
):
    shares = {True: [], False: []}
    forward = AttentionPairs.forward

    def seen(self, *args, **kwargs):
        shares[self.training].append(self.budget.share)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(AttentionPairs, "forward", seen)
    config = replace(CONFIG, shrink_steps=20)
    model, _ = fit(splits, sizes, tmp_path, config, name=name)
    assert shares[True] == pytest.approx(wide + [0.3] * 20)
    assert set(shares[False]) == {0.3}
    assert model.model.pairs.budget.share == 0.3


def test_distilled_pairs_learn_while_all_pairs_are_summed(
    splits, sizes, tmp_path
):
    config = replace(
        CONFIG, shrink_steps=16, schedule="constant", weight_decay=0
    )

    def scorer(steps):
        """The selection's parameters after some steps."""
        model, _ = fit(
            splits,
            sizes,
            tmp_path / str(steps),
            replace(config, steps=steps),
            name="rn_distilled",
        )
        return nn.utils.parameters_to_vector(model.model.pairs.parameters())

    after_16, after_24 = scorer(16), scorer(24)
    assert torch.equal(after_16, after_24)  # gets no gradient any more
    config = replace(config, shrink_steps=8)
    assert not torch.equal(scorer(8), after_16)
