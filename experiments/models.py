"""The models that can be compared. To add one, add an entry to ``MODELS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from experiments.config import ModelConfig

#: Maps shared sizes, in_channels, hidden_channels and depth to a model.
Build = Callable[["ModelConfig", int, int, int], nn.Module]


@dataclass(frozen=True)
class ModelSpec:
    """A model of the comparison.

    Args:
        label: Its name in tables and plots.
        build: Makes it; ``None`` for the model that is counted, not trained.
        matched: Whether it must have as many parameters as the reference.
        tuned: Whether its depth is one of ``model.depths``.
        multiple_of: Its hidden width is a multiple of this.
    """

    label: str
    build: Build | None
    matched: bool = True
    tuned: bool = False
    multiple_of: int = 1


def _relation_network(**kwargs: Any) -> Build:
    def build(
        sizes: ModelConfig, in_channels: int, hidden: int, depth: int
    ) -> nn.Module:
        model = RelationNetwork(
            in_channels,
            hidden_channels=hidden,
            num_layers=sizes.num_layers,
            **_common(sizes),
            **kwargs,
        )
        return _with_encoder(sizes, model)

    return build


def _gnn(conv: str, **kwargs: Any) -> Build:
    def build(
        sizes: ModelConfig, in_channels: int, hidden: int, depth: int
    ) -> nn.Module:
        model = GNN(
            conv,
            in_channels,
            hidden_channels=hidden,
            num_layers=depth,
            **_common(sizes),
            **kwargs,
        )
        return _with_encoder(sizes, model)

    return build


def _deep_sets(
    sizes: ModelConfig, in_channels: int, hidden: int, depth: int
) -> nn.Module:
    model = DeepSets(
        in_channels,
        hidden_channels=hidden,
        num_layers=sizes.num_layers,
        **_common(sizes),
    )
    return _with_encoder(sizes, model)


def _question_only(
    sizes: ModelConfig, in_channels: int, hidden: int, depth: int
) -> nn.Module:
    return _with_encoder(sizes, QuestionOnly(**_common(sizes)))


def _common(sizes: ModelConfig) -> dict[str, Any]:
    return {
        "out_channels": len(ANSWERS),
        "question_channels": sizes.question_channels,
        "readout_channels": sizes.readout_channels,
        "readout_dropout": sizes.dropout,
    }


def _with_encoder(sizes: ModelConfig, model: nn.Module) -> nn.Module:
    encoder = QuestionEncoder(
        len(TOKENS), sizes.embedding_channels, sizes.question_channels
    )
    return QuestionAnswering(encoder, model)


#: Name on the command line → model, in the order of the table.
MODELS: dict[str, ModelSpec] = {
    # The paper's f is not given the question; every model's is here.
    "rn": ModelSpec(
        "RN, all pairs", _relation_network(question_in_readout=True)
    ),
    "gcn": ModelSpec("GCN", _gnn("gcn"), tuned=True),
    "gatv2": ModelSpec("GATv2", _gnn("gatv2"), tuned=True, multiple_of=4),
    "deep_sets": ModelSpec("Deep Sets", _deep_sets),
    "lstm": ModelSpec("LSTM, question only", _question_only, matched=False),
    "most_frequent": ModelSpec(
        "Most frequent answer of the type", None, matched=False
    ),
}
