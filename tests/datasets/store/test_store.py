import hashlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.features import SCHEMA
from datasets.store import Schema, StoreWriter, open_store, read_schema
from datasets.store import writer as writer_module
from datasets.store.layout import FORMAT
from tests.datasets.make_store import (
    open_writer,
    random_content,
    write_content,
    write_random,
)
from tests.datasets.test_dataset import write_kind

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.h5"


def test_a_schema_is_read_without_the_columns(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no store at .*train\.h5"):
        read_schema(path)
    path.write_text("no store")
    with pytest.raises(ValueError, match=r"train\.h5 is not"):
        read_schema(path)
    write_random(path)
    assert read_schema(path) == open_store(path).schema == SCHEMA


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
    assert store.schema == SCHEMA
    assert store.num_scenes == 12
    assert store.num_questions == 60
    columns = store.columns
    for key in ("x", "pos", "index"):
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
                scenes["index"][part],
                num_objects=scenes["num_objects"][part],
                x=scenes["x"][some],
                pos=scenes["pos"][some],
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


MAPS = Schema(
    task="any",
    objects=("maps",),
    question="none",
    answers=("no", "yes"),
    question_types=("is",),
)


def write_maps(path: Path, *pieces: np.ndarray) -> None:
    with StoreWriter(path, MAPS, split="train", source="random") as writer:
        for piece in pieces:
            first = writer.num_scenes + 5
            writer.add_scenes(range(first, first + len(piece)), map=piece)
        writer.add_questions([2, 0], [0, 1], [0, 0], [0, 10**5])


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_maps(path: Path, dtype: str) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype(dtype)
    write_maps(path, maps[:1], maps[1:])
    store = open_store(path, mapped=True)
    assert store.schema == MAPS
    np.testing.assert_array_equal(store.columns["scenes/map"], maps)
    assert store.columns["scenes/map"].dtype == maps.dtype
    assert store.columns["scenes/index"].tolist() == [5, 6, 7]


def test_scenes_alone(path: Path) -> None:
    with open_writer(path) as writer:
        writer.add_scenes(**random_content(0)["scenes"])
    for mapped in (False, True):
        assert open_store(path, mapped).num_questions == 0


def test_no_scene_has_an_object(path: Path) -> None:
    with open_writer(path) as writer:
        none = {"x": np.empty((0, 4)), "pos": np.empty((0, 3))}
        writer.add_scenes([1, 2], num_objects=[0, 0], **none)
        writer.add_questions([1], [0], [0], [0], tokens=[2], length=[1])
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


def test_a_store_of_the_first_version(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": FORMAT, "version": 1, "split": "train"})
        file["scenes/image_index"] = np.arange(3)
    with pytest.raises(
        ValueError,
        match=r"train\.h5 is of format version 1, .*again from its source",
    ):
        open_store(path)


@pytest.mark.parametrize("key", ["split", "info", "schema", "content"])
def test_a_missing_attribute(path: Path, key: str) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        del file.attrs[key]
    with pytest.raises(ValueError, match=f"has None as attribute '{key}'"):
        open_store(path)


def set_attribute(path: Path, key: str, value: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs[key]
        file.attrs[key] = value


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"a"', "3", "null", "[" * 10**5, '{"a":' * 10**5],
)
@pytest.mark.parametrize("key", ["schema", "info"])
def test_damaged_json(path: Path, key: str, text: str) -> None:
    write_random(path)
    set_attribute(path, key, text)
    with pytest.raises(
        ValueError, match=r"train\.h5 is damaged: attribute 'schema' or"
    ):
        open_store(path)


@pytest.mark.parametrize("key", ["format", "version", "split", "schema"])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(4),
        1.5,
        h5py.Empty("f4"),
        np.array(["a", "b"], dtype="S3"),
        np.zeros(2, [("a", "i4")]),
    ],
    ids=str,
)
def test_attributes_of_another_kind(path: Path, key: str, value: Any) -> None:
    write_random(path)
    set_attribute(path, key, value)
    with pytest.raises(ValueError, match=r"train\.h5 "):
        open_store(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objects": ()}, r"`objects` is \(\), expected some of"),
        ({"objects": ("sounds",)}, "'sounds'"),
        ({"objects": ("states", "sentences")}, "at most one of"),
        ({"objects": ("maps",)}, "`attributes` is .*none but of states"),
        ({"objects": "maps"}, "`objects` is 'maps', expected a tuple"),
        ({"question": "sounds"}, "`question` is 'sounds', expected one of"),
        ({"tokens": ()}, "`tokens` is .*with the padding first"),
        ({"answers": ("a", "b", "a")}, "`answers` is .*each name once"),
        ({"families": (1, 2)}, "`families` is .*a tuple of texts"),
        ({"attributes": (("a", ["b"]),)}, r"`attributes\[a\]` is \['b'\]"),
        (
            {"objects": ("maps",), "attributes": (), "edges": True},
            "`edges` is True, expected False without",
        ),
        (
            {"objects": ("images",), "attributes": (), "support": True},
            "`support` is True, expected False without",
        ),
    ],
)
def test_schemas_that_contradict_themselves(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SCHEMA, **change)


def test_what_differs_between_schemas() -> None:
    assert SCHEMA.difference(Schema.from_json(SCHEMA.to_json())) == ""
    other = replace(SCHEMA, task="b", edges=True)
    assert SCHEMA.difference(other) == (
        "`task` is 'b', expected 'clevr'; `edges` is True, expected False"
    )


_KEYS = (
    "scenes/ptr",
    "scenes/x",
    "scenes/pos",
    "scenes/index",
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
    if (key, damage) == ("scenes/pos", "gone"):
        pytest.skip("places are optional")
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
    # Where the first of several columns is short, the second is named.
    group = key.partition("/")[0]
    name = group if damage == "short" else key
    with pytest.raises(ValueError, match=rf"train\.h5: (dataset )?'{name}"):
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
        ("questions/family", 5, -2, "holds -2, expected -1–89"),
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
    one = {"num_objects": [1], "x": np.ones((1, 4)), "pos": np.ones((1, 3))}
    asked = {"scene": [0], "answer": [0], "question_type": [0], "family": [0]}
    asked |= {"tokens": [1], "length": [1]}
    wrong: list[tuple[str, dict[str, Any]]] = [
        (
            "`x` has 1 rows, expected one for each of the 2 o",
            {"num_objects": [2]},
        ),
        ("`pos` has 2 rows, .* 1 objects", {"pos": np.ones((2, 3))}),
        (r"`x` has shape \(1, 5\), expected", {"x": np.ones((1, 5))}),
        ("`x` holds values that do not", {"x": np.full((1, 4), -1)}),
        ("`x` holds values that do not", {"x": np.full((1, 4), 0.5)}),
        ("`x` is of type <U1, expected n", {"x": np.full((1, 4), "a")}),
        ("`pos` holds values that do not", {"pos": np.full((1, 3), np.nan)}),
        ("`pos` holds values that do not", {"pos": np.full((1, 3), 1e300)}),
        ("`num_objects` has 2 rows, .* 1 sc", {"num_objects": [1, 0]}),
        ("`num_objects` holds -1, expected 0", {"num_objects": [-1]}),
        ("`x` is missing: the store of 'clevr' has states", {"x": None}),
        ("`pos` is missing", {"pos": None}),
        ("`map` is given, but the store of 'clevr' has no maps", {"map": [1]}),
        ("`num_edges` is given", {"num_edges": [1]}),
        ("`index` has shape", {"index": 0}),
    ]
    wrong_questions: list[tuple[str, dict[str, Any]]] = [
        ("`answer` has 2 rows, .* 1 questions", {"answer": [0, 0]}),
        ("`tokens` has 2 rows, .* 1 tokens", {"tokens": [1, 2]}),
        ("`tokens` holds values", {"tokens": [300]}),
        ("`length` is missing", {"length": None}),
        ("`vector` is given", {"vector": [[1]]}),
    ]
    with open_writer(path) as writer:
        writer.add_scenes(**scenes)
        for message, change in wrong:
            with pytest.raises(ValueError, match=message):
                writer.add_scenes(**({"index": [0]} | one | change))
        for message, change in wrong_questions:
            with pytest.raises(ValueError, match=message):
                writer.add_questions(**(asked | change))
    assert open_store(path).num_scenes == 12


def test_an_optional_column_does_not_join_later(path: Path) -> None:
    one: dict[str, Any] = {"num_objects": [1], "x": np.ones((1, 4))}
    with open_writer(path) as writer:
        writer.add_scenes([0], **one)
        with pytest.raises(ValueError, match=r"`pos` is given, but .* none of"):
            writer.add_scenes([1], pos=np.ones((1, 3)), **one)
    assert "scenes/pos" not in open_store(path).columns


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
        import os, time
        from pathlib import Path
        from tests.datasets.make_store import write_random
        def wait(*args):
            print("half", flush=True)
            time.sleep(60)
        os.fsync = wait
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


@pytest.mark.parametrize("mapped", [False, True])
def test_float_features(path: Path, mapped: bool) -> None:
    schema = replace(SCHEMA, task="other", attributes=())
    x = np.random.default_rng(0).normal(size=(3, 7)).astype("f4")
    with StoreWriter(path, schema, split="a", source="") as writer:
        writer.add_scenes([0], num_objects=[3], x=x)
        writer.add_questions([0], [1], [0], [0], tokens=[1], length=[1])
    store = open_store(path, mapped)
    np.testing.assert_array_equal(store.columns["scenes/x"], x)
    assert (store.schema, store.info, store.source) == (schema, {}, "")


def test_content_is_a_sum_of_the_columns(path: Path) -> None:
    write_random(path, seed=1)
    store = open_store(path)
    expected = hashlib.sha256()
    for key, column in sorted(store.columns.items()):
        form = f"{key} {column.dtype.str} {column.shape}\n"
        digest = hashlib.sha256(column.tobytes()).digest()
        expected.update(form.encode() + digest)
    assert store.content == expected.hexdigest()
    contents = {store.content}
    for key, row, value in (
        ("answer", 3, 5),
        ("scene", 0, 11),
        ("length", 0, 1),
    ):
        content = random_content(1)
        old = content["questions"][key][row]
        content["questions"][key][row] = value
        if key == "length":
            keep = [0, *range(old, len(content["questions"]["tokens"]))]
            content["questions"]["tokens"] = content["questions"]["tokens"][
                keep
            ]
        write_content(path, content)
        contents.add(open_store(path).content)
    assert len(contents) == (4 if old > 1 else 3)


def test_long_settings(path: Path) -> None:
    info = {"text": "ä" * 10**6}
    with StoreWriter(path, MAPS, split="ä", source="β", info=info) as writer:
        writer.add_scenes([0], map=np.ones((1, 1, 1, 1)))
    store = open_store(path)
    assert (store.info, store.split, store.source) == (info, "ä", "β")


# What an attack found ########################################################


def replace_dataset(path: Path, key: str, make: Any) -> None:
    write_random(path)
    with h5py.File(path, "r+") as file:
        value = file[key][()]
        del file[key]
        make(file, key, value, path.with_name("other.h5"))


def external_link(file: Any, key: str, value: Any, other: Path) -> None:
    with h5py.File(other, "w") as target:
        target["data"] = value
    file[key] = h5py.ExternalLink(str(other), "data")


def soft_link(file: Any, key: str, value: Any, other: Path) -> None:
    file["elsewhere"] = value
    file[key] = h5py.SoftLink("/elsewhere")


def looping_link(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = h5py.SoftLink(f"/{key}")


def hard_link_to_root(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = file["/"]


def virtual(file: Any, key: str, value: Any, other: Path) -> None:
    with h5py.File(other, "w") as target:
        target["data"] = value
    layout = h5py.VirtualLayout(value.shape, value.dtype)
    layout[:] = h5py.VirtualSource(other, "data", value.shape)
    file.create_virtual_dataset(key, layout)


def external_storage(file: Any, key: str, value: Any, other: Path) -> None:
    value.tofile(other)
    file.create_dataset(
        key, value.shape, value.dtype, external=[(str(other), 0, value.nbytes)]
    )


def compressed(file: Any, key: str, value: Any, other: Path) -> None:
    file.create_dataset(key, data=value, compression="gzip")


def big_endian(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = value.astype(value.dtype.newbyteorder(">"))


def double(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = value.astype("f8")


def null_space(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = h5py.Empty(value.dtype)


def huge(file: Any, key: str, value: Any, other: Path) -> None:
    file.create_dataset(key, (2**50, *value.shape[1:]), value.dtype)


def hugest(file: Any, key: str, value: Any, other: Path) -> None:
    shape = (2**62, 0) if value.ndim == 2 else (2**60,)
    file.create_dataset(key, shape, value.dtype)


def strange_type(file: Any, key: str, value: Any, other: Path) -> None:
    file[key] = np.zeros(value.shape, [("a", "i4"), ("b", "f8")])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("key", ["scenes/x", "questions/answer", "scenes/ptr"])
@pytest.mark.parametrize(
    "make",
    [
        external_link,
        soft_link,
        looping_link,
        hard_link_to_root,
        virtual,
        external_storage,
        compressed,
        big_endian,
        double,
        null_space,
        huge,
        hugest,
        strange_type,
    ],
)
def test_datasets_that_are_none_of_the_file(
    path: Path, make: Any, key: str, mapped: bool
) -> None:
    replace_dataset(path, key, make)
    if make is big_endian and key == "scenes/x":
        pytest.skip("a byte has no ends")
    with pytest.raises(ValueError, match=rf"train\.h5: '{key}' ") as caught:
        open_store(path, mapped)
    if make is null_space:
        assert "has shape None" in str(caught.value)


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("other.h5", "/scenes"), h5py.SoftLink("/q")]
)
def test_groups_that_are_links(path: Path, link: Any) -> None:
    write_random(path.with_name("other.h5"))
    write_random(path)
    with h5py.File(path, "r+") as file:
        file.move("scenes", "q")
        file["scenes"] = link
    with pytest.raises(
        ValueError, match=r"train\.h5: 'scenes/index' is a link"
    ):
        open_store(path)


def test_no_other_file_is_read(path: Path) -> None:
    """External storage once gave the text of any file as features."""
    replace_dataset(path, "scenes/x", external_storage)
    with pytest.raises(ValueError, match="expected a contiguous dataset"):
        open_store(path)


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8"])
def test_falling_pointers(path: Path, dtype: str) -> None:
    """A difference of unsigned numbers is never negative."""
    replace_dataset(
        path,
        "scenes/ptr",
        lambda file, key, value, _: file.create_dataset(
            key, data=np.r_[value[:5], 0, value[6:]].astype(dtype)
        ),
    )
    with pytest.raises(ValueError, match="'scenes/ptr' must rise from 0"):
        open_store(path)


def test_nan_in_maps(path: Path) -> None:
    maps = np.ones((3, 2, 4, 5), "f2")
    with pytest.raises(ValueError, match="`map` holds values that do not fit"):
        write_maps(path, np.where(np.arange(5) == 3, np.nan, maps))
    write_maps(path, maps)
    with h5py.File(path, "r+") as file:
        file["scenes/map"][2, 1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="'scenes/map' holds NaN or infinity"):
        open_store(path)
    # Mapped, the maps are not looked at.
    assert np.isnan(open_store(path, mapped=True).columns["scenes/map"]).any()


def test_no_question_may_have_support(path: Path) -> None:
    words = {"objects": ("sentences",), "tokens": ("<pad>", "a")}
    schema = replace(MAPS, **words, support=True)
    with StoreWriter(path, schema, split="train", source="test") as writer:
        writer.add_scenes([0], num_objects=[1], num_words=[1], words=[1])
        writer.add_questions(
            [0, 0],
            [0, 1],
            [0, 0],
            [0, 0],
            num_support=[0, 0],
            support=np.zeros(0, int),
        )
    assert open_store(path).num_questions == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scenes/edge_index", 9),
        ("scenes/edge_index", -1),
        ("questions/support", 9),
        ("questions/support", -1),
        ("scenes/words", 4),
        ("scenes/word_ptr", 0),
    ],
)
def test_wrong_nodes_and_words(path: Path, key: str, value: int) -> None:
    schema = replace(
        MAPS,
        objects=("sentences",),
        tokens=("<pad>", "a", "b", "c"),
        edges=True,
        support=True,
    )
    with StoreWriter(path, schema, split="train", source="test") as writer:
        writer.add_scenes(
            [0, 1],
            num_objects=[2, 3],
            num_words=[1, 2, 1, 1, 1],
            words=[1, 2, 3, 1, 2, 3],
            num_edges=[1, 2],
            edge_index=[[0, 1], [2, 2], [0, 2]],
        )
        writer.add_questions(
            [1, 0],
            [0, 1],
            [0, 0],
            [0, 0],
            num_support=[1, 2],
            support=[2, 0, 1],
        )
    assert open_store(path).num_questions == 2
    with h5py.File(path, "r+") as file:
        row = (1, 1) if key == "scenes/edge_index" else 1
        file[key][row] = value
    with pytest.raises(ValueError, match=rf"train\.h5: '{key}"):
        open_store(path)


@pytest.mark.parametrize(
    ("kind", "key", "change", "expected"),
    [
        ("states", "scenes/x", lambda v: v.astype("i4"), "expected floats"),
        ("states", "scenes/edge_index", lambda v: np.c_[v, v], "sender and"),
        ("images", "scenes/image", lambda v: v[..., :2], "expected 3 bytes"),
        ("images", "scenes/image", lambda v: v.astype("i4"), "expected 3 byt"),
        ("clevr", "scenes/x", lambda v: v[:, :3], "an index for each of the"),
        ("clevr", "scenes/x", lambda v: v.astype("f4"), "an index for each"),
    ],
)
def test_rows_of_another_form(
    path: Path, kind: str, key: str, change: Any, expected: str
) -> None:
    if kind == "clevr":
        write_random(path)
    else:
        write_kind(path, (kind,), "none", seed=3)
    open_store(path)
    with h5py.File(path, "r+") as file:
        value = file[key][()]
        del file[key]
        file[key] = change(value)
    with pytest.raises(ValueError, match=rf"train\.h5: '{key}' .*{expected}"):
        open_store(path)


def _may_mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """HDF5 ended in a segmentation fault, and left its file."""
    if not _may_mount(tmp_path):
        pytest.skip("a small disk cannot be mounted here")
    path = tmp_path / "train.h5"
    script = f"""
        import subprocess
        from pathlib import Path
        from tests.datasets.make_store import write_random
        path = Path({str(path)!r})
        for size in range(8, 400, 24):
            mount = ["mount", "-o", f"remount,size={{size}}k", str(path.parent)]
            subprocess.run(mount, check=True)
            try:
                write_random(path, num_scenes=2000, num_questions=2000)
            except OSError as error:
                print("full", error)
            else:
                print("whole")
                path.unlink()
            assert list(path.parent.iterdir()) == []
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            check=False,
            cwd=_ROOT,
        )
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    full = [line for line in lines if line != "whole"]
    assert len(lines) == 17
    assert 3 < len(full) < 17
    for line in full:
        assert line.startswith("full [Errno 28] the store could not be written")
        assert line.endswith(f"{str(path)!r}")
