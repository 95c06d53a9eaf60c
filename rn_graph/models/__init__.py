"""Models that answer questions about scenes, all called alike.

================================= ===================================
"""

from rn_graph.models.blind import MostFrequentAnswer, QuestionOnly
from rn_graph.models.gnn import GNN, degree_histogram
from rn_graph.models.joined import JoinedMLP
from rn_graph.models.recurrent import RecurrentRelationNetwork
from rn_graph.models.relation_network import RelationNetwork
from rn_graph.models.sequence import SequenceLSTM
from rn_graph.models.sets import DeepSets, Set2Set

__all__ = [
    "GNN",
    "DeepSets",
    "JoinedMLP",
    "MostFrequentAnswer",
    "QuestionOnly",
    "RecurrentRelationNetwork",
    "RelationNetwork",
    "SequenceLSTM",
    "Set2Set",
    "degree_histogram",
]
