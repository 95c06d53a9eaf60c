"""The official CLEVR v1.0 layout: reading and checking its JSON files.

A folder holds ``scenes/CLEVR_<split>_scenes.json`` and
``questions/CLEVR_<split>_questions.json``. Everything read here is checked:
what comes out can be relied on. Test questions carry no program, answer or
family, and there are no test scenes; both are as in the release.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets.clevr.jsonlist import iter_json_list
from datasets.clevr.programs import check_program
from datasets.clevr.vocabulary import ANSWERS, ATTRIBUTES, DIRECTIONS

NUM_FAMILIES = 90
_SCENE_KEYS = (
    "image_index",
    "image_filename",
    "split",
    "directions",
    "objects",
    "relationships",
)
_OBJECT_KEYS = (*ATTRIBUTES, "rotation", "3d_coords", "pixel_coords")
_QUESTION_KEYS = (
    "question_index",
    "image_index",
    "image_filename",
    "split",
    "question",
)
_ANSWERED_KEYS = ("answer", "question_family_index", "program")
_ANSWERS = frozenset(ANSWERS)
_VECTORS = (*DIRECTIONS, "above", "below")


def scenes_path(folder: str | Path, split: str) -> Path:
    """``<folder>/scenes/CLEVR_<split>_scenes.json``."""
    return Path(folder) / "scenes" / f"CLEVR_{split}_scenes.json"


def questions_path(folder: str | Path, split: str) -> Path:
    """``<folder>/questions/CLEVR_<split>_questions.json``."""
    return Path(folder) / "questions" / f"CLEVR_{split}_questions.json"


def image_filename(split: str, index: int) -> str:
    """``CLEVR_<split>_000042.png``."""
    return f"CLEVR_{split}_{index:06d}.png"


def _require(entry: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {entry!r:.60}, expected an object")
    for key in keys:
        if key not in entry:
            raise ValueError(
                f"{where} has no key {key!r}, expected {', '.join(keys)}"
            )


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    )


def check_scene(scene: Any, where: str = "`scene`") -> None:
    """Check one scene of the released form.

    Args:
        scene: The scene.
        where: How an error should name it.

    Raises:
        ValueError: Naming the key, its value and what was expected.
    """
    _require(scene, _SCENE_KEYS, where)
    index = scene["image_index"]
    if type(index) is not int or index < 0:
        raise ValueError(
            f"{where} has image_index {index!r}, expected an integer ≥ 0"
        )
    name = scene["image_filename"]
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"{where} has image_filename {name!r}, expected the name of a file"
        )
    objects = scene["objects"]
    if not isinstance(objects, list):
        raise ValueError(f"{where} has objects {objects!r}, expected a list")
    for i, item in enumerate(objects):
        here = f"object {i} of {where}"
        _require(item, _OBJECT_KEYS, here)
        for name, values in ATTRIBUTES.items():
            if item[name] not in values:
                raise ValueError(
                    f"{here} has {name} {item[name]!r}, expected one of "
                    f"{values}"
                )
        for key in ("3d_coords", "pixel_coords"):
            if not _is_vector(item[key]):
                raise ValueError(
                    f"{here} has {key} {item[key]!r}, expected three numbers"
                )
        if type(item["rotation"]) not in (int, float):
            raise ValueError(
                f"{here} has rotation {item['rotation']!r}, expected a number"
            )
    _require(scene["directions"], _VECTORS, f"directions of {where}")
    for name in _VECTORS:
        if not _is_vector(scene["directions"][name]):
            raise ValueError(
                f"{where} has direction {name} {scene['directions'][name]!r}, "
                "expected three numbers"
            )
    relations = scene["relationships"]
    _require(relations, DIRECTIONS, f"relationships of {where}")
    n = len(objects)
    for name in DIRECTIONS:
        lists = relations[name]
        if not isinstance(lists, list) or len(lists) != n:
            raise ValueError(
                f"{where} has {len(lists) if isinstance(lists, list) else 0} "
                f"lists in relationships {name!r}, expected one for each of "
                f"its {n} objects"
            )
        for i, others in enumerate(lists):
            if not isinstance(others, list) or not all(
                type(j) is int and 0 <= j < n for j in others
            ):
                raise ValueError(
                    f"relationships {name!r} of object {i} of {where} are "
                    f"{others!r}, expected object indices in 0..{n - 1}"
                )


def check_question(question: Any, where: str = "`question`") -> None:
    """Check one question of the released form.

    Args:
        question: The question. Without ``program``, ``answer`` and
            ``question_family_index`` it passes if its split is a test split.
        where: How an error should name it.

    Raises:
        ValueError: Naming the key, its value and what was expected.
    """
    _require(question, _QUESTION_KEYS, where)
    for key in ("image_index", "question_index"):
        if type(question[key]) is not int or question[key] < 0:
            raise ValueError(
                f"{where} has {key} {question[key]!r}, expected an integer ≥ 0"
            )
    if not isinstance(question["question"], str):
        raise ValueError(
            f"{where} has question {question['question']!r}, expected text"
        )
    # Also CoGenT's testA and testB.
    if str(question["split"]).startswith("test") and not any(
        key in question for key in _ANSWERED_KEYS
    ):
        return
    _require(question, _ANSWERED_KEYS, where)
    answer = question["answer"]
    if not isinstance(answer, str) or answer not in _ANSWERS:
        raise ValueError(
            f"{where} has answer {answer!r}, expected one of the 28: "
            f"{', '.join(ANSWERS)}"
        )
    family = question["question_family_index"]
    if type(family) is not int or not 0 <= family < NUM_FAMILIES:
        raise ValueError(
            f"{where} has question_family_index {family!r}, expected an "
            f"integer in 0..{NUM_FAMILIES - 1}"
        )
    try:
        check_program(question["program"])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _split_of(path: Path, info: Mapping[str, Any]) -> str | None:
    named = re.fullmatch(r"CLEVR_(\w+)_(scenes|questions)\.json", path.name)
    if info.get("split") is not None:
        return str(info["split"])
    return named[1] if named else None


def _check_split(
    entry: dict[str, Any], path: Path, info: Mapping[str, Any], where: str
) -> None:
    split = _split_of(path, info)
    if split is not None and entry["split"] != split:
        raise ValueError(
            f"{where} is of split {entry['split']!r}, expected {split!r} as "
            "the file says"
        )


def iter_scenes(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the checked scenes of a file, one at a time.

    Args:
        path: A ``CLEVR_<split>_scenes.json`` file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, malformed, or a scene fails
            :func:`check_scene` or comes twice.
    """
    path = Path(path)
    info: dict[str, Any] = {}
    seen: set[int] = set()
    names: set[str] = set()
    for i, scene in enumerate(iter_json_list(path, "scenes", info)):
        where = f"scene {i} of {path}"
        check_scene(scene, where)
        _check_split(scene, path, info, where)
        if scene["image_index"] in seen:
            raise ValueError(
                f"{where} has image_index {scene['image_index']}, which an "
                "earlier scene has: expected each once"
            )
        # Two scenes would have one picture.
        if scene["image_filename"] in names:
            raise ValueError(
                f"{where} has image_filename {scene['image_filename']!r}, "
                "which an earlier scene has: expected each once"
            )
        seen.add(scene["image_index"])
        names.add(scene["image_filename"])
        yield scene


def read_scenes(path: str | Path) -> list[dict[str, Any]]:
    """Every scene of a file: the list of :func:`iter_scenes`."""
    return list(iter_scenes(path))


def iter_questions(
    path: str | Path, scenes: Mapping[int, Mapping[str, Any]] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the checked questions of a file, one at a time.

    Memory stays bounded: a released file holds a gigabyte of JSON.

    Args:
        path: A ``CLEVR_<split>_questions.json`` file.
        scenes: Where given, ``image_index`` → its scene (of which only
            ``image_filename`` and ``split`` are read): each question must
            belong to one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, malformed, a question fails
            :func:`check_question`, or has no scene among ``scenes``.
    """
    path = Path(path)
    info: dict[str, Any] = {}
    for i, question in enumerate(iter_json_list(path, "questions", info)):
        where = f"question {i} of {path}"
        check_question(question, where)
        _check_split(question, path, info, where)
        if scenes is not None:
            check_belongs(question, scenes, where)
        yield question


def read_questions(
    path: str | Path, scenes: Mapping[int, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Every question of a file: the list of :func:`iter_questions`."""
    return list(iter_questions(path, scenes))


def check_belongs(
    question: Mapping[str, Any],
    scenes: Mapping[int, Mapping[str, Any]],
    where: str = "`question`",
) -> None:
    """Check that a question's scene is there and is the one it names.

    Args:
        question: A checked question.
        scenes: ``image_index`` → its scene.
        where: How an error should name the question.

    Raises:
        ValueError: If the scene is missing, or differs in file name or split.
    """
    index = question["image_index"]
    scene = scenes.get(index)
    if scene is None:
        raise ValueError(
            f"{where} asks about image_index {index}, which none of the "
            f"{len(scenes)} scenes has: the scenes file does not belong to "
            "these questions"
        )
    for key in ("image_filename", "split"):
        if question[key] != scene[key]:
            raise ValueError(
                f"{where} has {key} {question[key]!r}, but its scene "
                f"(image_index {index}) has {scene[key]!r}: the scenes file "
                "does not belong to these questions"
            )
