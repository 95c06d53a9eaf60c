"""Train the runs of a comparison: one after another, or side by side."""

import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Self

import lightning as L
import torch
from torch import nn
from tqdm import tqdm

from datasets.files import write_json
from datasets.loader import QuestionLoader
from datasets.workers import end_with_parent
from experiments.config import CompareConfig, TrainConfig
from experiments.run import processes
from experiments.run.accuracy import EVALUATION_BATCH
from experiments.run.data import Splits, open_splits
from experiments.run.evaluate import answer_split
from experiments.run.models import MODELS
from experiments.run.runs import Run
from experiments.run.training import train


class Trainings:
    """Trains runs, in as many processes as ``config.jobs``; a context.

    Args:
        config: ``jobs``, ``threads`` and ``data_root``.
        total: How many runs there are in all, for the titles.
    """

    def __init__(self, config: CompareConfig, total: int) -> None:
        if config.jobs > 1 and processes.count() > 1:
            raise ValueError(
                f"`jobs` is {config.jobs}, expected 1 with the processes of "
                f"torchrun: they share one training"
            )
        self.jobs = config.jobs
        self.threads = config.threads
        if self.jobs > 1 and not self.threads:
            self.threads = max((os.cpu_count() or 1) // self.jobs, 1)
        if self.threads:
            torch.set_num_threads(self.threads)
        self.root = config.data_root
        self.total = total
        self.begun = 0
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def run(self, runs: Iterable[Run]) -> None:
        """Train runs, unless that is done.

        Args:
            runs: The runs.

        Raises:
            ValueError: If a run's folder holds one with other settings.
            FloatingPointError: If a loss is not finite.
        """
        todo = []
        for run in runs:
            self.begun += 1
            if processes.is_first():
                run.begin()
            processes.wait()
            done = (run.folder / "val.json").exists()
            if MODELS[run.model].build is not None and not done:
                todo.append((run, f"[{self.begun}/{self.total}] {title(run)}"))
        if self.jobs == 1 or len(todo) < 2:
            for run, name in todo:
                train_run(run, self.root, name)
            return
        if self.pool is None:
            # Spawned, since a forked process cannot use torch's threads.
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(
                self.jobs,
                context,
                _begin,
                (self.threads, self.root, context.Value("i", 0)),
            )
        jobs = {
            self.pool.submit(_train_run, run.folder, run.settings, name): name
            for run, name in todo
        }
        for job in as_completed(jobs):
            accuracy, seconds = job.result()
            tqdm.write(
                f"{jobs[job]}: {100 * accuracy:.1f} % on validation, "
                f"{seconds:.0f} s"
            )


def title(run: Run) -> str:
    """What a run's progress bar says."""
    comparison = run.folder.parents[1].name
    rate = f"{run.train.learning_rate:g}"
    return f"{comparison}: {run.label}, rate {rate}, seed {run.seed}"


def train_run(
    run: Run, root: str, name: str, position: int = 0
) -> tuple[float, float]:
    """Train a run, and write its validation accuracy into its folder.

    Args:
        run: The run, begun.
        root: Folder of generated data.
        name: What the progress bar says.
        position: The bar's line on the terminal.

    Returns:
        Validation accuracy of the best weights, and seconds of training.
    """
    splits = open_splits(run.task, run.data, root, run.train.accelerator)
    L.seed_everything(run.seed, workers=True, verbose=False)
    model = run.build()
    if run.train.init:
        take_over(model, Path(run.train.init))
    seconds = train(
        model,
        run.task,
        stages(run.train, splits, run.seed),
        splits.loader("val", EVALUATION_BATCH),
        run.train,
        run.seed,
        run.folder,
        name,
        position,
        run.task.augmentation(run.data) if run.train.augment else None,
    )
    accuracy = answer_split(run, splits, "val").accuracy()
    seconds = round(seconds, 1)
    if processes.is_first():
        write_json(
            run.folder / "val.json", {"accuracy": accuracy, "seconds": seconds}
        )
    processes.wait()
    return accuracy["all"], seconds


def take_over(model: nn.Module, folder: Path) -> None:
    """Let a model begin with the weights of a trained run.

    Args:
        model: The model; what the run's does not have stays as it is.
        folder: The run's folder.

    Raises:
        FileNotFoundError: If the folder is not a trained run's.
        ValueError: If the model lacks a weight of the run's, or has it in
            another shape.
    """
    source = Run.read(folder).load()
    own = model.state_dict()
    for name, value in source.state_dict().items():
        if name not in own or own[name].shape != value.shape:
            found = list(own[name].shape) if name in own else "no such weight"
            raise ValueError(
                f"`train.init` is {str(folder)!r}, whose {name} has shape "
                f"{list(value.shape)}; this model has {found}: expected a run "
                f"with the same sizes"
            )
    model.load_state_dict({**own, **source.state_dict()})


def stages(
    config: TrainConfig, splits: Splits, seed: int
) -> list[tuple[int, QuestionLoader]]:
    """A training's data: each stage's first step and loader.

    Args:
        config: ``batch_size``, ``whole_scenes``, ``scene_questions`` and
            ``curriculum``.
        splits: The data.
        seed: Seed of its order.
    """
    out = []
    begin = 0
    for stage in [*config.curriculum, None]:
        loader = splits.loader(
            "train",
            config.batch_size,
            seed,
            shuffle=True,
            whole_scenes=config.whole_scenes,
            scene_questions=config.scene_questions,
            families=None if stage is None else stage.families,
        )
        out.append((begin, loader))
        begin += 0 if stage is None else stage.steps
    return out


# What a process of the pool keeps: where its data is, and its bar's line.
_here: dict[str, Any] = {}


def _begin(threads: int, root: str, count: Any) -> None:
    end_with_parent()
    torch.set_num_threads(threads)
    with count.get_lock():
        count.value += 1
        _here.update(root=root, position=count.value)


def _train_run(
    folder: Any, settings: dict[str, Any], name: str
) -> tuple[float, float]:
    run = Run(folder, settings)
    return train_run(run, _here["root"], name, _here["position"])
