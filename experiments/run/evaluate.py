"""Make a run's test figures again, from its stored checkpoint.

``python -m experiments evaluate RUN_FOLDER``
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from experiments.cli import parse
from experiments.run import processes
from experiments.run.accuracy import EVALUATION_BATCH, Tally, evaluate
from experiments.run.data import Splits, open_splits
from experiments.run.models import MODELS
from experiments.run.runs import Run, read_figures
from rn_graph import MostFrequentAnswer

PROG = "python -m experiments evaluate"


@dataclass
class EvaluateConfig:
    """Make a run's test figures again, and compare them with the stored ones.

    Args:
        run: Folder of a run, as in `runs/quick/rn/seed-0`.
        split: The split to answer.
        stores: Folder with other stores to answer, as of a released set; empty
            means the run's own data.
        families: Whether to print the accuracy in each question family too.
        threads: CPU threads; 0 leaves it to torch (all cores).
        data_root: Folder where generated data is kept and found again.
    """

    run: str
    split: str = "test"
    stores: str | None = None
    families: bool = False
    threads: int = 0
    data_root: str = "data"

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise ValueError(
                f"`threads` is {self.threads}, expected at least 0"
            )


def answer_split(
    planned: Run,
    splits: Splits,
    split: str = "test",
    trained_on: Splits | None = None,
) -> Tally:
    """Count the right answers of a run's best weights on a split.

    Args:
        planned: The run; trained, unless its model is not a trained one.
        splits: The data.
        split: ``"train"``, ``"val"`` or ``"test"``.
        trained_on: The run's own data, where ``splits`` is another.

    Raises:
        ValueError: If the data are not of the form that it was trained on.
    """
    batches = splits.loader(split, EVALUATION_BATCH)
    if MODELS[planned.model].build is None:
        return _most_frequent(trained_on or splits, batches)
    splits.check_fits(planned.inputs, split)
    device = processes.device(planned.train.accelerator)
    return evaluate(planned.load(), batches, planned.task, device)


def _most_frequent(splits: Splits, batches: Iterable[Any]) -> Tally:
    schema = splits.task.schema
    model = MostFrequentAnswer(len(schema.question_types), len(schema.answers))
    model.fit(*splits.types_and_answers("train"))
    tally = Tally(splits.task)
    for batch in batches:
        answers = model(batch.question_type)
        tally.add(answers, batch)
    return tally


def as_json(tally: Tally) -> dict[str, Any]:
    """The figures as a run's folder holds them."""
    families = {str(i): value for i, value in tally.by_family().items()}
    return {"accuracy": tally.accuracy(), "families": families}


def main(argv: list[str]) -> None:
    """Evaluate and print."""
    config = parse(
        EvaluateConfig, argv, PROG, "Make a run's test figures again.", "run"
    )
    if config.threads:
        torch.set_num_threads(config.threads)
    planned = Run.read(Path(config.run))
    task = planned.task
    where = config.data_root, planned.train.accelerator
    trained_on = None
    if config.stores:
        if MODELS[planned.model].build is None:  # it counts its own answers
            trained_on = open_splits(task, planned.data, *where)
        planned.data = replace(planned.data, stores=config.stores, hold_out=0)
    splits = open_splits(task, planned.data, *where)
    tally = answer_split(planned, splits, config.split, trained_on)
    if config.families:
        rows = [
            [i, task.group(i), f"{100 * value:.2f} %"]
            for i, value in tally.by_family().items()
        ]
        print(tabulate(rows, ["family", "group", "accuracy"]), end="\n\n")
    accuracy = tally.accuracy()
    for category, value in accuracy.items():
        print(f"{category:18} {100 * value:6.2f} %")
    stored = planned.folder / "test.json"
    if config.split == "test" and not config.stores and stored.exists():
        same = read_figures(stored)["accuracy"] == accuracy
        print(
            "equal to the stored figures"
            if same
            else "NOT equal to the stored figures"
        )
