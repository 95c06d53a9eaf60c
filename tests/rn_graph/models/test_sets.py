import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.models import DeepSets, Set2Set
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

both = pytest.mark.parametrize("kind", [DeepSets, Set2Set])
seeds = st.integers(0, 2**16)


def make(kind, width: int = 12):
    torch.manual_seed(0)
    model = kind(F, OUT, C, width, num_layers=2, readout_channels=(7,))
    return model.double().eval()


@both
@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds)
def test_order_and_batching_change_nothing(kind, sizes, seed):
    model = make(kind)
    checks.check_shuffled_objects(model, sizes, seed)
    checks.check_alone_as_in_a_batch(model, sizes, seed)
    checks.check_several_questions(model, sizes, seed)


@both
def test_gradients_reach_every_parameter(kind):
    checks.check_gradients(make(kind))


@both
def test_no_scenes_and_no_questions(kind):
    assert make(kind)(**checks.scenes([], 0)).shape == (0, OUT)


@both
@pytest.mark.parametrize("width", [1, 8, 9, 33])
def test_any_width(kind, width):
    assert make(kind, width)(**checks.scenes([2, 3], 0)).shape == (2, OUT)


def test_deep_sets_equals_its_formula():
    model, data = make(DeepSets), checks.scenes([3, 0, 2], 3)
    for i, q in enumerate(data["question"]):
        total = torch.zeros(12).double()
        for x in data["x"][data["batch"] == i]:
            h = torch.cat([x, q])
            for lin in model.phi.lins:
                h = (lin.weight @ h + lin.bias).relu()
            total = total + h
        expected = model.readout(torch.cat([total, q])[None])[0]
        checks.close(model(**data)[i], expected)


def test_under_autocast_objects_are_summed_in_float32():
    model = DeepSets(F, OUT, C)
    h = torch.randn(300, 7).bfloat16()
    row = torch.zeros(300, dtype=torch.long)
    exact = h.double().sum(0)
    with torch.autocast("cpu", torch.bfloat16):
        out = model.pool(h, row, 1)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[0].double(), exact, rtol=1e-5, atol=1e-5)
    # A model in half precision stays in it.
    assert model.pool(h, row, 1).dtype == torch.bfloat16


def test_set2set_equals_its_formula():
    """The paper's equations (3) to (7), a scene at a time."""
    model, data = make(Set2Set), checks.scenes([3, 0, 2], 4)
    lstm = model.aggr.lstm
    for i, q in enumerate(data["question"]):
        x = data["x"][data["batch"] == i]
        m = model.phi(torch.cat([x, q.expand(len(x), -1)], 1))
        q_star, h, c = (torch.zeros(n).double() for n in (24, 12, 12))
        for _ in range(3):
            gates = (
                lstm.weight_ih_l0 @ q_star
                + lstm.bias_ih_l0
                + lstm.weight_hh_l0 @ h
                + lstm.bias_hh_l0
            )
            into, forget, cell, out = gates.chunk(4)
            c = forget.sigmoid() * c + into.sigmoid() * cell.tanh()
            h = out.sigmoid() * c.tanh()
            attention = (m @ h).softmax(0)
            q_star = torch.cat([h, attention @ m])
        expected = model.readout(torch.cat([q_star, q])[None])[0]
        checks.close(model(**data)[i], expected)
