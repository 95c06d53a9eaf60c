"""Write a store: appended to in pieces, published whole or not at all."""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import ArrayLike

from datasets.store.schema import FORMAT, VERSION, Vocabularies, check_columns
from datasets.store.spool import Spool

_ROWS = 1 << 16


class StoreWriter:
    """Writer of one store file, for use in a ``with`` statement.

    What is added goes to nameless temporary files beside ``path``, so memory
    stays bounded. At the end of the ``with`` block all is checked, written to
    ``.{name}.{pid}.part`` and renamed to ``path``; after an exception nothing
    is left. What a killed run left is removed by the next one.

    Args:
        path: The file to make. An existing one is replaced at the end.
        vocabularies: What the integers mean.
        split: Name of the split: ``"train"``, ``"val"``, ``"test"``, …
        source: Where the data comes from, in words.
        info: Further facts that JSON can hold (release, settings, seed).

    Raises:
        FileNotFoundError: If the folder of ``path`` does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        vocabularies: Vocabularies,
        *,
        split: str,
        source: str,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"`path` is {self.path}, but there is no folder "
                f"{self.path.parent}"
            )
        self.vocabularies = vocabularies
        self.attributes = {
            "format": FORMAT,
            "version": VERSION,
            "split": split,
            "source": source,
            "info": json.dumps(info or {}),
            "vocabularies": json.dumps(vocabularies.to_json()),
        }
        self._coded = bool(vocabularies.attributes)
        largest = max(len(vocabularies.tokens) - 1, 0)
        self._token_type = np.min_scalar_type(largest).str
        self._spools: dict[str, Spool] = {}
        self.num_scenes = 0
        self.num_questions = 0
        _remove_leftovers(self.path)

    def add_scenes(
        self,
        num_objects: ArrayLike,
        x: ArrayLike,
        pos: ArrayLike,
        image_index: ArrayLike,
    ) -> None:
        """Append scenes of objects.

        Args:
            num_objects: Objects of each scene [S].
            x: Attribute indices or features of the objects of all [ΣN, F].
            pos: Their places [ΣN, 3].
            image_index: The scenes' numbers in their source [S].

        Raises:
            ValueError: If the lengths do not fit.
        """
        counts, x = np.asarray(num_objects, np.int64), np.asarray(x)
        if not len(x) == len(np.asarray(pos)) == counts.sum():
            raise ValueError(
                f"`num_objects` sums to {counts.sum()}, but `x` has {len(x)} "
                f"rows and `pos` {len(np.asarray(pos))}"
            )
        self._append(
            {
                "scenes/x": (x, "u1" if self._coded else "f4"),
                "scenes/pos": (pos, "f4"),
                "scenes/count": (counts, "i8"),
                "scenes/image_index": _images(image_index, len(counts)),
            }
        )
        self.num_scenes += len(counts)

    def add_maps(self, maps: ArrayLike, image_index: ArrayLike) -> None:
        """Append scenes given as feature maps [S, C, H, W]; type is kept."""
        maps = np.asarray(maps)
        self._append(
            {
                "scenes/map": (maps, maps.dtype.str),
                "scenes/image_index": _images(image_index, len(maps)),
            }
        )
        self.num_scenes += len(maps)

    def add_questions(
        self,
        tokens: ArrayLike,
        length: ArrayLike,
        scene: ArrayLike,
        answer: ArrayLike,
        family: ArrayLike,
        question_type: ArrayLike,
    ) -> None:
        """Append questions.

        Args:
            tokens: The words of all questions, one after the other [ΣT].
            length: Words of each question [Q].
            scene: Row of the scene that each is about [Q].
            answer: Index of its answer [Q]; −1 where unknown.
            family: Its family [Q]; −1 where unknown.
            question_type: Index of its type [Q]; −1 where unknown.

        Raises:
            ValueError: If the lengths do not fit.
        """
        columns: dict[str, tuple[ArrayLike, str]] = {
            "questions/length": (length, "i2"),
            "questions/scene": (scene, "i4"),
            "questions/answer": (answer, "i2"),
            "questions/family": (family, "i2"),
            "questions/type": (question_type, "i2"),
        }
        sizes = {k: len(np.asarray(v)) for k, (v, _) in columns.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"questions of different numbers: {sizes}")
        if len(np.asarray(tokens)) != np.sum(np.asarray(length, np.int64)):
            raise ValueError(
                f"`tokens` has {len(np.asarray(tokens))} entries, `length` "
                f"sums to {np.sum(np.asarray(length, np.int64))}"
            )
        columns["questions/words"] = (tokens, self._token_type)
        self._append(columns)
        self.num_questions += sizes["questions/length"]

    def _append(self, columns: Mapping[str, tuple[ArrayLike, str]]) -> None:
        """Append to several columns, after a check of all."""
        for key, (values, dtype) in columns.items():
            if key not in self._spools:
                self._spools[key] = Spool(
                    self.path.parent, np.dtype(dtype), np.shape(values)[1:]
                )
        arrays = {
            key: self._spools[key].cast(values, key.partition("/")[2])
            for key, (values, _) in columns.items()
        }
        for key, array in arrays.items():
            try:
                self._spools[key].append(array)
            except OSError as failure:
                raise self._unwritten(failure) from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._publish()
        except OSError as failure:
            raise self._unwritten(failure) from failure
        finally:
            for spool in self._spools.values():
                with contextlib.suppress(OSError):
                    spool.file.close()

    def _unwritten(self, error: OSError) -> OSError:
        """The same error, with the store's name."""
        if not error.errno:
            return OSError(f"{self.path} could not be written: {error}")
        return OSError(
            error.errno,
            f"the store could not be written: {os.strerror(error.errno)}",
            str(self.path),
        )

    def _publish(self) -> None:
        if not self.num_questions:
            self.add_questions([], [], [], [], [], [])
        columns = {key: spool.read() for key, spool in self._spools.items()}
        words = columns.pop("questions/words")
        if "scenes/count" in columns:
            counts = columns.pop("scenes/count")
            columns["scenes/ptr"] = np.concatenate(([0], counts.cumsum()))
        part = _part_name(self.path, os.getpid())
        try:
            with h5py.File(part, "w") as file:
                file.attrs.update(self.attributes)
                for key, column in columns.items():
                    file.create_dataset(key, data=column)
                tokens = _write_tokens(file, words, columns)
                check_columns(
                    columns | {"questions/tokens": tokens},
                    self.vocabularies,
                    str(self.path),
                )
            with open(part, "rb+") as done:
                os.fsync(done.fileno())
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)


def _write_tokens(
    file: h5py.File, words: np.ndarray, columns: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Lay the words out as padded rows [Q, T], a block of rows at a time."""
    length = columns["questions/length"].astype(np.int64)
    shape = (len(length), int(length.max(initial=1)))
    data = file.create_dataset("questions/tokens", shape, words.dtype)
    ends = length.cumsum()
    whole = np.zeros(shape, words.dtype)
    for start in range(0, len(length), _ROWS):
        rows = slice(start, start + _ROWS)
        block = whole[rows]
        low, high = ends[rows][0] - length[rows][0], ends[rows][-1]
        block[np.arange(shape[1]) < length[rows, None]] = words[low:high]
        data[rows] = block
    return whole


def _images(image_index: ArrayLike, num: int) -> tuple[ArrayLike, str]:
    if len(np.asarray(image_index)) != num:
        raise ValueError(
            f"`image_index` has {len(np.asarray(image_index))} entries, "
            f"expected one for each of the {num} scenes"
        )
    return image_index, "i8"


def _part_name(path: Path, pid: int) -> Path:
    return path.with_name(f".{path.name}.{pid}.part")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of writers of ``path`` that are no more."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.part")
    for entry in path.parent.iterdir():
        match = pattern.fullmatch(entry.name)
        if match and not _alive(int(match[1])):
            entry.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
