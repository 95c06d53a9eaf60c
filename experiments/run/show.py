"""Let trained models answer fresh questions, side by side.

``python -m experiments show results/full``
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from tabulate import tabulate
from torch import Tensor

from datasets.task import Task
from experiments.cli import parse
from experiments.config import Count, NonNegativeInt
from experiments.report.plots import save
from experiments.report.screen import open_picture
from experiments.report.stats import most_and_fewest
from experiments.run.accuracy import EVALUATION_BATCH, Tally, answered
from experiments.run.data import Splits
from experiments.run.runs import Run, from_here, published, run_folders

PROG = "python -m experiments show"
HELP = """Let every trained model of a results folder answer fresh questions
about fresh scenes, which no training has seen: some of them one by one beside
the right answers, and the share of right answers over all. As in "show
results/full"."""


@dataclass
class ShowConfig:
    """Let trained models answer fresh questions, side by side.

    Args:
        folder: Folder of trained runs of one task, as in
            `results/full`.
        scenes: Fresh scenes.
        questions: Questions that are printed, of as many scenes.
        seed: Seed of the scenes; 0: another one each time.
        out: Where pictures with questions and answers are drawn, for tasks
            with pictures: PNG, PDF or SVG; empty: no drawing.
        open: Open the drawing, where there is a screen.
    """

    folder: str
    scenes: Count = 100
    questions: NonNegativeInt = 6
    seed: NonNegativeInt = 0
    out: str = ""
    open: bool = False


def trained_runs(folder: Path) -> list[Run]:
    """The first seed of each trained model of a folder.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If they are of different tasks.
    """
    runs: dict[str, Run] = {}
    for path in run_folders(folder):
        run = Run.read(path)
        if run.checkpoint.exists():
            runs.setdefault(run.label, run)
    if not runs:
        known = sorted({str(from_here(p.parents[1])) for p in published()})
        raise FileNotFoundError(
            f"{folder} holds no trained run: expected a folder of runs with "
            f"their weights, as {' or '.join(known) or 'runs/first'}"
        )
    tasks = {run.task.name for run in runs.values()}
    if len(tasks) > 1:
        raise ValueError(
            f"{folder} holds runs of {', '.join(sorted(tasks))}, expected of "
            f"one task"
        )
    return list(runs.values())


def fresh_batches(run: Run, scenes: int, seed: int, root: str) -> list[Any]:
    """Questions about scenes that were made just now, in batches."""
    # Few scenes are made of the splits that are not looked at.
    data = replace(
        run.data,
        train=1,
        val=1,
        test=scenes,
        seed=seed,
        stores=None,
        hold_out=0,
    )
    return list(Splits(run.task, data, root).loader("test", EVALUATION_BATCH))


def answer(run: Run, batches: Sequence[Any]) -> tuple[Tensor, Tally]:
    """A run's answers to all questions, and how many are right."""
    tally, given = Tally(run.task), []
    for answers, batch in answered(run.load(), batches):
        given.append(answers)
        tally.add(answers, batch)
    return torch.cat(given), tally


def picked(task: Task, batches: Sequence[Any], count: int) -> list[int]:
    """Questions to print, of many types: their places in all batches."""
    kinds = torch.cat([batch.question_type for batch in batches]).tolist()
    by_kind: dict[int, list[int]] = {}
    for place, kind in enumerate(kinds):
        by_kind.setdefault(kind, []).append(place)
    chosen: list[int] = []
    rng = random.Random(0)
    types = len(task.schema.question_types)
    for i in range(min(count, len(kinds))):
        kind = i % types
        chosen.append(rng.choice(by_kind.get(kind) or range(len(kinds))))
    return chosen


def draw(
    pictures: Sequence[Tensor], texts: Sequence[str], columns: int = 3
) -> Figure:
    """Pictures, each with a text below."""
    rows = -(-len(pictures) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4 * columns, 4.6 * rows),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for axes in grid.flat[len(pictures) :]:
        axes.axis("off")
    for axes, picture, text in zip(grid.flat, pictures, texts, strict=False):
        axes.imshow(picture.permute(1, 2, 0))
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(text, fontsize=9, loc="left", ma="left")
    return figure


def show(config: ShowConfig) -> str:
    """Answer, draw; what is to be printed."""
    runs = trained_runs(Path(config.folder))
    task = runs[0].task
    seed = config.seed or random.SystemRandom().randrange(10**6, 2**31)
    given: dict[str, tuple[Tensor, Tally]] = {}
    first: list[Any] = []
    with TemporaryDirectory() as root:
        for run in runs:
            batches = fresh_batches(run, config.scenes, seed, root)
            first = first or batches
            given[run.label] = answer(run, batches)
    words = task.schema.answers
    lines, texts, pictures = [], [], []
    for place in picked(task, first, config.questions):
        batch, at = first[place // EVALUATION_BATCH], place % EVALUATION_BATCH
        right = int(batch.y[at])
        said = {n: int(all_[place]) for n, (all_, _) in given.items()}
        lines.append(
            [task.words(batch, at), words[right]]
            + [
                words[a] if a == right else f"{words[a]} ✗"
                for a in said.values()
            ]
        )
        texts.append(_text(lines[-1], said))
        if "image" in batch:
            pictures.append(batch.image[batch.question_batch[at]])
    parts = [
        f"Fresh questions about {config.scenes:,} scenes of {task.title} (seed "
        f"{seed}):",
        tabulate(lines, ["question", "right", *given], maxcolwidths=24),
        tabulate(
            _rows(given),
            ["right answers, %", *_asked(given)],
            disable_numparse=True,
            stralign="right",
        ),
        in_words({n: tally for n, (_, tally) in given.items()}),
    ]
    if config.out and pictures:
        out = Path(config.out)
        save(draw(pictures, texts), out)
        opened = config.open and open_picture(out)
        parts.append(f"Drawn{', and opened' * opened}: {config.out}")
    return "\n\n".join(parts)


def in_words(tallies: Mapping[str, Tally]) -> str:
    """What the figures say, in sentences."""
    right = {n: tally.accuracy()["all"] for n, tally in tallies.items()}
    count = int(next(iter(tallies.values())).counts[1].sum())
    most = max(right.values())
    # Of a share that is counted, twice its standard deviation.
    chance = 200 * (most * (1 - most) / count) ** 0.5
    return fill(
        f"A ✗ marks a wrong answer. Of all {count:,} questions "
        f"{most_and_fewest(right)}. The scenes were made just now, so that "
        f"no model knew them; with others, a figure moves by a point or so "
        f"(about ±{chance:.1f}).",
        width=79,
    )


def _text(line: Sequence[str], said: Mapping[str, int]) -> str:
    question, right, *answered = line
    each = [f"{n}: {a}" for n, a in zip(said, answered, strict=True)]
    return "\n".join([question, f"right: {right}", *each])


def _asked(given: Mapping[str, tuple[Tensor, Tally]]) -> list[str]:
    return list(next(iter(given.values()))[1].accuracy())


def _rows(given: Mapping[str, tuple[Tensor, Tally]]) -> list[list[str]]:
    return [
        [name, *(f"{100 * v:.1f}" for v in tally.accuracy().values())]
        for name, (_, tally) in given.items()
    ]


def main(argv: list[str]) -> None:
    """Show."""
    print(show(parse(ShowConfig, argv, PROG, HELP, "folder")))
