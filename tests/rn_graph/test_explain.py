"""Pairs' contributions, hooks, and PyG's explainers."""

import pytest
import torch
from torch import nn
from torch_geometric.explain import (
    AttentionExplainer,
    Explainer,
    GNNExplainer,
)

from rn_graph import RelationNetwork, RNConv, complete_edge_index
from rn_graph.basic import RN
from rn_graph.explain import OverEdges, pair_contributions
from rn_graph.pairs import AttentionPairs, KNNPairs

BATCH = torch.tensor([0, 0, 0, 1, 1])
PER_GRAPH = {
    "mode": "multiclass_classification",
    "task_level": "graph",
    "return_type": "raw",
}


def network(**kwargs):
    model = RelationNetwork(
        4, 5, 3, **{"hidden_channels": 8, "readout_channels": (8,), **kwargs}
    )
    if model.object_sum is not None:  # it starts at nought
        nn.init.normal_(model.object_sum.weight)
    return model.double()


def scene():
    return {
        "x": torch.randn(5, 4, dtype=torch.double),
        "question": torch.randn(2, 3, dtype=torch.double),
        "batch": BATCH,
        "pos": torch.randn(5, 2, dtype=torch.double),
    }


# Contributions ##############################################################


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"aggr": "mean", "self_pairs": False},
        {"question_in_readout": True, "readout_dropout": 0.5},
        {"norm": "layer_norm", "dropout": 0.5},
        {"pairs": KNNPairs(k=2)},
        {"pairs": AttentionPairs(4, 3, k=2)},
        {"object_layers": 1},
        {"object_layers": 1, "pairs": AttentionPairs(12, 3, k=2)},
        {"object_layers": 1, "object_sum": True, "pairs": KNNPairs(k=2)},
        {"edge_channels": 0},
        {"edge_channels": 2, "pairs": KNNPairs(k=2)},
    ],
    ids=[
        "plain",
        "mean",
        "readout",
        "norm",
        "knn",
        "attention",
        "objects",
        "attended objects",
        "objects beside pairs",
        "edges",
        "edges, knn",
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_contributions_sum_to_the_score(options, several):
    model, given = network(**options), scene()
    if model.edge_channels is not None:
        given["edge_index"] = torch.tensor([[0, 1, 3], [1, 2, 4]])
    if model.edge_channels:
        given["edge_attr"] = torch.randn(3, 2, dtype=torch.double)
    if several:
        given["question"] = torch.randn(3, 3, dtype=torch.double)
        given["question_batch"] = torch.tensor([1, 0, 1])
    found = pair_contributions(model, **given, steps=2000)
    assert model.training
    model.eval()
    scores = model(**given)
    assert torch.equal(found.answer, scores.argmax(-1))
    torch.testing.assert_close(found.score, scores.amax(-1))
    total = torch.zeros_like(found.score)
    total.index_add_(0, found.question, found.contribution)
    torch.testing.assert_close(
        total, found.score - found.baseline, rtol=1e-3, atol=1e-3
    )
    graph = given.get("question_batch", torch.arange(2))
    for side in found.edge_index:  # nodes of the question's own scene
        assert torch.equal(BATCH[side], graph[found.question])
    if not options:
        every = sum(
            int((graph[q] == BATCH).sum()) ** 2 for q in range(len(graph))
        )
        assert found.edge_index.size(1) == every


class Deciding(nn.Module):
    """g of the toy: 1 for the pair (1, 3) of markers, else 0."""

    def forward(self, pair):
        return ((pair[:, :1] == 1) & (pair[:, 1:2] == 3)).to(pair.dtype)


def test_the_pair_that_decides_has_all_of_the_contribution():
    model = RelationNetwork(
        1, 2, hidden_channels=1, readout_channels=(), g=Deciding()
    )
    with torch.no_grad():
        lin = model.readout.lins[0]
        lin.weight.copy_(torch.tensor([[0.0], [2.0]]))
        lin.bias.copy_(torch.tensor([1.0, 0.5]))
    x = torch.tensor([[0.0], [3.0], [2.0], [1.0]])
    found = pair_contributions(model, x)
    (place,) = found.contribution.nonzero()
    assert found.edge_index[:, place].tolist() == [[1], [3]]
    assert found.contribution[place].item() == pytest.approx(2.0)
    assert found.answer.tolist() == [1]
    assert found.baseline.tolist() == [0.5]
    other = pair_contributions(model, x, answer=torch.tensor([0]))
    assert other.contribution.eq(0).all()


def test_contributions_of_bad_input():
    model, given = network(), scene()
    with pytest.raises(TypeError, match="`model` is Linear, expected a Relat"):
        pair_contributions(nn.Linear(2, 2), given["x"])
    with pytest.raises(
        ValueError, match=r"`answer` has .* \[3\], expected \[2"
    ):
        pair_contributions(model, **given, answer=torch.zeros(3).long())
    with pytest.raises(ValueError, match="`steps` is 0"):
        pair_contributions(model, **given, steps=0)


# Hooks ######################################################################

PLACES = ["propagate", "message", "aggregate"]


@pytest.mark.parametrize("when", ["forward_pre_hook", "forward_hook"])
@pytest.mark.parametrize("place", PLACES)
def test_who_listens_to_messages_hears_real_edges(place, when):
    conv, x = RNConv(4, 6, hidden_channels=8), torch.randn(5, 4)
    expected, heard = conv(x, batch=BATCH), []
    handle = getattr(conv, f"register_{place}_{when}")(
        lambda module, inputs, *out: heard.append((inputs, *out))
    )
    torch.testing.assert_close(conv(x, batch=BATCH), expected)
    assert len(heard) == 1
    if place == "propagate":
        assert torch.equal(heard[0][0][0], complete_edge_index(BATCH))
    handle.remove()
    conv(x, batch=BATCH)
    assert len(heard) == 1


def test_a_hook_may_change_messages():
    conv, x = RNConv(4, 6, hidden_channels=8), torch.randn(5, 4)
    expected = conv(x)
    conv.register_message_forward_hook(lambda module, inputs, out: 2 * out)
    torch.testing.assert_close(conv(x), 2 * expected)
    torch.testing.assert_close(
        conv(x, complete_edge_index(None, 5)), 2 * expected
    )


@pytest.mark.parametrize("name", ["g", "g.lins.1", "g.lins.3"])
@pytest.mark.parametrize("listed", [False, True])
def test_hooks_within_g_hear_each_pair_once(name, listed):
    conv, x = RNConv(4, 6, hidden_channels=8), torch.randn(5, 4)
    edges = complete_edge_index(BATCH) if listed else None
    expected, rows = conv(x, edges, batch=BATCH), []
    conv.get_submodule(name).register_forward_hook(
        lambda module, inputs, out: rows.append(len(out))
    )
    torch.testing.assert_close(conv(x, edges, batch=BATCH), expected)
    assert rows == [9 + 4]


def test_a_subclass_has_its_own_message():
    class Negative(RNConv):
        def message(self, receiver_i, sender_j, late_i, edge_term, alpha):
            return -super().message(
                receiver_i, sender_j, late_i, edge_term, alpha
            )

    conv, x = Negative(4, 6, hidden_channels=8), torch.randn(5, 4)
    plain = RNConv(4, 6, hidden_channels=8)
    plain.load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(x), -plain(x))
    edges = complete_edge_index(None, 5)
    torch.testing.assert_close(conv(x, edges), -plain(x))


# PyG's explainers ###########################################################


def test_attention_explainer_reads_learned_weights():
    model = OverEdges(network(pairs=AttentionPairs(4, 3, k=2))).eval()
    given = scene()
    x, question, batch = given["x"], given["question"], given["batch"]
    edge_index, weight = model.select(x, question, batch)
    scores = model(x, edge_index, question, batch, weight)
    torch.testing.assert_close(scores, model.model(x, question, batch))
    explainer = Explainer(
        model,
        AttentionExplainer(),
        explanation_type="model",
        edge_mask_type="object",
        model_config=PER_GRAPH,
    )
    explanation = explainer(
        x, edge_index, question=question, batch=batch, edge_weight=weight
    )
    torch.testing.assert_close(explanation.edge_mask, weight.detach())


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("pairs", [None, AttentionPairs(12, 3, k=2)])
def test_given_its_own_edges_it_answers_as_the_network_does(pairs, alone):
    model = network(object_layers=2, object_sum=alone, pairs=pairs).eval()
    given = scene()
    expected = model(**given)
    edges, weight = OverEdges(model).select(**given)
    del given["pos"]
    out = OverEdges(model)(edge_index=edges, edge_weight=weight, **given)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("kind", ["RelationNetwork", "RN"])
def test_gnn_explainer_masks_pairs(kind):
    given = scene()
    x, question = given["x"].float(), given["question"][:1].float()
    if kind == "RN":

        class Pooled(nn.Module):
            def __init__(self):
                super().__init__()
                self.rn = RN(4, 8, 2, 5, g_channels=8, question_channels=3)

            def forward(self, x, edge_index, question):
                out = self.rn(x, edge_index, question=question)
                return out.sum(0, keepdim=True)

        model, edges = Pooled(), complete_edge_index(None, 5)
    else:
        model = OverEdges(network().float())
        edges, _ = model.select(x, question)
    before = model(x, edges, question=question)
    explainer = Explainer(
        model,
        GNNExplainer(epochs=5),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config=PER_GRAPH,
    )
    explanation = explainer(x, edges, question=question)
    assert explanation.edge_mask.shape == (25,)
    assert explanation.edge_mask.gt(0).any()
    assert explanation.validate()
    torch.testing.assert_close(model(x, edges, question=question), before)


def test_a_mask_silences_a_pair():
    # The mask that PyG's explainers set is applied to all pairs too.
    conv, x = RNConv(4, 6, hidden_channels=8), torch.randn(3, 4)
    edges = complete_edge_index(None, 3)
    mask = torch.ones(9)
    mask[4] = 0
    expected = conv(x, edges[:, mask.bool()])
    conv.explain, conv._apply_sigmoid = True, False
    conv._edge_mask, conv._loop_mask = mask, edges[0] != edges[1]
    torch.testing.assert_close(conv(x), expected)
    torch.testing.assert_close(conv(x, edges), expected)


def test_pairs_cannot_be_handed_to_a_model_of_given_edges():
    with pytest.raises(ValueError, match="made with `edge_channels` 0"):
        OverEdges(network(edge_channels=0))
