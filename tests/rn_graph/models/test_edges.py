"""Given edges, in every model that takes them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph import GNN, DeepSets, RelationNetwork
from rn_graph.edges import Edges, pair_features
from rn_graph.models import RecurrentRelationNetwork, degree_histogram
from rn_graph.models.gnn import CONVS
from rn_graph.pairs import KNNPairs
from tests.rn_graph.models.model_checks import OUT, C, F, close, scenes

D = 2
DEG = torch.tensor([1, 3, 4, 1])
FEATURES = ("gatv2", "transformer", "pna", "rnconv")


def gnn(conv, **kwargs):
    return GNN(conv, F, OUT, C, 12, readout_channels=(7,), deg=DEG, **kwargs)


MAKE = {
    **{
        conv: (
            lambda conv=conv: gnn(
                conv, edge_channels=D if conv in FEATURES else 0
            )
        )
        for conv in CONVS
    },
    "rnconv without features": lambda: gnn("rnconv", edge_channels=0),
    "rn": lambda: RelationNetwork(F, OUT, C, 12, edge_channels=D),
    "rn, some pairs": lambda: RelationNetwork(
        F, OUT, C, 12, edge_channels=D, pairs=KNNPairs(k=2)
    ),
    "rn, objects": lambda: RelationNetwork(
        F, OUT, C, 12, edge_channels=0, object_layers=1
    ),
    "recurrent": lambda: RecurrentRelationNetwork(
        F, OUT, C, 12, num_steps=2, edge_channels=D
    ),
}
every = pytest.mark.parametrize("name", list(MAKE))


def make(name):
    torch.manual_seed(0)
    return MAKE[name]().double().eval()


def graphs(model, sizes, seed):
    """Scenes with random edges, and features where the model takes them."""
    data = scenes(sizes, seed)
    generator = torch.Generator().manual_seed(seed)
    batch = data["batch"]
    pair = torch.randint(len(batch), (2, 60), generator=generator)
    pair = pair[:, (batch[pair[0]] == batch[pair[1]]) & (pair[0] != pair[1])]
    data["edge_index"] = pair.unique(dim=1)
    if model.edge_channels:
        count = data["edge_index"].size(1)
        attr = torch.randn(count, D, generator=generator)
        data["edge_attr"] = attr.double()
    return data


@every
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**16))
def test_each_question_alone_as_among_others(name, seed):
    model = make(name)
    data = graphs(model, [4, 0, 5, 3], seed)
    asked = torch.tensor([2, 0, 3, 2])
    question = torch.randn(4, C).double()
    out = model(**{**data, "question": question, "question_batch": asked})
    assert out.shape[-2:] == (4, OUT)
    for k, scene in enumerate(asked.tolist()):
        mine = data["batch"] == scene
        first = int(mine.float().argmax())
        edge = mine[data["edge_index"][0]]
        attr = data.get("edge_attr")
        alone = model(
            data["x"][mine],
            question[k : k + 1],
            pos=data["pos"][mine],
            edge_index=data["edge_index"][:, edge] - first,
            edge_attr=None if attr is None else attr[edge],
        )
        close(alone[..., 0, :], out[..., k, :])


@every
def test_edges_matter_and_their_order_does_not(name):
    model = make(name)
    data = graphs(model, [6, 5], 1)
    out = model(**data)
    order = torch.randperm(data["edge_index"].size(1))
    shuffled = {"edge_index": data["edge_index"][:, order]}
    if model.edge_channels:
        shuffled["edge_attr"] = data["edge_attr"][order]
    close(model(**{**data, **shuffled}), out)
    fewer = {key: data[key][..., 1:] for key in ("edge_index",)}
    if model.edge_channels:
        fewer["edge_attr"] = data["edge_attr"][1:]
    assert (model(**{**data, **fewer}) - out).abs().max() > 1e-9
    if model.edge_channels:
        changed = data | {"edge_attr": data["edge_attr"] + 1}
        assert (model(**changed) - out).abs().max() > 1e-9


def test_features_of_pairs():
    torch.manual_seed(3)
    x = torch.randn(6, 2)
    known = torch.randint(6, (2, 9))
    attr = torch.randn(9, D)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6)).t()
    listed = known.t().tolist()
    for given_attr in (attr, None):
        edges = Edges(known[0], known[1], attr=given_attr)
        found = pair_features(pairs, edges, x)
        for p, pair in enumerate(pairs.t().tolist()):
            expected = torch.zeros(1 + (0 if given_attr is None else D))
            if pair in listed:
                expected[0] = 1
                if given_attr is not None:
                    expected[1:] = attr[listed.index(pair)]
            assert torch.equal(found[p], expected)
    none = Edges(known[0][:0], known[1][:0], attr=attr[:0])
    assert not pair_features(pairs, none, x).any()


def test_degrees_of_given_edges():
    data = graphs(make("rn"), [4, 3], 2)
    count = torch.bincount(data["edge_index"][1], minlength=7)
    batch = type("Batch", (), data | {"edge_index": data["edge_index"]})
    assert torch.equal(degree_histogram([batch]), torch.bincount(count))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"edge_index": None}, "`edge_index` is None, expected edges"),
        ({"edge_attr": None}, "`edge_attr` is None, but the model"),
        (
            {"edge_attr": torch.zeros(2, 3).double()},
            "`edge_attr` has 3 channels|`edge_attr` has shape",
        ),
        (
            {"edge_attr": torch.zeros(3, 2).double()},
            "`edge_attr` has 3 rows|`edge_attr` has shape",
        ),
        (
            {"edge_index": torch.tensor([[0, 1], [1, 4]])},
            "`edge_index` joins objects of different scenes",
        ),
        ({"edge_index": torch.tensor([[0, 9], [1, 1]])}, "nodes 0 to 9"),
    ],
)
def test_wrong_edges_are_named(change, error):
    model = make("rn")
    data = scenes([3, 2], 0) | {
        "edge_index": torch.tensor([[0, 1], [1, 2]]),
        "edge_attr": torch.zeros(2, D).double(),
    }
    model(**data)
    with pytest.raises(ValueError, match=error):
        model(**{**data, **change})


def test_edges_that_would_be_ignored_are_refused():
    data = scenes([3, 2], 0)
    edges = {"edge_index": torch.tensor([[0, 1], [1, 2]])}
    for model in (DeepSets(F, OUT, C), RelationNetwork(F, OUT, C, 12)):
        with pytest.raises(ValueError, match="takes no edges: expected None"):
            model.double()(**data, **edges)
    with pytest.raises(ValueError, match="'gcn' would ignore features"):
        gnn("gcn", edge_channels=1)
    with pytest.raises(ValueError, match="`pairs` is KNNPairs and"):
        gnn("gcn", edge_channels=0, pairs=KNNPairs(k=2))
    weighted = torch.sparse_coo_tensor(
        edges["edge_index"], torch.ones(2).double() * 0.5, (5, 5)
    )
    with pytest.raises(ValueError, match="`edge_index` has weights"):
        gnn("gcn", edge_channels=0).double()(**data, edge_index=weighted)
