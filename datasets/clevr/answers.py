"""Run the program of every question and compare its answer, in passing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datasets.clevr.jsonlist import iter_json_list
from datasets.clevr.programs import execute


def check_answers(
    questions: Iterable[dict[str, Any]], scenes: Path
) -> Iterator[dict[str, Any]]:
    """Yield the questions, each once its program has given its answer.

    Only one scene is in memory at a time. The scenes file is read along with
    the questions, which is fast where both are in the same order, as CLEVR's
    are; otherwise it is read again from the start as often as need be.

    Args:
        questions: Questions of the released form. One without a program (of
            a test split) is yielded as it is.
        scenes: The file of their scenes.

    Raises:
        ValueError: If a program cannot be run on its scene or gives another
            answer than its question has.
    """
    reader = _SceneReader(scenes)
    for question in questions:
        if "program" in question:
            index = question["image_index"]
            where = (
                f"question {question['question_index']} of split "
                f"{question['split']!r} (image_index {index})"
            )
            try:
                answer = execute(question["program"], reader.find(index))
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if answer != question["answer"]:
                raise ValueError(
                    f"{where} has the answer {question['answer']!r}, but its "
                    f"program gives {answer!r}"
                )
        yield question


class _SceneReader:
    """Finds scenes in a file by reading on, then once more from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scene: dict[str, Any] = {}
        self.rest: Iterator[dict[str, Any]] = iter(())

    def find(self, index: int) -> dict[str, Any]:
        if self.scene.get("image_index") == index:
            return self.scene
        for _ in range(2):
            for scene in self.rest:
                if scene["image_index"] == index:
                    self.scene = scene
                    return scene
            self.rest = iter_json_list(self.path, "scenes")
        raise ValueError(f"{self.path} has no scene of image_index {index}")
