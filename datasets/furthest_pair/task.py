"""Furthest pair: which kinds are the two objects farthest apart?

From `Xu et al. (2020) <https://arxiv.org/abs/1905.13211>`_: a relational
argmax, which one step over all pairs answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
import torch
from torch_geometric.data import Batch

from datasets.made import Made, one_each
from datasets.store import Schema
from datasets.treasures import (
    KINDS,
    MOST,
    TreasureData,
    TreasureTask,
    as_scenes,
    augment,
    draw_treasures,
)

_ANSWERS = list(combinations_with_replacement(range(len(KINDS)), 2))
#: Kinds of two objects → answer.
_ANSWER = np.zeros((len(KINDS), len(KINDS)), int)
for _i, (_a, _b) in enumerate(_ANSWERS):
    _ANSWER[_a, _b] = _ANSWER[_b, _a] = _i


@dataclass
class FurthestPairData(TreasureData):
    """Treasures, and which two kinds are farthest apart."""

    train: int = 60_000


class FurthestPair(TreasureTask):
    """The kinds of the two treasures with the largest L1 distance."""

    name = "furthest_pair"
    title = "Furthest pair"
    settings = FurthestPairData
    source = "furthest pairs as rn_graph draws them"
    example = "which two kinds are farthest apart?"
    schema = Schema(
        task="furthest_pair",
        objects=("states",),
        question="none",
        answers=tuple(f"{KINDS[a]} and {KINDS[b]}" for a, b in _ANSWERS),
        question_types=("furthest pair",),
        families=("furthest pair",),
        support=True,
    )
    categories: ClassVar = {"furthest pair": ("furthest pair",)}

    def augmentation(self, settings: Any) -> Callable[[Batch], Batch]:
        """Other places, as far apart; other kinds, named in the answer."""
        return change

    def sample(
        self, settings: FurthestPairData, rng: np.random.Generator, count: int
    ) -> Made:
        """Draw scenes; where two pairs are as far, drawn again."""
        scenes = draw_treasures(rng, count, settings.num_objects)
        pair, unique = furthest(scenes.place)
        while not unique.all():
            again = np.flatnonzero(~unique)
            new = draw_treasures(rng, len(again), settings.num_objects)
            for key, value in vars(new).items():
                getattr(scenes, key)[again] = value
            pair[again], unique[again] = furthest(new.place)
        kinds = np.take_along_axis(scenes.kind, pair, axis=1)
        decides = np.zeros(scenes.kind.shape, bool)
        np.put_along_axis(decides, pair, True, axis=1)
        asked = one_each(_ANSWER[kinds[:, 0], kinds[:, 1]], decides)
        return Made(as_scenes(scenes), asked)


def change(batch: Batch) -> Batch:
    """Turn each scene, exchange its kinds, and draw other values.

    Values decide nothing; left as they are, a scene is known again by them.

    Args:
        batch: As of :func:`~datasets.treasures.augment`.
    """
    out, device = augment(batch), batch.y.device
    kinds = len(KINDS)
    becomes = torch.rand(batch.num_graphs, kinds, device=device).argsort(1)
    kind = becomes[batch.batch, batch.x[:, :kinds].argmax(1)]
    out.x[:, :kinds] = torch.eye(kinds, device=device)[kind]
    value = torch.randint(0, MOST + 1, (len(kind),), device=device)
    out.x[:, kinds] = value / (MOST / 2) - 1
    named = torch.tensor(_ANSWERS, device=device)[batch.y]
    first, second = becomes[batch.question_batch].gather(1, named).unbind(1)
    out.y = torch.from_numpy(_ANSWER).to(device)[first, second]
    return out


def furthest(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the two places that are farthest apart.

    Args:
        place: [S, N, D] Places of each scene's objects.

    Returns:
        Their numbers [S, 2], the smaller one first, and whether no other pair
        is as far [S].
    """
    first, second = np.triu_indices(place.shape[1], 1)
    distance = np.zeros((len(place), len(first)), np.int32)
    for axis in range(place.shape[2]):  # never all coordinates of all pairs
        along = place[:, :, axis].astype(np.int32)
        distance += np.abs(along[:, first] - along[:, second])
    best = distance.argmax(1)
    unique = (distance == distance.max(1, keepdims=True)).sum(1) == 1
    return np.stack([first[best], second[best]], axis=1), unique


TASK = FurthestPair()
