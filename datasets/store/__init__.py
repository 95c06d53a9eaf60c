"""The HDF5 store: the scenes and questions of one split in one file.

==========================  ===============  ==================================
dataset                     shape            what
==========================  ===============  ==================================
``scenes/ptr``              [S + 1]          rows ``ptr[s]:ptr[s + 1]`` of
                                             ``x`` and ``pos`` are scene s
``scenes/x``                [ΣN, F]          an object's attributes: indices
                                             into the vocabulary ``attributes``
                                             (uint8), or float features
``scenes/pos``              [ΣN, 3]          an object's place (float32)
``scenes/map``              [S, C, H, W]     instead of the three above: one
                                             feature map a scene
``scenes/image_index``      [S]              the scene's number in its source
``questions/tokens``        [Q, T]           words, right-padded with 0
``questions/length``        [Q]              words without the padding
``questions/scene``         [Q]              row of the scene asked about
``questions/answer``        [Q]              −1: unknown (a test split)
``questions/family``        [Q]              −1: unknown
``questions/type``          [Q]              −1: unknown
==========================  ===============  ==================================

The file's attributes are ``format``, ``version``, ``split``, ``source`` and,
as JSON, ``vocabularies`` (``tokens``, ``answers``, ``question_types`` and
``attributes``) and ``info`` (what the source says about itself: release,
generator settings, seed).
"""

from datasets.store.reader import Store, open_store
from datasets.store.schema import Vocabularies
from datasets.store.writer import StoreWriter

__all__ = ["Store", "StoreWriter", "Vocabularies", "open_store"]
