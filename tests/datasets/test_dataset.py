import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from datasets.clevr.features import (
    SCHEMA,
    NodeFeatures,
    attribute_tables,
    node_features,
)
from datasets.dataset import QuestionDataset
from datasets.store import Schema, StoreWriter
from tests.datasets.make_store import random_content, write_random

_QUESTIONS, _SCENES = 60, 12


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return random_content(7)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "train.h5"
    write_random(path, 7)
    return path


def states(path: Path, form: Any = "onehot", **options: Any) -> QuestionDataset:
    return QuestionDataset(path, node_features=NodeFeatures(form), **options)


def slow_batch(content: dict[str, Any], rows: list[int], form: str) -> Batch:
    """One ``Data`` a scene, put together by PyG itself."""
    scenes, questions = content["scenes"], content["questions"]
    ends = scenes["num_objects"].cumsum()
    words = np.split(questions["tokens"], questions["length"].cumsum())
    asked = sorted({int(questions["scene"][r]) for r in rows})
    graphs = []
    for scene in asked:
        low = ends[scene] - scenes["num_objects"][scene]
        pos = torch.tensor(scenes["pos"][low : ends[scene]])
        codes = torch.tensor(scenes["x"][low : ends[scene]])
        x = node_features(codes, pos, attribute_tables(form))
        graphs.append(Data(x=x, pos=pos))
    batch = Batch.from_data_list(graphs)
    longest = max(int(questions["length"][r]) for r in rows)
    batch.tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        for j, word in enumerate(words[row]):
            batch.tokens[i, j] = int(word)
    batch.question_batch = torch.tensor(
        [asked.index(questions["scene"][r]) for r in rows]
    )
    for field, column in {
        "length": "length",
        "y": "answer",
        "family": "family",
        "question_type": "question_type",
    }.items():
        batch[field] = torch.tensor([int(questions[column][r]) for r in rows])
    return batch


def assert_same(actual: Batch, expected: Batch) -> None:
    assert set(actual.keys()) == set(expected.keys())
    assert actual.num_graphs == expected.num_graphs
    for key in actual.keys():  # noqa: SIM118 (a Batch is no dict)
        assert actual[key].dtype == expected[key].dtype, key
        torch.testing.assert_close(
            actual[key], expected[key], rtol=0, atol=0, msg=key
        )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, _QUESTIONS - 1), min_size=1, max_size=80),
    form=st.sampled_from(["onehot", "rgb", "ordinal"]),
    mode=st.sampled_from(["memory", "mapped", "auto"]),
)
def test_equals_one_graph_at_a_time(
    path: Path, content: dict[str, Any], rows: list[int], form: Any, mode: Any
) -> None:
    dataset = states(path, mode=mode, form=form)
    assert_same(dataset[rows], slow_batch(content, rows, form))
    assert dataset[rows].x.shape[1] == dataset.num_features


def test_kinds_of_index(path: Path) -> None:
    dataset = states(path)
    expected = dataset[[3, 4, 5]]
    for index in (slice(3, 6), torch.tensor([3, 4, 5]), np.array([3, 4, 5])):
        assert_same(dataset[index], expected)
    mask = np.zeros(_QUESTIONS, bool)
    mask[3:6] = True
    assert_same(dataset[mask], expected)
    assert_same(dataset[-1], dataset[[_QUESTIONS - 1]])


def test_an_empty_batch(path: Path) -> None:
    batch = states(path)[[]]
    assert batch.num_graphs == 0
    assert batch.x.shape == (0, 18)
    assert batch.tokens.shape == (0, 1)


@pytest.mark.parametrize("index", [_QUESTIONS, -_QUESTIONS - 1, 10**9])
def test_index_out_of_range(path: Path, index: int) -> None:
    with pytest.raises(IndexError, match=f"holds {index}, but there are 60"):
        states(path)[[0, index]]


@pytest.mark.parametrize("index", [[0.5], ["a"], [[0, 1]]])
def test_index_of_another_kind(path: Path, index: Any) -> None:
    with pytest.raises(IndexError, match="expected one dimension of integers"):
        states(path)[index]


def test_batches_move_and_pickle(path: Path) -> None:
    batch = states(path)[[5, 6, 6]]
    assert_same(batch.to("cpu"), batch)
    assert_same(pickle.loads(pickle.dumps(batch)), batch)
    assert batch.to("meta").x.is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_arrays_that_stay_on_the_gpu(path: Path) -> None:
    dataset = states(path)
    resident = states(path, device="cuda")
    for rows in ([1], list(range(60)), [4, 4, 2]):
        batch = resident[rows]
        assert all(value.is_cuda for _, value in batch)
        assert_same(batch.cpu(), dataset[rows])
        assert_same(dataset[rows].pin_memory(), dataset[rows])


def test_arrays_on_another_device(path: Path) -> None:
    """The meta device goes the way of every accelerator, without values."""
    batch = states(path, device="meta")[[1, 2, 2]]
    expected = states(path)[[1, 2, 2]]
    for key, value in batch:
        assert value.is_meta
        assert value.shape == expected[key].shape


@pytest.mark.parametrize("mode", ["memory", "mapped"])
def test_a_pickled_dataset_opens_its_file_again(path: Path, mode: Any) -> None:
    dataset = states(path, mode=mode, form="rgb").select(questions=[9, 2, 4])
    text = pickle.dumps(dataset)
    assert len(text) < 5_000
    assert_same(pickle.loads(text)[[0, 1, 2]], dataset[[0, 1, 2]])


def test_select(path: Path, content: dict[str, Any]) -> None:
    dataset = states(path)
    assert len(dataset.select(questions=7)) == 7
    assert_same(dataset.select(questions=[8, 3])[[1]], dataset[[3]])
    few = dataset.select(scenes=4)
    assert set(few.scene) == set(content["questions"]["scene"]) & set(range(4))
    some = dataset.select(scenes=[1, 2], questions=3).select(questions=[2])
    rows = np.isin(content["questions"]["scene"], [1, 2]).nonzero()[0]
    assert_same(some[[0]], dataset[[rows[2]]])
    assert len(dataset) == _QUESTIONS
    assert len(dataset.select(questions=0)) == 0
    with pytest.raises(IndexError, match="`questions` is 61, but there are 60"):
        dataset.select(questions=61)
    with pytest.raises(IndexError, match="`scenes` holds 12, but there are 12"):
        dataset.select(scenes=[12])


def test_unknown_options(path: Path) -> None:
    with pytest.raises(ValueError, match="`mode` is 'disk', expected"):
        states(path, mode="disk")
    with pytest.raises(ValueError, match="'mapped' needs `device` 'cpu'"):
        states(path, mode="mapped", device="cuda")
    with pytest.raises(ValueError, match="`node_features` is None, but the"):
        QuestionDataset(path)
    with pytest.raises(ValueError, match=r"`objects` is 'maps', expected .*st"):
        states(path, objects="maps")
    with pytest.raises(FileNotFoundError, match="no store at"):
        QuestionDataset(path.with_name("other.h5"))


def test_another_schema_is_refused(path: Path) -> None:
    """Answers of another order would be misread without a word."""
    assert len(states(path, schema=SCHEMA)) == _QUESTIONS
    for other in (
        replace(SCHEMA, answers=SCHEMA.answers[::-1]),
        replace(SCHEMA, task="other"),
        replace(SCHEMA, attributes=()),
    ):
        with pytest.raises(ValueError, match="holds something else than is"):
            states(path, schema=other)
    with pytest.raises(ValueError, match="`task` is 'clevr', expected 'other'"):
        states(path, schema=replace(SCHEMA, task="other"))


def test_another_store_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.h5"
    write_random(path, 1)
    text = pickle.dumps(states(path))
    write_random(path, 1)
    assert len(pickle.loads(text)) == _QUESTIONS
    write_random(path, 2)
    with pytest.raises(ValueError, match="holds other data than before"):
        pickle.loads(text)


def write_kind(
    path: Path, objects: tuple[str, ...], question: str, seed: int
) -> dict[str, Any]:
    """A random store of any kinds; what it holds, scene by scene."""
    rng = np.random.default_rng(seed)
    nodes = bool({"states", "sentences"} & set(objects))
    edges, support, attr, places = (
        nodes and rng.random() < 0.7 for _ in "1234"
    )
    schema = Schema(
        task="any",
        objects=objects,
        question=question,
        answers=("a", "b", "c"),
        question_types=("is",),
        tokens=("<pad>", "one", "two", "three"),
        edges=edges,
        support=support,
    )
    shape = (5, 4, 3)
    scenes = []
    for index in rng.permutation(40)[:6]:
        n = int(rng.integers(0, 5))
        e = int(rng.integers(0, 4)) if n else 0
        scenes.append(
            {
                "index": int(index),
                "x": rng.normal(size=(n, 7)).astype("f4"),
                "pos": rng.normal(size=(n, 2)).astype("f4"),
                "image": rng.integers(0, 256, shape).astype("u1"),
                "map": rng.normal(size=shape).astype("f4"),
                "sentences": [
                    rng.integers(1, 4, rng.integers(1, 6)) for _ in range(n)
                ],
                "edge_index": rng.integers(0, max(n, 1), (e, 2)),
                "edge_attr": rng.normal(size=(e, 3)).astype("f4"),
            }
        )
    questions = [
        {
            "scene": (row := int(rng.integers(6))),
            "answer": int(rng.integers(-1, 3)),
            "question_type": 0,
            "family": int(rng.integers(-1, 50)),
            "tokens": rng.integers(1, 4, rng.integers(1, 6)),
            "vector": rng.integers(0, 2, 11),
            "support": rng.permutation(len(scenes[row]["x"]))[:2],
        }
        for _ in range(9)
    ]

    def flat(items: list[Any], key: str) -> np.ndarray:
        return np.concatenate([item[key] for item in items])

    def count(items: list[Any], key: str) -> list[int]:
        return [len(item[key]) for item in items]

    def stack(items: list[Any], key: str) -> np.ndarray:
        return np.stack([item[key] for item in items])

    with StoreWriter(path, schema, split="train", source="random") as writer:
        for part in (scenes[:2], scenes[2:]):
            given: dict[str, Any] = {}
            if "states" in objects:
                given["x"] = flat(part, "x")
                if places:
                    given["pos"] = flat(part, "pos")
            if nodes:
                given["num_objects"] = count(part, "x")
            if "sentences" in objects:
                words = [w for scene in part for w in scene["sentences"]]
                given["num_words"] = [len(w) for w in words]
                given["words"] = np.concatenate([*words, []])
            if edges:
                given["num_edges"] = count(part, "edge_index")
                given["edge_index"] = flat(part, "edge_index")
                if attr:
                    given["edge_attr"] = flat(part, "edge_attr")
            for kind in {"images", "maps"} & set(objects):
                given[kind[:-1]] = stack(part, kind[:-1])
            writer.add_scenes([scene["index"] for scene in part], **given)
        for asked in (questions[:1], questions[1:]):
            given = {}
            if question == "words":
                given["tokens"] = flat(asked, "tokens")
                given["length"] = count(asked, "tokens")
            if question == "vector":
                given["vector"] = stack(asked, "vector")
            if support:
                given["support"] = flat(asked, "support")
                given["num_support"] = count(asked, "support")
            keys = ("scene", "answer", "question_type", "family")
            writer.add_questions(
                *([q[k] for q in asked] for k in keys), **given
            )
    return {
        "scenes": scenes,
        "questions": questions,
        "schema": schema,
        "attr": attr,
        "places": places,
    }


def slow_kind(
    content: dict[str, Any], objects: str, rows: list[int]
) -> dict[str, Any]:
    """The fields of a batch, made by loops over lists."""
    schema = content["schema"]
    questions = [content["questions"][row] for row in rows]
    asked = sorted({q["scene"] for q in questions})
    scenes = [content["scenes"][row] for row in asked]
    graph = [asked.index(q["scene"]) for q in questions]
    out: dict[str, Any] = {
        "question_batch": graph,
        "y": [q["answer"] for q in questions],
        "question_type": [0] * len(rows),
        "family": [q["family"] for q in questions],
    }

    def pad(rows: list[np.ndarray]) -> list[list[int]]:
        longest = max([1, *map(len, rows)])
        return [[*row.tolist(), *[0] * (longest - len(row))] for row in rows]

    if schema.question == "words":
        out["tokens"] = pad([q["tokens"] for q in questions])
        out["length"] = [len(q["tokens"]) for q in questions]
    if schema.question == "vector":
        out["vector"] = [[float(v) for v in q["vector"]] for q in questions]
    if objects == "images":
        out["image"] = [s["image"].transpose(2, 0, 1) / 255 for s in scenes]
    if objects == "maps":
        out["map"] = [s["map"] for s in scenes]
    if objects not in ("states", "sentences"):
        return out
    ptr = [0]
    for scene in scenes:
        ptr.append(ptr[-1] + len(scene["x"]))
    out["ptr"] = ptr
    out["batch"] = [g for g, s in enumerate(scenes) for _ in s["x"]]
    if objects == "states":
        out["x"] = [row for s in scenes for row in s["x"]]
        places = content["places"]
        out["pos"] = [r if places else [] for s in scenes for r in s["pos"]]
    else:
        words = [w for s in scenes for w in s["sentences"]]
        out["words"] = pad(words)
        out["num_words"] = list(map(len, words))
        out["pos"] = [[float(i)] for s in scenes for i in range(len(s["x"]))]
    if schema.edges:
        edges = [
            (a + ptr[g], b + ptr[g])
            for g, s in enumerate(scenes)
            for a, b in s["edge_index"]
        ]
        out["edge_index"] = [[a for a, _ in edges], [b for _, b in edges]]
        if content["attr"]:
            out["edge_attr"] = [r for s in scenes for r in s["edge_attr"]]
    if schema.support:
        named = [
            (i, n + ptr[graph[i]])
            for i, q in enumerate(questions)
            for n in q["support"]
        ]
        out["support"] = [n for _, n in named]
        out["support_batch"] = [i for i, _ in named]
    return out


def cut(content: dict[str, Any], last: int | None) -> dict[str, Any]:
    """The content without the nodes before the last ones."""
    if last is None:
        return content
    scenes, questions = [], []
    for scene in content["scenes"]:
        keys = {"x", "pos", "sentences"} & set(scene)
        scenes.append(scene | {k: scene[k][-last:] for k in keys})
    for question in content["questions"]:
        size = len(content["scenes"][question["scene"]]["x"])
        less = max(size - last, 0)
        kept = [n - less for n in question.get("support", []) if n >= less]
        questions.append(question | {"support": kept})
    return content | {"scenes": scenes, "questions": questions}


KINDS = [
    ("states",),
    ("sentences",),
    ("images",),
    ("maps",),
    ("states", "images", "maps"),
]
_FLOATS = {"x", "pos", "image", "map", "edge_attr", "vector"}


@settings(max_examples=60, deadline=None)
@given(
    objects=st.sampled_from(KINDS),
    question=st.sampled_from(["words", "vector", "none"]),
    mode=st.sampled_from(["memory", "mapped"]),
    device=st.sampled_from(["cpu", "meta"]),
    rows=st.lists(st.integers(0, 8), min_size=1, max_size=12),
    last=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_kind_equals_loops_over_lists(
    tmp_path_factory: pytest.TempPathFactory,
    objects: tuple[str, ...],
    question: str,
    mode: Any,
    device: str,
    rows: list[int],
    last: int | None,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("store") / "train.h5"
    content = write_kind(path, objects, question, seed)
    if len(objects) > 1:
        with pytest.raises(ValueError, match="`objects` is None, expected one"):
            QuestionDataset(path)
    for kind in objects:
        if device == "meta":
            mode = "memory"
        options: Any = {"mode": mode, "device": device, "last": last}
        nodes = kind in ("states", "sentences")
        if last and (not nodes or content["schema"].edges):
            with pytest.raises(ValueError, match=f"`last` is {last}, expected"):
                QuestionDataset(path, kind, **options)
            options["last"] = None
        dataset = QuestionDataset(path, kind, **options)
        batch = pickle.loads(pickle.dumps(dataset))[rows]
        expected = slow_kind(cut(content, options["last"]), kind, rows)
        assert set(batch.keys()) == set(expected)
        assert batch.num_graphs == len(
            set(
                batch["question_batch"].tolist()
                if device == "cpu"
                else expected["question_batch"]
            )
        )
        for key, values in expected.items():
            dtype = torch.float32 if key in _FLOATS else torch.long
            assert batch[key].dtype == dtype, key
            if values and len(values[0:1]) and not np.size(values):
                assert batch[key].numel() == 0
                continue
            wanted = torch.from_numpy(np.array(values)).to(dtype)
            assert batch[key].shape == wanted.shape or not wanted.numel(), key
            if device == "cpu":
                torch.testing.assert_close(
                    batch[key].reshape(wanted.shape), wanted
                )
    width = {"states": 7, "sentences": 4, "images": 3, "maps": 5}
    assert dataset.num_features == width[objects[-1]]
