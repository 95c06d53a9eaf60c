import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from rn_graph.models import JoinedMLP
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

seeds = st.integers(0, 2**16)
MOST, WIDTH = 6, 12


def make(**sizes):
    torch.manual_seed(0)
    sizes = {"num_layers": 2, "readout_channels": (7,), **sizes}
    model = JoinedMLP(F, OUT, C, MOST, WIDTH, **sizes)
    return model.double().eval()


def answer(model, objects, question):
    """The formula, a question at a time."""
    noughts = torch.zeros((MOST - len(objects)) * F).double()
    h = torch.cat([*objects, noughts, question])
    for lin in model.lins:
        h = (lin.weight @ h + lin.bias).relu()
    return model.readout(torch.cat([h, question])[None])[0]


@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds, st.integers(1, 3))
def test_it_is_its_formula(sizes, seed, num_layers):
    model, data = make(num_layers=num_layers), checks.scenes(sizes, seed)
    out = model(**data)
    expected = []
    for i, q in enumerate(data["question"]):
        own = data["x"][data["batch"] == i]
        expected.append(answer(model, own, q))
    expected = torch.stack(expected)
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


def test_no_scenes_and_no_questions():
    assert make()(**checks.scenes([], 0)).shape == (0, OUT)
    data = checks.scenes([2, 3], 0)
    scene = torch.zeros(0, dtype=torch.long)
    question = data["question"][:0]
    out = make()(data["x"], question, data["batch"], scene)
    assert out.shape == (0, OUT)


def test_without_questions():
    torch.manual_seed(0)
    model = JoinedMLP(F, OUT, num_objects=MOST, hidden_channels=8).double()
    data = checks.scenes([2, 0, 3], 0)
    none = torch.zeros(0).double()
    out = model(data["x"], batch=data["batch"])
    for i in range(3):
        own = data["x"][data["batch"] == i]
        checks.close(out[i], answer(model, own, none))
    checks.close(model(data["x"][:2])[0], out[0])  # one scene


def test_the_product_with_the_objects_is_computed_once_a_scene():
    model, data = make(), checks.scenes([5], 0)

    def flops(questions):
        scene = torch.zeros(questions, dtype=torch.long)
        question = data["question"].expand(questions, -1)
        with FlopCounterMode(display=False) as counter:
            model(data["x"], question, data["batch"], scene)
        return counter.get_total_flops()

    per_question = flops(2) - flops(1)
    assert per_question == flops(9) - flops(8)
    assert flops(1) - per_question == 2 * MOST * F * WIDTH


def test_a_scene_of_too_many_objects():
    with pytest.raises(
        ValueError, match="`batch` has a scene of 7 objects, expected at most 6"
    ):
        make()(**checks.scenes([2, 7, 3], 0))


@pytest.mark.parametrize(
    "name", ["in_channels", "num_objects", "hidden_channels", "num_layers"]
)
def test_sizes_that_are_none(name):
    with pytest.raises(ValueError, match=f"`{name}` is 0, expected an integer"):
        JoinedMLP(**{"in_channels": 3, "out_channels": 2, name: 0})
