"""Pretty-CLEVR: jump to the nearest object again and again; where does it end?

From `Palm et al. (2018) <https://arxiv.org/abs/1711.08028>`_, here from
states in place of pictures. A question without a jump is about one
object, one with a single jump about pairs, and each further jump takes another
step, since where it leads depends on where one is and has been.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor
from torch_geometric.data import Batch

from datasets.made import Made, MadeTask
from datasets.pretty_clevr.augment import augment
from datasets.pretty_clevr.questions import (
    COLORS,
    JUMPS,
    MARKERS,
    STARTS,
    parse_question,
    question_vector,
    question_words,
)
from datasets.pretty_clevr.scenes import (
    NUM_OBJECTS,
    draw_scenes,
    find_ways,
)
from datasets.store import Schema
from datasets.task import Data

_TYPES = tuple(f"{n} jump{'' if n == 1 else 's'}" for n in JUMPS)
_FROM = ("from a colour", "from a marker")
#: What Matplotlib calls the markers.
_SIGNS = dict(zip(MARKERS, "os^Dp*PX", strict=True))


@dataclass
class PrettyClevrData(Data):
    """Eight objects of different colours and markers, and 128 questions."""

    train: int = 20_000
    val: int = 1000
    test: int = 1000


class PrettyClevr(MadeTask):
    """Where one ends after some jumps, each to the nearest not yet visited.

    Eight objects lie in the unit square, squared distances at least 0.1; each
    has a colour and a marker that no other one has, by chance. A question
    names a start and 0 to 7 jumps. From a colour it asks for the marker of the
    object where one ends, from a marker for its colour: of the 16 answers
    there are, the start leaves 8, each as likely. All 128 questions (16 starts
    × 8 numbers of jumps) are asked of every scene.

    Which object is nearest is clear by at least 0.005 of the square's side on
    each jump of each way. The objects that decide are those on the way, in
    order.
    """

    name = "pretty_clevr"
    title = "Pretty-CLEVR"
    settings = PrettyClevrData
    source = "Pretty-CLEVR from states as rn_graph draws it"
    example = "start at the red one and jump 3 times: which marker?"
    schema = Schema(
        task="pretty_clevr",
        objects=("states",),
        question="vector",
        answers=STARTS,
        question_types=_TYPES,
        families=tuple(
            f"{kind}, {where}" for where in _FROM for kind in _TYPES
        ),
        support=True,
    )
    categories: ClassVar = {kind: (kind,) for kind in _TYPES}

    def sample(
        self, settings: PrettyClevrData, rng: np.random.Generator, count: int
    ) -> Made:
        """Draw scenes, and ask all there is to ask."""
        places = draw_scenes(rng, count)
        each = np.tile(np.arange(NUM_OBJECTS), (count, 1))
        color, marker = rng.permuted(each, axis=1), rng.permuted(each, axis=1)
        pos = 2 * places - 1
        x = np.concatenate(
            [np.eye(len(COLORS))[color], np.eye(len(MARKERS))[marker], pos],
            axis=2,
        )
        rows = count * NUM_OBJECTS
        scenes = {
            "num_objects": np.full(count, NUM_OBJECTS),
            "x": x.reshape(rows, -1).astype(np.float32),
            "pos": pos.reshape(rows, -1).astype(np.float32),
        }
        return Made(scenes, _ask(find_ways(places)[0], color, marker))

    def group(self, family: int) -> str:
        """The number of jumps."""
        return _TYPES[family % len(_TYPES)]

    def parse(self, question: str) -> np.ndarray:
        """The vector of a question in words."""
        return parse_question(question)

    def words(self, batch: Batch, question: int) -> str:
        """The question of a vector."""
        return question_words(batch.vector[question].cpu().numpy())

    def augmentation(self, settings: Any) -> Callable[[Batch], Batch]:
        """Other colours and markers, and the eight symmetries of a square."""
        return augment

    def objects(
        self, scene: Made, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """Colour and marker."""
        return [f"{COLORS[c]} {MARKERS[m]}" for c, m in _kinds(scene)]

    def places(self, scene: Made) -> np.ndarray:
        """Where the objects are."""
        return np.asarray(scene.scenes["pos"])

    def paint(self, axes: Axes, scene: Made, places: np.ndarray) -> None:
        """Draw the objects as they are described."""
        for (color, marker), (x, y) in zip(_kinds(scene), places, strict=True):
            sign = _SIGNS[MARKERS[marker]]
            axes.scatter(x, y, s=90, color=COLORS[color], marker=sign)


def _kinds(scene: Made) -> list[tuple[int, int]]:
    """Colour and marker of each object of one scene."""
    x = scene.scenes["x"]
    color = x[:, : len(COLORS)].argmax(1)
    marker = x[:, len(COLORS) : len(STARTS)].argmax(1)
    return list(zip(color.tolist(), marker.tolist(), strict=True))


def _ask(
    ways: np.ndarray, color: np.ndarray, marker: np.ndarray
) -> dict[str, np.ndarray]:
    """All questions: by scene, then start, then number of jumps.

    Args:
        ways: [S, 8, 8] Objects of the way from each object, in order.
        color: [S, 8] Colour of each object.
        marker: [S, 8] Its marker.
    """
    count, scenes = len(ways), np.arange(len(ways))[:, None]
    # Each colour and marker is there once: the objects that have them.
    start = np.concatenate([color.argsort(1), marker.argsort(1)], axis=1)
    way = ways[scenes, start]  # [S, 16, 8]: where each number of jumps ends
    from_color, from_marker = np.split(way, [len(COLORS)], axis=1)
    scenes = scenes[:, :, None]
    answer = np.concatenate(
        [len(COLORS) + marker[scenes, from_color], color[scenes, from_marker]],
        axis=1,
    )
    starts, jumps = np.indices(way.shape[1:]).reshape(2, -1)
    where = (starts >= len(COLORS)).astype(int)
    # After n jumps one has been at the first n + 1 objects of the way.
    been = np.tri(len(JUMPS), dtype=bool)
    shape = (*way.shape, NUM_OBJECTS)
    on_way = np.broadcast_to(way[:, :, None], shape)
    return {
        "scene": np.repeat(np.arange(count), len(starts)),
        "answer": answer.reshape(-1),
        "question_type": np.tile(jumps, count),
        "family": np.tile(where * len(JUMPS) + jumps, count),
        "vector": np.tile(question_vector(starts, jumps), (count, 1)),
        "num_support": np.tile(jumps + 1, count),
        "support": on_way[np.broadcast_to(been, shape)],
    }


TASK = PrettyClevr()
