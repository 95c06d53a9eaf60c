"""What a store must hold, and the checks that writer and reader share."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FORMAT = "rn_graph feature store"
VERSION = 1

#: Datasets of each kind of scene.
OBJECTS = ("scenes/ptr", "scenes/x", "scenes/pos")
MAPS = ("scenes/map",)
#: Datasets of every store.
COMMON = (
    "scenes/image_index",
    "questions/tokens",
    "questions/length",
    "questions/scene",
    "questions/answer",
    "questions/family",
    "questions/type",
)
_DIMENSIONS = {
    "scenes/ptr": 1,
    "scenes/x": 2,
    "scenes/pos": 2,
    "scenes/map": 4,
    "scenes/image_index": 1,
    "questions/tokens": 2,
}
_FLOATS = ("scenes/x", "scenes/pos", "scenes/map")
#: Rows checked at a time, so that a mapped file is never wholly in memory.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Vocabularies:
    """What the integers of a store mean: entry i of a tuple is value i.

    Args:
        tokens: Words; entry 0 is the padding.
        answers: Answers.
        question_types: Question types.
        attributes: Attribute name → values, in the order of the columns of
            ``scenes/x``. Empty where ``x`` holds features, not indices.
    """

    tokens: tuple[str, ...]
    answers: tuple[str, ...]
    question_types: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Vocabularies":
        """Rebuild from :meth:`to_json`'s form.

        Raises:
            KeyError | TypeError | ValueError: If ``data`` is of another form.
        """
        return cls(
            tokens=tuple(data["tokens"]),
            answers=tuple(data["answers"]),
            question_types=tuple(data["question_types"]),
            attributes=tuple((n, tuple(v)) for n, v in data["attributes"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON can hold."""
        return asdict(self)


def check_columns(
    columns: Mapping[str, np.ndarray], vocabularies: Vocabularies, name: str
) -> None:
    """Check that the columns of a store fit together.

    Args:
        columns: Dataset name → array.
        vocabularies: What the integers refer to.
        name: The file, for the message.

    Raises:
        ValueError: With a sentence naming file, dataset and what is wrong.
    """
    kind = MAPS if "scenes/map" in columns else OBJECTS
    for key in (*kind, *COMMON):
        if key not in columns:
            raise ValueError(f"{name}: dataset '{key}' is missing")
        _check_array(columns[key], key, name)
    num_scenes = len(columns["scenes/image_index"])
    if kind is OBJECTS:
        _check_objects(columns, vocabularies, num_scenes, name)
    elif len(columns["scenes/map"]) != num_scenes:
        raise ValueError(
            f"{name}: 'scenes/map' holds {len(columns['scenes/map'])} scenes, "
            f"'scenes/image_index' {num_scenes}"
        )
    _check_questions(columns, vocabularies, num_scenes, name)


def _check_array(array: np.ndarray, key: str, name: str) -> None:
    dim = _DIMENSIONS.get(key, 1)
    if array.ndim != dim:
        raise ValueError(
            f"{name}: '{key}' has shape {array.shape}, expected {dim} "
            f"dimension{'s' if dim > 1 else ''}"
        )
    kinds = "uif" if key in _FLOATS else "ui"
    if array.dtype.kind not in kinds:
        raise ValueError(
            f"{name}: '{key}' is of type {array.dtype}, expected "
            f"{'numbers' if 'f' in kinds else 'integers'}"
        )


def _check_objects(
    columns: Mapping[str, np.ndarray],
    vocabularies: Vocabularies,
    num_scenes: int,
    name: str,
) -> None:
    ptr, x, pos = (columns[key] for key in OBJECTS)
    if len(ptr) != num_scenes + 1:
        raise ValueError(
            f"{name}: 'scenes/ptr' has {len(ptr)} entries, expected "
            f"{num_scenes + 1} for the {num_scenes} scenes of "
            f"'scenes/image_index'"
        )
    if ptr[0] != 0 or ptr[-1] != len(x) or (np.diff(ptr) < 0).any():
        raise ValueError(
            f"{name}: 'scenes/ptr' must rise from 0 to the {len(x)} rows of "
            f"'scenes/x'; it goes from {ptr[0]} to {ptr[-1]}"
        )
    if pos.shape != (len(x), 3):
        raise ValueError(
            f"{name}: 'scenes/pos' has shape {pos.shape}, expected "
            f"({len(x)}, 3) as 'scenes/x' has {len(x)} rows"
        )
    for key in ("scenes/x", "scenes/pos"):
        for block in _blocks(columns[key]):
            if not np.isfinite(block).all():
                raise ValueError(f"{name}: '{key}' holds NaN or infinity")
    if not vocabularies.attributes:
        return
    if x.shape[1] != len(vocabularies.attributes) or x.dtype.kind == "f":
        raise ValueError(
            f"{name}: 'scenes/x' has {x.shape[1]} columns of type {x.dtype}, "
            f"expected one of integers for each of the attributes "
            f"{[n for n, _ in vocabularies.attributes]}"
        )
    for column, (attribute, values) in enumerate(vocabularies.attributes):
        _check_range(
            x[:, column],
            f"scenes/x[:, {column}] ({attribute})",
            0,
            len(values),
            name,
        )


def _check_questions(
    columns: Mapping[str, np.ndarray],
    vocabularies: Vocabularies,
    num_scenes: int,
    name: str,
) -> None:
    tokens = columns["questions/tokens"]
    for key in COMMON[2:]:
        if len(columns[key]) != len(tokens):
            raise ValueError(
                f"{name}: '{key}' has {len(columns[key])} entries, "
                f"'questions/tokens' {len(tokens)} rows"
            )
    upper = {
        "questions/scene": (0, num_scenes),
        "questions/length": (1, tokens.shape[1] + 1),
        "questions/answer": (-1, len(vocabularies.answers)),
        "questions/family": (-1, None),
        "questions/type": (-1, len(vocabularies.question_types)),
        "questions/tokens": (0, len(vocabularies.tokens)),
    }
    for key, (low, high) in upper.items():
        _check_range(columns[key], key, low, high, name)


def _check_range(
    array: np.ndarray, key: str, low: int, high: int | None, name: str
) -> None:
    for block in _blocks(array):
        least, most = int(block.min()), int(block.max())
        if least < low or (high is not None and most >= high):
            found = least if least < low else most
            bound = f"at least {low}" if high is None else f"{low}–{high - 1}"
            raise ValueError(f"{name}: '{key}' holds {found}, expected {bound}")


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    """Views of up to 65,536 rows each; none of an empty array."""
    if array.size == 0:
        return []
    return [array[i : i + _BLOCK] for i in range(0, len(array), _BLOCK)]
