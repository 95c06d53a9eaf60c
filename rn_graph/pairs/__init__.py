"""Pair selection: which pairs a Relation Network sums over.

A selection is a module that maps nodes, questions, the batch vector and
positions to edges and, where it was learned, a weight for each. One interface
for all, :class:`PairSelector`; one result for all, :class:`PairSelection`:

================== ========================================================
``AllPairs``       every pair
``KNNPairs``       the nearest, by position or by features
``RadiusPairs``    those within a distance
``RandomPairs``    drawn at random: the control at the same budget
``AttentionPairs`` the best by a learned score, trained with the model
================== ========================================================

:class:`Distillation` teaches ``AttentionPairs`` by a network on all pairs. A
selection's ``budget`` may be changed at any time, to what :func:`make_budget`
makes.
"""

from rn_graph.pairs.attention import AttentionPairs
from rn_graph.pairs.base import AllPairs, PairSelection, PairSelector
from rn_graph.pairs.budget import make_budget
from rn_graph.pairs.distill import Distillation
from rn_graph.pairs.nearest import KNNPairs, RadiusPairs
from rn_graph.pairs.random import RandomPairs

__all__ = [
    "AllPairs",
    "AttentionPairs",
    "Distillation",
    "KNNPairs",
    "PairSelection",
    "PairSelector",
    "RadiusPairs",
    "RandomPairs",
    "make_budget",
]
