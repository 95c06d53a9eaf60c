"""The datasets of a store, and the checks that writer and reader share."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from datasets.store.schema import Schema

#: Bytes checked at a time, so that a mapped file is never wholly in memory.
_BLOCK = 1 << 24


class Column(NamedTuple):
    """A dataset of a store.

    Args:
        part: The part of a :class:`~datasets.store.Schema` that it belongs to.
        argument: What the writer calls it; in place of pointers it takes the
            counts that they sum up.
        unit: What each row is about.
        dims: Its dimensions.
        kinds: ``"i"`` for integers, ``"f"`` for floats, or both.
        splits: The unit whose rows these pointers share out.
        optional: Whether a store can do without.
    """

    part: str
    argument: str
    unit: str
    dims: int = 1
    kinds: str = "i"
    splits: str = ""
    optional: bool = False


#: Name → column. Pointers come before what they share out.
COLUMNS = {
    "scenes/index": Column("all", "index", "scenes"),
    "scenes/ptr": Column("nodes", "num_objects", "scenes", splits="objects"),
    "scenes/x": Column("states", "x", "objects", 2, "if"),
    "scenes/pos": Column("states", "pos", "objects", 2, "f", optional=True),
    "scenes/image": Column("images", "image", "scenes", 4),
    "scenes/map": Column("maps", "map", "scenes", 4, "f"),
    "scenes/word_ptr": Column(
        "sentences", "num_words", "objects", splits="words"
    ),
    "scenes/words": Column("sentences", "words", "words"),
    "scenes/edge_ptr": Column("edges", "num_edges", "scenes", splits="edges"),
    "scenes/edge_index": Column("edges", "edge_index", "edges", 2),
    "scenes/edge_attr": Column(
        "edges", "edge_attr", "edges", 2, "f", optional=True
    ),
    "questions/scene": Column("all", "scene", "questions"),
    "questions/answer": Column("all", "answer", "questions"),
    "questions/family": Column("all", "family", "questions"),
    "questions/type": Column("all", "question_type", "questions"),
    "questions/length": Column("words", "length", "questions"),
    "questions/tokens": Column("words", "tokens", "questions", 2),
    "questions/vector": Column("vector", "vector", "questions", 2, "if"),
    "questions/support_ptr": Column(
        "support", "num_support", "questions", splits="support"
    ),
    "questions/support": Column("support", "support", "support"),
}


def stored_type(key: str, schema: Schema, given: np.dtype) -> str:
    """The type in which a column is written.

    Args:
        key: Its name.
        schema: What the store holds.
        given: The type of what is written.
    """
    column, names = COLUMNS[key], 0
    if key in ("scenes/words", "questions/tokens"):
        names = len(schema.tokens)
    elif key == "scenes/x":
        names = max((len(v) for _, v in schema.attributes), default=0)
    if names:
        return "u1" if names <= 256 else "i4"
    if key == "scenes/image":
        return "u1"
    if key == "questions/vector" and given.kind in "bui":
        return "u1"
    if "f" in column.kinds:
        return "f2" if key == "scenes/map" and given == np.float16 else "f4"
    return "i8" if column.splits or key == "scenes/index" else "i4"


def check_columns(
    columns: Mapping[str, np.ndarray],
    schema: Schema,
    name: str,
    scan_maps: bool = True,
) -> None:
    """Check that the columns of a store fit together.

    Args:
        columns: Dataset name → array.
        schema: What they should hold.
        name: The file, for the message.
        scan_maps: Look for NaN in ``scenes/map`` too.

    Raises:
        ValueError: With a sentence naming file, dataset and what is wrong.
    """
    sizes: dict[str, int] = {}
    for key, column in COLUMNS.items():
        if column.part not in schema.parts:
            continue
        if key in columns:
            _check_array(key, column, columns[key], sizes, name)
        elif not column.optional:
            raise ValueError(
                f"{name}: dataset '{key}' is missing, expected it as the "
                f"schema has {column.part}"
            )
    _check_rows(columns, schema, name)
    for key, low, high, values in _ranges(columns, schema, sizes):
        for block in _blocks(values):
            least, most = int(block.min()), int(block.max())
            if least < low or (high is not None and most >= high):
                bound = f"–{high - 1}" if high is not None else " or more"
                raise ValueError(
                    f"{name}: '{key}' holds {least if least < low else most}, "
                    f"expected {low}{bound}"
                )
    for key, limit in _node_limits(columns):
        if not len(limit):  # nothing can be out of no range
            continue
        if (columns[key].reshape(len(limit), -1) >= limit[:, None]).any():
            raise ValueError(
                f"{name}: '{key}' names a node that its scene does not have, "
                f"expected numbers within the scene"
            )
    for key, values in columns.items():
        if values.dtype.kind == "f" and (scan_maps or key != "scenes/map"):
            for block in _blocks(values):
                if not np.isfinite(block).all():
                    raise ValueError(f"{name}: '{key}' holds NaN or infinity")


def _check_array(
    key: str,
    column: Column,
    array: np.ndarray,
    sizes: dict[str, int],
    name: str,
) -> None:
    """Check shape and type; note how many rows are about each unit."""
    if array.ndim != column.dims:
        raise ValueError(
            f"{name}: '{key}' has shape {array.shape}, expected "
            f"{column.dims} dimension{'s' if column.dims > 1 else ''}"
        )
    if array.dtype.kind.replace("u", "i") not in column.kinds:
        raise ValueError(
            f"{name}: '{key}' is of type {array.dtype}, expected "
            f"{'numbers' if 'f' in column.kinds else 'integers'}"
        )
    # The first column about a unit counts it.
    rows = sizes.setdefault(column.unit, len(array))
    if len(array) != rows + bool(column.splits):
        raise ValueError(
            f"{name}: '{key}' has {len(array)} rows, expected "
            f"{rows + bool(column.splits)} for {rows} {column.unit}"
        )
    if column.splits:
        if array[0] != 0 or (array[1:] < array[:-1]).any():
            raise ValueError(
                f"{name}: '{key}' must rise from 0 to the number of "
                f"{column.splits}; it begins with {array[0]} or falls"
            )
        sizes[column.splits] = int(array[-1])


def _check_rows(
    columns: Mapping[str, np.ndarray], schema: Schema, name: str
) -> None:
    """Check width and type of the rows that are of one form alone."""
    names = [attribute for attribute, _ in schema.attributes]
    wanted: dict[str, tuple[int | None, str, str]] = {
        "scenes/image": (3, "u", "3 bytes"),
        "scenes/edge_index": (2, "ui", "sender and receiver"),
        "scenes/x": (None, "f", "floats, as the schema has no attributes,"),
    }
    if names:
        form = f"an index for each of the attributes {names}"
        wanted["scenes/x"] = (len(names), "ui", form)
    for key in wanted.keys() & columns.keys():
        array, (width, types, form) = columns[key], wanted[key]
        fits = width in (None, array.shape[-1])
        if not fits or array.dtype.kind not in types:
            raise ValueError(
                f"{name}: '{key}' has shape {array.shape} and type "
                f"{array.dtype}, expected {form} a row"
            )


def _ranges(
    columns: Mapping[str, np.ndarray],
    schema: Schema,
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, int, int | None, np.ndarray]]:
    """Name, least value, bound and values of what has a range."""
    longest = columns.get("questions/tokens", np.empty((0, 0))).shape[1]
    words = len(schema.tokens)
    ranges: dict[str, tuple[int, int | None]] = {
        "scenes/words": (0, words),
        "scenes/edge_index": (0, None),
        "questions/scene": (0, sizes["scenes"]),
        "questions/answer": (-1, len(schema.answers)),
        "questions/family": (-1, len(schema.families) or None),
        "questions/type": (-1, len(schema.question_types)),
        "questions/tokens": (0, words),
        "questions/length": (1, longest + 1),
        "questions/support": (0, None),
    }
    for key, (low, high) in ranges.items():
        if key in columns:
            yield key, low, high, columns[key]
    if "scenes/word_ptr" in columns:
        num_words = np.diff(columns["scenes/word_ptr"])
        yield "scenes/word_ptr (words of a sentence)", 1, None, num_words
    for column, (name, values) in enumerate(schema.attributes):
        codes = columns["scenes/x"][:, column]
        yield f"scenes/x[:, {column}] ({name})", 0, len(values), codes


def _node_limits(
    columns: Mapping[str, np.ndarray],
) -> Iterator[tuple[str, np.ndarray]]:
    """Columns that name nodes, and the nodes that there are for each row."""
    for key, pointers in (
        ("scenes/edge_index", "scenes/edge_ptr"),
        ("questions/support", "questions/support_ptr"),
    ):
        if key in columns:
            nodes = np.diff(columns["scenes/ptr"])
            if key == "questions/support":
                nodes = nodes[columns["questions/scene"]]
            yield key, np.repeat(nodes, np.diff(columns[pointers]))


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of some rows each; none of an empty array."""
    if array.size:
        rows = max(1, _BLOCK // array[0].nbytes)
        for start in range(0, len(array), rows):
            yield array[start : start + rows]
