"""The models whose cost is measured against the number of objects."""

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from rn_graph import GNN, DeepSets, RelationNetwork
from rn_graph.models import Set2Set, degree_histogram
from rn_graph.models.gnn import CONVS
from rn_graph.pairs import AttentionPairs, KNNPairs

# An object, a question and the answers of CLEVR.
IN_CHANNELS, QUESTION_CHANNELS, ANSWERS = 18, 64, 28

#: Name → label, in the order of table and legend.
LABELS = {
    "rn": "RN, all pairs",
    "rn_knn": "RN, nearest pairs",
    "rn_attention": "RN, learned pairs",
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "gin": "GIN",
    "gatv2": "GATv2",
    "edge": "EdgeConv",
    "transformer": "TransformerConv",
    "pna": "PNA",
    "deep_sets": "Deep Sets",
    "set2set": "Set2Set",
}


def build(
    name: str, hidden: int, depth: int, k: int, deg: Tensor | None
) -> nn.Module:
    """Make a model of :data:`LABELS`.

    Args:
        name: Its name.
        hidden: Its hidden width.
        depth: Layers, if it is a GNN.
        k: Pairs of each object, if it selects.
        deg: Histogram of degrees, for PNA.
    """
    sizes: dict[str, Any] = {
        "in_channels": IN_CHANNELS,
        "out_channels": ANSWERS,
        "question_channels": QUESTION_CHANNELS,
        "hidden_channels": hidden,
        "readout_channels": (128,),
    }
    if name in CONVS:
        return GNN(name, **sizes, num_layers=depth, deg=deg)
    if name == "deep_sets":
        return DeepSets(**sizes)
    if name == "set2set":
        return Set2Set(**sizes)
    pairs: nn.Module | None = None
    if name == "rn_knn":
        pairs = KNNPairs(k=k, self_pairs=False)
    elif name == "rn_attention":
        pairs = AttentionPairs(IN_CHANNELS, QUESTION_CHANNELS, k=k)
    return RelationNetwork(**sizes, pairs=pairs)


def degrees(name: str, objects: int) -> Tensor | None:
    """Degrees of the complete graph, for the model that needs them."""
    if name != "pna":
        return None
    # Of one object there is no pair: PNA then scales as if of two.
    return degree_histogram([Data(x=torch.zeros(max(objects, 2), 1))])


def pairs_a_scene(name: str, objects: int, k: int) -> int:
    """Pairs that a model sums over in a scene of so many objects."""
    if name == "rn":
        return objects**2
    if name == "rn_knn":
        return objects * min(k, objects - 1)
    if name == "rn_attention":
        return objects * min(k, objects)
    return objects * (objects - 1) if name in CONVS else 0
