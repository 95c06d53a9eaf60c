"""Questions about scenes as PyG batches, assembled by array arithmetic."""

import copy
import os
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Batch

from datasets.clevr.features import (
    VOCABULARIES,
    FeatureForm,
    attribute_tables,
    node_features,
)
from datasets.store import Store, open_store

#: ``mode="auto"`` maps the arrays of a larger file instead of reading them.
MEMORY_LIMIT = 2 * 1024**3
_PER_QUESTION = {"y": "answer", "question_type": "type", "family": "family"}


class QuestionDataset(torch.utils.data.Dataset):
    """The questions of a store; ``dataset[rows]`` is one PyG ``Batch``.

    A batch of Q questions about G different scenes with ΣN objects holds

    =================  ============  ==========================================
    ``x``              [ΣN, F]       node features, float32
    ``pos``            [ΣN, 3]       places, float32
    ``batch``          [ΣN]          graph of each node, sorted
    ``ptr``            [G + 1]       first node of each graph
    ``tokens``         [Q, T]        words, 0-padded to the longest question
    ``length``         [Q]           words of each question
    ``question_batch`` [Q]           graph that each question is about
    ``y``              [Q]           answer, −1 where unknown
    ``question_type``  [Q]           index into the question types, or −1
    ``family``         [Q]           question family, or −1
    =================  ============  ==========================================

    where integers are int64. A scene asked about several times appears once;
    graphs come in the order of the store, questions in the order asked for.
    Of a store of feature maps a batch holds ``map`` [G, C, H, W] instead of
    the first four.

    Args:
        path: A store file, see :mod:`datasets.store`.
        features: Form of ``x``, see :mod:`datasets.clevr.features`. A store
            whose ``x`` is features already ignores it.
        mode: ``"memory"`` reads all arrays, ``"mapped"`` maps the large ones
            from the file, ``"auto"`` (default) maps files over 2 GiB.
        device: Where the arrays lie and batches are put together. Indices are
            worked out on the host and copied there without waiting.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a whole store, or for an unknown option.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        features: FeatureForm = "onehot",
        mode: Literal["auto", "memory", "mapped"] = "auto",
        device: str | torch.device = "cpu",
    ) -> None:
        if mode not in ("auto", "memory", "mapped"):
            raise ValueError(
                f"`mode` is {mode!r}, expected 'auto', 'memory' or 'mapped'"
            )
        self.device = torch.device(device)
        if mode == "mapped" and self.device.type != "cpu":
            raise ValueError(
                f"`mode` 'mapped' needs `device` 'cpu', which is {device!r}"
            )
        self.features = features
        self._tables = attribute_tables(features)
        large = os.path.exists(path) and os.path.getsize(path) > MEMORY_LIMIT
        mapped = large and self.device.type == "cpu" and mode == "auto"
        self.store: Store = open_store(path, mapped or mode == "mapped")
        self.mode = mode
        self._load()
        self._index = np.arange(self.store.num_questions)

    def _load(self) -> None:
        store, columns = self.store, self.store.columns
        vocabularies = store.vocabularies
        if vocabularies.attributes and vocabularies != VOCABULARIES:
            raise ValueError(
                f"{store.path} has other vocabularies than CLEVR's: its "
                f"indices would be misread; import the data again"
            )
        self._tables = [t.to(self.device) for t in self._tables]
        self._scene = columns["questions/scene"].astype(np.int64)
        self._length = columns["questions/length"].astype(np.int64)
        self._ptr = None if store.has_maps else columns["scenes/ptr"]
        keep = {"scenes/x", "scenes/pos", "scenes/map", "questions/tokens"}
        keep |= {f"questions/{key}" for key in _PER_QUESTION.values()}
        self._data = {
            key: torch.from_numpy(columns[key]).to(self.device)
            for key in keep & set(columns)
        }

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._index)

    @property
    def scene(self) -> np.ndarray:
        """Row of the scene that each question is about [Q]."""
        return self._scene[self._index]

    def labels(self, name: Literal["answer", "type", "family"]) -> np.ndarray:
        """Answer, type or family of each question [Q], −1 where unknown."""
        values: np.ndarray = self.store.columns[f"questions/{name}"]
        return values[self._index]

    @property
    def num_features(self) -> int:
        """Columns of ``x``, or channels of ``map``."""
        data = self._data
        if self._ptr is None:
            return data["scenes/map"].shape[1]
        if not self.store.vocabularies.attributes:
            return data["scenes/x"].shape[1]
        return sum(table.shape[1] for table in self._tables) + 3

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
            self._scene[rows], return_inverse=True
        )
        length = self._length[rows]
        host = {
            "rows": rows,
            "graphs": graphs,
            "length": length,
            "question_batch": question_batch,
        }
        if self._ptr is not None:
            host |= _gather_nodes(self._ptr, graphs)
        at = self._to_device(host)
        fields = {
            "tokens": self._data["questions/tokens"][at["rows"]][
                :, : length.max(initial=1)
            ].long(),
            "length": at["length"],
            "question_batch": at["question_batch"],
        }
        for field, column in _PER_QUESTION.items():
            values = self._data[f"questions/{column}"]
            fields[field] = values[at["rows"]].long()
        if self._ptr is None:
            batch = Batch(map=self._data["scenes/map"][at["graphs"]], **fields)
            batch._num_graphs = len(graphs)
            return batch
        pos = self._data["scenes/pos"][at["node"]]
        x = self._data["scenes/x"][at["node"]]
        if self.store.vocabularies.attributes:
            x = node_features(x, pos, self._tables)
        return Batch(x=x, pos=pos, batch=at["batch"], ptr=at["ptr"], **fields)

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
        settings = ("features", "mode", "device", "_index")
        return {key: getattr(self, key) for key in settings} | {
            "path": self.store.path
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        index = state.pop("_index")
        self.__init__(**state)  # type: ignore[misc]
        self._index = index


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


def _gather_nodes(ptr: np.ndarray, graphs: np.ndarray) -> dict[str, np.ndarray]:
    """Find the rows of the nodes of some graphs, and their new offsets."""
    start = ptr[graphs]
    count = ptr[graphs + 1] - start
    new_ptr = np.concatenate(([0], count.cumsum()))
    shift = np.repeat(start - new_ptr[:-1], count)
    return {
        "ptr": new_ptr,
        "batch": np.repeat(np.arange(len(graphs)), count),
        "node": np.arange(new_ptr[-1]) + shift,
    }
