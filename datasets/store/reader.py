"""Open a store: read-only, checked, and with no handle kept on the file."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets.store.schema import (
    COMMON,
    FORMAT,
    MAPS,
    OBJECTS,
    VERSION,
    Vocabularies,
    check_columns,
)


@dataclass(frozen=True)
class Store:
    """An open store.

    Args:
        path: Its file.
        split: Name of the split.
        source: Where the data comes from, in words.
        info: Further facts: release, generator settings, seed.
        vocabularies: What the integers mean.
        columns: Dataset name → array, as listed in :mod:`datasets.store`.
    """

    path: Path
    split: str
    source: str
    info: Mapping[str, Any]
    vocabularies: Vocabularies
    columns: Mapping[str, np.ndarray]

    @property
    def num_scenes(self) -> int:
        """Number of scenes."""
        return len(self.columns["scenes/image_index"])

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return len(self.columns["questions/scene"])

    @property
    def has_maps(self) -> bool:
        """Whether scenes are feature maps instead of objects."""
        return "scenes/map" in self.columns


def open_store(path: str | os.PathLike[str], mapped: bool = False) -> Store:
    """Open a store and check it.

    The file is closed again before this returns: its arrays are in memory or
    mapped, so a store is safe for any number of processes and threads.

    Args:
        path: An HDF5 file that :class:`~datasets.store.StoreWriter` wrote.
        mapped: Map the large arrays from the file instead of reading them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, foreign, of another version, or
            its datasets contradict each other; the message says which.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no store at {path}")
    try:
        with h5py.File(path, "r") as file:
            attributes = _read_attributes(file, path)
            columns = _read_columns(file, path, mapped)
    except OSError as error:
        raise ValueError(f"{path} {_damage(path, error)}") from error
    store = Store(path=path, columns=columns, **attributes)
    check_columns(store.columns, store.vocabularies, str(path))
    return store


def _damage(path: Path, error: OSError) -> str:
    if "truncated" in str(error):
        return f"is truncated: it has {path.stat().st_size:,} bytes ({error})"
    if not h5py.is_hdf5(path):
        return f"is not an HDF5 file, or its beginning is damaged ({error})"
    return f"is damaged or truncated ({error})"


def _read_attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    attrs = dict(file.attrs)
    if attrs.get("format") != FORMAT:
        raise ValueError(
            f"{path} is an HDF5 file, but not one of this project: attribute "
            f"'format' is {attrs.get('format')!r}, expected {FORMAT!r}"
        )
    if attrs.get("version") != VERSION:
        raise ValueError(
            f"{path} is of format version {attrs.get('version')}, this "
            f"program reads version {VERSION}: import the data again"
        )
    missing = {"split", "source", "info", "vocabularies"} - set(attrs)
    if missing:
        raise ValueError(f"{path}: attributes {sorted(missing)} are missing")
    try:
        vocabularies = json.loads(attrs["vocabularies"])
        return {
            "split": str(attrs["split"]),
            "source": str(attrs["source"]),
            "info": json.loads(attrs["info"]),
            "vocabularies": Vocabularies.from_json(vocabularies),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: attribute 'vocabularies' or 'info' is damaged ({error})"
        ) from error


def _read_columns(
    file: h5py.File, path: Path, mapped: bool
) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for key in (*OBJECTS, *MAPS, *COMMON):
        data = file.get(key)
        if data is None:
            continue
        if not isinstance(data, h5py.Dataset):
            raise ValueError(f"{path}: '{key}' is a group, not a dataset")
        offset = data.id.get_offset()  # None if empty or chunked
        if mapped and data.ndim > 1 and offset is not None:
            # Copy-on-write, since torch takes no read-only array.
            columns[key] = np.memmap(path, data.dtype, "c", offset, data.shape)
        else:
            columns[key] = data[()]
    return columns
