"""Monster trainer: what does it cost to work up to a monster of some level?

From `Xu et al. (2020) <https://arxiv.org/abs/1905.13211>`_: a cheapest way,
which dynamic programming finds in as many steps as the way has moves. One
step over all pairs does not suffice for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from torch_geometric.data import Batch

from datasets.made import Made, MadeTask, one_each
from datasets.store import Schema
from datasets.symmetries import turned
from datasets.task import Data

#: Levels, one a monster, and places along each side of the map.
LEVELS, SIDE = 11, 10
#: Numbers of moves, each of them in as many scenes.
MOVES = range(3, 8)
#: Levels to reach: at least as high as there are moves.
TARGETS = range(MOVES[0], LEVELS)
#: No cheapest way costs more. For levels 0, h = ⌊t/2⌋ and t, let D, a and b be
#: the distances 0–t, 0–h and h–t. Going at once costs t·D ≤ 10·D, by way of h
#: h·a + (t−h)·b ≤ 5·(a + b). The L1 distances of three places sum up to twice
#: width and height of the box around them, 36 at most: a + b ≤ 36 − D. So one
#: of the two ways costs 120 at most, the first if D ≤ 12, else the second.
DEAREST = 120
#: Maps drawn at a time: of the rarest, eight or so have their moves.
_DRAWN = 1 << 14
#: Column of ``x`` in which a monster bears the target level.
_TARGET = 1


@dataclass
class MonsterTrainerData(Data):
    """Monsters on a map, and what it costs to reach a level."""

    train: int = 60_000
    val: int = 6000
    test: int = 6000


@dataclass(frozen=True)
class Maps:
    """Maps of monsters in the order of their levels, with a way up.

    Attributes:
        place: [S, 11, 2] Where each is (int16).
        target: [S] The level to reach.
        cost: [S] What the cheapest way costs.
        moves: [S] Its number of moves.
        on_way: [S, 11] Whether a monster is on it, the first and the last too.
    """

    place: np.ndarray
    target: np.ndarray
    cost: np.ndarray
    moves: np.ndarray
    on_way: np.ndarray


class MonsterTrainer(MadeTask):
    r"""The least cost of going from level 0 up to a target level.

    Every move goes to a higher level, skipping as many as one likes, and costs
    the difference of levels times the L1 distance of places:

    .. math:: f(0) = 0, \quad
        f(t) = \min_{s < t} f(s) + (t - s) \, \lVert p_s - p_t \rVert_1

    Levels are 0 to 10, one a monster. What is drawn: the eleven places,
    uniform among those of different places of a 10×10 map, and the target,
    uniform over 3 to 10 and independent of them; a lower one never takes 3
    moves. Drawn again is a map on which two ways to the target cost the least,
    so that the way, its moves and the monsters that decide are unique; and
    what has fewer than 3 or more than 7 moves. Of the rest, each number of
    moves has a fifth of the scenes of a chunk, to within one, in random order.
    Targets are therefore not uniform over the scenes: more moves mostly lead
    to higher levels.
    """

    name = "monster_trainer"
    title = "Monster trainer"
    settings = MonsterTrainerData
    source = "monsters as rn_graph draws them"
    example = "what does it cost to reach level 7?"
    schema = Schema(
        task="monster_trainer",
        objects=("states",),
        question="vector",
        answers=tuple(str(i) for i in range(DEAREST + 1)),
        question_types=tuple(f"{i} moves" for i in MOVES),
        families=tuple(f"level {i}" for i in TARGETS),
        support=True,
    )
    categories: ClassVar = {f"{i} moves": (f"{i} moves",) for i in MOVES}
    limits = (
        "- Each number of moves, 3 to 7, has a fifth of the scenes. Of maps as "
        "they come, most need 1 to 3, and about one in a thousand needs 7."
    )

    def sample(
        self,
        settings: MonsterTrainerData,
        rng: np.random.Generator,
        count: int,
    ) -> Made:
        """Draw scenes: see the class."""
        maps = draw_maps(rng, balanced(rng, count))
        # The order of monsters says nothing of their levels.
        level = rng.permuted(np.tile(np.arange(LEVELS), (count, 1)), axis=1)
        place = np.take_along_axis(maps.place, level[..., None], axis=1)
        pos = place / ((SIDE - 1) / 2) - 1
        target = np.broadcast_to(maps.target[:, None], level.shape)
        borne = _scaled(np.stack([level, target], axis=2))
        x = np.concatenate([borne, pos], axis=2)
        scenes = {
            "num_objects": np.full(count, LEVELS),
            "x": x.reshape(count * LEVELS, -1).astype(np.float32),
            "pos": pos.reshape(count * LEVELS, -1).astype(np.float32),
        }
        asked = one_each(
            maps.cost,
            np.take_along_axis(maps.on_way, level, axis=1),
            question_type=maps.moves - MOVES[0],
            family=maps.target - TARGETS[0],
            vector=_one_hot(maps.target),
        )
        return Made(scenes, asked)

    def parse(self, question: str) -> np.ndarray:
        """The target level, one-hot.

        Raises:
            ValueError: If the question cannot be read.
        """
        found = re.fullmatch(
            r"what does it cost to reach level (\d{1,2})\??",
            question.strip().lower(),
        )
        if found is None or int(found[1]) not in TARGETS:
            raise ValueError(
                f"`question` is {question!r}, expected one as "
                f"{self.example!r}, with a level of {TARGETS[0]} to "
                f"{TARGETS[-1]}"
            )
        return _one_hot(np.array(int(found[1])))

    def batch(self, scene: Made, question: str, settings: Any) -> Batch:
        """The monsters, who bear the level that is asked for."""
        batch = super().batch(scene, question, settings)
        batch.x[:, _TARGET] = _scaled(int(batch.vector.argmax()))
        return batch

    def words(self, batch: Batch, question: int) -> str:
        """The question of a vector."""
        level = int(batch.vector[question].argmax())
        return f"what does it cost to reach level {level}?"

    def augmentation(self, settings: Any) -> Callable[[Batch], Batch]:
        """The eight symmetries of the map."""
        return turned

    def objects(
        self, scene: Made, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """The level."""
        levels = (scene.scenes["x"][:, 0] + 1) * ((LEVELS - 1) / 2)
        return [f"level {i:.0f}" for i in levels]

    def places(self, scene: Made) -> np.ndarray:
        """The places of the map."""
        return np.asarray(scene.scenes["pos"])


def balanced(rng: np.random.Generator, count: int) -> np.ndarray:
    """Share out the numbers of moves.

    Returns:
        The moves of each scene, ``[count]``: each number as often, to within
        one; which of them are more often and the order are by chance.
    """
    wanted = rng.permutation(MOVES)[np.arange(count) % len(MOVES)]
    return rng.permutation(wanted)


def draw_maps(rng: np.random.Generator, wanted: np.ndarray) -> Maps:
    """Draw maps until each has its number of moves.

    Args:
        rng: Source of chance.
        wanted: [S] Moves of each.
    """
    maps = Maps(
        place=np.zeros((len(wanted), LEVELS, 2), np.int16),
        target=np.zeros(len(wanted), int),
        cost=np.zeros(len(wanted), int),
        moves=np.zeros(len(wanted), int),
        on_way=np.zeros((len(wanted), LEVELS), bool),
    )
    while (missing := maps.moves == 0).any():  # every way has moves
        drawn = _draw(rng)
        for moves in MOVES:
            to = np.flatnonzero(missing & (wanted == moves))
            of = np.flatnonzero(drawn.moves == moves)[: len(to)]
            for key, value in vars(drawn).items():
                getattr(maps, key)[to[: len(of)]] = value[of]
    return maps


def _draw(rng: np.random.Generator) -> Maps:
    """Draw maps of any number of moves, where one way is the cheapest."""
    cell = rng.integers(0, SIDE**2, (_DRAWN, LEVELS), dtype=np.int16)
    different = (np.diff(np.sort(cell, axis=1)) > 0).all(1)
    place = np.stack(np.divmod(cell[different], SIDE), axis=-1)
    target = rng.integers(TARGETS[0], LEVELS, len(place))
    maps, unique = find_ways(place, target)
    return Maps(**{key: value[unique] for key, value in vars(maps).items()})


def find_ways(place: np.ndarray, target: np.ndarray) -> tuple[Maps, np.ndarray]:
    """Find the cheapest way to the target of each map.

    Args:
        place: [S, 11, 2] Places, in the order of levels.
        target: [S] Levels to reach.

    Returns:
        The ways, and whether no other way costs as little [S].
    """
    # Levels first: what is done to all maps runs along memory.
    column, row = np.ascontiguousarray(place.transpose(2, 1, 0))
    each = np.arange(len(place))
    cost = np.zeros(column.shape, np.int16)
    moves, before = np.zeros_like(cost), np.zeros_like(cost)
    unique = np.ones(column.shape, bool)
    for level in range(1, LEVELS):
        after = abs(column[:level] - column[level])  # each lower level
        after += abs(row[:level] - row[level])
        after *= np.arange(level, 0, -1, dtype=np.int16)[:, None]
        after += cost[:level]
        cost[level] = after.min(0)
        cheapest = after == cost[level]
        before[level] = last = cheapest.argmax(0)
        moves[level] = moves[last, each] + 1
        unique[level] = unique[last, each] & (cheapest.sum(0) == 1)
    on_way = np.zeros((len(place), LEVELS), bool)
    at = target
    for _ in range(LEVELS):  # before level 0 is level 0
        on_way[each, at] = True
        at = before[at, each]
    maps = Maps(place, target, cost[target, each], moves[target, each], on_way)
    return maps, unique[target, each]


def _one_hot(target: np.ndarray) -> np.ndarray:
    return np.eye(LEVELS, dtype=np.uint8)[target]


def _scaled(level: Any) -> Any:
    """Levels from -1 to 1."""
    return level / ((LEVELS - 1) / 2) - 1


TASK = MonsterTrainer()
