"""The HDF5 store: the scenes and questions of one split in one file.

A store knows no task: it holds what a :class:`Schema` declares, of

==========================  ============  =====================================
dataset                     shape         what
==========================  ============  =====================================
``scenes/index``            [S]           the scene's number in its source
``scenes/ptr``              [S + 1]       rows ``ptr[s]:ptr[s + 1]`` are the
                                          objects, or sentences, of scene s
``scenes/x``                [ΣN, F]       *states*: indices into the schema's
                                          ``attributes``, or float features
``scenes/pos``              [ΣN, D]       their places (optional)
``scenes/image``            [S, H, W, 3]  *images*: bytes
``scenes/map``              [S, C, H, W]  *maps*: half or single precision
``scenes/word_ptr``         [ΣN + 1]      *sentences*: words of each
``scenes/words``            [ΣW]          indices into the schema's ``tokens``
``scenes/edge_ptr``         [S + 1]       *edges* of each scene
``scenes/edge_index``       [ΣE, 2]       sender and receiver, numbered within
                                          the scene
``scenes/edge_attr``        [ΣE, D]       their features (optional)
``questions/scene``         [Q]           row of the scene asked about
``questions/answer``        [Q]           −1: unknown (a test split)
``questions/family``        [Q]           −1: unknown
``questions/type``          [Q]           −1: unknown
``questions/length``        [Q]           *words*: how many, without padding
``questions/tokens``        [Q, T]        the words, right-padded with 0
``questions/vector``        [Q, V]        *vector*: bytes, or floats
``questions/support_ptr``   [Q + 1]       *support* of each question
``questions/support``       [ΣK]          nodes that decide the answer, numbered
                                          within the scene
==========================  ============  =====================================

The file's attributes are ``format``, ``version``, ``split``, ``source``,
``content`` (SHA-256 of all columns) and, as JSON, ``schema`` and ``info``
(what the source says about itself: release, generator settings, seed).
"""

from datasets.store.reader import Store, open_store, read_schema
from datasets.store.schema import Schema
from datasets.store.writer import StoreWriter

__all__ = ["Schema", "Store", "StoreWriter", "open_store", "read_schema"]
