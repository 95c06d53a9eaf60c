import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rn_graph import RNConv
from rn_graph.models import RelationNetwork
from rn_graph.pairs import AttentionPairs, KNNPairs
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

KINDS = {
    "all pairs": {},
    "late question": {"question_layer": 1, "question_in_readout": True},
    "mean": {"aggr": "mean", "self_pairs": False},
    "objects see the question": {"object_layers": 2},
    "the nearest of them": {"object_layers": 1, "pairs": KNNPairs(k=3)},
    "objects beside the nearest": {
        "object_layers": 1,
        "object_sum": True,
        "pairs": KNNPairs(k=3),
    },
    "norm": {"norm": "layer_norm"},
    "nearest": {"pairs": KNNPairs(k=3)},
    "learned": {"pairs": AttentionPairs(F, C, k=3)},
    "learned among them": {
        "object_layers": 1,
        "pairs": AttentionPairs(F + 12, C, k=3),
    },
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
seeds = st.integers(0, 2**16)


def make(kind, **options):
    torch.manual_seed(0)
    model = RelationNetwork(
        F, OUT, C, 12, num_layers=3, readout_channels=(7,), **kind, **options
    )
    return model.double().eval()


@every_kind
@settings(deadline=None, max_examples=15)
@given(checks.scene_sizes, seeds)
def test_order_and_batching_change_nothing(kind, sizes, seed):
    model = make(kind)
    checks.check_shuffled_objects(model, sizes, seed)
    checks.check_alone_as_in_a_batch(model, sizes, seed)
    checks.check_several_questions(model, sizes, seed)


@every_kind
def test_no_scenes_and_no_questions(kind):
    assert make(kind)(**checks.scenes([], 0)).shape == (0, OUT)


def test_gradients_reach_every_parameter():
    checks.check_gradients(make({}))
    checks.check_gradients(make(KINDS["late question"]))
    checks.check_gradients(make({"object_layers": 2}))


def test_it_is_f_of_the_sum_of_g_over_pairs():
    model = make({})
    data = checks.scenes([3], 0)
    q = data["question"][0]
    total = 0
    for o_i in data["x"]:
        for o_j in data["x"]:
            h = torch.cat([o_i, o_j, q])
            for lin in model.conv.g.lins:
                h = (lin.weight @ h + lin.bias).relu()
            total = total + h
    torch.testing.assert_close(model(**data)[0], model.readout(total[None])[0])


def test_objects_see_the_question_before_the_pairs():
    model = make({"object_layers": 2})
    plain = make({})
    data = checks.scenes([3, 2], 0)
    seen = []
    for o, i in zip(data["x"], data["batch"], strict=True):
        h = torch.cat([o, data["question"][i]])
        for lin in model.objects.phi.lins:
            h = (lin.weight @ h + lin.bias).relu()
        seen.append(torch.cat([o, h]))
    expected = torch.zeros(2, 12).double()
    for a, i in zip(seen, data["batch"], strict=True):
        for b, j in zip(seen, data["batch"], strict=True):
            if i == j:
                h = torch.cat([a, b, data["question"][i]])
                for lin in model.conv.g.lins:
                    h = (lin.weight @ h + lin.bias).relu()
                expected[i] += h
    torch.testing.assert_close(model(**data), model.readout(expected))
    assert plain.objects(data["x"], None, None) is data["x"]
    with pytest.raises(ValueError, match="`object_layers` is -1"):
        RelationNetwork(F, OUT, object_layers=-1)


def test_objects_are_summed_beside_the_pairs():
    options = {"object_layers": 2, "pairs": KNNPairs(k=1, self_pairs=False)}
    plain = make(options)
    model = make(options, object_sum=True)
    model.load_state_dict(plain.state_dict(), strict=False)
    data = checks.scenes([4, 3], 0)
    torch.testing.assert_close(model(**data), plain(**data))  # W is nought

    torch.nn.init.normal_(model.object_sum.weight)
    x, batch, question = data["x"], data["batch"], data["question"]
    seen = plain.objects(x, question, batch)
    edges, _ = plain.pairs(seen, question, batch, data["pos"])
    expected = torch.zeros(2, 12).double()
    for j, i in edges.T.tolist():
        h = torch.cat([seen[i], seen[j], question[batch[i]]])
        for lin in plain.conv.g.lins:
            h = (lin.weight @ h + lin.bias).relu()
        expected[batch[i]] += h
    for o, i in zip(seen, batch, strict=True):
        expected[i] += model.object_sum.weight @ o[F:]
    torch.testing.assert_close(model(**data), model.readout(expected))
    checks.check_gradients(model)

    model.reset_parameters()
    assert not model.object_sum.weight.any()
    with pytest.raises(ValueError, match="`object_layers` is 0"):
        RelationNetwork(F, OUT, object_sum=True)


def test_a_selection_of_another_width_is_refused():
    pairs = AttentionPairs(F, C, k=3)
    with pytest.raises(ValueError, match=f"`pairs` takes objects of {F} .* 12"):
        RelationNetwork(F, OUT, C, 12 - F, pairs=pairs, object_layers=1)
    AttentionPairs(-1, C, k=3)
    RelationNetwork(F, OUT, C, pairs=AttentionPairs(-1, C, k=3))


def test_an_empty_scene_is_answered_from_the_empty_sum():
    model = make({})
    none, question = torch.zeros(0, F).double(), torch.randn(1, C).double()
    empty = model.readout(torch.zeros(1, 12).double())
    torch.testing.assert_close(model(none, question), empty)
    x, batch = torch.randn(2, F).double(), torch.tensor([0, 0])
    out = model(
        x, question.expand(2, -1), batch, question_batch=torch.tensor([1, 0])
    )
    torch.testing.assert_close(out[:1], empty)
    blind = RelationNetwork(F, OUT, hidden_channels=12)
    assert blind(torch.zeros(0, F)).shape == (1, OUT)


def test_without_questions_one_row_a_scene():
    model = RelationNetwork(F, OUT, hidden_channels=12, readout_channels=())
    x, batch = torch.randn(5, F), torch.tensor([0, 0, 2, 2, 2])
    out = model(x, batch=batch)
    assert out.shape == (3, OUT)
    torch.testing.assert_close(out[[2]], model(x[2:]))


def test_parameters_are_drawn_anew():
    model = make({"pairs": AttentionPairs(F, C, k=3)})
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    for name, p in model.named_parameters():
        assert not torch.equal(p, before[name]), name


def test_autocast():
    model, data = make({}).float(), checks.scenes([3, 2], 0)
    data = {
        n: t.float() if t.is_floating_point() else t for n, t in data.items()
    }
    with torch.autocast("cpu", torch.bfloat16):
        out = model(**data)
    torch.testing.assert_close(out.float(), model(**data), rtol=5e-2, atol=5e-2)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"x": torch.zeros(5, F - 1)}, ValueError, r"`x` has shape \[5, 5\]"),
        ({"x": torch.zeros(5, F).long()}, TypeError, r"`x` is torch.int64"),
        ({"question": None}, ValueError, "`question` is missing"),
        ({"question": torch.zeros(3, C)}, ValueError, "3 rows for 2 graphs"),
        ({"batch": torch.tensor([0, 1, 0, 1, 1])}, ValueError, "not sorted"),
        (
            {"question_batch": torch.tensor([0, -1])},
            ValueError,
            "`question_batch` holds values from -1",
        ),
        ({"pos": None, "pairs": KNNPairs(k=2)}, ValueError, "`pos`"),
    ],
)
def test_bad_input(change, error, text):
    pairs = change.pop("pairs", None)
    model = RelationNetwork(F, OUT, C, hidden_channels=8, pairs=pairs)
    data = {
        "x": torch.randn(5, F),
        "question": torch.randn(2, C),
        "batch": torch.tensor([0, 0, 1, 1, 1]),
    }
    with pytest.raises(error, match=text):
        model(**{**data, **change})


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"out_channels": 0}, ValueError, "`out_channels` is 0"),
        ({"question_channels": 1.5}, TypeError, "`question_channels` is 1"),
        ({"hidden_channels": "8"}, TypeError, "`hidden_channels` is '8'"),
        ({"readout_channels": [8, 0]}, ValueError, "`readout_channels` is 0"),
        ({"pairs": 4}, TypeError, "`pairs` is 4, expected None or a module"),
    ],
)
def test_bad_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        RelationNetwork(**{"in_channels": F, "out_channels": OUT, **arguments})


def test_what_a_model_trusts_its_layer_with_has_still_to_fit():
    model = RelationNetwork(-1, 2)
    model(torch.randn(4, 3))
    with pytest.raises(ValueError, match=r"`x` has shape \[4, 5\], expected"):
        model(torch.randn(4, 5))
    model = RelationNetwork(3, 2, question_channels=2)
    model.conv = RNConv(3, 256)
    with pytest.raises(ValueError, match="`question_channels` was not"):
        model(torch.randn(4, 3), torch.randn(1, 2))


def test_a_selection_of_ones_own_is_not_trusted():
    class Wrong(nn.Module):
        def forward(self, x, question, batch, pos):
            return torch.tensor([[0], [len(x)]]), None

    model = RelationNetwork(3, 2, pairs=Wrong())
    with pytest.raises(ValueError, match="`edge_index` leads to nodes 4"):
        model(torch.randn(4, 3))
