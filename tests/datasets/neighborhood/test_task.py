"""The neighbourhood by the contract of every task."""

from collections import Counter
from itertools import pairwise

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from datasets.dataset import QuestionDataset
from datasets.made import Made
from datasets.neighborhood import task as module
from datasets.neighborhood.graphs import reach
from datasets.neighborhood.questions import COLORS, DISTANCES
from datasets.neighborhood.task import TASK, NeighborhoodData
from datasets.task import Source
from rn_graph import SceneQA
from rn_graph.encoders import States, VectorQuestion
from rn_graph.pairs import PairSelection

plt.switch_backend("agg")
NODES = 20


@pytest.fixture
def data(tmp_path):
    """The questions about a few graphs of a fresh seed."""
    seed = int(np.random.default_rng().integers(2**31))
    print(f"seed {seed}")
    settings = NeighborhoodData(
        train=25, val=1, test=1, seed=seed, num_objects=NODES
    )
    TASK.make(settings, tmp_path)
    return QuestionDataset(tmp_path / "train.h5", schema=TASK.schema)


def graph_of(batch, scene):
    """A graph of a batch by the names of its nodes, and their colours."""
    first = int(batch.ptr[scene])
    x = batch.x[batch.batch == scene]
    assert (x.sum(1) == 2).all()
    names, color = x[:, :NODES].argmax(1).tolist(), x[:, NODES:].argmax(1)
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for a, b in batch.edge_index.t().tolist():
        if batch.batch[a] == scene:
            graph.add_edge(names[a - first], names[b - first])
    return graph, names, dict(zip(names, color.tolist(), strict=True))


def test_all_questions_are_answered_by_the_graph(data):
    batch = data[:]
    assert len(data) == 25 * 12
    assert batch.x.shape == (25 * NODES, NODES + 6)
    assert batch.pos.shape == (25 * NODES, 0)
    orders = set()
    for scene in range(25):
        graph, names, color = graph_of(batch, scene)
        orders.add(tuple(names))
        assert sorted(names) == list(range(NODES))
        # Both directions, each once, and a graph as it should be.
        there = batch.batch[batch.edge_index[0]] == scene
        assert graph.number_of_edges() == int(there.sum())
        assert nx.is_strongly_connected(graph)
        assert all(graph.has_edge(b, a) and a != b for a, b in graph.edges)
        assert max(degree for _, degree in graph.out_degree) <= 4

        asked = torch.flatten((batch.question_batch == scene).nonzero())
        kinds = Counter()
        for i in asked.tolist():
            ones = torch.flatten(batch.vector[i].nonzero()).tolist()
            kind, look, node = ones[0], ones[1] - 3, ones[2] - 9
            far = nx.single_source_shortest_path_length(graph, node)
            hits = {
                n
                for n in names
                if far[n] == DISTANCES[kind] and color[n] == look
            }
            answer = TASK.schema.answers[int(batch.y[i])]
            assert answer == ("yes" if hits else "no")
            first, *rest = (
                batch.support[batch.support_batch == i] - batch.ptr[scene]
            ).tolist()
            assert names[first] == node
            assert {names[n] for n in rest} == hits
            assert batch.question_type[i] == batch.family[i] == kind
            kinds[kind, look, answer] += 1
        # As much yes as no for each distance and colour; all are different.
        for kind in range(3):
            looked = {look for k, look, _ in kinds if k == kind}
            assert len(looked) == 2
            for look in looked:
                assert kinds[kind, look, "yes"] == kinds[kind, look, "no"] == 1
    assert len(orders) == 25


def test_without_the_edges_there_is_nothing_to_guess_by():
    """The best answer by how often each colour is there: right by chance."""
    made = TASK.sample(NeighborhoodData(), np.random.default_rng(), 800)
    color = made.scenes["x"].reshape(800, 32, -1)[..., 32:].argmax(2)
    name = made.scenes["x"].reshape(800, 32, -1)[..., :32].argmax(2)
    scene, answer = made.questions["scene"], made.questions["answer"]
    vector = made.questions["vector"]
    look, node = vector[:, 3:9].argmax(1), vector[:, 9:].argmax(1)
    own = color[scene, name.argsort(1)[scene, node]]
    count = (color[scene] == look[:, None]).sum(1)
    for kind in range(3):
        for seen in ((count,), (count, look), (count, own, look)):
            known = [c.tolist() for c in (vector[:, kind], *seen)]
            votes = {0: Counter(), 1: Counter()}
            keys = list(zip(*known, strict=True))
            # Learned on even scenes, tested on the others.
            for key, right, odd in zip(keys, answer, scene % 2, strict=True):
                votes[odd][key, right] += 1
            total = right = 0
            for key in {key for key, _ in votes[1] if key[0]}:
                best = int(votes[0][key, 1] > votes[0][key, 0])
                right += votes[1][key, best]
                total += votes[1][key, 0] + votes[1][key, 1]
            assert total == 1600
            # Six standard deviations.
            assert abs(right / total - 0.5) < 3 / np.sqrt(total)


def test_scenes_are_drawn_piece_by_piece(monkeypatch):
    """So large ones are: each piece has its own edges and questions."""
    monkeypatch.setattr(module, "_CELLS", 3 * 16**2)
    settings = NeighborhoodData(num_objects=16, questions=6)
    made = TASK.sample(settings, np.random.default_rng(), 10)
    assert len(made.scenes["num_edges"]) == 10
    assert made.scenes["num_edges"].sum() == len(made.scenes["edge_index"])
    assert made.questions["scene"].tolist() == [
        s for s in range(10) for _ in range(6)
    ]
    ends = made.scenes["num_edges"].cumsum()
    edges = np.split(made.scenes["edge_index"], ends[:-1])
    support = np.split(
        made.questions["support"], made.questions["num_support"].cumsum()[:-1]
    )
    for q, (scene, nodes) in enumerate(
        zip(made.questions["scene"], support, strict=True)
    ):
        graph = nx.Graph(edges[scene].tolist())
        far = nx.single_source_shortest_path_length(graph, int(nodes[0]))
        distance = DISTANCES[made.questions["question_type"][q]]
        assert {far[int(n)] for n in nodes[1:]} <= {distance}


def test_large_graphs():
    settings = NeighborhoodData(num_objects=300, questions=18)
    made = TASK.sample(settings, np.random.default_rng(), 1)
    assert made.scenes["x"].shape == (300, 306)
    assert made.questions["vector"].shape == (18, 309)
    assert made.questions["answer"].sum() == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_objects": 15}, r"`data\.num_objects` is 15, expected 16 to 1,0"),
        ({"num_objects": 1025}, r"`data\.num_objects` is 1025, expected"),
        ({"questions": 10}, r"`data\.questions` is 10, expected one of 6, 12"),
        ({"questions": 0}, r"`data\.questions` is 0, expected one of 6, 12"),
        ({"questions": 24}, r"`data\.questions` is 24, expected one of 6, 12"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        NeighborhoodData(**options)


def test_a_batch_is_what_the_store_would_give(data):
    stored = data[:12]  # the first scene's
    settings = NeighborhoodData(num_objects=NODES)
    seed = data.store.info["seed"]
    made = TASK.sample(settings, np.random.default_rng([seed, 0, 0]), 25)
    edges = made.scenes["edge_index"][: made.scenes["num_edges"][0]]
    x = made.scenes["x"][:NODES]
    scene = Made({"x": x, "edge_index": edges}, {})
    for question in range(12):
        words = TASK.words(stored, question)
        batch = TASK.batch(scene, words, settings)
        assert TASK.words(batch, 0) == words
        assert torch.equal(batch.vector[0], stored.vector[question])
        for key in ("x", "pos", "edge_index", "batch"):
            assert torch.equal(batch[key], stored[key])
    with pytest.raises(ValueError, match="a node of 0 to 19"):
        TASK.batch(
            scene, "is there a red node exactly 2 edges from node 20?", settings
        )


class Rounds(nn.Module):
    """The node asked about sends a mark over the edges, for some rounds."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds

    def forward(self, x, question, batch, question_batch, pos, edge_index):
        assert pos.shape == (len(x), 0)
        sender, receiver = edge_index
        out = []
        for asked, scene in zip(question, question_batch, strict=True):
            kind = int(asked[:3].argmax())
            heard = (batch == scene) & (x[:, asked[9:].argmax()] == 1)
            found = torch.zeros_like(heard)
            for step in range(1, self.rounds + 1):
                passed = torch.zeros(len(x))
                passed = passed.index_add(0, receiver, heard[sender].float())
                found = (passed > 0) & ~heard
                heard = heard | found
                if step == DISTANCES[kind]:
                    break
            look = x[:, NODES + asked[3:9].argmax()] == 1
            yes = step == DISTANCES[kind] and bool((found & look).any())
            out.append([float(yes), float(not yes)])
        return torch.tensor(out)


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_as_many_rounds_as_edges_answer(data, rounds):
    batch = data[:]
    model = SceneQA(
        States(NODES + 6), VectorQuestion(NODES + 9), Rounds(rounds)
    )
    right = model(batch).argmax(1) == batch.y
    enough = torch.tensor(DISTANCES)[batch.question_type] <= rounds
    assert right[enough].all()
    assert (right[~enough] == (batch.y[~enough] == 1)).all()


def test_where_messages_meet():
    """Half of the rounds, from both ends: the shares that the task names."""
    made = TASK.sample(NeighborhoodData(), np.random.default_rng(), 400)
    scene = np.repeat(np.arange(400), made.scenes["num_edges"])
    edges = np.zeros((400, 32, 32), bool)
    edges[(scene, *made.scenes["edge_index"].T)] = True
    at = [near & ~less for less, near in pairwise(reach(edges))]
    x = made.scenes["x"].reshape(400, 32, -1)
    vector, scene = made.questions["vector"], made.questions["scene"]
    kind, look = vector[:, :3].argmax(1), vector[:, 3:9].argmax(1)
    node = x[scene, :, vector[:, 9:].argmax(1)].argmax(1)
    has = x[scene, :, 32 + look].astype(bool)
    for k, half, share in ((1, 1, 0.998), (2, 2, 0.78)):
        asked = kind == k
        some = at[half - 1][scene[asked]]
        here = some[np.arange(len(some)), node[asked]]
        meets = (here & (some & has[asked][:, None]).any(2)).any(1)
        right = meets == (made.questions["answer"][asked] == 0)
        # Questions of a scene hang together, in fours.
        bound = 6 * np.sqrt(share * (1 - share) / 400)
        assert abs(right.mean() - share) < bound, k


def test_graphs_are_named_and_drawn():
    settings = NeighborhoodData()
    scene = TASK.find_scene(Source(seed=3, objects=24), settings)
    assert scene.scenes["num_objects"].tolist() == [24]
    names = TASK.objects(scene, settings, None)
    for name, row in zip(names, scene.scenes["x"], strict=True):
        number, color = np.flatnonzero(row)
        assert name == f"node {number}, {COLORS[color - 24]}"
    pairs = PairSelection(torch.tensor([[0], [7]]), torch.ones(1))
    figure = TASK.draw(scene, settings, {"a": pairs}, None, "why")
    [axes] = [axes for axes in figure.axes if axes.collections]
    places = axes.collections[0].get_offsets()
    assert places.shape == (24, 2)
    assert abs(places).max() <= 1
    lines = [line.get_xydata() for line in axes.lines]
    assert len(lines) == scene.scenes["num_edges"][0]
    for (a, b), line in zip(scene.scenes["edge_index"], lines, strict=True):
        np.testing.assert_allclose(line, places[[a, b]])
    numbers = [text.get_text() for text in axes.texts]
    assert numbers == [str(n) for n in scene.scenes["x"][:, :24].argmax(1)]
    plt.close(figure)
    # Where they are is the same each time.
    np.testing.assert_array_equal(TASK.places(scene), places)
