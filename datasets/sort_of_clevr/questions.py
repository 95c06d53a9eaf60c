"""Sort-of-CLEVR's questions: drawn, answered, and written as 11 bits.

========  =======================================================
bits      what
========  =======================================================
0–5       the colour of the object asked about, one-hot
6–7       the kind, one-hot: non-relational, relational
8–10      the subtype within its kind, one-hot
========  =======================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.sort_of_clevr.scenes import (
    MIDDLE,
    NUM_OBJECTS,
    Scenes,
    random_words,
)
from datasets.sort_of_clevr.vocabulary import (
    ANSWERS,
    CATEGORIES,
    COLORS,
    QUESTION_TYPES,
    SHAPES,
)

#: Questions of each kind that a scene gets.
PER_KIND = 10
NUM_BITS = 11
_NUM_COLORS, _NUM_SUBTYPES = len(COLORS), 3
_YES, _NO = ANSWERS.index("yes"), ANSWERS.index("no")
_FIRST_SHAPE = ANSWERS.index(SHAPES[0])
_ZERO = ANSWERS.index("1") - 1
_TYPE = {name: i for i, name in enumerate(QUESTION_TYPES)}
# Row k: k, then the other objects in order.
_ASKED_FIRST = np.array(
    [
        [k, *(i for i in range(NUM_OBJECTS) if i != k)]
        for k in range(NUM_OBJECTS)
    ],
    np.uint8,
)


@dataclass(frozen=True)
class Questions:
    """Questions about some scenes, scene by scene.

    Attributes:
        scene: [Q] Row of the scene asked about (int64).
        color: [Q] Colour of the object asked about (uint8).
        question_type: [Q] Index into ``QUESTION_TYPES`` (uint8).
        answer: [Q] Index into ``ANSWERS`` (uint8).
        num_support: [Q] How many objects decide the answer (uint8).
        support: [ΣK] Which ones, question by question: the object asked about
            first, then the others in rising order (uint8).
    """

    scene: np.ndarray
    color: np.ndarray
    question_type: np.ndarray
    answer: np.ndarray
    num_support: np.ndarray
    support: np.ndarray


def question_vector(
    color: np.ndarray | int, question_type: np.ndarray | int
) -> np.ndarray:
    """Write questions as bits.

    Args:
        color: [*] Indices into ``COLORS``.
        question_type: [*] Indices into ``QUESTION_TYPES``.

    Returns:
        [*, 11] The bits (uint8), as the head of this file lists them.
    """
    kind, subtype = np.divmod(question_type, _NUM_SUBTYPES)
    ones = (
        np.eye(_NUM_COLORS, dtype=np.uint8)[color],
        np.eye(len(CATEGORIES), dtype=np.uint8)[kind],
        np.eye(_NUM_SUBTYPES, dtype=np.uint8)[subtype],
    )
    return np.concatenate(ones, axis=-1)


def read_vector(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo :func:`question_vector`.

    Args:
        vector: [*, 11] Bits.

    Returns:
        Colours [*] and question types [*], as indices (int64).

    Raises:
        ValueError: If there are not 11 bits, or a part is not one-hot.
    """
    vector = np.asarray(vector)
    if vector.shape[-1:] != (NUM_BITS,):
        raise ValueError(
            f"`vector` has shape {vector.shape}, expected [*, {NUM_BITS}]"
        )
    found = []
    for name, first, last in (
        ("colour", 0, 6),
        ("kind", 6, 8),
        ("subtype", 8, 11),
    ):
        part = vector[..., first:last]
        good = np.isin(part, (0, 1)).all(-1) & (part.sum(-1) == 1)
        if not good.all():
            raise ValueError(
                f"`vector` holds {vector[~good][0].tolist()}, expected one 1 "
                f"among 0s in bits {first} to {last - 1} (the {name})"
            )
        found.append(part.argmax(-1))
    color, kind, subtype = found
    return color, kind * _NUM_SUBTYPES + subtype


def question_family(
    color: np.ndarray | int, question_type: np.ndarray | int
) -> np.ndarray:
    """[*] The question's number among all 36: 6 · colour + question type."""
    return np.asarray(color) * len(QUESTION_TYPES) + question_type


def answer_questions(
    scenes: Scenes,
    scene: np.ndarray,
    color: np.ndarray,
    question_type: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Answer questions.

    Distances are between centres. An object is not closest to itself, but it
    counts among the objects of its shape.

    Args:
        scenes: The scenes.
        scene: [Q] Rows of the scenes asked about.
        color: [Q] Colours of the objects asked about.
        question_type: [Q] Indices into ``QUESTION_TYPES``.

    Returns:
        The answers [Q] (uint8), as indices into ``ANSWERS``, and which objects
        decide each [Q, 6] (bool): the one asked about; also the closest or the
        furthest; or all that have its shape.
    """
    delta = scenes.center[:, :, None] - scenes.center[:, None, :]
    squared = np.square(delta).sum(-1)  # [S, 6, 6]
    itself = np.eye(NUM_OBJECTS, dtype=bool)
    closest = np.where(itself, squared.max() + 1, squared).argmin(2)
    furthest = squared.argmax(2)
    rows = np.arange(len(scenes))[:, None]
    alike = scenes.shape[:, :, None] == scenes.shape[:, None, :]
    left, top = np.moveaxis(scenes.center < MIDDLE, 2, 0)
    # Each subtype's answer for every object: [S, 6].
    answers = {
        "shape": _FIRST_SHAPE + scenes.shape,
        "left": np.where(left, _YES, _NO),
        "top": np.where(top, _YES, _NO),
        "closest": _FIRST_SHAPE + scenes.shape[rows, closest],
        "furthest": _FIRST_SHAPE + scenes.shape[rows, furthest],
        "count": _ZERO + alike.sum(2),
    }
    table = np.stack([answers[name] for name in QUESTION_TYPES], 2)
    support = np.broadcast_to(
        itself[:, None], (len(scenes), NUM_OBJECTS, len(_TYPE), NUM_OBJECTS)
    ).copy()
    support[:, :, _TYPE["closest"]] |= itself[closest]
    support[:, :, _TYPE["furthest"]] |= itself[furthest]
    support[:, :, _TYPE["count"]] |= alike
    chosen = (scene, color, question_type)
    return table[chosen].astype(np.uint8), support[chosen]


def sample_questions(
    scenes: Scenes, streams: Sequence[np.random.PCG64]
) -> Questions:
    """Draw each scene's questions from its own stream.

    A scene gets 10 non-relational questions, then 10 relational ones. Each ten
    are drawn at random, in random order, from the 18 (6 colours × 3 subtypes)
    of their kind without repeating one. The published generators draw with
    repetition: there, 2.2 of ten repeat another on average, and tell nothing
    new. Every colour and every subtype is as likely as any other.

    Args:
        scenes: The scenes.
        streams: One a scene, as ``sample_scenes`` left them.
    """
    per_kind = _NUM_COLORS * _NUM_SUBTYPES
    keys = random_words(streams, len(CATEGORIES), per_kind)
    order = np.argsort(keys, axis=2, kind="stable")[:, :, :PER_KIND]
    color, subtype = np.divmod(order, _NUM_SUBTYPES)
    kind = np.arange(len(CATEGORIES))[:, None]
    question_type = (kind * _NUM_SUBTYPES + subtype).ravel()
    color = color.ravel()
    scene = np.repeat(np.arange(len(scenes)), len(CATEGORIES) * PER_KIND)
    answer, decides = answer_questions(scenes, scene, color, question_type)
    objects = _ASKED_FIRST[color]
    return Questions(
        scene=scene,
        color=color.astype(np.uint8),
        question_type=question_type.astype(np.uint8),
        answer=answer,
        num_support=decides.sum(1).astype(np.uint8),
        support=objects[np.take_along_axis(decides, objects, axis=1)],
    )
