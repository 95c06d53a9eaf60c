"""Damaged stores give an error that names the file, or batches; never else.

Another process opens them, so that a crash inside HDF5 fails a test.
"""

import contextlib
import multiprocessing
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.dataset import QuestionDataset
from tests.datasets.test_dataset import KINDS, write_kind

pytestmark = pytest.mark.nightly


def _serve(pipe: Any) -> None:
    """Open what comes through the pipe; say what became of it."""
    while True:
        path, kind, mode = pipe.recv()
        try:
            dataset = QuestionDataset(path, kind, mode=mode)
        except (ValueError, FileNotFoundError) as error:
            named = str(path) in str(error)
            pipe.send(None if named else f"unnamed: {error!r}")
        except BaseException as error:
            pipe.send(f"{type(error).__name__}: {error}")
        else:
            try:
                for low in range(0, len(dataset), 1000):
                    dataset[low : low + 3]
                pipe.send(None)
            except BaseException as error:
                pipe.send(f"in a batch, {type(error).__name__}: {error}")


class Opener:
    """Opens stores in a process of its own."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(other,), daemon=True
        )
        self.process.start()
        other.close()

    def check(self, path: Path, kind: str, mode: str) -> None:
        self.pipe.send((path, kind, mode))
        answer: str | None = "no answer after a minute"
        with contextlib.suppress(EOFError):
            if self.pipe.poll(60):
                answer = self.pipe.recv()
        if not self.process.is_alive():
            answer = "the process is dead"
        if answer is not None:
            kept = shutil.copy(path, f"/tmp/store-{random.random()}.h5")
            self.process.kill()
            self.__init__()  # type: ignore[misc]
            pytest.fail(f"{answer}; the file: {kept}")


@pytest.fixture(scope="module")
def opener() -> Iterator[Opener]:
    opener = Opener()
    yield opener
    opener.process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def damage_bytes(path: Path, rng: random.Random) -> None:
    """Change, move, cut or add some bytes."""
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 8])):
        size = rng.choice([1, 1, 1, 2, 4, 8, 64])
        at = rng.randrange(len(data))
        what = rng.randrange(6)
        if what == 0:
            data[at : at + size] = rng.randbytes(size)
        elif what == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            data[at : at + size] = bytes([rng.choice([0, 255])]) * size
        elif what == 3:
            other = rng.randrange(len(data))
            data[at : at + size] = data[other : other + size]
        elif what == 4:
            del data[at + 64 : at + 64 + size]
        elif rng.random() < 0.2:
            del data[at + 64 :]
    path.write_bytes(data)


def _value(rng: random.Random) -> Any:
    """An attribute of some kind."""
    return rng.choice(
        [
            "",
            "{}",
            "[" * rng.choice([1, 10**5]),
            '{"task": ' * 2000,
            rng.randbytes(5),
            rng.randrange(-(2**40), 2**40),
            float("nan"),
            h5py.Empty("i4"),
            np.zeros(rng.randrange(4), "i4"),
            np.zeros(2, [("a", "f4")]),
            np.array(["a", "b"], h5py.string_dtype()),
        ]
    )


def _replacement(
    file: h5py.File, key: str, rng: random.Random, other: Path
) -> None:
    """Put something else in the place of a dataset."""
    with h5py.File(other, "r") as source:
        value = source[key][()]
    shape, dtype = value.shape, value.dtype
    del file[key]
    what = rng.randrange(12)
    types = [
        "u1",
        "i1",
        "<i2",
        ">i2",
        "<i4",
        ">i8",
        "<u8",
        "f2",
        "f4",
        "f8",
        "?",
    ]
    if what == 0:
        file[key] = h5py.ExternalLink(str(other), key)
    elif what == 1:
        names = [key, "scenes", "questions", "scenes/x", "nowhere", "/"]
        file[key] = h5py.SoftLink("/" + rng.choice(names))
    elif what == 2:
        file[key] = file[rng.choice(["/", *file])]
    elif what == 3:
        file[key] = h5py.Empty(dtype)
    elif what == 4:
        size = rng.choice([0, 1, 2**20, 2**40, 2**59])
        file.create_dataset(key, (size, *shape[1:]), dtype)
    elif what == 5:
        with np.errstate(all="ignore"):
            file[key] = value.astype(rng.choice(types))
    elif what == 6:
        file.create_dataset(
            key, shape, dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)]
        )
    elif what == 7 and shape:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(other, key, shape)
        file.create_virtual_dataset(key, layout)
    elif what == 8 and shape and 0 not in shape:
        file.create_dataset(key, data=value, chunks=True, compression="gzip")
    elif what == 9:
        file[key] = np.resize(
            value, [rng.randrange(8) for _ in range(rng.randrange(6))]
        )
    elif what == 10:
        again = value.copy().reshape(-1)
        for _ in range(rng.randrange(4) if again.size else 0):
            number = rng.choice([0, 1, 2, 5, 100, 127])
            again[rng.randrange(again.size)] = number
        file[key] = again.reshape(shape)


def damage_content(path: Path, rng: random.Random) -> None:
    """Change datasets, links, shapes and attributes as HDF5 itself would."""
    other = path.with_name("other.h5")
    shutil.copy(path, other)
    with h5py.File(other, "r") as source:
        keys = [f"{group}/{name}" for group in source for name in source[group]]
    with h5py.File(path, "r+") as file:
        for _ in range(rng.choice([1, 1, 2, 4])):
            # What was damaged before may stand in the way.
            with contextlib.suppress(Exception):
                _damage_once(file, keys, rng, other)


def _damage_once(
    file: h5py.File, keys: list[str], rng: random.Random, other: Path
) -> None:
    what, key = rng.random(), rng.choice(keys)
    if what < 0.7:
        _replacement(file, key, rng, other)
    elif what < 0.8:
        del file[key]
        file[key] = file[rng.choice(keys)]
    elif what < 0.95:
        name = rng.choice([*file.attrs])
        del file.attrs[name]
        file.attrs[name] = _value(rng)
    else:
        group = key.partition("/")[0]
        del file[group]
        file[group] = rng.choice(
            [
                h5py.SoftLink("/"),
                h5py.SoftLink(f"/{group}"),
                h5py.ExternalLink(str(other), group),
                file["/"],
                np.arange(3),
            ]
        )


@pytest.mark.parametrize("damage", [damage_bytes, damage_content])
@settings(max_examples=2000, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    objects=st.sampled_from(KINDS),
    question=st.sampled_from(["words", "vector", "none"]),
    mode=st.sampled_from(["memory", "mapped"]),
)
def test_nothing_else_comes_of_damage(
    folder: Path,
    opener: Opener,
    damage: Callable[[Path, random.Random], None],
    seed: int,
    objects: tuple[str, ...],
    question: str,
    mode: str,
) -> None:
    rng = random.Random(seed)
    whole = folder / f"{'-'.join(objects)}-{question}-{seed % 5}.h5"
    if not whole.exists():
        write_kind(whole, objects, question, seed % 5)
    path = folder / "damaged.h5"
    shutil.copy(whole, path)
    damage(path, rng)
    opener.check(path, objects[0], mode)
