from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr import answers
from datasets.clevr.answers import check_answers
from datasets.clevr.layout import scenes_path
from tests.datasets.clevr.make_folder import write_folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("clevr")
    scenes, questions = write_folder(folder, num_scenes=8)
    return scenes_path(folder, "train"), scenes, questions


@settings(max_examples=30, deadline=None)
@given(order=st.lists(st.integers(0, 23), max_size=40))
def test_questions_pass_in_any_order(written: Any, order: list[int]) -> None:
    path, _, questions = written
    asked = [questions[i] for i in order]
    assert list(check_answers(asked, path)) == asked


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(24)), wrong=st.integers(0, 23))
def test_a_wrong_answer_is_found(
    written: Any, order: list[int], wrong: int
) -> None:
    path, _, questions = written
    asked = [questions[i] for i in order]
    asked[wrong] = asked[wrong] | {"answer": "10"}
    number = asked[wrong]["question_index"]
    passed = []
    with pytest.raises(ValueError, match=rf"question {number} of .*'10', but"):
        passed.extend(check_answers(asked, path))
    passed_first = []
    checked = check_answers(asked, path)
    for _ in range(wrong):
        passed_first.append(next(checked))
    assert passed_first == asked[:wrong]


def test_questions_without_a_program_pass(tmp_path: Path) -> None:
    asked = [{"question_index": 0, "image_index": 3}]
    assert list(check_answers(asked, tmp_path / "none.json")) == asked


def test_a_scene_that_is_not_there(written: Any) -> None:
    path, _, questions = written
    with pytest.raises(ValueError, match="no scene of image_index 999"):
        list(check_answers([questions[0] | {"image_index": 999}], path))


def test_sorted_questions_take_one_reading(
    written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scenes, questions = written
    place = {scene["image_index"]: i for i, scene in enumerate(scenes)}
    readings = []
    real = answers.iter_json_list
    monkeypatch.setattr(
        answers,
        "iter_json_list",
        lambda *args: readings.append(args) or real(*args),
    )
    asked = sorted(questions, key=lambda q: place[q["image_index"]])
    assert len(list(check_answers(asked, path))) == 24
    assert len(readings) == 1
