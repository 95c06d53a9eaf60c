import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.models import SequenceLSTM
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

seeds = st.integers(0, 2**16)


def make(**sizes):
    torch.manual_seed(0)
    sizes = {"hidden_channels": 12, "readout_channels": (7,), **sizes}
    return SequenceLSTM(F, OUT, C, **sizes).double().eval()


def answer(model, objects, question):
    """One scene, an object at a time."""
    state, h = None, torch.zeros(model.lstm.hidden_size).double()
    for x in objects:
        out, state = model.lstm(torch.cat([x, question])[None], state)
        h = out[0]
    return model.readout(torch.cat([h, question])[None])[0]


@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds, st.integers(1, 2))
def test_it_is_its_formula(sizes, seed, num_layers):
    model, data = make(num_layers=num_layers), checks.scenes(sizes, seed)
    out = model(**data)
    expected = torch.stack(
        [
            answer(model, data["x"][data["batch"] == i], q)
            for i, q in enumerate(data["question"])
        ]
    )
    checks.close(out, expected)
    grads = torch.autograd.grad(out.square().sum(), [*model.parameters()])
    slow = torch.autograd.grad(expected.square().sum(), [*model.parameters()])
    for a, b in zip(grads, slow, strict=True):
        checks.close(a, b)


@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds)
def test_batching_changes_nothing(sizes, seed):
    checks.check_alone_as_in_a_batch(make(), sizes, seed)
    checks.check_several_questions(make(), sizes, seed)


def test_the_order_of_objects_counts():
    data = checks.scenes([4], 0)
    out = make()(**data)
    data["x"] = data["x"].flip(0)
    assert not torch.allclose(make()(**data), out)


def test_gradients_reach_every_parameter():
    checks.check_gradients(make())


def test_no_scenes_no_questions_no_objects():
    assert make()(**checks.scenes([], 0)).shape == (0, OUT)
    assert make()(**checks.scenes([0, 0], 0)).shape == (2, OUT)
    torch.manual_seed(0)
    model = SequenceLSTM(F, OUT, hidden_channels=8).double()
    data = checks.scenes([2, 0, 3], 0)
    out = model(data["x"], batch=data["batch"])
    none = torch.zeros(0).double()
    for i in range(3):
        own = data["x"][data["batch"] == i]
        checks.close(out[i], answer(model, own, none))


@pytest.mark.parametrize("name", ["hidden_channels", "num_layers"])
def test_sizes_that_are_none(name):
    with pytest.raises(ValueError, match=f"`{name}` is 0, expected an integer"):
        SequenceLSTM(**{"in_channels": 3, "out_channels": 2, name: 0})
