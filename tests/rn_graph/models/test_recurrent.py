import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rn_graph.models import RecurrentRelationNetwork
from rn_graph.pairs import AttentionPairs, KNNPairs
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F
from tests.rn_graph.slow import g

STEPS = 3
seeds = st.integers(0, 2**16)
few = settings(deadline=None, max_examples=5)


def make(pairs=None, **kwargs):
    torch.manual_seed(0)
    kwargs = {"hidden_channels": 8, "num_layers": 3} | kwargs
    return (
        RecurrentRelationNetwork(
            F, OUT, C, num_steps=STEPS, pairs=pairs, **kwargs
        )
        .double()
        .eval()
    )


class EachStep(nn.Module):
    """One row of answers a question, in which each step counts."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *args, **kwargs):
        out = self.model(*args, **kwargs)
        assert out.size(0) == STEPS
        return (out * torch.arange(1, STEPS + 1).view(-1, 1, 1)).sum(0)


def slow(model, x, question, senders, attr=None):
    """The paper's formulas for one scene, object by object.

    ``senders[i]`` are the objects that send to i, ``attr[j, i]`` the features
    of an edge.
    """
    none = x.new_zeros(0)
    h = [model.objects(torch.cat([o, question])[None])[0] for o in x]
    inputs, state = h, [torch.zeros_like(o) for o in h]
    answers = []
    for _ in range(STEPS):
        new = []
        for i in range(len(x)):
            message = torch.zeros_like(h[0])
            for j in senders[i]:
                e = none if attr is None else attr[j, i]
                row = (h[i], h[j], e, question)
                message = message + g(model.conv, *(r[None] for r in row))[0]
            given = model.update(torch.cat([inputs[i], message])[None])
            out = model.lstm(given, (h[i][None], state[i][None]))
            new.append([value[0] for value in out])
        h, state = zip(*new, strict=True)
        pooled = torch.stack(h).sum(0)
        if model.question_in_readout:
            pooled = torch.cat([pooled, question])
        answers.append(model.readout(pooled[None])[0])
    return torch.stack(answers)


@pytest.mark.parametrize("read", [False, True])
@given(checks.scene_sizes, seeds)
@few
def test_it_is_the_papers_formula(read, sizes, seed):
    model = make(question_in_readout=read)
    data = checks.scenes(sizes, seed)
    out = model(**data)
    for i, size in enumerate(sizes):
        if size:
            x = data["x"][data["batch"] == i]
            others = [[j for j in range(size) if j != k] for k in range(size)]
            expected = slow(model, x, data["question"][i], others)
            checks.close(out[:, i], expected)


def test_messages_over_given_edges():
    model = make(edge_channels=2)
    data = checks.scenes([4, 3], 1)
    # Object 2 of the first scene hears of nobody.
    edges = torch.tensor([[1, 2, 3, 4, 6, 4], [0, 1, 0, 6, 4, 5]])
    attr = torch.randn(6, 2).double()
    asked = torch.tensor([1, 0, 1])
    question = torch.randn(3, C).double()
    out = model(
        data["x"], question, data["batch"], asked,
        edge_index=edges, edge_attr=attr,
    )  # fmt: skip
    for k, scene in enumerate(asked.tolist()):
        first = [0, 4][scene]
        x = data["x"][data["batch"] == scene]
        senders = [[] for _ in x]
        features = {}
        for e, (j, i) in enumerate(edges.t().tolist()):
            if 0 <= i - first < len(x):
                senders[i - first].append(j - first)
                features[j - first, i - first] = attr[e]
        expected = slow(model, x, question[k], senders, features)
        checks.close(out[:, k], expected)


@few
@given(checks.scene_sizes, seeds)
def test_order_and_batching_change_nothing(sizes, seed):
    for pairs in (None, KNNPairs(k=2, self_pairs=False)):
        model = EachStep(make(pairs))
        checks.check_shuffled_objects(model, sizes, seed)
        checks.check_alone_as_in_a_batch(model, sizes, seed)
        checks.check_several_questions(model, sizes, seed)


def test_gradients_reach_every_parameter():
    checks.check_gradients(EachStep(make()))
    # The scorer of learned pairs learns through the weights.
    pairs = AttentionPairs(8, C, k=2, hidden_channels=4)
    checks.check_gradients(EachStep(make(pairs)))


def test_no_scenes_and_no_questions():
    assert make()(**checks.scenes([], 0)).shape == (STEPS, 0, OUT)
    model = RecurrentRelationNetwork(F, OUT, num_steps=2, hidden_channels=8)
    assert model(torch.randn(5, F)).shape == (2, 1, OUT)


def test_more_rounds_begin_with_the_same_answers():
    model, data = make(), checks.scenes([4, 2], 3)
    out = model(**data)
    model.num_steps = 7
    longer = model(**data)
    assert longer.shape == (7, 2, OUT)
    checks.close(longer[:STEPS], out)
    assert (longer[STEPS:] - out[-1]).abs().min(0).values.max() > 1e-6


@pytest.mark.parametrize(
    ("error", "kwargs"),
    [
        ("`num_steps` is 0", {"num_steps": 0}),
        ("`num_layers` is 0", {"num_layers": 0}),
        ("`edge_channels` is -1", {"edge_channels": -1}),
        (
            "`pairs` is KNNPairs and `edge_channels` 0, expected one",
            {"pairs": KNNPairs(k=2), "edge_channels": 0},
        ),
    ],
)
def test_wrong_options_are_named(error, kwargs):
    with pytest.raises(ValueError, match=error):
        RecurrentRelationNetwork(F, OUT, C, **kwargs)
    with pytest.raises(TypeError, match="`pairs` is 3"):
        RecurrentRelationNetwork(F, OUT, C, pairs=3)
