"""Make a whole CLEVR set in the official layout, on all cores.

The unit of work is a block of 250 scenes with its questions: each has its own
seed, so that the files come out the same, byte by byte, whoever made which.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import orjson
from tqdm import tqdm

from datasets.clevr.jsonlist import JSONListWriter, read_info
from datasets.clevr.layout import questions_path, scenes_path
from datasets.clevr.questions import BLOCK, QuestionGenerator
from datasets.clevr.scenes import check_options, generate_scene
from datasets.workers import in_order, num_workers

#: To be raised with every change that alters what a seed gives.
GENERATOR_VERSION = 1
_SEPARATOR = b"\n"


@dataclass(frozen=True)
class Settings:
    """All that a block depends on, besides its split and number.

    Attributes:
        seed: The seed of the whole set.
        questions_per_scene: How many questions each scene gets.
        families: The families to keep to; None: all.
        min_objects: Fewest objects of a scene.
        max_objects: Most objects of a scene.
        condition: CoGenT's colour condition, or None.
    """

    seed: int = 0
    questions_per_scene: int = 10
    families: tuple[str | int, ...] | None = None
    min_objects: int = 3
    max_objects: int = 10
    condition: str | None = None


@lru_cache(maxsize=4)
def _question_generator(settings: Settings) -> QuestionGenerator:
    return QuestionGenerator(settings.families, settings.questions_per_scene)


def generate_block(
    settings: Settings, split: str, block: int, count: int = BLOCK
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make one block of scenes and their questions.

    Args:
        settings: What to make.
        split: The split's name.
        block: The block's number within the split.
        count: How many scenes it has, at most 250; fewer give the first
            scenes of the block.

    Returns:
        The scenes, numbered within the split, and the questions, numbered
        from 0.
    """
    rng = Random(f"scenes/{settings.seed}/{split}/{block}")
    scenes = [
        generate_scene(
            rng,
            block * BLOCK + i,
            split,
            min_objects=settings.min_objects,
            max_objects=settings.max_objects,
            condition=settings.condition,
        )
        for i in range(count)
    ]
    rng = Random(f"questions/{settings.seed}/{split}/{block}")
    questions = _question_generator(settings).generate_block(scenes, rng)
    return scenes, questions


def _block_as_json(
    settings: Settings, split: str, block: int, count: int
) -> tuple[bytes, bytes]:
    # Questions leave without their index: how many came before is known only
    # where the blocks are put in order.
    scenes, questions = generate_block(settings, split, block, count)
    for question in questions:
        del question["question_index"]
    return (
        b",\n".join(map(orjson.dumps, scenes)),
        _SEPARATOR.join(map(orjson.dumps, questions)),
    )


def _numbered(questions: bytes, first: int) -> tuple[bytes, int]:
    """Give questions their indices; the text and how many there are."""
    if not questions:
        return b"", 0
    parts = questions.split(_SEPARATOR)
    text = b",\n".join(
        b'{"question_index":%d,%s' % (i, part[1:])
        for i, part in enumerate(parts, first)
    )
    return text, len(parts)


def _is_finished(path: Path, info: Mapping[str, Any]) -> bool:
    """Whether the very file that would be made is there already."""
    if not path.exists():
        return False
    found = read_info(path)
    if found != info:
        raise FileExistsError(
            f"{path} exists and was not made with these settings: it says "
            f"{found}, expected {dict(info)}. Choose another folder, or "
            "remove the file"
        )
    return True


def generate(
    folder: str | Path,
    *,
    scenes: Mapping[str, int],
    questions_per_scene: int = 10,
    seed: int = 0,
    workers: int | None = None,
    families: Iterable[str | int] | None = None,
    min_objects: int = 3,
    max_objects: int = 10,
    condition: str | None = None,
    progress: bool = True,
) -> None:
    """Make scenes and questions and write them in the official layout.

    Each split's two files appear when the split is whole. Called again with
    the same settings, the function makes only the splits that are missing.

    Args:
        folder: Where ``scenes/`` and ``questions/`` are made.
        scenes: Split → how many scenes it gets.
        questions_per_scene: How many questions each scene gets, each of
            another family.
        seed: The same seed gives the same bytes for any number of workers.
        workers: How many processes to use; None: one a core.
        families: Groups' names or global indices to keep to, for example
            ``("zero_hop", "comparison")``; None: all 90.
        min_objects: Fewest objects of a scene.
        max_objects: Most objects of a scene, at most 100.
        condition: CoGenT's colour condition, ``"A"`` or ``"B"``.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If an option is out of range.
        FileExistsError: If a file is there that other settings made.
        OSError: If a file cannot be written; no part of it is left.
    """
    chosen = None if families is None else tuple(families)
    settings = Settings(
        seed,
        questions_per_scene,
        chosen,
        min_objects,
        max_objects,
        condition,
    )
    check_options(min_objects, max_objects, condition)
    _question_generator(settings)  # refuses bad options
    for split, count in scenes.items():
        if not split.isidentifier():
            raise ValueError(
                f"`scenes` has the split {split!r}, expected a name such as "
                "'train'"
            )
        if count < 1:
            raise ValueError(
                f"`scenes` has {count} scenes for {split!r}, expected ≥ 1"
            )
    workers = num_workers(workers)
    folder = Path(folder)
    todo = {}
    for split, count in scenes.items():
        info = _info(settings, split, count)
        # Both are looked at: each may refuse.
        done = [
            _is_finished(path(folder, split), info)
            for path in (scenes_path, questions_path)
        ]
        if not all(done):
            todo[split] = count
    with ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(
                total=sum(scenes.values()),
                initial=sum(scenes.values()) - sum(todo.values()),
                unit="scene",
                disable=not progress,
            )
        )
        for split, count in todo.items():
            bar.set_description(split)
            _write_split(folder, settings, split, count, workers, bar)


def _info(settings: Settings, split: str, count: int) -> dict[str, Any]:
    """The ``info`` entry of a split's files."""
    made_by = asdict(settings)
    if settings.families is not None:
        made_by["families"] = list(settings.families)
    return {
        "split": split,
        "license": "MIT",
        "version": "1.0",
        "date": "generated",
        "generator": {
            "name": "rn_graph",
            "version": GENERATOR_VERSION,
            "scenes": count,
            **made_by,
        },
    }


def _write_split(
    folder: Path,
    settings: Settings,
    split: str,
    count: int,
    workers: int,
    bar: "tqdm[Any]",
) -> None:
    info = _info(settings, split, count)
    asked = 0
    # The files are closed in reverse: scenes last.
    with (
        JSONListWriter(scenes_path(folder, split), "scenes", info) as to_scenes,
        JSONListWriter(
            questions_path(folder, split), "questions", info
        ) as to_questions,
    ):
        sizes = [min(BLOCK, count - n) for n in range(0, count, BLOCK)]
        jobs = [
            (settings, split, block, size) for block, size in enumerate(sizes)
        ]
        blocks = in_order(_block_as_json, jobs, min(workers, len(jobs)))
        for made, (scene_text, question_text) in zip(
            sizes, blocks, strict=True
        ):
            to_scenes.write(scene_text)
            numbered, more = _numbered(question_text, asked)
            to_questions.write(numbered)
            asked += more
            bar.update(made)
