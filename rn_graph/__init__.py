"""Relation Networks for PyTorch Geometric."""

from rn_graph.batching import QuestionRows, complete_edge_index, question_rows
from rn_graph.checks import value_checks
from rn_graph.conv import RNConv
from rn_graph.encoders import QuestionEncoder
from rn_graph.models import (
    GNN,
    DeepSets,
    MostFrequentAnswer,
    QuestionOnly,
    RelationNetwork,
)
from rn_graph.scene_qa import SceneQA

__version__ = "0.1.0"

__all__ = [
    "GNN",
    "DeepSets",
    "MostFrequentAnswer",
    "QuestionEncoder",
    "QuestionOnly",
    "QuestionRows",
    "RNConv",
    "RelationNetwork",
    "SceneQA",
    "complete_edge_index",
    "question_rows",
    "value_checks",
]
