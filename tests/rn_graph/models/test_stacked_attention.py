import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from rn_graph.models import StackedAttention
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F
from tests.rn_graph.slow import awake

seeds = st.integers(0, 2**16)
WIDTH = 8


def make(question_channels=C, **sizes):
    torch.manual_seed(0)
    sizes = {"readout_channels": (7,), **sizes}
    model = StackedAttention(F, OUT, question_channels, WIDTH, **sizes)
    return awake(model).double().eval()


def answer(model, objects, question):
    """The formula, a question and an object at a time."""
    first = model.objects
    v = [torch.tanh(first.weight @ o + first.bias) for o in objects]
    u = torch.zeros(WIDTH).double()
    if question is not None:
        u = model.asked.weight @ question + model.asked.bias
    for key, query, score in zip(
        model.keys, model.queries, model.scores, strict=True
    ):
        shared = query.weight @ u + query.bias
        said = [
            (score.weight[0] @ torch.tanh(key.weight @ v_i + shared)).exp()
            for v_i in v
        ]
        for p, v_i in zip(said, v, strict=True):
            u = u + p / sum(said) * v_i
    if model.question_in_readout:
        u = torch.cat([u, question])
    return model.readout(u[None])[0]


@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds, st.integers(1, 3), st.booleans())
def test_it_is_its_formula(sizes, seed, num_hops, question_in_readout):
    model, data = (
        make(num_hops=num_hops, question_in_readout=question_in_readout),
        checks.scenes(sizes, seed),
    )
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
def test_order_and_batching_change_nothing(sizes, seed):
    checks.check_shuffled_objects(make(), sizes, seed)
    checks.check_alone_as_in_a_batch(make(), sizes, seed)
    checks.check_several_questions(make(), sizes, seed)


def test_the_second_hop_depends_on_what_the_first_found():
    """Not so with one: a far object then changes nothing but its share."""
    model, data = make(), checks.scenes([3], 0)
    looked = []
    model.queries[1].register_forward_pre_hook(
        lambda _, given: looked.append(given[0].detach().clone())
    )
    model(**data)
    data["x"][0] += 1
    model(**data)
    assert (looked[0] - looked[1]).abs().max() > 1e-3


def test_gradients_reach_every_parameter():
    checks.check_gradients(make())


def test_no_scenes_and_no_questions():
    assert make()(**checks.scenes([], 0)).shape == (0, OUT)
    data = checks.scenes([2, 3], 0)
    scene = torch.zeros(0, dtype=torch.long)
    question = data["question"][:0]
    out = make()(data["x"], question, data["batch"], scene)
    assert out.shape == (0, OUT)


def test_scenes_without_any_object_are_finite():
    model, data = make(), checks.scenes([0, 0], 3)
    out = model(**data)
    for i, q in enumerate(data["question"]):
        checks.close(out[i], answer(model, [], q))
    checks.check_gradients(model)


def test_without_questions():
    model, data = make(None), checks.scenes([2, 0, 3], 0)
    assert model.asked is None
    out = model(data["x"], batch=data["batch"])
    for i in range(3):
        own = data["x"][data["batch"] == i]
        checks.close(out[i], answer(model, own, None))
    checks.close(model(data["x"][:2])[0], out[0])  # one scene


def test_objects_are_seen_once_a_scene():
    model, data = make(), checks.scenes([5], 0)

    def flops(questions):
        scene = torch.zeros(questions, dtype=torch.long)
        question = data["question"].expand(questions, -1)
        with FlopCounterMode(display=False) as counter:
            model(data["x"], question, data["batch"], scene)
        return counter.get_total_flops()

    per_question = flops(2) - flops(1)
    assert per_question == flops(9) - flops(8)
    keys = 2 * 2 * 5 * WIDTH * WIDTH
    assert flops(1) - per_question == 2 * 5 * F * WIDTH + keys


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": torch.zeros(3, F + 1)}, rf"`x` has .*{F + 1}.*expected .*{F}"),
        ({"question": torch.zeros(1, C + 2)}, "`question` has"),
        ({"question": None}, "`question` is"),
    ],
)
def test_input_that_does_not_fit(given, message):
    data = {**checks.scenes([3], 0), **given}
    data = {
        k: v.double() if v is not None and v.is_floating_point() else v
        for k, v in data.items()
    }
    with pytest.raises(ValueError, match=message):
        make()(**data)


@pytest.mark.parametrize("name", ["in_channels", "hidden_channels", "num_hops"])
def test_sizes_that_are_none(name):
    with pytest.raises(ValueError, match=f"`{name}` is 0, expected an integer"):
        StackedAttention(**{"in_channels": 3, "out_channels": 2, name: 0})
