import itertools

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from rn_graph import GNN
from rn_graph.models import degree_histogram
from rn_graph.models.gnn import CONVS
from rn_graph.pairs import AttentionPairs, KNNPairs
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C, F

DEG = torch.tensor([1, 0, 3, 5])
seeds = st.integers(0, 2**16)
few = settings(deadline=None, max_examples=5)
every = pytest.mark.parametrize("conv", list(CONVS))
both = pytest.mark.parametrize("k", [None, 2])


def make(conv: str, k: int | None = None, **kwargs) -> GNN:
    torch.manual_seed(0)
    pairs = None if k is None else KNNPairs(k=k, self_pairs=False)
    kwargs = {"hidden_channels": 12, "readout_channels": (7,)} | kwargs
    model = GNN(conv, F, OUT, C, pairs=pairs, deg=DEG, **kwargs)
    return model.double().eval()


@every
@both
@few
@given(checks.scene_sizes, seeds)
def test_order_and_batching_change_nothing(conv, k, sizes, seed):
    model = make(conv, k)
    checks.check_shuffled_objects(model, sizes, seed)
    checks.check_alone_as_in_a_batch(model, sizes, seed)
    checks.check_several_questions(model, sizes, seed)


@every
@both
def test_gradients_reach_every_parameter(conv, k):
    checks.check_gradients(make(conv, k))
    checks.check_gradients(make(conv, k, object_layers=1))


@few
@given(checks.scene_sizes, seeds)
def test_objects_that_have_seen_the_question(sizes, seed):
    model = make("gcn", object_layers=2)
    checks.check_shuffled_objects(model, sizes, seed)
    checks.check_alone_as_in_a_batch(model, sizes, seed)
    checks.check_several_questions(model, sizes, seed)


@every
def test_no_scenes_and_no_questions(conv):
    data = checks.scenes([], 0)
    assert make(conv)(**data).shape == (0, OUT)


@every
def test_knn_changes_the_answer_only_where_pairs_are_dropped(conv):
    full, near = make(conv), make(conv, k=2)
    for sizes, same in (([3, 2, 1], True), ([6, 5], False)):
        data = checks.scenes(sizes, 1)
        assert torch.allclose(full(**data), near(**data)) == same


@every
def test_neighbours_and_question_matter(conv):
    model, data = make(conv), checks.scenes([5], 2)
    row = torch.zeros(5, dtype=torch.long)
    h = model.embed(data["x"], data["question"], row, *[None] * 3)
    x = data["x"].clone()
    x[0] += 1
    assert (model.embed(x, data["question"], row, *[None] * 3) != h)[1:].any()
    assert (model.embed(data["x"], -data["question"], row, *[None] * 3) != h)[
        1:
    ].any()


@every
def test_any_width(conv):
    for width in (8, 9, 11, 13):
        model = make(conv, hidden_channels=width)
        assert model(**checks.scenes([3, 2], 0)).shape == (2, OUT)


@every
@pytest.mark.parametrize("layers", [2, 4])
def test_some_width_comes_within_a_tenth_of_any_size(conv, layers):
    def count(width: int) -> int:
        model = GNN(conv, 18, 28, 64, width, layers, None, (128,), deg=DEG)
        return sum(p.numel() for p in model.parameters())

    # Bisection finds it: never fewer parameters for more width, and no gap
    # in which a target lies more than 10 % from either side.
    counts = [count(width) for width in range(24, 80)]
    assert counts == sorted(counts)
    assert all(b < 1.2 * a for a, b in itertools.pairwise(counts))


@every
def test_reset_parameters_draws_anew(conv):
    model = make(conv)
    before = {k: v.clone() for k, v in model.named_parameters()}
    model.reset_parameters()
    weights = [k for k, v in before.items() if v.dim() > 1]
    assert weights
    for name in weights:
        assert not torch.equal(model.get_parameter(name), before[name]), name


graph_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@settings(deadline=None, max_examples=15)
@given(st.lists(graph_sizes, min_size=1, max_size=3), st.booleans(), seeds)
def test_degree_histogram_counts_as_networkx_does(batches, near, seed):
    torch.manual_seed(seed)
    data = [
        Batch.from_data_list(
            [Data(x=torch.randn(n, F), pos=torch.randn(n, 2)) for n in sizes]
        )
        for sizes in batches
    ]
    pairs = KNNPairs(share=0.3) if near else None
    degrees = []
    for graph in (g for batch in data for g in batch.to_data_list()):
        if near:
            edge_index, _ = pairs(graph.x, pos=graph.pos)
            g = nx.DiGraph()
            g.add_nodes_from(range(graph.num_nodes))
            g.add_edges_from(edge_index.t().tolist())
        else:
            g = nx.complete_graph(graph.num_nodes, nx.DiGraph)
        degrees += [d for _, d in g.in_degree()]
    histogram = degree_histogram(data, pairs)
    assert histogram.tolist() == [
        degrees.count(d) for d in range(max(degrees) + 1)
    ]


def test_degree_histogram_of_a_single_graph_without_batch():
    data = Data(x=torch.randn(4, F))
    assert degree_histogram([data]).tolist() == [0, 0, 0, 4]


def test_pna_scales_by_the_degrees_given():
    data = checks.scenes([4, 3], 0)
    many = make("pna")
    few_degrees = GNN(
        "pna", F, OUT, C, 12, readout_channels=(7,), deg=torch.tensor([0, 9])
    ).double()
    few_degrees.load_state_dict(
        {k: v for k, v in many.state_dict().items() if "avg_deg" not in k},
        strict=False,
    )
    assert not torch.allclose(many(**data), few_degrees(**data))
    # A checkpoint carries the degrees of its training graphs.
    few_degrees.load_state_dict(many.state_dict())
    assert torch.equal(many(**data), few_degrees(**data))


def test_bad_input():
    with pytest.raises(ValueError, match=r"`conv` is 'gat', expected one of"):
        GNN("gat", F, OUT)
    with pytest.raises(ValueError, match=r"`deg` is None.*degree_histogram"):
        GNN("pna", F, OUT)
    with pytest.raises(ValueError, match=r"`deg` is \[5, 0\].*above 0"):
        GNN("pna", F, OUT, deg=torch.tensor([5, 0]))
    with pytest.raises(TypeError, match=r"`deg` is torch.float32"):
        GNN("pna", F, OUT, deg=torch.ones(3))
    with pytest.raises(ValueError, match="`batches` holds no nodes"):
        degree_histogram([])
    model = GNN("gcn", F, OUT, C, pairs=AttentionPairs(F, C, k=2)).double()
    with pytest.raises(ValueError, match="AttentionPairs, which weighs"):
        model(**checks.scenes([3], 0))
