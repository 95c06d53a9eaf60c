"""Random stores for the tests, and what is in them as plain lists."""

from pathlib import Path
from typing import Any

import numpy as np

from datasets.clevr.features import SCHEMA
from datasets.store import StoreWriter


def random_content(
    seed: int, num_scenes: int = 12, num_questions: int = 60
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 6, num_scenes)
    values = [len(v) for _, v in SCHEMA.attributes]
    length = rng.integers(1, 9, num_questions)
    return {
        "scenes": {
            "num_objects": count,
            "x": rng.integers(0, values, (count.sum(), 4)),
            "pos": rng.normal(size=(count.sum(), 3)).astype("f4"),
            "index": rng.permutation(3 * num_scenes)[:num_scenes],
        },
        "questions": {
            "tokens": rng.integers(1, 84, length.sum()),
            "length": length,
            "scene": rng.integers(0, num_scenes, num_questions),
            "answer": rng.integers(-1, 28, num_questions),
            "family": rng.integers(-1, 90, num_questions),
            "question_type": rng.integers(-1, 13, num_questions),
        },
    }


def open_writer(path: Path) -> StoreWriter:
    return StoreWriter(
        path, SCHEMA, split="train", source="random", info={"seed": 1}
    )


def write_content(path: Path, content: dict[str, Any]) -> None:
    with open_writer(path) as writer:
        writer.add_scenes(**content["scenes"])
        writer.add_questions(**content["questions"])


def write_random(path: Path, seed: int = 0, **sizes: int) -> dict[str, Any]:
    content = random_content(seed, **sizes)
    write_content(path, content)
    return content
