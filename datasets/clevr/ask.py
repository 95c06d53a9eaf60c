"""Ask new questions about scenes that are there already."""

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import orjson
from tqdm import tqdm

from datasets.clevr.jsonlist import JSONListWriter, read_info
from datasets.clevr.layout import iter_scenes, questions_path, scenes_path
from datasets.clevr.questions import BLOCK, QuestionGenerator


def ask(
    folder: str | Path,
    out: str | Path,
    splits: Sequence[str] | None = None,
    questions_per_scene: int = 10,
    seed: int = 0,
    families: Sequence[str | int] | None = None,
    progress: bool = True,
) -> None:
    """Write questions about the scenes of a folder in CLEVR's layout.

    For the released scenes without their questions, or for other families
    than were asked. The same seed gives the same questions.

    Args:
        folder: Folder that holds ``scenes/``.
        out: Folder to make, with a copy of the scenes and new questions.
        splits: Splits to ask about. Default: all that have scenes.
        questions_per_scene: Questions asked about each scene.
        seed: Seed of all random choices.
        families: Groups' names or indices of families. Default: all 90.
        progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If there are no scenes.
        FileExistsError: If ``out`` has questions, or is ``folder``.
        ValueError: For a bad scenes file or an unknown family.
    """
    folder, out = Path(folder), Path(out)
    generator = QuestionGenerator(families, questions_per_scene)
    if splits is None:
        known = ("train", "val", "test")
        splits = [s for s in known if scenes_path(folder, s).is_file()]
        if not splits:
            raise FileNotFoundError(
                f"{folder / 'scenes'} has no scenes files, expected for "
                f"example {scenes_path(folder, 'train').name}"
            )
    for split in splits:
        if not scenes_path(folder, split).is_file():
            raise FileNotFoundError(
                f"{scenes_path(folder, split)} does not exist"
            )
        for path in (scenes_path(out, split), questions_path(out, split)):
            if path.exists():
                raise FileExistsError(
                    f"{path} exists: expected `out` to be another folder, or "
                    f"one without the split {split!r}"
                )
    for split in splits:
        _ask_split(folder, out, split, generator, seed, progress)


def _ask_split(
    folder: Path,
    out: Path,
    split: str,
    generator: QuestionGenerator,
    seed: int,
    progress: bool,
) -> None:
    source = scenes_path(folder, split)
    info = {
        **read_info(source),
        "questions": {
            "name": "rn_graph",
            "seed": seed,
            "questions_per_scene": generator.questions_per_scene,
            "families": [family.index for family in generator.families],
        },
    }
    questions = 0
    target = scenes_path(out, split)
    with (
        JSONListWriter(questions_path(out, split), "questions", info) as file,
        tqdm(desc=split, unit="scene", disable=not progress) as bar,
    ):
        blocks = iter(partial(_take, iter_scenes(source)), [])
        for number, block in enumerate(blocks):
            rng = Random(f"questions/{seed}/{split}/{number}")
            asked = generator.generate_block(block, rng)
            for question in asked:
                question["question_index"] += questions
            file.write(b",\n".join(map(orjson.dumps, asked)))
            questions += len(asked)
            bar.update(len(block))
        # The scenes stand before the questions are finished: questions
        # without their scenes would look whole.
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.with_name(f".{target.name}.partial")
        shutil.copyfile(source, copy)
        copy.replace(target)


def _take(scenes: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(islice(scenes, BLOCK))
