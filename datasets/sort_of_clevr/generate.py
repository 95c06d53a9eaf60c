"""Make a Sort-of-CLEVR set, chunk by chunk, on all cores.

Each scene has its own seed, so that a set comes out the same, byte by byte,
for any number of workers, and begins with what a shorter one holds.

The task is that of Santoro et al., "A simple neural network module for
relational reasoning" (2017), section 3.3 and appendix D.
"""

import operator
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from tqdm import tqdm

from datasets.sort_of_clevr.draw import draw_images
from datasets.sort_of_clevr.questions import (
    question_family,
    question_vector,
    sample_questions,
)
from datasets.sort_of_clevr.scenes import (
    NUM_OBJECTS,
    SPLITS,
    center_to_pos,
    make_streams,
    sample_scenes,
)
from datasets.workers import in_order, num_workers

#: To be raised with every change that alters what a seed gives.
GENERATOR_VERSION = 1
#: Scenes of a chunk; the last may have fewer.
CHUNK = 250
# What a seed and a scene's number must be below: one word each of a stream's
# seed, so that no two streams share theirs.
_WORD = 2**32


@dataclass(frozen=True)
class Chunk:
    """Some scenes, one after the other, with their 20 questions each.

    The rows of a scene's objects and questions follow one another, scene by
    scene. Object k of a scene is the one of colour k. Indices refer to the
    tuples of :mod:`datasets.sort_of_clevr.vocabulary`.

    Attributes:
        image: [S, 75, 75, 3] RGB pictures, rows from the top (uint8).
        codes: [6 S, 2] Each object's colour and shape (uint8).
        pos: [6 S, 2] Each object's centre (x, y) (float32): x from −1, the
            picture's left edge, to 1, its right edge; y from −1, its top edge,
            to 1, its bottom edge.
        vector: [Q, 11] The questions' bits (uint8), listed in
            :mod:`datasets.sort_of_clevr.questions`.
        scene: [Q] The scene asked about: its number within the split (int64).
        answer: [Q] Index into ``ANSWERS`` (uint8). Yes means left or top.
        question_type: [Q] Index into ``QUESTION_TYPES`` (uint8).
        family: [Q] 6 · colour + question type, below 36 (uint8).
        num_support: [Q] How many objects decide the answer (uint8).
        support: [ΣK] Which of the scene's objects 0 to 5 they are, question by
            question (uint8): the one asked about, then the closest or the
            furthest, or all others of its shape.
    """

    image: np.ndarray
    codes: np.ndarray
    pos: np.ndarray
    vector: np.ndarray
    scene: np.ndarray
    answer: np.ndarray
    question_type: np.ndarray
    family: np.ndarray
    num_support: np.ndarray
    support: np.ndarray

    @property
    def num_scenes(self) -> int:
        """How many scenes it holds."""
        return len(self.image)

    @property
    def num_questions(self) -> int:
        """How many questions it holds."""
        return len(self.vector)


def join_chunks(chunks: Iterable[Chunk]) -> Chunk:
    """Put chunks one after the other.

    Raises:
        ValueError: If there are none.
    """
    chunks = list(chunks)
    if not chunks:
        raise ValueError("`chunks` is empty, expected at least one chunk")
    return Chunk(
        **{
            field.name: np.concatenate([getattr(c, field.name) for c in chunks])
            for field in fields(Chunk)
        }
    )


def make_chunk(seed: int, split: str, first: int, count: int) -> Chunk:
    """Make a range of a split's scenes with their questions.

    Args:
        seed: The seed of the whole set, below 2³².
        split: ``"train"``, ``"val"`` or ``"test"``.
        first: Number of the first scene within the split.
        count: How many scenes.
    """
    streams = make_streams(seed, split, first, count)
    scenes = sample_scenes(streams)
    questions = sample_questions(scenes, streams)
    colors = np.arange(NUM_OBJECTS, dtype=np.uint8)
    codes = np.stack(np.broadcast_arrays(colors, scenes.shape), axis=-1)
    color, question_type = questions.color, questions.question_type
    return Chunk(
        image=draw_images(scenes.center, colors, scenes.shape),
        codes=codes.reshape(-1, 2),
        pos=center_to_pos(scenes.center).reshape(-1, 2),
        vector=question_vector(color, question_type),
        scene=first + questions.scene,
        answer=questions.answer,
        question_type=question_type,
        family=question_family(color, question_type),
        num_support=questions.num_support,
        support=questions.support,
    )


def generate(
    num_scenes: int,
    seed: int = 0,
    split: str = "train",
    workers: int | None = None,
    progress: bool = True,
) -> Iterator[Chunk]:
    """Make a split, in chunks of up to 250 scenes, in order.

    Args:
        num_scenes: How many scenes, each with 10 non-relational and 10
            relational questions.
        seed: The same seed gives the same bytes, for any number of workers; a
            longer split begins with the scenes of a shorter one.
        split: ``"train"``, ``"val"`` or ``"test"``: none shares its source of
            chance with another.
        workers: How many processes to use; None: one a core. One works in this
            process. More are spawned, so that a script that asks for them
            needs its ``if __name__ == "__main__":``.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If an argument is out of range; at once, not when the first
            chunk is asked for.
        OSError: If a worker is killed.
    """
    num_scenes = _whole("num_scenes", num_scenes, 1, _WORD)
    seed = _whole("seed", seed, 0, _WORD)
    if split not in SPLITS:
        raise ValueError(f"`split` is {split!r}, expected one of {SPLITS}")
    if workers is not None:
        workers = _whole("workers", workers, -_WORD, _WORD)
    workers = num_workers(workers)
    return _chunks(num_scenes, seed, split, workers, progress)


def _whole(name: str, value: Any, least: int, below: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number < below:
        raise ValueError(
            f"`{name}` is {value!r}, expected a whole number from {least} to "
            f"{below - 1}"
        )
    return number


def _chunks(
    num_scenes: int, seed: int, split: str, workers: int, progress: bool
) -> Iterator[Chunk]:
    jobs = (
        (seed, split, first, min(CHUNK, num_scenes - first))
        for first in range(0, num_scenes, CHUNK)
    )
    workers = min(workers, -(-num_scenes // CHUNK))
    chunks = in_order(make_chunk, jobs, workers)
    bar: tqdm[Any]
    with (
        closing(chunks),
        tqdm(
            total=num_scenes, desc=split, unit="scene", disable=not progress
        ) as bar,
    ):
        for chunk in chunks:
            bar.update(chunk.num_scenes)
            yield chunk
