"""Input that no model can take."""

import pytest
import torch

from rn_graph.models import (
    GNN,
    DeepSets,
    JoinedMLP,
    RelationNetwork,
    Set2Set,
    StackedAttention,
)
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

MODELS = {
    "rn": lambda **k: RelationNetwork(F, OUT, C, hidden_channels=8, **k),
    "rn, objects first": lambda **k: RelationNetwork(
        F, OUT, C, hidden_channels=8, object_layers=1, **k
    ),
    "gcn": lambda **k: GNN("gcn", F, OUT, C, hidden_channels=8, **k),
    "deep sets": lambda **k: DeepSets(F, OUT, C, hidden_channels=8, **k),
    "joined": lambda **k: JoinedMLP(F, OUT, C, hidden_channels=8, **k),
    "set2set": lambda **k: Set2Set(F, OUT, C, hidden_channels=8, **k),
    "attention": lambda **k: StackedAttention(
        F, OUT, C, hidden_channels=8, **k
    ),
}
each = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@each
@pytest.mark.parametrize("name", ["x", "question"])
def test_another_type_than_the_parameters(make, name):
    model = make()
    data = {
        key: value.float() if value.is_floating_point() else value
        for key, value in checks.scenes([2, 3], 0).items()
    }
    model(**data)
    data[name] = data[name].double()
    with pytest.raises(TypeError, match=f"`{name}` is torch.float64, expected"):
        model(**data)
    with torch.autocast("cpu", torch.bfloat16):
        data[name] = data[name].bfloat16()
        assert model(**data).isfinite().all()


@each
def test_another_width_than_the_model_was_made_for(make):
    data = checks.scenes([2, 3], 0)
    data["x"] = torch.randn(5, F + 1)
    data["question"] = data["question"].float()
    with pytest.raises(ValueError, match=rf"expected \[N, {F}\]"):
        make()(**data)


@each
def test_a_dropout_that_is_none(make):
    with pytest.raises(ValueError, match="`readout_dropout` is 2, expected 0"):
        make(readout_dropout=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RelationNetwork(-1, 2, object_layers=1), "in_channels` is -1"),
        (lambda: DeepSets(-1, 2), "`in_channels` is -1"),
        (lambda: DeepSets(3, 2, num_layers=0), "`num_layers` is 0"),
        (lambda: DeepSets(3, 2, hidden_channels=0), "`hidden_channels` is 0"),
        (lambda: Set2Set(3, 2, processing_steps=-1), "`processing_steps` is"),
        (lambda: GNN("gin", 3, 2, num_layers=-1), "`num_layers` is -1"),
        (lambda: GNN("gin", 3, 2, hidden_channels=0), "`hidden_channels` is 0"),
    ],
)
def test_sizes_that_are_none(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [MODELS["rn"], MODELS["gcn"]])
def test_pairs_that_are_no_selection(make):
    with pytest.raises(TypeError, match="`pairs` is 'x', expected None or a"):
        make(pairs="x")
