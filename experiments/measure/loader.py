"""Time the store and its batches at CLEVR's full size.

Writes a store of random questions to a temporary folder, then times opening
it and assembling shuffled batches from memory, from the mapped file, and, for
comparison, by h5py's own indexing of the open file; and sets a batch beside a
training step of the paper's model.

    python -m experiments loader
    python -m experiments loader --num_questions 10000 --batch_size 64
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from datasets.clevr.features import VOCABULARIES
from datasets.dataset import QuestionDataset
from datasets.loader import QuestionLoader
from datasets.store import StoreWriter
from experiments import cli
from rn_graph import QuestionAnswering, QuestionEncoder, RelationNetwork


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


def training_step(path: Path, batch_size: int, steps: int = 3) -> float:
    """Median seconds of forward and backward of the paper's state model.

    LSTM of 256, g of 4 × 512, f of 512 and 1024 (Santoro et al. 2017).
    """
    dataset = QuestionDataset(path)
    model = QuestionAnswering(
        QuestionEncoder(len(VOCABULARIES.tokens), 32, 256),
        RelationNetwork(
            dataset.num_features,
            len(VOCABULARIES.answers),
            256,
            hidden_channels=512,
            readout_channels=(512, 1024),
            readout_dropout=0.02,
        ),
    )
    batches = iter(QuestionLoader(dataset, batch_size, shuffle=True))
    times = []
    for batch in islice(batches, steps + 1):
        began = time.perf_counter()
        scores = model(
            batch.x,
            batch.tokens,
            batch.length,
            batch=batch.batch,
            question_batch=batch.question_batch,
        )
        F.cross_entropy(scores, batch.y).backward()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def measure(
    num_questions: int = 700_000,
    batch_size: int = 640,
    num_batches: int = 200,
    threads: int = 2,
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
        batch_seconds: dict[int, float] = {}
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
            took = (time.perf_counter() - began) / max(timed, 1)
            batch_seconds[workers] = took
            print(
                f"loader, {workers} workers: mean {1e3 * took:.2f} ms a batch"
            )
        step = training_step(path, batch_size)
        print(
            f"a training step of the paper's state model, {batch_size} "
            f"questions: {1e3 * step:.0f} ms; a batch from the loader above, "
            f"without workers, is {100 * batch_seconds[0] / step:.2f} % of it"
        )
        with h5py.File(path, "r") as file:
            few = orders[: max(2, num_batches // 10)]
            times = milliseconds(lambda rows: h5py_batch(file, rows), few)
            print(f"h5py fancy indexing: {times}")


def main(argv: list[str]) -> None:
    """Measure what the options say."""
    cli.call(measure, argv, "python -m experiments loader")
