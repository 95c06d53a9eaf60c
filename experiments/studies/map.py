"""Tasks by models: what needs no pairs, pairs once, or rounds of them.

``python -m experiments map map/small``
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from datasets.task import find_task
from experiments.cli import parse
from experiments.config import (
    CompareConfig,
    check_folder_name,
    load_preset,
    merge,
    read,
)
from experiments.report.results import read_results
from experiments.run.compare import compare
from experiments.run.models import MODELS, check_models
from experiments.studies.columns import Column, Groups, show, shown

PROG = "python -m experiments map"
HELP = """Run several comparisons under one protocol, and put them into one
table and one picture, tasks by models, with what each costs. PRESET is
map/small (three tasks, four models, half an hour on 2 CPU cores), map/full, or
a YAML file of the keys below. What is done is kept: the same command after an
interruption goes on where it stopped. Each comparison of the map has a results
folder as any other: "compare" and "report" take it."""


@dataclass
class MapConfig:
    """Which comparisons to run, and how to put them together.

    Args:
        name: Name of the folder of all their results.
        tasks: Presets of `compare`, each with the categories to show:
            `{PRESET: [all]}`.
        models: Models in groups, each with its title:
            `{pairs, once: [rn, rn_symmetric]}`.
        settings: What is changed in every preset, as in
            `{seeds: 1, train: {steps: 2000}}`.
        runs: Folder of all results.
        data_root: Folder where data that were made are kept and found again.
        report_only: Whether to show what is there, and train nothing.
        readme: Markdown file to put the tables into, between the lines
            `<!-- results:NAME -->` and `<!-- /results:NAME -->`, and those of
            `NAME-cost`. It need not have both.
    """

    name: str = "map"
    tasks: dict[str, list[str]] = field(default_factory=dict)
    models: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    runs: str = "runs"
    data_root: str = "data"
    report_only: bool = False
    readme: str | None = None

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        for key in ("tasks", "models"):
            if not getattr(self, key):
                raise ValueError(
                    f"`{key}` is empty, expected some, as in map/small"
                )
        check_models(self.all_models)

    @property
    def folder(self) -> Path:
        """Where the results are, a folder a preset."""
        return Path(self.runs) / self.name

    @property
    def all_models(self) -> list[str]:
        """The models of all groups."""
        return list(chain.from_iterable(self.models.values()))

    def comparisons(self) -> list[CompareConfig]:
        """The comparison of each task.

        Raises:
            ValueError: For a setting that there is not, or a bad value.
        """
        own = {
            "models": self.all_models,
            "runs": str(self.folder),
            "data_root": self.data_root,
        }
        return [
            read(
                CompareConfig,
                merge(
                    load_preset(preset),
                    {**self.settings, **own, "name": preset},
                ),
            )
            for preset in self.tasks
        ]


def columns(folder: Path, tasks: Mapping[str, Sequence[str]]) -> list[Column]:
    """Read what comparisons found; those that are not there are left out.

    Args:
        folder: Where their results are, a folder a preset.
        tasks: Presets, each with the categories to show.

    Raises:
        FileNotFoundError: If there is none of them.
        ValueError: For a category that a task does not have.
    """
    found = []
    for preset, categories in tasks.items():
        if not (folder / preset).is_dir():
            continue
        results = read_results(folder / preset)
        task = find_task(results[0].runs["task"].iloc[0])
        for category in categories:
            if category not in results[0].categories:
                raise ValueError(
                    f"`tasks` has {category!r} of {preset}, expected some of "
                    f"{', '.join(results[0].categories)}"
                )
            by_name = {result.name: result for result in results}
            found.append(Column(task.title, category, by_name))
    if not found:
        raise FileNotFoundError(
            f"{folder} has no results of {', '.join(tasks)}"
        )
    return found


def draw(found: Sequence[Column], groups: Groups) -> Figure:
    """Draw the map: a cell the darker, the nearer it is to 100 % from a guess.

    Args:
        found: Tasks.
        groups: Models by the title of their group.
    """
    names = list(chain.from_iterable(groups.values()))
    mean = np.array([[column.mean(name) for column in found] for name in names])
    guess = np.array(
        [np.nan_to_num(column.mean("most_frequent")) for column in found]
    )
    size = 3.2 + 1.25 * len(found), 1.6 + 0.36 * len(names)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    share = np.clip((mean - guess) / np.maximum(100 - guess, 1e-9), 0, 1)
    axes.imshow(share**2, cmap="Greens", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), value in np.ndenumerate(mean):
        if not math.isnan(value):
            text = found[column].text(names[row])
            axes.text(column, row, text, ha="center", va="center", fontsize=8)
    titles = [column.title.replace(", ", ",\n") for column in found]
    axes.set_xticks(range(len(found)), titles, fontsize=8)
    axes.xaxis.tick_top()
    labels = [MODELS[name].label for name in names]
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.tick_params(length=0)
    start = 0
    for title, members in groups.items():
        if start:
            axes.axhline(start - 0.5, color="black", lw=1)
        axes.text(
            len(found) - 0.4, start + (len(members) - 1) / 2, title,
            va="center", fontsize=8, style="italic",
        )  # fmt: skip
        start += len(members)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.supxlabel(
        "test accuracy in %; the darker, the nearer to 100 from a guess",
        fontsize=8,
    )
    return figure


def main(argv: list[str]) -> None:
    """Compare on every task; show all together."""
    config = parse(MapConfig, argv, PROG, HELP)
    if not config.report_only:
        for comparison in config.comparisons():
            compare(comparison)
    found = columns(config.folder, config.tasks)
    groups = shown(config.models, found)
    show(config.folder, found, groups, draw(found, groups), config.readme)
