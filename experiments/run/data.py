"""The three splits of a comparison, made on first use."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.dataset import MEMORY_LIMIT, QuestionDataset
from datasets.loader import QuestionLoader
from datasets.messages import short
from datasets.store import read_schema
from datasets.store.schema import NODES
from datasets.task import SPLITS, Data, Task
from experiments.run import processes
from experiments.run.models import Inputs


class Splits:
    """Training, validation and test data.

    Args:
        task: The task.
        config: Which data.
        root: Folder where data that were made are kept and found again.
        device: Where the models are trained. Data lie there too, and batches
            are assembled there, unless they are so many that they are
            streamed from the store.

    Raises:
        FileNotFoundError: If ``config.stores`` lacks a split's store.
        ValueError: If the objects are of a kind that the task does not have.
    """

    def __init__(
        self, task: Task, config: Data, root: str, device: str = "cpu"
    ) -> None:
        self.task, self.config, self.device = task, config, device
        self.objects = config.objects or task.schema.objects[0]
        if config.stores is None:
            if self.objects not in task.schema.objects:
                raise ValueError(
                    f"`data.objects` is {self.objects!r}, expected one of "
                    f"{', '.join(task.schema.objects)}, which {task.title} has"
                )
            self.folder = Path(root) / folder_name(task, config)
            there = all((self.folder / f"{s}.h5").exists() for s in SPLITS)
            if not there and processes.is_first():
                print(f"Making the data of {task.title} in {self.folder} ...")
                self.folder.mkdir(parents=True, exist_ok=True)
                task.make(config, self.folder)
            processes.wait()
        else:
            self.folder = Path(config.stores)
        self.hold_out = config.hold_out
        self._open: dict[str, QuestionDataset] = {}

    def dataset(self, split: str) -> QuestionDataset:
        """The questions of a split.

        Raises:
            ValueError: For another split, or one without answers.
            FileNotFoundError: If there is no store of it.
        """
        if split not in SPLITS:
            raise ValueError(f"`split` is {split!r}, expected one of {SPLITS}")
        if split not in self._open:
            # The file that a split is in.
            name = split
            if self.hold_out:
                name = "val" if split == "test" else "train"
            path = self.folder / f"{name}.h5"
            large = path.exists() and path.stat().st_size > MEMORY_LIMIT
            self._check(path)
            data = QuestionDataset(
                path,
                objects=self.objects,
                node_features=self.task.node_features(self.config),
                device="cpu" if large else self.device,
                last=self.task.last(self.config),
            )
            if self.hold_out and name == "train":
                data = self._part(data, split)
            answers = data.labels("answer")
            known = int((answers >= 0).sum())
            if not known or known < len(answers):
                raise ValueError(
                    f"{path} has {known:,} questions with known answers of "
                    f"{len(answers):,}, expected all: accuracy cannot be told"
                )
            self._open[split] = data
        return self._open[split]

    def _check(self, path: Path) -> None:
        """Check that a store is the task's."""
        found, wanted = read_schema(path), self.task.schema
        for key in ("task", "question", "answers", "question_types", "tokens"):
            there, expected = getattr(found, key), getattr(wanted, key)
            if there != expected:
                raise ValueError(
                    f"{path} holds questions whose `{key}` is "
                    f"{short(there)}, expected {short(expected)} as of "
                    f"{self.task.title}"
                )

    def _part(self, data: QuestionDataset, split: str) -> QuestionDataset:
        """The questions about the scenes that are held out, or the others."""
        count = data.store.num_scenes
        if self.hold_out >= count:
            raise ValueError(
                f"`data.hold_out` is {self.hold_out}, expected less than the "
                f"{count} scenes of {data.store.path}"
            )
        first = count - self.hold_out
        return data.select(
            scenes=range(first, count) if split == "val" else first
        )

    def loader(
        self,
        split: str,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        whole_scenes: bool = False,
        scene_questions: int = 0,
        families: list[int | str] | None = None,
    ) -> QuestionLoader:
        """Batches of a split.

        Args:
            split: ``"train"``, ``"val"`` or ``"test"``.
            batch_size: Questions a batch.
            seed: Seed of the order.
            shuffle: Whether to shuffle, and leave out a last partial batch.
                Of several processes each then gets its part of every batch;
                otherwise each gets the whole split.
            whole_scenes: Shuffle scenes with all their questions, instead of
                questions.
            scene_questions: The most questions of each of them; 0: all.
            families: Groups or indices of the families to ask; ``None``: all.

        Raises:
            ValueError: If no batch can be filled, or shared out evenly.
        """
        data = self.dataset(split)
        if families is not None:
            wanted = self.task.select_families(families)
            data = data.select(questions=np.isin(data.labels("family"), wanted))
        if shuffle and len(data) < batch_size:
            raise ValueError(
                f"`train.batch_size` is {batch_size}, but there are only "
                f"{len(data)} training questions"
                f"{'' if families is None else f' of {families}'}"
            )
        if not shuffle:
            return QuestionLoader(
                data, batch_size, rank=0, world_size=1, device=self.device
            )
        parts = processes.count()
        if batch_size % parts:
            raise ValueError(
                f"`train.batch_size` is {batch_size}, expected a multiple of "
                f"the {parts} processes"
            )
        size = batch_size // parts
        if whole_scenes:
            asked = np.unique(data.scene, return_counts=True)[1]
            if scene_questions:
                asked = asked.clip(max=scene_questions)
            size = max(1, round(size / asked.mean()))
        return QuestionLoader(
            data,
            size,
            shuffle=True,
            by_scene=whole_scenes,
            scene_questions=scene_questions or None,
            seed=seed,
            drop_last=True,
            device=self.device,
        )

    def types_and_answers(self, split: str) -> tuple[Tensor, Tensor]:
        """Question types [Q] and answers [Q] of a whole split."""
        data = self.dataset(split)
        return (
            torch.from_numpy(data.labels("type")).long(),
            torch.from_numpy(data.labels("answer")).long(),
        )

    @property
    def inputs(self) -> Inputs:
        """What models are given and asked."""
        inputs = self._inputs_of("train")
        most = 0
        if inputs.objects in NODES:
            stores = [self.dataset(split).store for split in SPLITS]
            sizes = [np.diff(s.columns["scenes/ptr"]) for s in stores]
            most = max(int(size.max(initial=0)) for size in sizes)
            most = min(most, self.task.last(self.config) or most)
        return replace(inputs, most=most)

    def check_fits(self, wanted: Inputs, split: str) -> None:
        """Check that a split is of the form that a model was made for.

        Raises:
            ValueError: If it has other objects, or pictures of another size.
        """
        found = asdict(self._inputs_of(split))
        for key, expected in asdict(replace(wanted, most=0)).items():
            if found[key] != expected:
                raise ValueError(
                    f"{self.dataset(split).store.path} does not fit the model: "
                    f"its `{key}` is {found[key]}, expected {expected}"
                )

    def _inputs_of(self, split: str) -> Inputs:
        """What a split gives models, but for the size of its scenes."""
        data = self.dataset(split)
        schema = self.task.schema
        first = data[0]
        kind = data.objects
        size = None
        if kind in ("images", "maps"):
            picture = first[kind.removesuffix("s")]
            size = picture.size(2), picture.size(3)
        return Inputs(
            kind,
            len(schema.tokens) if kind == "sentences" else data.num_features,
            len(schema.answers),
            size=size,
            words=len(schema.tokens) if schema.question == "words" else 0,
            vector=first.vector.size(1) if schema.question == "vector" else 0,
            edges=_edge_channels(first) if schema.edges else None,
        )

    def provenance(self) -> dict[str, Any]:
        """Which data these are, by what they hold."""
        found = {}
        for split in SPLITS:
            store = self.dataset(split).store
            found[split] = {
                "content": store.content,
                "scenes": store.num_scenes,
                "questions": store.num_questions,
                "source": store.source,
                "settings": dict(store.info),
            }
        return found


def _edge_channels(batch: Any) -> int:
    attr = getattr(batch, "edge_attr", None)
    return 0 if attr is None else attr.size(1)


# The splits opened last, by what they were opened with.
_last: dict[tuple[str, str, str, str], Splits] = {}


def open_splits(
    task: Task, config: Data, root: str, accelerator: str
) -> Splits:
    """The data of a configuration; those opened last stay open.

    Args:
        task: The task.
        config: Which data.
        root: Folder where data that were made are kept and found again.
        accelerator: Lightning's name of where the models are trained.

    Raises:
        FileNotFoundError: If ``config.stores`` lacks a split's store.
    """
    key = (task.name, repr(config), root, accelerator)
    if key not in _last:
        _last.clear()
        _last[key] = Splits(task, config, root, processes.device(accelerator))
    return _last[key]


def folder_name(task: Task, config: Data) -> str:
    """Name the folder of data that are made after their settings."""
    settings = config.identity() | {"version": task.version}
    text = json.dumps(settings, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{task.name}-{config.train}-{config.val}-{config.test}-{key}"
