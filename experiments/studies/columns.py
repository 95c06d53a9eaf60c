"""Several comparisons side by side: one table, one of costs, one picture."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from datasets.files import write
from experiments.report.plots import write_figure
from experiments.report.results import Result
from experiments.report.tables import accuracy, github_table, insert_some
from experiments.run.models import MODELS, layers

#: Models by the title of their group.
Groups = Mapping[str, Sequence[str]]


class Column(NamedTuple):
    """A task, or one of its categories.

    Attributes:
        task: The task's title.
        category: A category, or ``all``.
        results: Each model's.
    """

    task: str
    category: str
    results: dict[str, Result]

    @property
    def title(self) -> str:
        """What is above it."""
        if self.category == "all":
            return self.task
        return f"{self.task}, {self.category}"

    def mean(self, model: str) -> float:
        """Test accuracy in percent; NaN where there is none."""
        if model not in self.results:
            return math.nan
        return 100 * self.results[model].mean(self.category)

    def text(self, model: str) -> str:
        """Test accuracy in percent, with its interval."""
        if model not in self.results:
            return "–"
        return accuracy(self.results[model], self.category)


def shown(groups: Groups, found: Sequence[Column]) -> dict[str, list[str]]:
    """The models of each group that have results."""
    have = set(chain.from_iterable(column.results for column in found))
    kept = {
        title: [name for name in names if name in have]
        for title, names in groups.items()
    }
    return {title: names for title, names in kept.items() if names}


def accuracy_table(found: Sequence[Column], groups: Groups) -> str:
    """Test accuracy in Markdown, tasks by models; a group may have no title."""
    rows = []
    for title, names in groups.items():
        if title:
            rows.append([f"*{title}*", *("" for _ in found)])
        for name in names:
            texts = (column.text(name) for column in found)
            rows.append([MODELS[name].label, *texts])
    return github_table(["", *(column.title for column in found)], rows)


def cost_table(found: Sequence[Column], groups: Groups) -> str:
    """FLOPs of a question, ms a training step, and layers where tuned."""
    tasks = list({column.task: column for column in found}.values())
    rows = [
        [MODELS[name].label, *(_cost(column, name) for column in tasks)]
        for name in chain.from_iterable(groups.values())
        if MODELS[name].build
    ]
    return github_table(["", *(column.task for column in tasks)], rows)


def _cost(column: Column, model: str) -> str:
    result = column.results.get(model)
    if result is None or result.cost("flops") is None:
        return "–"
    text = (
        f"{result.cost('flops') / 1e6:.2f} M, {result.cost('step_ms'):.0f} ms"
    )
    if result.depth is None:
        return text
    return f"{text}, {layers(result.depth)}"


def show(
    folder: Path,
    found: Sequence[Column],
    groups: Groups,
    figure: Figure,
    readme: str | None = None,
) -> None:
    """Write tables and picture into the folder of all results; print them.

    Args:
        folder: The folder; its name is the table's and the picture's.
        found: What was found.
        groups: The models, by the title of their group.
        figure: The picture.
        readme: Markdown file to put the tables into, between the lines
            ``<!-- results:NAME -->`` and ``<!-- /results:NAME -->``, and those
            of ``NAME-cost``. It need not have both.
    """
    name = folder.name
    tables = {
        name: accuracy_table(found, groups),
        f"{name}-cost": cost_table(found, groups),
    }
    text = "\n\n".join(tables.values())
    write(folder / "table.md", text + "\n")
    write_figure(figure, folder / f"{name}.png", dpi=150)
    print(f"\n{text}\n")
    print(f"Table: {folder / 'table.md'}")
    print(f"Plot:  {folder / f'{name}.png'}")
    if readme:
        insert_some(Path(readme), tables)
        print(f"Put into {readme}")
