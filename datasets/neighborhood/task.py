r"""Neighbourhood: is there a node of some colour just so many edges away?

A task on sparse edges that are given. Let A be the node asked about, C the
colour and K the distance; what a model needs depends on K:

- **1 edge**: one sum over the edges. The answer is yes if and only if
  :math:`\sum_{(j, i)} [i = A] \, [c_j = C] > 0`, and each term looks at one
  edge. A sum over all pairs does as well, if it is told which are edges.
- **2 and 4 edges**: rounds of messages. Whether nodes i and j are two edges
  apart is said by :math:`\max_k e_{ik} e_{kj}`, by other pairs than (i, j): no
  term of a sum over pairs, or over edges, knows it, and what reads the sum
  would have to find ways in a whole graph. But if A sends a mark and each node
  passes it on, a node first hears of it in the round that is its distance from
  A. A sum over the nodes of colour C that first hear in round K is the answer;
  in fewer rounds, none of them has heard of A.
- Half of the rounds may do where the readout sums over all nodes: nodes of
  colour C can send as well, and marks meet K/2 edges from both. To answer yes
  where some node is K/2 edges from A and from a node of colour C is right for
  99.8 % of the default's questions about 2 edges and 78 % of those about 4: it
  errs where there is a shorter way. So one round tells much of 2 edges, and
  two rounds some of 4.

Without the edges, or with what is nearer to A than K alone, there is next to
nothing to guess by: :func:`~datasets.neighborhood.questions.draw_questions`
says why.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import networkx as nx
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch_geometric.data import Batch

from datasets.made import Made, MadeTask
from datasets.neighborhood.graphs import draw_graphs
from datasets.neighborhood.questions import (
    ANSWERS,
    COLORS,
    DISTANCES,
    LEAST_NODES,
    MOST_NODES,
    draw_questions,
    parse_question,
    question_vector,
    question_words,
)
from datasets.store import Schema
from datasets.task import Data, in_range

_TYPES = tuple(f"{n} edge{'' if n == 1 else 's'}" for n in DISTANCES)
#: Settings of how many questions: a yes and a no, for each distance.
_TWOS = 2 * len(DISTANCES)
_QUESTIONS = [_TWOS * n for n in range(1, 4)]
#: Pairs of nodes that are worked on at a time, of all scenes together.
_CELLS = 1 << 20


@dataclass
class NeighborhoodData(Data):
    """Graphs of coloured nodes, and questions about how far they are apart.

    Args:
        num_objects: Nodes of a scene, 16 to 1,024. Each bears its name
            one-hot: a scene of 1,024 takes 4 MB, and half a second to draw.
        questions: Questions about a scene: 6, 12 or 18, as many of each
            distance and answer.
    """

    train: int = 40_000
    val: int = 4000
    test: int = 4000
    num_objects: int = 32
    questions: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("data.num_objects", self.num_objects, LEAST_NODES, MOST_NODES)
        if self.questions not in _QUESTIONS:
            raise ValueError(
                f"`data.questions` is {self.questions}, expected one of "
                f"{', '.join(map(str, _QUESTIONS))}: a yes and a no for each "
                f"of {len(DISTANCES)} distances, once or more"
            )


class Neighborhood(MadeTask):
    """Whether a node of some colour is exactly 1, 2 or 4 edges from a node.

    A scene is a connected graph of a random tree and some more edges, up to
    four a node. Nodes have numbers as names and one of six colours, by chance.
    "Exactly K edges" is the length of the shortest path. Half of the questions
    of each distance are answered by yes, in every scene and for every colour.

    The nodes that decide are the one asked about, and after it those that are
    found.
    """

    name = "neighborhood"
    title = "Neighbourhood"
    settings = NeighborhoodData
    source = "graphs and distances as rn_graph draws them"
    example = "is there a red node exactly 2 edges from node 7?"
    schema = Schema(
        task="neighborhood",
        objects=("states",),
        question="vector",
        answers=ANSWERS,
        question_types=_TYPES,
        families=_TYPES,
        edges=True,
        support=True,
    )
    categories: ClassVar = {kind: (kind,) for kind in _TYPES}

    def seen(self, settings: Any) -> str:
        """Say what is given of a scene."""
        return "name and colour of a scene's nodes, and its edges"

    def sample(
        self, settings: NeighborhoodData, rng: np.random.Generator, count: int
    ) -> Made:
        """Draw graphs; those without enough to ask are drawn again."""
        nodes, twos = settings.num_objects, settings.questions // _TWOS
        most, left = max(1, _CELLS // nodes**2), count
        parts: list[tuple[np.ndarray, ...]] = []
        while left:
            edges = draw_graphs(rng, min(left, most), nodes)
            color = rng.integers(0, len(COLORS), edges.shape[:2])
            *asked, good = draw_questions(rng, edges, color, twos)
            edges = edges[good]
            listed = np.stack(np.nonzero(edges)[1:], axis=1)
            kept = (part[good] for part in (color, *asked))
            parts.append((edges.sum((1, 2)), listed, *kept))
            left -= len(edges)
        num_edges, edge_index, color, *asked = map(
            np.concatenate, zip(*parts, strict=True)
        )
        each = np.tile(np.arange(nodes), (count, 1))
        name = rng.permuted(each, axis=1)
        x = np.zeros((count, nodes, nodes + len(COLORS)), np.float32)
        np.put_along_axis(x, name[..., None], 1, axis=2)
        np.put_along_axis(x, nodes + color[..., None], 1, axis=2)
        scenes = {
            "num_objects": np.full(count, nodes),
            "x": x.reshape(count * nodes, -1),
            "num_edges": num_edges,
            "edge_index": edge_index,
        }
        return Made(scenes, _questions(name, *asked))

    def parse(self, question: str) -> np.ndarray:
        """The vector of a question in words, of the largest graph."""
        return parse_question(question)

    def batch(self, scene: Made, question: str, settings: Any) -> Batch:
        """The graph, and the question's vector, as wide as it has nodes."""
        vector = parse_question(question, len(scene.scenes["x"]))
        batch = super().batch(scene, question, settings)
        batch.vector = torch.from_numpy(vector[None]).float()
        return batch

    def words(self, batch: Batch, question: int) -> str:
        """The question of a vector."""
        return question_words(batch.vector[question].cpu().numpy())

    def objects(
        self, scene: Made, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """Name and colour."""
        name, color = _kinds(scene)
        return [
            f"node {n}, {COLORS[c]}" for n, c in zip(name, color, strict=True)
        ]

    def places(self, scene: Made) -> np.ndarray:
        """Places at which nodes that share an edge are near each other."""
        graph = nx.empty_graph(len(scene.scenes["x"]))
        graph.add_edges_from(scene.scenes["edge_index"].tolist())
        places = nx.spring_layout(graph, seed=0)
        return np.array([places[node] for node in graph])

    def paint(self, axes: Axes, scene: Made, places: np.ndarray) -> None:
        """Draw edges, and nodes with their names."""
        for pair in scene.scenes["edge_index"]:
            axes.plot(*places[pair].T, color="#999999", lw=1, zorder=0)
        name, color = _kinds(scene)
        x, y = places.T
        axes.scatter(x, y, s=110, c=[COLORS[c] for c in color], zorder=1)
        for text, place in zip(name, places, strict=True):
            axes.annotate(
                str(text), place, color="white", fontsize=6,
                ha="center", va="center",
            )  # fmt: skip


def _kinds(scene: Made) -> tuple[np.ndarray, np.ndarray]:
    """Name and colour of each node of one scene."""
    x = scene.scenes["x"]
    return x[:, : len(x)].argmax(1), x[:, len(x) :].argmax(1)


def _questions(
    name: np.ndarray, node: np.ndarray, color: np.ndarray, found: np.ndarray
) -> dict[str, np.ndarray]:
    """Write questions as a store has them.

    Args:
        name: [S, N] Name of each node.
        node: [S, 3, T, 2] The node that each question is about.
        color: [S, 3, T] The colour that each two look for.
        found: [S, 3, T, 2, N] The nodes that are found.
    """
    nodes = name.shape[1]
    scene, kind, two, answer = np.indices(node.shape).reshape(4, -1)
    asked, found = node.reshape(-1), found.reshape(-1, nodes)
    # The node asked about comes first, as if it had a place before all.
    row, place = np.nonzero(np.insert(found, 0, True, axis=1))
    return {
        "scene": scene,
        "answer": answer,
        "question_type": kind,
        "family": kind,
        "vector": question_vector(
            name[scene, asked], color[scene, kind, two], kind, nodes
        ),
        "num_support": 1 + found.sum(1),
        "support": np.where(place == 0, asked[row], place - 1),
    }


TASK = Neighborhood()
