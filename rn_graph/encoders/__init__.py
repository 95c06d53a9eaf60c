"""Where objects and questions come from.

Modules that map a batch to objects, ``forward(batch) -> Nodes``; a batch is
anything with the fields that they read:

====================== ================================ ====================
:class:`States`        objects as the batch holds them  ``x, batch, pos``
:class:`Cells`         cells of a feature map, by a CNN ``image`` or ``map``
:class:`Sentences`     sentences of a story, by an LSTM ``words, num_words,
                                                        batch``
:class:`SentenceWords` words of a story's sentences     the same
:class:`Words`         words of a text                  ``words, num_words``
====================== ================================ ====================

Behind :class:`WithNeighbors` they are told of given edges, for models that
take none. CNNs for :class:`Cells`: :class:`ConvNet`, the Relation Network's,
and :class:`ResidualNet`. Modules that make questions, and the fields that
:class:`~rn_graph.SceneQA` hands them:

======================== ====================== ====================
:class:`QuestionEncoder` of words, by an LSTM   ``tokens, length``
:class:`VectorQuestion`  of a vector            ``vector``
======================== ====================== ====================

:class:`OneHotPlaces` tells sentences their places. Functions without parameters
that make objects, :class:`Nodes`:
:func:`map_to_nodes` of cells, :func:`text_to_nodes` and
:func:`sequence_to_nodes` of vectors in order, :func:`attributes_to_nodes` of
tables.
"""

from rn_graph.encoders.cells import Cells
from rn_graph.encoders.cnn import ConvNet, ResidualNet
from rn_graph.encoders.neighbors import WithNeighbors
from rn_graph.encoders.objects import (
    Nodes,
    attributes_to_nodes,
    grid_size,
    map_to_nodes,
    nodes_to_map,
    sequence_to_nodes,
    text_to_nodes,
)
from rn_graph.encoders.places import OneHotPlaces
from rn_graph.encoders.question import QuestionEncoder, VectorQuestion
from rn_graph.encoders.states import States
from rn_graph.encoders.text import Sentences, SentenceWords, Words

__all__ = [
    "Cells",
    "ConvNet",
    "Nodes",
    "OneHotPlaces",
    "QuestionEncoder",
    "ResidualNet",
    "SentenceWords",
    "Sentences",
    "States",
    "VectorQuestion",
    "WithNeighbors",
    "Words",
    "attributes_to_nodes",
    "grid_size",
    "map_to_nodes",
    "nodes_to_map",
    "sequence_to_nodes",
    "text_to_nodes",
]
