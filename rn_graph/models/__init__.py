"""Models that answer questions about scenes, all called alike.

================================= ==========================================
:class:`RelationNetwork`          g over pairs of objects
:class:`RecurrentRelationNetwork` g in rounds, an answer after each
:class:`GNN`                      PyG's graph neural networks, and RNConv in
                                  rounds
:class:`DeepSets`                 objects without pairs, summed
:class:`Set2Set`                  objects without pairs, read by attention
:class:`StackedAttention`         objects without pairs, looked at in hops
:class:`SequenceLSTM`             objects without pairs, in their order
:class:`JoinedMLP`                all objects joined to one vector
:class:`FiLM`                     cells of a map, by convolutions that the
                                  question scales and shifts
:class:`QuestionOnly`             no objects
:class:`MostFrequentAnswer`       neither objects nor words
================================= ==========================================
"""

from rn_graph.models.blind import MostFrequentAnswer, QuestionOnly
from rn_graph.models.film import FiLM
from rn_graph.models.gnn import GNN, degree_histogram
from rn_graph.models.joined import JoinedMLP
from rn_graph.models.recurrent import RecurrentRelationNetwork
from rn_graph.models.relation_network import RelationNetwork
from rn_graph.models.sequence import SequenceLSTM
from rn_graph.models.sets import DeepSets, Set2Set
from rn_graph.models.stacked_attention import StackedAttention

__all__ = [
    "GNN",
    "DeepSets",
    "FiLM",
    "JoinedMLP",
    "MostFrequentAnswer",
    "QuestionOnly",
    "RecurrentRelationNetwork",
    "RelationNetwork",
    "SequenceLSTM",
    "Set2Set",
    "StackedAttention",
    "degree_histogram",
]
