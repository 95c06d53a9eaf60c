"""Scenes made for pair selection: two of 400 pairs decide the answer."""

from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Relation = Literal["near", "left", "same"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)

# Few enough that each combination is seen often.
COLORS, SHAPES, MATERIALS = 8, 3, 2
NAMES = COLORS * SHAPES

#: Half of two points drawn in a square of side 2 are nearer than this.
MEDIAN_DISTANCE = 1.024

IN_CHANNELS = COLORS + SHAPES + MATERIALS + 2
QUESTION_CHANNELS = 2 * (COLORS + SHAPES)


class Scenes(NamedTuple):
    """Scenes with a question each.

    Attributes:
        x: Colour, shape and material as one-hot, and position,
            ``[B * objects, IN_CHANNELS]``.
        pos: Position, ``[B * objects, 2]``.
        batch: Scene of each object, ``[B * objects]``.
        question: Colour and shape of the one object and of the other, as
            one-hot, ``[B, QUESTION_CHANNELS]``.
        answer: 1 for yes, ``[B]``.
        deciding: The two pairs that the question is about, (one, other) and
            (other, one), ``[2, 2 * B]`` as (sender, receiver).
    """

    x: Tensor
    pos: Tensor
    batch: Tensor
    question: Tensor
    answer: Tensor
    deciding: Tensor


def draw_scenes(
    count: int,
    relation: Relation,
    objects: int = 20,
    generator: torch.Generator | None = None,
) -> Scenes:
    """Draw scenes and ask of each how two of its objects relate.

    The question names two different combinations of colour and shape. One
    object has each; the other objects have any of the rest. Material and
    position are uniform, and the objects stand in random order.

    - ``near``: are the two nearer to each other than half of all pairs are?
    - ``left``: is the one left of the other?
    - ``same``: are they of one material? Nothing about one object alone says
      anything about the answer.

    Args:
        count: Number of scenes, B.
        relation: What is asked.
        objects: Objects of each scene. (default: ``20``)
        generator: Source of random numbers; ``None``: torch's own.

    Raises:
        ValueError: For an unknown relation, or fewer than two objects.
    """
    if relation not in RELATIONS:
        raise ValueError(
            f"`relation` is {relation!r}, expected one of {RELATIONS}"
        )
    if objects < 2:
        raise ValueError(f"`objects` is {objects}, expected at least 2")

    def rand(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator)

    names = rand(count, NAMES).argsort(dim=1)  # the first two are asked for
    rest = 2 + (rand(count, objects) * (NAMES - 2)).long()
    order = rand(count, objects).argsort(dim=1)
    one, other = order[:, 0], order[:, 1]
    rest.scatter_(1, order[:, :2], torch.tensor([0, 1]).repeat(count, 1))
    name = names.gather(1, rest)
    material = (rand(count, objects) * MATERIALS).long()
    pos = 2 * rand(count, objects, 2) - 1
    x = torch.cat(
        [_name_one_hot(name), F.one_hot(material, MATERIALS), pos], dim=-1
    )
    question = _name_one_hot(names[:, :2]).flatten(1).float()

    scene = torch.arange(count)
    p, p_other = pos[scene, one], pos[scene, other]
    if relation == "near":
        answer = (p - p_other).norm(dim=-1) < MEDIAN_DISTANCE
    elif relation == "left":
        answer = p[:, 0] < p_other[:, 0]
    else:
        answer = material[scene, one] == material[scene, other]
    one, other = one + scene * objects, other + scene * objects
    deciding = torch.stack([torch.cat([one, other]), torch.cat([other, one])])
    return Scenes(
        x.flatten(0, 1),
        pos.flatten(0, 1),
        scene.repeat_interleave(objects),
        question,
        answer.long(),
        deciding,
    )


def _name_one_hot(name: Tensor) -> Tensor:
    color = F.one_hot(name // SHAPES, COLORS)
    return torch.cat([color, F.one_hot(name % SHAPES, SHAPES)], dim=-1)


def recall(edge_index: Tensor, deciding: Tensor, num_nodes: int) -> float:
    """Share of the deciding pairs that were kept.

    Args:
        edge_index: Pairs kept, ``[2, E]``.
        deciding: The deciding pairs, ``[2, D]``.
        num_nodes: Number of nodes.
    """
    kept = edge_index[0] * num_nodes + edge_index[1]
    wanted = deciding[0] * num_nodes + deciding[1]
    return float(torch.isin(wanted, kept).float().mean())
