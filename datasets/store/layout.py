"""The file itself: HDF5, of which only the metadata is left to HDF5.

All datasets are contiguous, so that a place in the file is all it takes to
read or write one. HDF5 ends in a segmentation fault where the disk is full,
and follows links to wherever they point; plain reads and writes do neither.
"""

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

FORMAT = "rn_graph feature store"
VERSION = 2
#: Types that a column may have: little-endian, and all known to torch.
_TYPES = ("|u1", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4")
#: The file format of HDF5 1.10, whose metadata have check sums.
_FORM = ("v110", "v110")


class _Sketch(io.BytesIO):
    """A file of which only what is written takes memory, not what is between.

    Attributes:
        pieces: Place and bytes of each write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self.pieces.append((self.tell(), piece))
        self.seek(len(piece), os.SEEK_CUR)
        return len(piece)

    def readinto(self, buffer: Any) -> int:
        view, start = memoryview(buffer).cast("B"), self.tell()
        view[:] = bytes(len(view))
        for offset, piece in self.pieces:
            low = max(offset, start)
            high = min(offset + len(piece), start + len(view))
            if low < high:
                part = piece[low - offset : high - offset]
                view[low - start : high - start] = part
        return self.seek(len(view), os.SEEK_CUR) and len(view)

    def truncate(self, size: int | None = None) -> int:
        return size or 0


def write_file(
    path: Path,
    attributes: Mapping[str, str | int],
    columns: Mapping[str, np.ndarray],
) -> None:
    """Write a store's file.

    Args:
        path: The file to make.
        attributes: Its attributes.
        columns: Dataset name → array.

    Raises:
        OSError: If it cannot be written.
    """
    sketch = _Sketch()
    plain = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plain.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plain.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plain.set_obj_track_times(False)
    offsets = {}
    with h5py.File(
        sketch, "w", libver=_FORM, alignment_threshold=1, alignment_interval=64
    ) as file:
        for key, value in attributes.items():
            # Of fixed length, as those are among what has a check sum.
            file.attrs[key] = (
                np.bytes_(value.encode() or b"\0")
                if isinstance(value, str)
                else value
            )
        for key, column in columns.items():
            group, name = key.split("/")
            data = h5py.h5d.create(
                file.require_group(group).id,
                name.encode(),
                h5py.h5t.py_create(column.dtype),
                h5py.h5s.create_simple(column.shape),
                plain,
            )
            offsets[key] = data.get_offset()
        file.flush()
        size = file.id.get_filesize()
    with open(path, "wb") as out:
        for offset, piece in sketch.pieces:
            out.seek(offset)
            out.write(piece)
        for key, column in columns.items():
            if column.size:
                out.seek(offsets[key])
                out.write(column.data)
        out.truncate(size)
        out.flush()
        os.fsync(out.fileno())


def read_column(
    file: h5py.File, key: str, raw: BinaryIO, mapped: bool
) -> np.ndarray | None:
    """Read a dataset, if it is there and a plain one of this file.

    Args:
        file: A store.
        key: Group and name.
        raw: The same file.
        mapped: Map it instead.

    Raises:
        ValueError: If it is anything else, such as a link to another file.
    """
    place = file
    for part in key.split("/"):
        if not isinstance(place, h5py.Group):
            raise ValueError("lies in a dataset, expected a group")
        links, name = place.id.links, part.encode()
        if not links.exists(name):
            return None
        if links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise ValueError("is a link, expected a dataset of the file itself")
        place = place[part]
    if not isinstance(place, h5py.Dataset):
        raise ValueError("is a group, expected a dataset")
    shape, dtype = place.shape, place.dtype
    if shape is None or dtype.str not in _TYPES:
        raise ValueError(
            f"has shape {shape} and type {dtype.str}, expected numbers of a "
            f"type among {', '.join(_TYPES)}"
        )
    if 0 in shape:
        return np.empty(shape, dtype)
    # None of one that is chunked, virtual, in another file, or never written.
    offset = place.id.get_offset()
    if offset is None:
        raise ValueError(
            f"of shape {shape} and type {dtype.str} lies in no one place of "
            f"the file, expected a contiguous dataset, as StoreWriter writes it"
        )
    if mapped:
        # Copy-on-write, since torch takes no read-only array.
        return np.memmap(raw, dtype, "c", offset, shape)
    raw.seek(offset)
    return np.fromfile(raw, dtype, math.prod(shape)).reshape(shape)
