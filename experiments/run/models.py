"""The models that can be compared. To add one, add an entry to ``MODELS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from datasets.clevr.vocabulary import ANSWERS, TOKENS
from rn_graph import (
    GNN,
    DeepSets,
    QuestionAnswering,
    QuestionEncoder,
    QuestionOnly,
    RelationNetwork,
)
from rn_graph.models import Set2Set
from rn_graph.pairs import AttentionPairs, KNNPairs, RandomPairs

if TYPE_CHECKING:
    from experiments.config import ModelConfig


@dataclass(frozen=True)
class Plan:
    """What a model is built from.

    Args:
        sizes: Sizes that all models share.
        in_channels: Width of an object.
        hidden_channels: Hidden width.
        depth: Layers, where that is tuned.
        share: Share of the pairs to keep, where pairs are selected.
        degrees: Nodes of the training graphs by their number of edges, where
            a layer scales by it.
    """

    sizes: ModelConfig
    in_channels: int
    hidden_channels: int
    depth: int | None = None
    share: float | None = None
    degrees: list[int] | None = None


Build = Callable[[Plan], nn.Module]


@dataclass(frozen=True)
class ModelSpec:
    """A model of the comparison.

    Args:
        label: Its name in tables and plots.
        build: Makes it; ``None`` for the model that is counted, not trained.
        matched: Whether it must have as many parameters as the reference.
        tuned: Whether its depth is one of ``model.depths``.
        distilled: Whether it learns its pairs from itself on all of them,
            while `train.shrink_steps` last.
        selects: Whether it sums over a share of the pairs: it is then trained
            once for each of ``model.shares``.
        degrees: Whether it needs the degrees of the training graphs.
        multiple_of: Its hidden width is a multiple of this.
    """

    label: str
    build: Build | None
    matched: bool = True
    tuned: bool = False
    selects: bool = False
    distilled: bool = False
    degrees: bool = False
    multiple_of: int = 1


def _common(plan: Plan) -> dict[str, Any]:
    return {
        "out_channels": len(ANSWERS),
        "question_channels": plan.sizes.question_channels,
        "readout_channels": plan.sizes.readout_channels,
        "readout_dropout": plan.sizes.dropout,
    }


def _with_encoder(plan: Plan, model: nn.Module) -> nn.Module:
    sizes = plan.sizes
    encoder = QuestionEncoder(
        len(TOKENS),
        sizes.embedding_channels,
        sizes.question_channels,
        heads=sizes.question_heads,
    )
    return QuestionAnswering(encoder, model)


def _relation_network(pairs: Callable[[Plan], nn.Module] | None) -> Build:
    def build(plan: Plan) -> nn.Module:
        model = RelationNetwork(
            plan.in_channels,
            hidden_channels=plan.hidden_channels,
            num_layers=plan.sizes.num_layers,
            question_layer=plan.sizes.question_layer,
            object_layers=plan.sizes.object_layers,
            object_sum=plan.sizes.object_sum,
            aggr=plan.sizes.aggr,
            norm=plan.sizes.norm or None,
            pairs=None if pairs is None else pairs(plan),
            # The paper's f is not given the question; every model's is here.
            question_in_readout=True,
            **_common(plan),
        )
        return _with_encoder(plan, model)

    return build


def _attention_pairs(plan: Plan, **options: Any) -> nn.Module:
    seen = plan.hidden_channels if plan.sizes.object_layers else 0
    return AttentionPairs(
        plan.in_channels + seen,
        plan.sizes.question_channels,
        share=plan.share,
        # Cheap beside g, also where g is small.
        hidden_channels=min(64, plan.sizes.hidden_channels),
        **options,
    )


def _distilled_pairs(plan: Plan) -> nn.Module:
    # g may need a pair in one direction alone.
    return _attention_pairs(plan, gate=False, symmetric=False, noise=0.0)


def near_pairs(plan: Plan) -> nn.Module:
    """The nearest pairs of two objects, for RN as for the GNNs.

    An object's pair with itself is the nearest of all, and would take a small
    budget whole.
    """
    return KNNPairs(share=plan.share, self_pairs=False)


def _gnn(conv: str, near: bool) -> Build:
    def build(plan: Plan) -> nn.Module:
        degrees = plan.degrees
        model = GNN(
            conv,
            plan.in_channels,
            hidden_channels=plan.hidden_channels,
            num_layers=plan.depth or 1,
            object_layers=plan.sizes.object_layers,
            pairs=near_pairs(plan) if near else None,
            deg=None
            if degrees is None
            else torch.tensor(degrees, device="cpu"),
            **_common(plan),
        )
        return _with_encoder(plan, model)

    return build


def _set_model(kind: type[DeepSets] | type[Set2Set]) -> Build:
    def build(plan: Plan) -> nn.Module:
        model = kind(
            plan.in_channels,
            hidden_channels=plan.hidden_channels,
            num_layers=plan.sizes.num_layers,
            **_common(plan),
        )
        return _with_encoder(plan, model)

    return build


def _question_only(plan: Plan) -> nn.Module:
    return _with_encoder(plan, QuestionOnly(**_common(plan)))


#: PyG's layers → label; those with heads need widths that these divide.
_GNNS = {
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "gin": "GIN",
    "gatv2": "GATv2",
    "edge": "EdgeConv",
    "transformer": "TransformerConv",
    "pna": "PNA",
}


def _gnn_specs(near: bool) -> dict[str, ModelSpec]:
    return {
        f"{conv}_knn" if near else conv: ModelSpec(
            f"{label}, nearest pairs" if near else label,
            _gnn(conv, near),
            tuned=True,
            selects=near,
            degrees=conv == "pna",
            multiple_of=4 if conv in ("gatv2", "transformer") else 1,
        )
        for conv, label in _GNNS.items()
    }


#: Name on the command line → model, in the order of the table.
MODELS: dict[str, ModelSpec] = {
    "rn": ModelSpec("RN, all pairs", _relation_network(None)),
    "rn_knn": ModelSpec(
        "RN, nearest pairs",
        _relation_network(near_pairs),
        selects=True,
    ),
    "rn_random": ModelSpec(
        "RN, random pairs",
        _relation_network(lambda plan: RandomPairs(share=plan.share)),
        selects=True,
    ),
    "rn_attention": ModelSpec(
        "RN, learned pairs", _relation_network(_attention_pairs), selects=True
    ),
    "rn_distilled": ModelSpec(
        "RN, distilled pairs",
        _relation_network(_distilled_pairs),
        selects=True,
        distilled=True,
    ),
    **_gnn_specs(near=False),
    **_gnn_specs(near=True),
    "deep_sets": ModelSpec("Deep Sets", _set_model(DeepSets)),
    "set2set": ModelSpec("Set2Set", _set_model(Set2Set)),
    "lstm": ModelSpec("LSTM, question only", _question_only, matched=False),
    "most_frequent": ModelSpec(
        "Most frequent answer of the type", None, matched=False
    ),
}


def label(name: str, share: float | None, depth: int | None) -> str:
    """What tables and plots call a model with its budget and depth."""
    text = MODELS[name].label
    if share is not None:
        text += f" ({100 * share:g} %)"
    if depth is not None:
        text += f", {depth} {'layer' if depth == 1 else 'layers'}"
    return text
