"""Time the store and its batches on the data of a preset.

Opens the training store as arrays in memory and mapped from its file, and
assembles shuffled batches: by themselves, and through loaders with and
without a worker process.

    python -m experiments loader quick
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from datasets.dataset import QuestionDataset
from datasets.loader import QuestionLoader
from datasets.task import find_task
from experiments.cli import parse
from experiments.config import CompareConfig
from experiments.run.data import open_splits

PROG = "python -m experiments loader"
HELP = """Time how fast the training data of a comparison are opened and put
together to shuffled batches of `train.batch_size` questions."""
#: Batches that are timed.
BATCHES = 200


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


def main(argv: list[str]) -> None:
    """Measure."""
    config = parse(CompareConfig, argv, PROG, HELP)
    task = find_task(config.task)
    splits = open_splits(task, config.data, config.data_root, "cpu")
    store = splits.dataset("train").store
    rng = np.random.default_rng(0)
    size = min(config.train.batch_size, store.num_questions)
    orders = [
        rng.choice(store.num_questions, size, replace=False)
        for _ in range(BATCHES)
    ]
    print(
        f"{store.path.name}: {store.num_questions:,} questions, "
        f"{store.path.stat().st_size / 1e6:.1f} MB; batches of {size}"
    )

    def open_in(mode: str) -> QuestionDataset:
        return QuestionDataset(
            store.path,
            objects=config.data.objects or None,
            node_features=task.node_features(config.data),
            mode=mode,  # type: ignore[arg-type]
        )

    for mode in ("memory", "mapped"):
        began = time.perf_counter()
        dataset = open_in(mode)
        opened = time.perf_counter() - began
        times = milliseconds(dataset.__getitem__, orders)
        print(f"{mode:6s}: opened in {opened:.3f} s; a batch: {times}")
    for workers in (0, 1):
        loader = QuestionLoader(
            open_in("auto"), size, shuffle=True, num_workers=workers
        )
        batches = iter(loader)
        next(batches)
        timed = max(1, min(BATCHES, len(loader) - 1))
        began = time.perf_counter()
        for _, _ in zip(range(timed), batches, strict=False):
            pass
        took = 1e3 * (time.perf_counter() - began) / timed
        print(f"loader, {workers} workers: mean {took:.2f} ms a batch")
