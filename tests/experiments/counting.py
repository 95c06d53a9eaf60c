"""A third task, of which no program knows: how many objects are like this?

A scene is some objects of one of three colours. A question is a colour, as a
vector, and its answer the number of objects that have it. ``SILENT`` asks
nothing: the answer is the number of objects of the first colour.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch_geometric.data import Batch

from datasets.draw import INK, draw_pairs, panels
from datasets.store import Schema, StoreWriter
from datasets.task import SPLITS, Data, Task

COLORS = ("red", "green", "blue")


@dataclass
class CountingData(Data):
    """Args: most: Objects of the largest scene."""

    train: int = 60
    val: int = 10
    test: int = 10
    most: int = 4


class Counting(Task):
    name, title, settings = "counting", "Counting", CountingData
    schema = Schema(
        task="counting",
        objects=("states",),
        question="vector",
        answers=("0", "1", "2", "3", "4"),
        question_types=("count",),
        families=COLORS,
    )
    categories: ClassVar = {"count": ("count",)}
    example = "red"

    def make(self, settings, folder):
        for i, split in enumerate(SPLITS):
            rng = np.random.default_rng([settings.seed, i])
            scenes = getattr(settings, split)
            count = rng.integers(1, settings.most + 1, scenes)
            color = rng.integers(0, 3, count.sum())
            scene = np.repeat(np.arange(scenes), count)
            answer = np.zeros((scenes, 3), int)
            np.add.at(answer, (scene, color), 1)
            asked = range(3) if self.schema.question == "vector" else [0]
            with StoreWriter(
                folder / f"{split}.h5", self.schema, split=split,
                source="made", info={},
            ) as writer:  # fmt: skip
                writer.add_scenes(
                    np.arange(scenes), num_objects=count, x=np.eye(3)[color]
                )
                for c in asked:
                    vector = np.tile(np.eye(3)[c], (scenes, 1))
                    kind = np.zeros(scenes, int)
                    writer.add_questions(
                        np.arange(scenes), answer[:, c], kind, kind + c,
                        **{"vector": vector} if len(asked) == 3 else {},
                    )  # fmt: skip

    def find_scene(self, source, settings):
        rng = np.random.default_rng(source.seed)
        return rng.integers(0, 3, source.objects or 4)

    def batch(self, scene, question, settings):
        if question not in COLORS:
            raise ValueError(f"`question` is {question!r}, expected a colour")
        vector = torch.eye(3)[[COLORS.index(question)]]
        x, one = torch.eye(3)[torch.as_tensor(scene)], torch.zeros(1).long()
        row = one.expand(len(scene))
        out = Batch(x=x, batch=row, question_batch=one)
        return out if self is SILENT else out.update({"vector": vector})

    def draw(self, scene, settings, chosen, pos, title=None):
        places = np.stack([np.arange(len(scene)), 0 * scene], 1)

        def paint(axes, pairs):
            axes.scatter(*places.T, c=[COLORS[c] for c in scene])
            draw_pairs(axes, places, 0 * scene + 0.1, pairs, INK)

        return panels(chosen, [(3, paint)], len(scene), title=title)


class Silent(Counting):
    name, title = "silent", "Silent"
    schema = replace(Counting.schema, task="silent", question="none")


TASK, SILENT = Counting(), Silent()
plt.switch_backend("agg")
