"""The models whose cost is measured against the number of objects."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from experiments.config import ModelConfig
from experiments.run.models import MODELS, Inputs, Plan
from rn_graph.models import degree_histogram
from rn_graph.models.gnn import CONVS
from rn_graph.pairs import make_budget

#: An object of a few attributes, a question and its answers.
IN_CHANNELS, QUESTION_CHANNELS, ANSWERS = 18, 64, 28
INPUTS = Inputs("states", IN_CHANNELS, ANSWERS, vector=QUESTION_CHANNELS)

#: Name → label, in the order of table and legend.
LABELS = {
    name: MODELS[name].label
    for name in (
        "rn",
        "rn_knn",
        "rn_attention",
        *CONVS,
        "deep_sets",
        "set2set",
    )
}

#: Those that take given edges themselves.
WITH_EDGES = ("rn", *CONVS)


def build(
    name: str,
    hidden: int,
    depth: int,
    k: int,
    deg: Tensor | None,
    edges: bool = False,
) -> nn.Module:
    """Make a model of :data:`LABELS`, as it is compared.

    Args:
        name: Its name.
        hidden: Its hidden width.
        depth: Layers, if it is a GNN.
        k: Pairs of each object, if it selects.
        deg: Histogram of degrees, for PNA.
        edges: Whether edges are given.
    """
    spec = MODELS[name]
    assert spec.build is not None
    degrees = None if deg is None else deg.tolist()
    share = 1.0 if spec.selects else None
    inputs = replace(INPUTS, edges=0 if edges else None)
    plan = Plan(ModelConfig(), inputs, hidden, depth, share, degrees)
    # Objects and questions are given as they are: there is nothing before it.
    model: nn.Module = spec.build(plan).get_submodule("model")
    if spec.selects:
        # However many objects there are, each has as many pairs.
        model.get_submodule("pairs").budget = make_budget(k)  # type: ignore[assignment]
    return model


def random_edges(scenes: int, objects: int, edges: int) -> Tensor:
    """Edges into each object, from objects of its scene, ``[2, E]``."""
    receiver = torch.arange(scenes * objects).repeat_interleave(edges)
    first = receiver - receiver % objects
    sender = first + torch.randint(objects, receiver.shape)
    return torch.stack([sender, receiver])


def degrees(name: str, objects: int, edges: int = 0) -> Tensor | None:
    """Degrees of the complete graph or of given edges, where they count."""
    if not MODELS[name].degrees:
        return None
    if edges:
        given = random_edges(1, objects, edges)
        return degree_histogram([Data(torch.zeros(objects, 1), given)])
    # Of one object there is no pair: PNA then scales as if of two.
    return degree_histogram([Data(x=torch.zeros(max(objects, 2), 1))])


def pairs_a_scene(name: str, objects: int, k: int, edges: int = 0) -> int:
    """Pairs that a layer sums over in a scene of so many objects."""
    if name == "rn":
        return objects**2
    if edges:
        return objects * edges
    if name == "rn_knn":
        return objects * min(k, objects - 1)
    if name == "rn_attention":
        return objects * min(k, objects)
    return objects * (objects - 1) if name in CONVS else 0
