"""Write a store: appended to in pieces, published whole or not at all."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from datasets.store.columns import COLUMNS, check_columns, stored_type
from datasets.store.layout import FORMAT, VERSION, write_file
from datasets.store.schema import Schema
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
        schema: What it holds; it decides what is to be added.
        split: Name of the split: ``"train"``, ``"val"``, ``"test"``, …
        source: Where the data comes from, in words.
        info: Further facts that JSON can hold (release, settings, seed).

    Raises:
        FileNotFoundError: If the folder of ``path`` does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Schema,
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
        self.schema = schema
        self.attributes: dict[str, str | int] = {
            "format": FORMAT,
            "version": VERSION,
            "split": split,
            "source": source,
            "info": json.dumps(info or {}),
            "schema": json.dumps(schema.to_json()),
        }
        self._spools: dict[str, Spool] = {}
        _remove_leftovers(self.path)

    @property
    def num_scenes(self) -> int:
        """Scenes added so far."""
        return self._rows("scenes/index")

    @property
    def num_questions(self) -> int:
        """Questions added so far."""
        return self._rows("questions/scene")

    def _rows(self, key: str) -> int:
        return self._spools[key].rows if key in self._spools else 0

    def add_scenes(
        self,
        index: ArrayLike,
        *,
        num_objects: ArrayLike | None = None,
        x: ArrayLike | None = None,
        pos: ArrayLike | None = None,
        image: ArrayLike | None = None,
        map: ArrayLike | None = None,
        num_words: ArrayLike | None = None,
        words: ArrayLike | None = None,
        num_edges: ArrayLike | None = None,
        edge_index: ArrayLike | None = None,
        edge_attr: ArrayLike | None = None,
    ) -> None:
        """Append scenes. What is needed follows from the schema.

        Args:
            index: The scenes' numbers in their source [S].
            num_objects: Objects, or sentences, of each scene [S].
            x: Attribute indices or features of the objects of all [ΣN, F].
            pos: Their places [ΣN, D]. Optional.
            image: RGB images [S, H, W, 3], bytes.
            map: Feature maps [S, C, H, W]; half precision is kept.
            num_words: Words of each sentence [ΣN].
            words: The words of all, one sentence after the other [ΣW].
            num_edges: Edges of each scene [S].
            edge_index: Sender and receiver of each edge [ΣE, 2], counted
                within the scene.
            edge_attr: Features of the edges [ΣE, D]. Optional.

        Raises:
            ValueError: If something is missing or too much, the lengths do
                not fit, or values do not fit their type.
        """
        self._add("scenes", locals())

    def add_questions(
        self,
        scene: ArrayLike,
        answer: ArrayLike,
        question_type: ArrayLike,
        family: ArrayLike,
        *,
        tokens: ArrayLike | None = None,
        length: ArrayLike | None = None,
        vector: ArrayLike | None = None,
        num_support: ArrayLike | None = None,
        support: ArrayLike | None = None,
    ) -> None:
        """Append questions. What is needed follows from the schema.

        Args:
            scene: Row of the scene that each is about [Q].
            answer: Index of its answer [Q]; −1 where unknown.
            question_type: Index of its type [Q]; −1 where unknown.
            family: Its family [Q]; −1 where unknown.
            tokens: The words of all questions, one after the other [ΣT].
            length: Words of each question [Q].
            vector: The questions as vectors [Q, V]; bytes are kept.
            num_support: Nodes that decide the answer of each question [Q].
            support: Their numbers within the scene [ΣK].

        Raises:
            ValueError: As for :meth:`add_scenes`.
        """
        self._add("questions", locals())

    def _add(self, group: str, given: Mapping[str, Any]) -> None:
        """Append to the columns of a group, after a check of all."""
        sizes: dict[str, int] = {}
        arrays: dict[str, tuple[Spool, np.ndarray]] = {}
        began = bool(self.num_scenes)  # no optional column joins later
        for key, column in COLUMNS.items():
            name = column.argument
            if not key.startswith(group):
                continue
            wanted = column.part in self.schema.parts
            if column.optional and began:
                wanted = key in self._spools
            if given.get(name) is None:
                if wanted and (began or not column.optional):
                    raise ValueError(
                        f"`{name}` is missing: the store of "
                        f"{self.schema.task!r} has {column.part}"
                    )
                continue
            if not wanted:
                raise ValueError(
                    f"`{name}` is given, but the store of "
                    f"{self.schema.task!r} has no {column.part}, or none of "
                    f"the scenes before had it"
                )
            values = np.asarray(given[name])
            spool = self._spools.get(key) or Spool(
                self.path.parent,
                stored_type(key, self.schema, values.dtype),
                values.shape[1:],
            )
            array = spool.cast(values, name)
            # The words come flat; the file has them in rows.
            unit = "tokens" if name == "tokens" else column.unit
            rows = sizes.setdefault(unit, len(array))
            if len(array) != rows:
                raise ValueError(
                    f"`{name}` has {len(array)} rows, expected one for each "
                    f"of the {rows} {unit}"
                )
            if column.splits or name == "length":
                if array.size and array.min() < 0:
                    raise ValueError(
                        f"`{name}` holds {array.min()}, expected 0 or more"
                    )
                sizes[column.splits or "tokens"] = int(array.sum())
            arrays[key] = spool, array
        for key, (spool, array) in arrays.items():
            self._spools[key] = spool
            try:
                spool.append(array)
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
        self._finish()
        columns = {key: s.read() for key, s in sorted(self._spools.items())}
        check_columns(columns, self.schema, str(self.path))
        content = hashlib.sha256()
        for key, column in columns.items():
            form = f"{key} {column.dtype.str} {column.shape}\n"
            content.update(form.encode() + self._spools[key].digest.digest())
        attributes = self.attributes | {"content": content.hexdigest()}
        part = _part_name(self.path, os.getpid())
        try:
            write_file(part, attributes, columns)
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)

    def _finish(self) -> None:
        """Turn counts into pointers, and words into padded rows."""
        if "questions/scene" not in self._spools:
            questions = {
                column.argument: np.empty(
                    (0, 0)[: 1 + (key == "questions/vector")]
                )
                for key, column in COLUMNS.items()
                if column.part in self.schema.parts
            }
            self._add("questions", questions)
        for key, column in COLUMNS.items():
            if column.splits and key in self._spools:
                counts = self._spools[key].read()
                self._replace(key, [np.concatenate(([0], counts.cumsum()))])
        if "questions/tokens" in self._spools:
            words = self._spools["questions/tokens"].read()
            length = self._spools["questions/length"].read()
            self._replace("questions/tokens", _padded(words, length))

    def _replace(self, key: str, blocks: Iterable[np.ndarray]) -> None:
        """Write a column anew."""
        old = self._spools[key]
        for block in blocks:
            if self._spools[key] is old:
                self._spools[key] = Spool(
                    self.path.parent, block.dtype.str, block.shape[1:]
                )
            self._spools[key].append(block)
        old.file.close()


def _padded(words: np.ndarray, length: np.ndarray) -> Iterator[np.ndarray]:
    """The words as rows [Q, T], padded with 0, a block of rows at a time."""
    ends = length.cumsum(dtype=np.int64)
    width = np.arange(length.max(initial=1))
    for start in range(0, max(len(length), 1), _ROWS):
        rows = slice(start, start + _ROWS)
        block = np.zeros((len(length[rows]), len(width)), words.dtype)
        low = ends[start - 1] if start else 0
        inside = width < length[rows, None]
        block[inside] = words[low : low + inside.sum()]
        yield block


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
