"""Node features of a CLEVR object: its attributes and its place.

======== ======= =======================================================
form     columns
======== ======= =======================================================
onehot   15 + 3  size, color, material, shape, each one-hot; place
rgb      6 + 3   size, red, green, blue, material, shape; place
ordinal  4 + 3   size, color, material, shape, each its index; place
======== ======= =======================================================

``rgb`` is the state description of the Relation Network paper (Santoro et
al. 2017, section 4.1): place (x, y, z), colour (r, g, b), shape, material,
size. Colours are the rendered ones scaled to [0, 1]; the other attributes
are indices, as the paper does not say how it coded them. ``ordinal`` is what
public reimplementations use.
"""

from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from datasets.clevr.families import load_families
from datasets.clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    COLORS,
    QUESTION_TYPES,
    TOKENS,
)
from datasets.store import Schema

#: What a CLEVR store of state descriptions holds.
SCHEMA = Schema(
    task="clevr",
    objects=("states",),
    question="words",
    answers=ANSWERS,
    question_types=QUESTION_TYPES,
    families=tuple(f"{f.group}_{f.index}" for f in load_families()),
    tokens=TOKENS,
    attributes=tuple(ATTRIBUTES.items()),
)
#: What one of states and pictures holds.
PICTURE_SCHEMA = replace(SCHEMA, objects=("states", "images"))
#: What one of feature maps holds.
MAP_SCHEMA = replace(SCHEMA, objects=("maps",), attributes=())

FeatureForm = Literal["onehot", "rgb", "ordinal"]

#: Colour → the RGB of 255 in which it is rendered.
COLOR_RGB: dict[str, tuple[int, int, int]] = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}


def attribute_tables(form: FeatureForm) -> list[Tensor]:
    """Return for each attribute the features of its values [values, width].

    Raises:
        ValueError: For an unknown ``form``.
    """
    sizes = [len(values) for values in ATTRIBUTES.values()]
    if form == "onehot":
        return [torch.eye(size) for size in sizes]
    tables = [torch.arange(size).float()[:, None] for size in sizes]
    if form == "rgb":
        rgb = torch.tensor([COLOR_RGB[color] for color in COLORS])
        tables[list(ATTRIBUTES).index("color")] = rgb / 255
    elif form != "ordinal":
        raise ValueError(
            f"`features` is {form!r}, expected one of {get_args(FeatureForm)}"
        )
    return tables


def num_features(form: FeatureForm = "onehot") -> int:
    """Return the columns of ``x``, the 3 of the place included.

    >>> [num_features(f) for f in ("onehot", "rgb", "ordinal")]
    [18, 9, 7]
    """
    return sum(table.shape[1] for table in attribute_tables(form)) + 3


def node_features(codes: Tensor, pos: Tensor, tables: list[Tensor]) -> Tensor:
    """Turn attribute indices into node features.

    Args:
        codes: Indices in the order of ``vocabulary.ATTRIBUTES`` [N, 4].
        pos: Places [N, 3].
        tables: What :func:`attribute_tables` gives, on the same device.

    Returns:
        [N, F] float32.
    """
    columns = codes.long().unbind(1)
    parts = [t[c] for t, c in zip(tables, columns, strict=True)]
    return torch.cat([*parts, pos], dim=1)


class NodeFeatures:
    """:func:`node_features` of one form, for a ``QuestionDataset``.

    Args:
        form: Which form. (default: ``"onehot"``)

    Raises:
        ValueError: For an unknown ``form``.
    """

    def __init__(self, form: FeatureForm = "onehot") -> None:
        self._tables = {torch.device("cpu"): attribute_tables(form)}

    def __call__(self, codes: Tensor, pos: Tensor) -> Tensor:
        """Turn attribute indices [N, 4] and places [N, 3] into [N, F]."""
        device = codes.device
        if device not in self._tables:
            tables = self._tables[torch.device("cpu")]
            self._tables[device] = [table.to(device) for table in tables]
        return node_features(codes, pos, self._tables[device])
