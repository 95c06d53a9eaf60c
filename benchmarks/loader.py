"""Time the store and its batches at CLEVR's full size.

Writes a store of random questions to a temporary folder, then times opening
it and assembling shuffled batches from memory, from the mapped file, and, for
comparison, by h5py's own indexing of the open file.

    python -m benchmarks.loader
    python -m benchmarks.loader --num_questions 10000 --batch_size 64
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from jsonargparse import CLI
from tqdm import tqdm

from datasets.clevr.features import VOCABULARIES
from datasets.dataset import QuestionDataset
from datasets.loader import QuestionLoader
from datasets.store import StoreWriter


def write_store(path: Path, num_questions: int, seed: int) -> None:
    """Write random scenes of 3–10 objects and 10 questions about each."""
    rng = np.random.default_rng(seed)
    with StoreWriter(
        path, VOCABULARIES, split="train", source="random", info={"seed": seed}
    ) as writer:
        for first in tqdm(range(0, num_questions, 40_000), "writing"):
            questions = min(40_000, num_questions - first)
            scenes = -(-questions // 10)
            base = writer.num_scenes
            count = rng.integers(3, 11, scenes)
            values = [len(v) for _, v in VOCABULARIES.attributes]
            writer.add_scenes(
                count,
                rng.integers(0, values, (count.sum(), len(values))),
                rng.uniform(-3, 3, (count.sum(), 3)),
                base + np.arange(scenes),
            )
            length = rng.integers(4, 42, questions)
            writer.add_questions(
                rng.integers(2, len(VOCABULARIES.tokens), length.sum()),
                length,
                base + np.arange(questions) // 10,
                rng.integers(0, len(VOCABULARIES.answers), questions),
                rng.integers(0, 90, questions),
                rng.integers(0, len(VOCABULARIES.question_types), questions),
            )


def h5py_batch(file: h5py.File, rows: np.ndarray) -> list[np.ndarray]:
    """Read a batch by h5py's fancy indexing, a range a scene."""
    rows = np.sort(rows)  # h5py takes rising indices only
    out = [data[rows] for data in file["questions"].values()]
    ptr, x, pos = (file["scenes"][key] for key in ("ptr", "x", "pos"))
    for scene in np.unique(file["questions/scene"][rows]):
        low, high = ptr[scene : scene + 2]
        out += [x[low:high], pos[low:high]]
    return out


def milliseconds(
    what: Callable[[np.ndarray], object], orders: list[np.ndarray]
) -> str:
    """Median and 90th percentile over batches, as text."""
    times = []
    for rows in orders:
        began = time.perf_counter()
        what(rows)
        times.append(1e3 * (time.perf_counter() - began))
    tenth = statistics.quantiles(times, n=10)
    return f"median {statistics.median(times):7.2f} ms, 90 % {tenth[-1]:7.2f}"


def main(
    num_questions: int = 700_000,
    batch_size: int = 640,
    num_batches: int = 200,
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Time opening a store and assembling shuffled batches.

    Args:
        num_questions: Questions of the store; CLEVR's training set has
            699,989.
        batch_size: Questions a batch.
        num_batches: Batches timed.
        threads: Threads that torch may use.
        seed: Seed of the questions and of the order.
    """
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.h5"
        began = time.perf_counter()
        write_store(path, num_questions, seed)
        print(
            f"written: {num_questions:,} questions, "
            f"{path.stat().st_size / 1e6:.1f} MB, "
            f"{time.perf_counter() - began:.2f} s"
        )
        rng = np.random.default_rng(seed)
        orders = [
            rng.choice(num_questions, batch_size, replace=False)
            for _ in range(num_batches)
        ]
        for mode in ("memory", "mapped"):
            began = time.perf_counter()
            dataset = QuestionDataset(path, mode=mode)
            opened = time.perf_counter() - began
            print(
                f"{mode:6s}: opened in {opened:.3f} s; a batch of "
                f"{batch_size}: {milliseconds(dataset.__getitem__, orders)}"
            )
        for workers in (0, 1):
            loader = QuestionLoader(
                QuestionDataset(path),
                batch_size,
                shuffle=True,
                num_workers=workers,
            )
            batches = iter(loader)
            next(batches)
            timed = min(num_batches, len(loader) - 1)
            began = time.perf_counter()
            for _ in range(timed):
                next(batches)
            took = 1e3 * (time.perf_counter() - began) / max(timed, 1)
            print(f"loader, {workers} workers: mean {took:.2f} ms a batch")
        with h5py.File(path, "r") as file:
            few = orders[: max(2, num_batches // 10)]
            times = milliseconds(lambda rows: h5py_batch(file, rows), few)
            print(f"h5py fancy indexing: {times}")


if __name__ == "__main__":
    CLI(main, as_positional=False)
