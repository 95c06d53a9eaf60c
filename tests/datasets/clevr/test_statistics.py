from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.statistics import (
    RELEASED_SHARES,
    count_questions,
    count_scenes,
    figures,
    most_frequent_answers,
    same_source,
)
from datasets.clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    CATEGORIES,
    QUESTION_TYPES,
)
from datasets.store import Store, open_store
from tests.datasets.make_store import open_writer, random_content, write_content


def make(folder: Path, seed: int) -> tuple[dict[str, dict], Store]:
    content = random_content(seed)
    path = folder / f"{seed}.h5"
    write_content(path, content)
    return content, open_store(path)


def nonzero(table: dict[str, int]) -> dict[str, int]:
    return {key: count for key, count in table.items() if count}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_counts_by_hand(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    content, store = make(tmp_path_factory.mktemp("store"), seed)
    scenes, questions = content["scenes"], content["questions"]
    tables = count_scenes(store) | count_questions(store)
    expected = {
        "objects a scene": Counter(map(str, scenes["num_objects"])),
        "words a question": Counter(map(str, questions["length"])),
        "answer": Counter(ANSWERS[a] for a in questions["answer"] if a >= 0),
        "question type": Counter(
            QUESTION_TYPES[t] for t in questions["question_type"] if t >= 0
        ),
        "family": Counter(str(f) for f in questions["family"] if f >= 0),
        "category": Counter(
            category
            for t in questions["question_type"]
            for category, types in CATEGORIES.items()
            if t >= 0 and QUESTION_TYPES[t] in types
        ),
    }
    for column, (name, values) in enumerate(ATTRIBUTES.items()):
        expected[name] = Counter(values[x[column]] for x in scenes["x"])
    assert set(tables) == set(expected)
    for title, table in expected.items():
        assert nonzero(tables[title]) == dict(table), title


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_blind_guess_by_hand(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    train, fitted_on = make(folder, seed)
    val, store = make(folder, seed + 1)
    counts: dict[int, Counter[int]] = {}
    for kind, answer in zip(
        train["questions"]["question_type"],
        train["questions"]["answer"],
        strict=True,
    ):
        if kind >= 0 and answer >= 0:
            counts.setdefault(kind, Counter())[answer] += 1
    # Of answers that are equally frequent the first in the vocabulary counts.
    best = {k: min(c, key=lambda a: (-c[a], a)) for k, c in counts.items()}
    for kind, (answer, share) in most_frequent_answers(fitted_on).items():
        index = QUESTION_TYPES.index(kind)
        assert answer == ANSWERS[best[index]]
        total = counts[index].total()
        assert share == pytest.approx(100 * counts[index][best[index]] / total)
    asked = [
        (kind, answer)
        for kind, answer in zip(
            val["questions"]["question_type"],
            val["questions"]["answer"],
            strict=True,
        )
        if kind >= 0 and answer >= 0
    ]
    right = sum(best.get(kind) == answer for kind, answer in asked)
    assert figures(store, fitted_on)[
        "most frequent answer of the type, %"
    ] == pytest.approx(100 * right / len(asked))


def test_figures_by_hand(tmp_path: Path) -> None:
    content, store = make(tmp_path, 3)
    size, length = (
        content["scenes"]["num_objects"],
        content["questions"]["length"],
    )
    values = figures(store)
    assert values["objects a scene, mean"] == pytest.approx(size.mean())
    assert values["pairs a scene (N²), mean"] == pytest.approx((size**2).mean())
    assert values["words a question, mean"] == pytest.approx(length.mean())
    assert values["words a question, fewest"] == length.min()
    assert values["words a question, most"] == length.max()
    different = set()
    end = 0
    for n in length:
        different.add(tuple(content["questions"]["tokens"][end : end + n]))
        end += n
    assert values["different questions, %"] == pytest.approx(
        100 * len(different) / 60
    )


def test_a_store_without_questions(tmp_path: Path) -> None:
    with open_writer(tmp_path / "a.h5") as writer:
        writer.add_scenes(**random_content(0)["scenes"])
    store = open_store(tmp_path / "a.h5")
    assert most_frequent_answers(store) == {}
    assert set(figures(store)) == {
        "objects a scene, mean",
        "pairs a scene (N²), mean",
    }
    assert count_questions(store)["words a question"] == {}


def test_same_source() -> None:
    even = {"a": 1000, "b": 1000}
    assert same_source(even, {"a": 510, "b": 490}) > 0.05
    assert same_source(even, {"a": 700, "b": 300}) < 1e-6
    assert same_source({}, even) == 1.0
    assert same_source({"a": 3}, {"a": 9, "b": 0}) == 1.0


@pytest.mark.parametrize("title", ["category", "question type", "size"])
def test_released_shares_make_a_whole(title: str) -> None:
    assert sum(RELEASED_SHARES[title].values()) == pytest.approx(100, abs=1)
