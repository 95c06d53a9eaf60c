"""Tasks whose scenes are objects that a program draws, chunk by chunk."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch
from tqdm import tqdm

from datasets.draw import INK, draw_pairs, panels
from datasets.store import StoreWriter
from datasets.task import SPLITS, Data, Source, Task
from datasets.workers import in_order, num_workers
from rn_graph.pairs import PairSelection

#: Scenes of a chunk; the last may have fewer.
CHUNK = 500
#: Starting processes takes longer than making a few.
_FEW = 10 * CHUNK


@dataclass(frozen=True)
class Made:
    """Scenes with their questions, as they are given to a store.

    Attributes:
        scenes: Arguments of :meth:`~datasets.store.StoreWriter.add_scenes`,
            but the scenes' numbers.
        questions: Arguments of
            :meth:`~datasets.store.StoreWriter.add_questions`, scenes counted
            from 0.
    """

    scenes: Mapping[str, np.ndarray]
    questions: Mapping[str, np.ndarray]


def one_each(
    answer: np.ndarray, decides: np.ndarray, **more: np.ndarray
) -> dict[str, np.ndarray]:
    """One question about each scene, for :class:`Made`.

    Args:
        answer: [S] Its answer.
        decides: [S, N] Whether an object is one of those that decide it.
        more: What else is given to a store; question type and family are 0
            otherwise.
    """
    zeros = np.zeros(len(answer), int)
    return {
        "scene": np.arange(len(answer)),
        "answer": answer,
        "question_type": zeros,
        "family": zeros,
        "num_support": decides.sum(1),
        "support": np.nonzero(decides)[1],
        **more,
    }


class MadeTask(Task):
    """A task of states that are made: what it draws, and how it is asked.

    Each chunk of a split has its own source of chance, so that a set is the
    same, byte by byte, for any number of processes.

    Attributes:
        source: Where the data come from, in words.
    """

    source: str

    @abstractmethod
    def sample(
        self, settings: Any, rng: np.random.Generator, count: int
    ) -> Made:
        """Draw scenes, and what is asked about them.

        Args:
            settings: The task's :class:`~datasets.task.Data`.
            rng: Source of chance.
            count: How many scenes.
        """

    def make(self, settings: Data, folder: Path) -> None:
        """Draw the scenes, and write them into stores."""
        for split in SPLITS:
            path = folder / f"{split}.h5"
            if path.exists():
                continue
            info = {**settings.identity(), "version": self.version}
            with StoreWriter(
                path, self.schema, split=split, source=self.source, info=info
            ) as writer:
                for made in self._chunks(settings, split):
                    first = writer.num_scenes
                    asked = dict(made.questions)
                    scene = asked.pop("scene")
                    count = len(made.scenes["num_objects"])
                    writer.add_scenes(first + np.arange(count), **made.scenes)
                    writer.add_questions(first + scene, **asked)

    def _chunks(self, settings: Data, split: str) -> Iterator[Made]:
        count = getattr(settings, split)
        jobs = (
            (self, settings, split, i, min(CHUNK, count - i * CHUNK))
            for i in range(-(-count // CHUNK))
        )
        workers = 1 if count < _FEW else num_workers()
        chunks = in_order(_make_chunk, jobs, workers)
        bar: tqdm[Any]
        with (
            closing(chunks),
            tqdm(total=count, desc=split, unit="scene") as bar,
        ):
            for made in chunks:
                bar.update(len(made.scenes["num_objects"]))
                yield made

    # One scene, for `ask` ####################################################

    def find_scene(self, source: Source, settings: Any) -> Made:
        """Make a scene: there are no files of them.

        Raises:
            ValueError: If a file is given.
        """
        for key in ("scene", "image"):
            given = getattr(source, key)
            if given is not None:
                raise ValueError(
                    f"`{key}` is {given!r}, expected none: a scene of "
                    f"{self.title} is made, by `seed` and `index`"
                )
        if source.objects:
            if not hasattr(settings, "num_objects"):
                raise ValueError(
                    f"`objects` is {source.objects}, expected 0: "
                    f"{self.title} has a number of its own"
                )
            settings = replace(settings, num_objects=source.objects)
        rng = np.random.default_rng([source.seed, len(SPLITS), source.index])
        return self.sample(settings, rng, 1)

    def parse(self, question: str) -> np.ndarray | None:
        """The vector of a question in words; ``None`` where all ask the same.

        Raises:
            ValueError: If it cannot be read.
        """
        if question.strip().rstrip("?").lower() != self.example.rstrip("?"):
            raise ValueError(
                f"`question` is {question!r}, expected {self.example!r}: "
                f"nothing else is asked"
            )
        return None

    def batch(self, scene: Made, question: str, settings: Any) -> Batch:
        """The objects of a scene, and the question's vector."""
        given = {
            key: scene.scenes[key]
            for key in ("x", "pos", "edge_attr")
            if key in scene.scenes
        }
        vector = self.parse(question)
        if vector is not None:
            given["vector"] = vector[None]
        batch = Batch(
            batch=torch.zeros(len(scene.scenes["x"]), dtype=torch.long),
            question_batch=torch.zeros(1, dtype=torch.long),
        )
        if "pos" not in given:  # as a dataset has it
            given["pos"] = np.empty((len(scene.scenes["x"]), 0))
        if "edge_index" in scene.scenes:
            edges = scene.scenes["edge_index"].T.copy()
            batch.edge_index = torch.from_numpy(edges).long()
        for name, value in given.items():
            batch[name] = torch.from_numpy(np.array(value)).float()
        return batch

    def words(self, batch: Batch, question: int) -> str:
        """The question that is always asked."""
        return self.example

    @abstractmethod
    def objects(
        self, scene: Made, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """What each object of a scene is called."""

    @abstractmethod
    def places(self, scene: Made) -> np.ndarray:
        """Where each object is drawn, ``[N, 2]``, within [-1, 1]."""

    def paint(self, axes: Axes, scene: Made, places: np.ndarray) -> None:
        """Draw the objects, before the pairs: dots, with their names."""
        axes.scatter(places[:, 0], places[:, 1], s=60, color="#b8bedd")
        names = self.objects(scene, self.settings(), None)
        for place, name in zip(places, names, strict=True):
            axes.annotate(
                name, place, (0, 6), textcoords="offset points",
                fontsize=7, ha="center",
            )  # fmt: skip

    def draw(
        self,
        scene: Made,
        settings: Any,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Draw the objects at their places, and the pairs between them."""
        places = self.places(scene)

        def paint(axes: Axes, pairs: PairSelection) -> None:
            self.paint(axes, scene, places)
            radii = np.full(len(places), 0.04)
            draw_pairs(axes, places, radii, pairs, INK)
            axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
            axes.set(xticks=[], yticks=[])

        return panels(chosen, [(4.25, paint)], len(places), title=title)


def _make_chunk(
    task: MadeTask, settings: Data, split: str, number: int, count: int
) -> Made:
    seed = [settings.seed, SPLITS.index(split), number]
    return task.sample(settings, np.random.default_rng(seed), count)
