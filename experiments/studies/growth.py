"""How models fall, and what they cost, as the number of objects grows.

``python -m experiments growth growth/small``
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.cli import parse
from experiments.config import (
    CompareConfig,
    check_folder_name,
    load_preset,
    merge,
    read,
)
from experiments.ranges import Count
from experiments.report.results import read_results
from experiments.run.compare import compare
from experiments.run.models import MODELS, check_models
from experiments.studies.columns import Column, show, shown

PROG = "python -m experiments growth"
HELP = """Run one comparison once for each number of objects, and draw accuracy,
time and memory of a training step against that number. PRESET is
growth/full, growth/small (some minutes on 2 CPU cores), or a YAML file of the
keys below. What is done is kept: the same command after an interruption goes
on where it stopped. Each number has a results folder as any other comparison:
"compare" and "report" take it."""


@dataclass
class GrowthConfig:
    """Which comparison to run, with how many objects.

    Args:
        name: Name of the folder of all results.
        preset: Preset of `compare`.
        keys: The settings that are the number of objects, as in
            `[data.min_objects, data.max_objects]`.
        objects: Numbers of objects.
        models: Models to compare, in order.
        settings: What is changed in the preset for every number.
        runs: Folder of all results.
        data_root: Folder where data that were made are kept and found again.
        report_only: Whether to show what is there, and train nothing.
        readme: Markdown file to put the tables into, between the lines
            `<!-- results:NAME -->` and `<!-- /results:NAME -->`, and those of
            `NAME-cost`. It need not have both.
    """

    preset: str
    name: str = "growth"
    keys: list[str] = field(default_factory=lambda: ["data.num_objects"])
    objects: list[Count] = field(default_factory=lambda: [8, 16, 32, 64, 100])
    models: list[str] = field(default_factory=lambda: ["rn", "deep_sets"])
    settings: dict[str, Any] = field(default_factory=dict)
    runs: str = "runs"
    data_root: str = "data"
    report_only: bool = False
    readme: str | None = None

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        for key in ("keys", "objects", "models"):
            values = getattr(self, key)
            if not values or len({*values}) < len(values):
                raise ValueError(
                    f"`{key}` is {values}, expected at least one, each once"
                )
        self.objects = sorted(self.objects)
        check_models(self.models)

    @property
    def folder(self) -> Path:
        """Where the results are, a folder a number of objects."""
        return Path(self.runs) / self.name

    def comparison(self, objects: int) -> CompareConfig:
        """The comparison of one number of objects.

        Raises:
            ValueError: For a setting that there is not, or a bad value.
        """
        values = merge(load_preset(self.preset), self.settings)
        for key in self.keys:
            *sections, last = key.split(".")
            change: dict[str, Any] = {last: objects}
            for section in reversed(sections):
                change = {section: change}
            values = merge(values, change)
        own = {
            "name": str(objects),
            "models": self.models,
            "runs": str(self.folder),
            "data_root": self.data_root,
        }
        return read(CompareConfig, {**values, **own})


def columns(config: GrowthConfig) -> dict[int, Column]:
    """Read what was found, by the number of objects.

    Raises:
        FileNotFoundError: If there is nothing.
    """
    found = {}
    for objects in config.objects:
        folder = config.folder / str(objects)
        if folder.is_dir():
            results = {result.name: result for result in read_results(folder)}
            found[objects] = Column(f"{objects} objects", "all", results)
    if not found:
        raise FileNotFoundError(
            f"{config.folder} has no results of {config.objects} objects"
        )
    return found


def draw(found: dict[int, Column], models: Sequence[str]) -> Figure:
    """Draw accuracy, time and memory against the number of objects.

    Args:
        found: Results by the number of objects.
        models: The models, in order.
    """
    figure, (accuracy, *costs) = plt.subplots(
        1, 3, figsize=(13, 4.4), layout="constrained"
    )
    palette = mpl.color_sequences["tab10" if len(models) <= 10 else "tab20"]
    for color, name in zip(palette, models, strict=False):
        has = {n: c for n, c in found.items() if name in c.results}
        results = [column.results[name] for column in has.values()]
        trained = bool(results) and results[0].trained
        style = {"color": color, "marker": "o", "label": MODELS[name].label}
        accuracy.errorbar(
            list(has),
            [column.mean(name) for column in has.values()],
            yerr=[_half_width(result.interval("all")) for result in results],
            capsize=2,
            linestyle="-" if trained else "--",
            **style,
        )
        for axes, key in zip(costs, ("step_ms", "memory_mib"), strict=True):
            points = [
                (n, result.cost(key))
                for n, result in zip(has, results, strict=True)
                if result.cost(key) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), **style)
    titles = "test accuracy, %", "a training step, ms", "its peak memory, MiB"
    for axes, title in zip((accuracy, *costs), titles, strict=True):
        axes.set(title=title, xlabel="objects", xscale="log")
        axes.set_xticks(list(found), [str(n) for n in found])
        axes.xaxis.minorticks_off()
        axes.grid(alpha=0.3)
    accuracy.set_ylim(0, 102)
    for axes in costs:
        axes.set_yscale("log")
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)
    return figure


def _half_width(value: float) -> float:
    """In percent; none is drawn of a single seed."""
    return 0.0 if math.isnan(value) else 100 * value


def main(argv: list[str]) -> None:
    """Compare with each number of objects; show all together."""
    config = parse(GrowthConfig, argv, PROG, HELP)
    if not config.report_only:
        for objects in config.objects:
            compare(config.comparison(objects))
    found = columns(config)
    some = list(found.values())
    groups = shown({"": config.models}, some)
    figure = draw(found, groups.get("", []))
    show(config.folder, some, groups, figure, config.readme)
