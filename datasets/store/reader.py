"""Open a store: read-only, checked, and with no handle kept on the file."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.store.columns import COLUMNS, check_columns
from datasets.store.layout import FORMAT, VERSION, read_column
from datasets.store.schema import Schema


@dataclass(frozen=True)
class Store:
    """An open store.

    Args:
        path: Its file.
        split: Name of the split.
        source: Where the data comes from, in words.
        info: Further facts: release, generator settings, seed.
        schema: What it holds, and what the integers mean.
        content: SHA-256 of all columns: the same data give the same.
        columns: Dataset name → array, as listed in :mod:`datasets.store`.
    """

    path: Path
    split: str
    source: str
    info: Mapping[str, Any]
    schema: Schema
    content: str
    columns: Mapping[str, np.ndarray]

    @property
    def num_scenes(self) -> int:
        """Number of scenes."""
        return len(self.columns["scenes/index"])

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return len(self.columns["questions/scene"])


def open_store(path: str | os.PathLike[str], mapped: bool = False) -> Store:
    """Open a store and check it.

    The file is closed again before this returns: its arrays are in memory or
    mapped, so a store is safe for any number of processes and threads.

    Args:
        path: An HDF5 file that :class:`~datasets.store.StoreWriter` wrote.
        mapped: Map the arrays of two dimensions and more instead of reading
            them. Images and maps are then not looked at: a NaN in a map is
            refused only where it is read into memory.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, foreign, of another version, or
            its datasets contradict each other; the message says which.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no store at {path}")
    columns, key = {}, ""
    with open(path, "rb") as raw:
        try:
            # Of the open file, which another may replace meanwhile.
            with h5py.File(raw, "r") as file:
                attributes = _read_attributes(file)
                for key, column in COLUMNS.items():
                    if column.part in attributes["schema"].parts:
                        large = column.dims > 1
                        array = read_column(file, key, raw, mapped and large)
                        if array is not None:
                            columns[key] = array
        except Exception as error:  # HDF5 reports damage by all kinds
            raise ValueError(f"{path}{_damage(path, key, error)}") from error
    check_columns(columns, attributes["schema"], str(path), not mapped)
    return Store(path=path, columns=columns, **attributes)


def read_schema(path: str | os.PathLike[str]) -> Schema:
    """Read what a store says that it holds, without its columns.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is foreign, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no store at {path}")
    try:
        with h5py.File(path, "r") as file:
            schema: Schema = _read_attributes(file)["schema"]
            return schema
    except Exception as error:  # HDF5 reports damage by all kinds
        raise ValueError(f"{path}{_damage(path, '', error)}") from error


def _damage(path: Path, key: str, error: Exception) -> str:
    """Say in words what is wrong with a file."""
    if key:
        known = isinstance(error, ValueError)
        return f": '{key}' {error if known else f'cannot be read ({error!r})'}"
    if isinstance(error, _StrangeError):
        return f" {error}"
    if "truncated" in str(error):
        return f" is truncated: it has {path.stat().st_size:,} bytes ({error})"
    if isinstance(error, OSError) and not h5py.is_hdf5(path):
        return f" is not an HDF5 file, or its beginning is damaged ({error})"
    return f" is damaged or truncated ({error!r})"


class _StrangeError(ValueError):
    """The attributes are not those of a store."""


def _read_attributes(file: h5py.File) -> dict[str, Any]:
    kind, version = _attribute(file, "format"), file.attrs.get("version")
    if kind != FORMAT:
        raise _StrangeError(
            f"is an HDF5 file, but not one of this project: attribute "
            f"'format' is {kind!r}, expected {FORMAT!r}"
        )
    if version != VERSION:
        raise _StrangeError(
            f"is of format version {version}, this program reads version "
            f"{VERSION}: make it again from its source"
        )
    found = {}
    for name in ("split", "source", "content", "info", "schema"):
        found[name] = _attribute(file, name)
        if not isinstance(found[name], str):
            raise _StrangeError(
                f"has {found[name]!r:.200} as attribute '{name}', expected a "
                f"text"
            )
    try:
        info = json.loads(found["info"])
        schema = Schema.from_json(json.loads(found["schema"]))
        if not isinstance(info, dict):
            raise TypeError(f"'info' is {info!r:.200}, expected an object")
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise _StrangeError(
            f"is damaged: attribute 'schema' or 'info' cannot be read ({error})"
        ) from error
    return found | {"info": info, "schema": schema}


def _attribute(file: h5py.File, name: str) -> Any:
    value = file.attrs.get(name)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value
