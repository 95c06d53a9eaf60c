"""Questions about scenes as PyG batches, assembled by array arithmetic."""

import copy
import os
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Batch

from datasets.store import Schema, Store, open_store
from datasets.store.columns import COLUMNS
from datasets.store.schema import NODES, OBJECTS

#: ``mode="auto"`` maps the arrays of a larger file instead of reading them.
MEMORY_LIMIT = 2 * 1024**3
_PER_QUESTION = {"y": "answer", "question_type": "type", "family": "family"}
#: Fields of a batch that are worked out on the host.
_FIELDS = {
    "question_batch", "length", "batch", "ptr", "num_words", "support",
    "support_batch",
}  # fmt: skip


class QuestionDataset(torch.utils.data.Dataset):
    """The questions of a store; ``dataset[rows]`` is one PyG ``Batch``.

    A batch of Q questions about G different scenes holds, of the objects that
    are chosen,

    ============================  ==============  =============================
    states: ``x``                 [ΣN, F]         node features
    states: ``pos``               [ΣN, D]         places; D = 0 without
    sentences: ``words``          [ΣN, T]         words, 0-padded
    sentences: ``num_words``      [ΣN]            words of each sentence
    sentences: ``pos``            [ΣN, 1]         place in the story, from 0
    both: ``batch``               [ΣN]            graph of each node, sorted
    both: ``ptr``                 [G + 1]         first node of each graph
    both: ``edge_index``          [2, ΣE]         with edges: sender, receiver
    both: ``edge_attr``           [ΣE, D]         their features, if any
    both: ``support``             [ΣK]            with support: nodes that
                                                  decide the answers
    both: ``support_batch``       [ΣK]            question of each of these
    images: ``image``             [G, 3, H, W]    RGB from 0 to 1
    maps: ``map``                 [G, C, H, W]    feature maps
    ============================  ==============  =============================

    and of the questions

    ==========================  ========  =====================================
    ``tokens``                  [Q, T]    words, 0-padded to the longest
                                          question
    ``length``                  [Q]       words of each question
    ``vector``                  [Q, V]    instead of these two
    ``question_batch``          [Q]       graph that each question is about
    ``y``                       [Q]       answer, −1 where unknown
    ``question_type``           [Q]       index into the question types, or −1
    ``family``                  [Q]       question family, or −1
    ==========================  ========  =====================================

    where integers are int64 and all else is float32. A scene asked about
    several times appears once; graphs come in the order of the store,
    questions in the order asked for.

    Args:
        path: A store file, see :mod:`datasets.store`.
        objects: The kind of objects to read. (default: the only one)
        node_features: Turns attribute indices [ΣN, A] and places [ΣN, D] into
            node features [ΣN, F], on any device; needed of states that are
            attributes. Worker processes need one that can be pickled.
        mode: ``"memory"`` reads all arrays, ``"mapped"`` maps the large ones
            from the file, ``"auto"`` (default) maps files over 2 GiB.
        device: Where the arrays lie and batches are put together. Indices are
            worked out on the host and copied there without waiting.
        schema: What the store must hold. (default: anything)
        last: How many of a scene's nodes are read, the last of them, as of a
            long story; what decides an answer may then be left out. (default:
            all)

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a whole store, holds something else than
            ``schema``, or for an option that does not fit it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        objects: str | None = None,
        node_features: Callable[[Tensor, Tensor], Tensor] | None = None,
        mode: Literal["auto", "memory", "mapped"] = "auto",
        device: str | torch.device = "cpu",
        schema: Schema | None = None,
        last: int | None = None,
    ) -> None:
        if last is not None and last < 1:
            raise ValueError(f"`last` is {last}, expected None or ≥ 1")
        if mode not in ("auto", "memory", "mapped"):
            raise ValueError(
                f"`mode` is {mode!r}, expected 'auto', 'memory' or 'mapped'"
            )
        self.device = torch.device(device)
        if mode == "mapped" and self.device.type != "cpu":
            raise ValueError(
                f"`mode` 'mapped' needs `device` 'cpu', which is {device!r}"
            )
        self.mode, self.node_features = mode, node_features
        large = os.path.exists(path) and os.path.getsize(path) > MEMORY_LIMIT
        mapped = large and self.device.type == "cpu" and mode == "auto"
        self.store: Store = open_store(path, mapped or mode == "mapped")
        self.schema = self.store.schema
        if schema is not None and schema != self.schema:
            raise ValueError(
                f"{path} holds something else than is expected: "
                f"{schema.difference(self.schema)}"
            )
        self.objects = self._choose(objects)
        self.last = last
        if last is not None and (
            self.objects not in NODES or self.schema.edges
        ):
            raise ValueError(
                f"`last` is {last}, expected None: the objects of {path} are "
                f"{self.objects}{' with edges' * self.schema.edges}"
            )
        self._load()
        self._index = np.arange(self.store.num_questions)

    def _choose(self, objects: str | None) -> str:
        held = self.schema.objects
        if objects is None and len(held) == 1:
            return held[0]
        if objects not in held:
            raise ValueError(
                f"`objects` is {objects!r}, expected one of {held}, which "
                f"{self.store.path} holds"
            )
        return objects

    def _load(self) -> None:
        if (
            self.objects == "states"
            and self.schema.attributes
            and self.node_features is None
        ):
            raise ValueError(
                f"`node_features` is None, but the states of "
                f"{self.store.path} are attributes: expected what makes "
                f"features of them"
            )
        parts = {"all", self.schema.question, self.objects}
        if self.objects in NODES:
            parts |= self.schema.parts - set(OBJECTS)
        columns = {
            key: column
            for key, column in self.store.columns.items()
            if COLUMNS[key].part in parts
        }
        # What is needed to know which rows to read stays on the host.
        host = {"questions/scene", "questions/length", "questions/support"}
        host |= {key for key in columns if COLUMNS[key].splits}
        self._host = {
            key: columns[key].astype(np.int64) for key in host & set(columns)
        }
        self._data = {
            key: torch.from_numpy(column).to(self.device)
            for key, column in columns.items()
            if key not in host
        }

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._index)

    @property
    def scene(self) -> np.ndarray:
        """Row of the scene that each question is about [Q]."""
        return self._host["questions/scene"][self._index]

    def labels(self, name: Literal["answer", "type", "family"]) -> np.ndarray:
        """Answer, type or family of each question [Q], −1 where unknown."""
        values: np.ndarray = self.store.columns[f"questions/{name}"]
        return values[self._index]

    @property
    def num_features(self) -> int:
        """Width of an object: columns of ``x``, channels, or known words."""
        if self.objects == "sentences":
            return len(self.schema.tokens)
        batch = self[[]]
        field = {"states": "x", "images": "image", "maps": "map"}[self.objects]
        width: int = batch[field].shape[1]
        return width

    def select(
        self,
        questions: int | ArrayLike | None = None,
        scenes: int | ArrayLike | None = None,
    ) -> Self:
        """Return a dataset of some of the questions, sharing the arrays.

        Args:
            questions: The first so many, or these positions in this dataset.
            scenes: Only questions about the first so many scenes of the
                store, or about these rows of it. Applied first.

        Raises:
            IndexError: If a question or scene does not exist.
        """
        out = copy.copy(self)
        if scenes is not None:
            wanted = _positions(scenes, self.store.num_scenes, "scenes")
            out._index = self._index[np.isin(self.scene, wanted)]
        if questions is not None:
            rows = _positions(questions, len(out._index), "questions")
            out._index = out._index[rows]
        return out

    def __getitem__(self, index: int | slice | ArrayLike) -> Batch:
        """Assemble the batch of these questions.

        Args:
            index: Positions in this dataset: an array [Q], a list, a slice,
                or one integer, which gives a batch of one question.

        Raises:
            IndexError: If a position is out of range.
        """
        if isinstance(index, slice):
            index = np.arange(len(self))[index]
        elif isinstance(index, int | np.integer):
            index = np.array([index])
        rows = self._index[_positions(index, len(self), "index")]
        graphs, question_batch = np.unique(
            self._host["questions/scene"][rows], return_inverse=True
        )
        host = {
            "rows": rows,
            "graphs": graphs,
            "question_batch": question_batch,
        }
        host |= self._gather(rows, graphs, question_batch)
        at, data = self._to_device(host), self._data
        fields = {
            field: data[f"questions/{column}"][at["rows"]].long()
            for field, column in _PER_QUESTION.items()
        } | {key: at[key] for key in _FIELDS & at.keys()}
        if "length" in at:
            longest = host["length"].max(initial=1)
            words = data["questions/tokens"][at["rows"]]
            fields["tokens"] = words[:, :longest].long()
        if "questions/vector" in data:
            fields["vector"] = data["questions/vector"][at["rows"]].float()
        if self.objects in NODES:
            num_words = host.get("num_words", np.empty(0))
            longest = int(num_words.max(initial=1))
            return Batch(**fields, **self._nodes(at, longest))
        # Copies whole rows, which an index as such does byte by byte.
        scenes = data[f"scenes/{self.objects[:-1]}"]
        values = scenes.index_select(0, at["graphs"])
        if self.objects == "images":
            values = values.permute(0, 3, 1, 2).contiguous().float().div_(255)
        fields[self.objects[:-1]] = values.float()
        batch = Batch(**fields)
        batch._num_graphs = len(graphs)
        return batch

    def _gather(
        self, rows: np.ndarray, graphs: np.ndarray, question_batch: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Find what belongs to these questions and graphs, on the host."""
        held, out = self._host, {}
        if "questions/length" in held:
            out["length"] = held["questions/length"][rows]
        if "scenes/ptr" not in held:
            return out
        ptr, batch, node = _rows(held["scenes/ptr"], graphs, self.last)
        out |= {"ptr": ptr, "batch": batch, "node": node}
        if "scenes/word_ptr" in held:
            word_ptr, sentence, word = _rows(held["scenes/word_ptr"], node)
            out |= {"num_words": np.diff(word_ptr), "sentence": sentence}
            out |= {"word": word, "column": _within(word_ptr, sentence)}
            out["place"] = _within(ptr, batch)
        if "scenes/edge_ptr" in held:
            _, graph, out["edge"] = _rows(held["scenes/edge_ptr"], graphs)
            out["edge_shift"] = ptr[graph]
        if "questions/support_ptr" in held:
            _, asked, named = _rows(held["questions/support_ptr"], rows)
            graph = question_batch[asked]
            # Nodes before the first one that is read.
            size = held["scenes/ptr"][graphs + 1] - held["scenes/ptr"][graphs]
            unread = (size - np.diff(ptr))[graph]
            support = held["questions/support"][named] - unread
            kept = support >= 0
            out["support"] = (support + ptr[graph])[kept]
            out["support_batch"] = asked[kept]
        return out

    def _nodes(self, at: dict[str, Tensor], longest: int) -> dict[str, Tensor]:
        """The fields of a batch of states or sentences."""
        data, out = self._data, {}
        if self.objects == "states":
            x, pos = data["scenes/x"][at["node"]], data.get("scenes/pos")
            if pos is None:
                out["pos"] = torch.empty(len(x), 0, device=self.device)
            else:
                out["pos"] = pos[at["node"]].float()
            coded = self.node_features if self.schema.attributes else None
            out["x"] = coded(x, out["pos"]) if coded else x.float()
        else:
            out["pos"] = at["place"].unsqueeze(1).float()
            padded = at["word"].new_zeros(len(at["node"]), longest)
            words = data["scenes/words"][at["word"]].long()
            padded[at["sentence"], at["column"]] = words
            out["words"] = padded
        if "edge" in at:
            edges = data["scenes/edge_index"][at["edge"]].long()
            out["edge_index"] = (edges.t() + at["edge_shift"]).contiguous()
            if "scenes/edge_attr" in data:
                out["edge_attr"] = data["scenes/edge_attr"][at["edge"]].float()
        return out

    def _to_device(self, arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """Copy host indices to the device, all in one transfer."""
        if self.device.type == "cpu":
            return {k: torch.from_numpy(v) for k, v in arrays.items()}
        whole = torch.from_numpy(np.concatenate(list(arrays.values())))
        if self.device.type == "cuda":
            whole = whole.pin_memory()
        moved = whole.to(self.device, non_blocking=True)
        parts = moved.split([len(v) for v in arrays.values()])
        return dict(zip(arrays, parts, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the arrays out: a copy in another process opens the file."""
        keys = (
            "objects", "node_features", "mode", "device", "schema", "last"
        )  # fmt: skip
        settings = {key: getattr(self, key) for key in keys}
        settings["path"] = self.store.path
        return {
            "settings": settings,
            "content": self.store.content,
            "index": self._index,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["settings"])  # type: ignore[misc]
        if self.store.content != state["content"]:
            raise ValueError(
                f"{self.store.path} holds other data than before, expected "
                f"those of content {state['content']}"
            )
        self._index = state["index"]


def _positions(index: int | ArrayLike, size: int, name: str) -> np.ndarray:
    """Positions as an int64 array: the first ``index``, or ``index``."""
    if isinstance(index, int | np.integer):
        if not 0 <= index <= size:
            raise IndexError(f"`{name}` is {index}, but there are {size}")
        return np.arange(index)
    if isinstance(index, Tensor):
        index = index.cpu().numpy()
    out = np.atleast_1d(np.asarray(index))
    if out.dtype == bool and out.shape == (size,):
        return out.nonzero()[0]
    if out.ndim != 1 or (out.size and out.dtype.kind not in "iu"):
        raise IndexError(
            f"`{name}` is of type {out.dtype} and shape {out.shape}, expected "
            f"one dimension of integers"
        )
    out = out.astype(np.int64)
    if out.size and not -size <= out.min() <= out.max() < size:
        wrong = out.min() if out.min() < -size else out.max()
        raise IndexError(f"`{name}` holds {wrong}, but there are {size}")
    return out


def _rows(
    ptr: np.ndarray, owners: np.ndarray, last: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of some owners: new pointers, owner of each, where it is."""
    start, end = ptr[owners], ptr[owners + 1]
    if last is not None:
        start = np.maximum(start, end - last)
    count = end - start
    new_ptr = np.concatenate(([0], count.cumsum()))
    owner = np.repeat(np.arange(len(owners)), count)
    return new_ptr, owner, _within(new_ptr, owner) + start[owner]


def _within(ptr: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Number of each row among those of its owner."""
    return np.arange(len(owner)) - ptr[owner]
