import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from datasets.clevr.features import (
    VOCABULARIES,
    attribute_tables,
    node_features,
)
from datasets.dataset import QuestionDataset
from datasets.store import StoreWriter
from tests.datasets.make_store import open_writer, random_content, write_random

_QUESTIONS, _SCENES = 60, 12


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return random_content(7)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "train.h5"
    write_random(path, 7)
    return path


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
    dataset = QuestionDataset(path, form, mode)
    assert_same(dataset[rows], slow_batch(content, rows, form))
    assert dataset[rows].x.shape[1] == dataset.num_features


def test_kinds_of_index(path: Path) -> None:
    dataset = QuestionDataset(path)
    expected = dataset[[3, 4, 5]]
    for index in (slice(3, 6), torch.tensor([3, 4, 5]), np.array([3, 4, 5])):
        assert_same(dataset[index], expected)
    mask = np.zeros(_QUESTIONS, bool)
    mask[3:6] = True
    assert_same(dataset[mask], expected)
    assert_same(dataset[-1], dataset[[_QUESTIONS - 1]])


def test_an_empty_batch(path: Path) -> None:
    batch = QuestionDataset(path)[[]]
    assert batch.num_graphs == 0
    assert batch.x.shape == (0, 18)
    assert batch.tokens.shape == (0, 1)


@pytest.mark.parametrize("index", [_QUESTIONS, -_QUESTIONS - 1, 10**9])
def test_index_out_of_range(path: Path, index: int) -> None:
    with pytest.raises(IndexError, match=f"holds {index}, but there are 60"):
        QuestionDataset(path)[[0, index]]


@pytest.mark.parametrize("index", [[0.5], ["a"], [[0, 1]]])
def test_index_of_another_kind(path: Path, index: Any) -> None:
    with pytest.raises(IndexError, match="expected one dimension of integers"):
        QuestionDataset(path)[index]


def test_batches_move_and_pickle(path: Path) -> None:
    batch = QuestionDataset(path)[[5, 6, 6]]
    assert_same(batch.to("cpu"), batch)
    assert_same(pickle.loads(pickle.dumps(batch)), batch)
    assert batch.to("meta").x.is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_arrays_that_stay_on_the_gpu(path: Path) -> None:
    dataset = QuestionDataset(path)
    resident = QuestionDataset(path, device="cuda")
    for rows in ([1], list(range(60)), [4, 4, 2]):
        batch = resident[rows]
        assert all(value.is_cuda for _, value in batch)
        assert_same(batch.cpu(), dataset[rows])
        assert_same(dataset[rows].pin_memory(), dataset[rows])


def test_arrays_on_another_device(path: Path) -> None:
    """The meta device goes the way of every accelerator, without values."""
    batch = QuestionDataset(path, device="meta")[[1, 2, 2]]
    expected = QuestionDataset(path)[[1, 2, 2]]
    for key, value in batch:
        assert value.is_meta
        assert value.shape == expected[key].shape


@pytest.mark.parametrize("mode", ["memory", "mapped"])
def test_a_pickled_dataset_opens_its_file_again(path: Path, mode: Any) -> None:
    dataset = QuestionDataset(path, "rgb", mode).select(questions=[9, 2, 4])
    text = pickle.dumps(dataset)
    assert len(text) < 5_000
    assert_same(pickle.loads(text)[[0, 1, 2]], dataset[[0, 1, 2]])


def test_select(path: Path, content: dict[str, Any]) -> None:
    dataset = QuestionDataset(path)
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
    with pytest.raises(ValueError, match="`features` is 'hot', expected"):
        QuestionDataset(path, "hot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`mode` is 'disk', expected"):
        QuestionDataset(path, mode="disk")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'mapped' needs `device` 'cpu'"):
        QuestionDataset(path, mode="mapped", device="cuda")
    with pytest.raises(FileNotFoundError, match="no store at"):
        QuestionDataset(path.with_name("other.h5"))


def test_other_vocabularies_are_refused(tmp_path: Path) -> None:
    other = type(VOCABULARIES)(
        VOCABULARIES.tokens[::-1],
        VOCABULARIES.answers,
        VOCABULARIES.question_types,
        VOCABULARIES.attributes,
    )
    path = tmp_path / "train.h5"
    with StoreWriter(path, other, split="train", source="test") as writer:
        writer.add_scenes(**random_content(0)["scenes"])
    with pytest.raises(ValueError, match="other vocabularies than CLEVR's"):
        QuestionDataset(path)


def test_features_of_another_data_set(tmp_path: Path) -> None:
    """Float features pass through as they are."""
    path = tmp_path / "train.h5"
    vocabularies = type(VOCABULARIES)(("<pad>", "a"), ("no", "yes"), ("is",))
    x = torch.rand(3, 7)
    with StoreWriter(path, vocabularies, split="a", source="b") as writer:
        writer.add_scenes([1, 2], x, np.zeros((3, 3)), [0, 1])
        writer.add_questions([1], [1], [1], [1], [0], [0])
    dataset = QuestionDataset(path)
    assert dataset.num_features == 7
    torch.testing.assert_close(dataset[[0]].x, x[1:])


@pytest.mark.parametrize("mode", ["memory", "mapped"])
def test_maps(tmp_path: Path, mode: Any) -> None:
    maps = torch.rand(4, 2, 3, 5)
    path = tmp_path / "train.h5"
    with open_writer(path) as writer:
        writer.add_maps(maps, [0, 1, 2, 3])
        writer.add_questions([2, 3, 4], [1] * 3, [3, 0, 3], *[[0] * 3] * 3)
    dataset = QuestionDataset(path, mode=mode)
    batch = pickle.loads(pickle.dumps(dataset))[[0, 1, 2]]
    torch.testing.assert_close(batch.map, maps[[0, 3]])
    assert batch.question_batch.tolist() == [1, 0, 1]
    assert batch.num_graphs == batch.to("cpu").num_graphs == 2
    assert "x" not in batch
    assert dataset.num_features == 2
