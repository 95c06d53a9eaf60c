"""Treasures at places of eight coordinates, as several tasks are about.

From `Xu et al. (2020) <https://arxiv.org/abs/1905.13211>`_, section 4 and
appendix: which of the questions about a set of objects an architecture learns
depends on how the answer is reasoned out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from datasets.made import Made, MadeTask
from datasets.symmetries import turned
from datasets.task import Data, in_range

KINDS = ("amulet", "coin", "crown", "gem", "ring", "sword")
#: Coordinates of a place, and the largest of them.
DIMS, FAR = 8, 20
#: The largest value.
MOST = 100
#: Treasures of a scene at most: more make pairs by the million.
_MOST_OBJECTS = 4096


@dataclass
class TreasureData(Data):
    """Treasures, and a question about all of them.

    Args:
        num_objects: Treasures of a scene.
    """

    train: int = 50_000
    val: int = 5000
    test: int = 5000
    num_objects: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("data.num_objects", self.num_objects, 2, _MOST_OBJECTS)


@dataclass(frozen=True)
class Treasures:
    """Scenes of treasures.

    Attributes:
        place: [S, N, 8] Where each is (int64).
        value: [S, N] What it is worth (int64).
        kind: [S, N] Index into ``KINDS`` (int64).
    """

    place: np.ndarray
    value: np.ndarray
    kind: np.ndarray


def draw_treasures(
    rng: np.random.Generator, count: int, num_objects: int
) -> Treasures:
    """Draw scenes: places, values and kinds are uniform and independent."""
    shape = count, num_objects
    return Treasures(
        rng.integers(0, FAR + 1, (*shape, DIMS)),
        rng.integers(0, MOST + 1, shape),
        rng.integers(0, len(KINDS), shape),
    )


def as_scenes(treasures: Treasures) -> dict[str, np.ndarray]:
    """The columns of a store: kind one-hot, value and place from −1 to 1."""
    scenes, objects = treasures.kind.shape
    pos = treasures.place / (FAR / 2) - 1
    value = treasures.value / (MOST / 2) - 1
    x = np.concatenate(
        [np.eye(len(KINDS))[treasures.kind], value[..., None], pos], axis=-1
    )
    rows = scenes * objects
    return {
        "num_objects": np.full(scenes, objects),
        "x": x.reshape(rows, -1).astype(np.float32),
        "pos": pos.reshape(rows, -1).astype(np.float32),
    }


def augment(batch: Batch) -> Batch:
    """Turn each scene's places, and mirror its values, as by chance.

    Neither distances nor differences change.

    Args:
        batch: As of :func:`~datasets.symmetries.turned`.
    """
    out = turned(batch)
    sign = torch.randint(0, 2, (batch.num_graphs,), device=out.x.device) * 2 - 1
    out.x[:, len(KINDS)] *= sign[batch.batch]
    return out


class TreasureTask(MadeTask):
    """A task about treasures: how they are called, drawn and changed."""

    settings = TreasureData

    def augmentation(self, settings: Any) -> Callable[[Batch], Batch]:
        """Other places and values, as far apart."""
        return augment

    def objects(
        self, scene: Made, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """Kind and value."""
        x = scene.scenes["x"]
        kinds = x[:, : len(KINDS)].argmax(1)
        worth = np.rint((x[:, len(KINDS)] + 1) * (MOST / 2)).astype(int)
        return [f"{KINDS[k]} of {v}" for k, v in zip(kinds, worth, strict=True)]

    def places(self, scene: Made) -> np.ndarray:
        """The first two coordinates of eight."""
        return np.asarray(scene.scenes["pos"])[:, :2]
