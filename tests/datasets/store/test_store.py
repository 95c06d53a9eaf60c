import os
import pickle
import signal
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.features import VOCABULARIES
from datasets.store import StoreWriter, open_store
from datasets.store import writer as writer_module
from tests.datasets.make_store import (
    open_writer,
    random_content,
    write_content,
    write_random,
)

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.h5"


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_written_is_read(path: Path, mapped: bool) -> None:
    content = write_random(path, seed=1)
    store = open_store(path, mapped)
    scenes, questions = content["scenes"], content["questions"]
    assert (store.split, store.source, store.info) == (
        "train",
        "random",
        {"seed": 1},
    )
    assert store.vocabularies == VOCABULARIES
    assert store.num_scenes == 12
    assert store.num_questions == 60
    columns = store.columns
    for key in ("x", "pos", "image_index"):
        np.testing.assert_array_equal(columns[f"scenes/{key}"], scenes[key])
    for key in ("length", "scene", "answer", "family"):
        np.testing.assert_array_equal(
            columns[f"questions/{key}"], questions[key]
        )
    np.testing.assert_array_equal(
        np.diff(columns["scenes/ptr"]), scenes["num_objects"]
    )
    np.testing.assert_array_equal(
        columns["questions/type"], questions["question_type"]
    )
    ends = questions["length"].cumsum()
    tokens = columns["questions/tokens"]
    assert tokens.shape == (60, questions["length"].max())
    for row, end, length in zip(tokens, ends, questions["length"], strict=True):
        words = questions["tokens"][end - length : end]
        assert row.tolist() == words.tolist() + [0] * (len(row) - length)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 60), max_size=3),
)
def test_pieces_make_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    whole = write_random(folder / "whole.h5", seed)
    scenes, questions = whole["scenes"], whole["questions"]
    bounds = [0, *sorted(cuts), 60]
    words = np.concatenate(([0], questions["length"].cumsum()))
    rows = np.concatenate(([0], scenes["num_objects"].cumsum()))
    with open_writer(folder / "pieces.h5") as writer:
        for low in range(0, 12, 5):
            part = slice(low, min(low + 5, 12))
            some = slice(rows[part.start], rows[part.stop])
            writer.add_scenes(
                scenes["num_objects"][part],
                scenes["x"][some],
                scenes["pos"][some],
                scenes["image_index"][part],
            )
        for low, high in pairwise(bounds):
            part = {
                k: v[low:high] for k, v in questions.items() if k != "tokens"
            }
            tokens = questions["tokens"][words[low] : words[high]]
            writer.add_questions(tokens=tokens, **part)
    first = (folder / "whole.h5").read_bytes()
    assert first == (folder / "pieces.h5").read_bytes()


def test_more_questions_than_a_block(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_random(path, seed=3)
    expected = open_store(path).columns["questions/tokens"]
    monkeypatch.setattr(writer_module, "_ROWS", 7)
    write_random(path, seed=3)
    np.testing.assert_array_equal(
        open_store(path).columns["questions/tokens"], expected
    )
    assert content["questions"]["length"].max() == expected.shape[1]


def test_maps(path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype("f4")
    with open_writer(path) as writer:
        writer.add_maps(maps[:1], [5])
        writer.add_maps(maps[1:], [6, 7])
        writer.add_questions([3, 4, 5], [1, 2], [2, 0], [0, 1], [0, 0], [0, 0])
    store = open_store(path, mapped=True)
    assert store.has_maps
    np.testing.assert_array_equal(store.columns["scenes/map"], maps)
    assert store.columns["scenes/image_index"].tolist() == [5, 6, 7]


def test_scenes_alone(path: Path) -> None:
    with open_writer(path) as writer:
        writer.add_scenes(**random_content(0)["scenes"])
    for mapped in (False, True):
        assert open_store(path, mapped).num_questions == 0


def test_no_scene_has_an_object(path: Path) -> None:
    with open_writer(path) as writer:
        writer.add_scenes([0, 0], np.empty((0, 4)), np.empty((0, 3)), [1, 2])
        writer.add_questions([2], [1], [1], [0], [0], [0])
    for mapped in (False, True):
        assert open_store(path, mapped).columns["scenes/x"].shape == (0, 4)


def test_a_store_is_picklable(path: Path) -> None:
    write_random(path)
    store = pickle.loads(pickle.dumps(open_store(path)))
    assert store.num_questions == 60


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no store at .*train\.h5"):
        open_store(path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_writer(tmp_path / "nowhere" / "train.h5")


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = tmp_path_factory.mktemp("store") / "train.h5"
    write_random(path)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(
        ValueError,
        match=r"train\.h5 is (damaged or )?truncated|is not an HDF5 file",
    ):
        open_store(path)


def test_a_file_that_is_not_hdf5(path: Path) -> None:
    path.write_text('{"scenes": []}' * 100)
    with pytest.raises(ValueError, match=r"train\.h5 is not an HDF5 file"):
        open_store(path)


def test_a_foreign_hdf5_file(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(ValueError, match="not one of this project"):
        open_store(path)


def test_another_version(path: Path) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="format version 99, this program"):
        open_store(path)


@pytest.mark.parametrize("key", ["split", "info", "vocabularies"])
def test_a_missing_attribute(path: Path, key: str) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        del file.attrs[key]
    with pytest.raises(ValueError, match=rf"attributes \['{key}'\]"):
        open_store(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"tokens": 3}'])
def test_damaged_vocabularies(path: Path, text: str) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        file.attrs["vocabularies"] = text
    with pytest.raises(ValueError, match="'vocabularies' or 'info' is damaged"):
        open_store(path)


_KEYS = (
    "scenes/ptr",
    "scenes/x",
    "scenes/pos",
    "scenes/image_index",
    "questions/tokens",
    "questions/length",
    "questions/scene",
    "questions/answer",
    "questions/family",
    "questions/type",
)


@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize("damage", ["gone", "short", "text", "flat", "group"])
def test_inconsistent_datasets(path: Path, key: str, damage: str) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        value = file[key][()]
        del file[key]
        if damage == "short":
            file[key] = value[:-1]
        elif damage == "text":
            file[key] = np.full(value.shape, b"a")
        elif damage == "flat":
            file[key] = value[..., None]
        elif damage == "group":
            file.create_group(key)
    with pytest.raises(ValueError, match=rf"train\.h5.*'{key}'|{key}"):
        open_store(path)


@pytest.mark.parametrize(
    ("key", "row", "value", "expected"),
    [
        ("scenes/ptr", 3, 10_000, "must rise"),
        ("scenes/ptr", 0, 1, "must rise"),
        ("scenes/x", (0, 1), 8, r"\(color\)' holds 8, expected 0–7"),
        ("scenes/pos", (0, 0), np.nan, "NaN"),
        ("questions/tokens", (0, 0), 84, "holds 84, expected 0–83"),
        ("questions/length", 0, 0, "holds 0, expected 1–"),
        ("questions/length", 0, 100, "holds 100, expected 1–"),
        ("questions/scene", 5, 12, "holds 12, expected 0–11"),
        ("questions/scene", 5, -1, "holds -1, expected 0–11"),
        ("questions/answer", 5, 28, "holds 28, expected -1–27"),
        ("questions/family", 5, -2, "holds -2, expected at least -1"),
        ("questions/type", 5, 13, "holds 13, expected -1–12"),
    ],
)
@pytest.mark.parametrize("mapped", [False, True])
def test_values_out_of_range(
    path: Path,
    key: str,
    row: int | tuple[int, ...],
    value: float,
    expected: str,
    mapped: bool,
) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        file[key][row] = value
    with pytest.raises(ValueError, match=expected) as caught:
        open_store(path, mapped)
    assert str(path) in str(caught.value)
    assert key in str(caught.value)


def test_the_writer_refuses_what_does_not_fit(path: Path) -> None:
    scenes = random_content(0)["scenes"]
    with open_writer(path) as writer:
        writer.add_scenes(**scenes)
        with pytest.raises(ValueError, match="`num_objects` sums to 1"):
            writer.add_scenes([1], np.empty((0, 4)), np.empty((0, 3)), [0])
        with pytest.raises(ValueError, match=r"`x` has shape \(1, 5\)"):
            writer.add_scenes([1], np.zeros((1, 5)), np.zeros((1, 3)), [0])
        with pytest.raises(ValueError, match="`x` holds values that do not"):
            writer.add_scenes([1], np.full((1, 4), -1), np.zeros((1, 3)), [0])
        with pytest.raises(ValueError, match="`image_index` has 2"):
            writer.add_scenes([0], np.empty((0, 4)), np.empty((0, 3)), [0, 1])
        with pytest.raises(ValueError, match="different numbers"):
            writer.add_questions([1], [1], [0, 0], [0], [0], [0])
        with pytest.raises(ValueError, match="`tokens` has 2 entries"):
            writer.add_questions([1, 2], [1], [0], [0], [0], [0])
        with pytest.raises(ValueError, match="`words` holds values"):
            writer.add_questions([300], [1], [0], [0], [0], [0])
    assert open_store(path).num_scenes == 12


def test_nothing_wrong_is_published(path: Path) -> None:
    content = random_content(0)
    content["questions"]["scene"][3] = 12
    with pytest.raises(ValueError, match="'questions/scene' holds 12"):
        write_content(path, content)
    assert os.listdir(path.parent) == []


def _write_and_fail(path: Path, error: type[BaseException]) -> None:
    with open_writer(path) as writer:
        writer.add_scenes(**random_content(2)["scenes"])
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(
    path: Path, error: type[BaseException]
) -> None:
    write_random(path, seed=1)
    before = path.read_bytes()
    with pytest.raises(error):
        _write_and_fail(path, error)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["train.h5"]


def test_a_full_disk(path: Path) -> None:
    """A limit on the size of files makes writing fail as a full disk does."""
    script = f"""
        import resource, signal
        from pathlib import Path
        from tests.datasets.make_store import write_random
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for limit in (100, 5_000, 20_000, 40_000):
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                write_random(
                    Path({str(path)!r}), num_scenes=2000, num_questions=2000
                )
            except OSError as error:
                print("OSError:", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    assert done.stdout.count("OSError") == 4, done.stderr
    assert done.stdout.count("the store could not be written") == 4
    assert done.stdout.count(str(path)) == 4  # it says which
    assert os.listdir(path.parent) == []


def test_a_killed_run(path: Path) -> None:
    """SIGKILL in the midst of writing leaves nothing that looks finished."""
    script = f"""
        import time
        from pathlib import Path
        from datasets.store import writer
        from tests.datasets.make_store import write_random
        def wait(*args):
            print("half", flush=True)
            time.sleep(60)
        writer._write_tokens = wait
        write_random(Path({str(path)!r}))
    """
    run = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == b"half\n"
    left = os.listdir(path.parent)
    assert left == [f".train.h5.{run.pid}.part"]
    # While it runs, another writer leaves its file alone.
    with pytest.raises(RuntimeError):
        _write_and_fail(path, RuntimeError)
    assert os.listdir(path.parent) == left
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert not path.exists()
    write_random(path)
    assert os.listdir(path.parent) == ["train.h5"]
    assert open_store(path).num_questions == 60


def test_leftovers_of_other_files_stay(path: Path) -> None:
    other = path.parent / ".val.h5.1.part"
    other.touch()
    write_random(path)
    assert other.exists()


def test_no_handle_is_kept(path: Path) -> None:
    write_random(path)
    store = open_store(path)
    with h5py.File(path, "r+") as file:
        file.attrs["split"] = "other"
    assert store.split == "train"


def test_float_features(path: Path) -> None:
    vocabularies = type(VOCABULARIES)(("<pad>", "a"), ("no", "yes"), ("is",))
    x = np.random.default_rng(0).normal(size=(3, 7)).astype("f4")
    with StoreWriter(path, vocabularies, split="a", source="b") as writer:
        writer.add_scenes([3], x, np.zeros((3, 3)), [0])
        writer.add_questions([1], [1], [0], [1], [0], [0])
    store = open_store(path)
    np.testing.assert_array_equal(store.columns["scenes/x"], x)
    assert store.vocabularies == vocabularies
    assert store.info == {}
