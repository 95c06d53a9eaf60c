"""Small folders in the official CLEVR layout, written as the release is."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from datasets.clevr.vocabulary import ATTRIBUTES, DIRECTIONS

SAMPLE = Path(__file__).parents[4] / "shared/data/clevr_v1.0_sample"


def random_scene(
    rng: np.random.Generator, index: int, split: str
) -> dict[str, Any]:
    count = int(rng.integers(0, 5))
    return {
        "image_index": index,
        "image_filename": f"CLEVR_{split}_{index:06d}.png",
        "split": split,
        "directions": {
            name: [1.0, 0.0, 0.0] for name in (*DIRECTIONS, "above", "below")
        },
        "objects": [
            {
                **{a: str(rng.choice(v)) for a, v in ATTRIBUTES.items()},
                "rotation": float(rng.uniform(0, 360)),
                "3d_coords": rng.uniform(-3, 3, 3).tolist(),
                "pixel_coords": [1, 2, 3.0],
            }
            for _ in range(count)
        ],
        "relationships": {
            name: [[] for _ in range(count)] for name in DIRECTIONS
        },
    }


def ask_color(scene: dict[str, Any], color: str, number: int) -> dict[str, Any]:
    """How many things of a colour: family 84 of the release."""
    program = [
        {"function": "scene", "inputs": [], "value_inputs": []},
        {"function": "filter_color", "inputs": [0], "value_inputs": [color]},
        {"function": "count", "inputs": [1], "value_inputs": []},
    ]
    count = sum(item["color"] == color for item in scene["objects"])
    return {
        "question_index": number,
        "image_index": scene["image_index"],
        "image_filename": scene["image_filename"],
        "split": scene["split"],
        "question": f"How many {color} things are there?",
        "answer": str(count),
        "question_family_index": 84,
        "program": program,
    }


def write_json(path: Path, key: str, split: str, items: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = {"split": split, "version": "1.0", "license": "CC BY 4.0"}
    path.write_text(json.dumps({"info": info, key: items}))


def write_folder(
    folder: Path, seed: int = 0, split: str = "train", num_scenes: int = 6
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write scenes in random order and questions about them."""
    rng = np.random.default_rng(seed)
    scenes = [
        random_scene(rng, int(index), split)
        for index in rng.permutation(10 * num_scenes)[:num_scenes]
    ]
    questions = [
        ask_color(scenes[rng.integers(num_scenes)], str(color), number)
        for number, color in enumerate(
            rng.choice(ATTRIBUTES["color"], 3 * num_scenes)
        )
    ]
    write_split(folder, split, scenes, questions)
    return scenes, questions


def write_split(
    folder: Path,
    split: str,
    scenes: list[dict[str, Any]] | None,
    questions: list[dict[str, Any]] | None,
) -> None:
    for key, items in (("scenes", scenes), ("questions", questions)):
        if items is not None:
            path = folder / key / f"CLEVR_{split}_{key}.json"
            write_json(path, key, split, items)
