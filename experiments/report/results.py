"""Read a comparison's results back from its folder."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets.files import read_json
from experiments.report.stats import interval
from experiments.run.models import MODELS, label
from experiments.run.runs import Run


@dataclass
class ModelResult:
    """All seeds of one model.

    Args:
        name: Its name in ``MODELS``.
        share: Share of the pairs that it keeps, where it selects.
        depth: Its number of layers, where that was tuned.
        categories: What accuracy is given for: all, and a task's categories.
        cost: What ``experiments.measure.cost`` measured; empty if untrained.
        accuracy: Test accuracies of each seed, by category.
        validation: Validation accuracy of each seed.
        curves: Steps and validation accuracies of each seed.
        seconds: Training time of each seed.
        batch_size: Questions in a training step.
        learning_rate: Its learning rate; ``None`` if untrained.
        own_cost_throughout: Whether all its training steps cost what was
            measured: none were of a larger budget, or another training's.
    """

    name: str
    share: float | None
    depth: int | None
    categories: tuple[str, ...]
    cost: dict[str, float] = field(default_factory=dict)
    accuracy: list[dict[str, float]] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    curves: list[tuple[list[int], list[float]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    batch_size: int = 0
    learning_rate: float | None = None
    own_cost_throughout: bool = True

    @property
    def label(self) -> str:
        """Its name in tables and plots."""
        return label(self.name, self.share, self.depth)

    @property
    def step_minutes(self) -> float | None:
        """Minutes a training step, if all its steps took what was measured."""
        if not (self.cost and self.own_cost_throughout):
            return None
        return self.cost["step_ms"] / 60_000

    def mean(self, category: str) -> float:
        """Mean accuracy over seeds; NaN if the category was not asked."""
        values = self._values(category)
        return fmean(values) if values else math.nan

    def interval(self, category: str) -> float:
        """Half width of its 95 % interval; NaN with a single seed."""
        return interval(self._values(category))

    def steps_to(self, aim: float) -> int | None:
        """First step after which the mean validation accuracy is ``aim``.

        Args:
            aim: An accuracy, in [0, 1].

        Returns:
            The step; ``None`` if it was not reached.
        """
        if not self.curves:
            return None
        steps, mean, _, _ = band(self.curves)
        reached = (s for s, v in zip(steps, mean, strict=True) if v >= aim)
        return next(reached, None)

    def _values(self, category: str) -> list[float]:
        return [a[category] for a in self.accuracy if category in a]

    def to_json(self) -> dict[str, Any]:
        """All figures as plain values."""

        def plain(value: float) -> float | None:
            return None if math.isnan(value) else value

        return {
            "model": self.name,
            "share": self.share,
            "depth": self.depth,
            "learning_rate": self.learning_rate,
            "label": self.label,
            "seeds": len(self.accuracy),
            **self.cost,
            "accuracy": {
                category: {
                    "mean": plain(self.mean(category)),
                    "interval": plain(self.interval(category)),
                    "values": self._values(category),
                }
                for category in self.categories
            },
            "training_seconds": self.seconds,
        }


def read_results(folder: Path) -> list[ModelResult]:
    """Read every model whose test figures are there.

    Args:
        folder: A results folder.

    Returns:
        The models in the order of ``MODELS``, each by rising share.

    Raises:
        FileNotFoundError: If the folder holds no finished run.
    """
    # One figure stands for all learning rates of a model.
    costs = {}
    for path in folder.glob("*/seed-*/cost.json"):
        run = Run.read(path.parent)
        costs[run.model, run.share, run.depth] = read_json(path)
    results: dict[tuple[Any, ...], ModelResult] = {}
    for test in sorted(folder.glob("*/seed-*/test.json"), key=_seed):
        run = Run.read(test.parent)
        variant = run.model, run.share, run.depth
        result = results.setdefault(
            (*variant, run.train.learning_rate),
            ModelResult(
                *variant, ("all", *run.task.categories), costs.get(variant, {})
            ),
        )
        result.accuracy.append(read_json(test)["accuracy"])
        if MODELS[run.model].build:
            validation = read_json(run.folder / "val.json")
            result.validation.append(validation["accuracy"]["all"])
            result.seconds.append(validation["seconds"])
            result.curves.append(read_curve(run.folder))
            result.batch_size = run.train.batch_size
            result.learning_rate = run.train.learning_rate
            shrank = run.share is not None and run.train.shrink_steps > 0
            result.own_cost_throughout = not (shrank or run.train.init)
    if not results:
        raise FileNotFoundError(f"there is no finished run in {folder}")
    # Of several depths and rates, the one best on validation stands; of equals
    # the smallest, as when the comparison chose.
    best = sorted(
        results.values(),
        key=lambda r: (
            r.validation[:1],
            -(r.depth or 0),
            -(r.learning_rate or 0),
        ),
    )
    chosen = {(result.name, result.share): result for result in best}
    order = list(MODELS)
    return sorted(
        chosen.values(), key=lambda r: (order.index(r.name), r.share or 0)
    )


def budgets(results: Sequence[ModelResult]) -> dict[str, list[ModelResult]]:
    """The results of each model that selects pairs, in their order."""
    lines: dict[str, list[ModelResult]] = {}
    for result in results:
        if result.share is not None:
            lines.setdefault(result.name, []).append(result)
    return lines


def has_several_budgets(results: Sequence[ModelResult]) -> bool:
    """Whether some model was trained with more than one share of the pairs."""
    return any(len(line) > 1 for line in budgets(results).values())


def read_curve(
    folder: Path, key: str = "val/accuracy/all"
) -> tuple[list[int], list[float]]:
    """Read a run's validation accuracies, or another of its logged figures.

    Args:
        folder: The run's folder. Where it was resumed, later parts of its
            log replace what earlier ones say of the same steps.
        key: Name of the figure.

    Returns:
        Steps, and the figure after each.
    """
    points: dict[int, float] = {}
    parts = sorted((folder / "logs").glob("part-*/metrics.csv"), key=_part)
    for path in parts:
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                value = row.get(key)
                if value:
                    # Lightning logs the index of the step, from 0.
                    points[int(row["step"]) + 1] = float(value)
    steps = sorted(points)
    return steps, [points[step] for step in steps]


def _seed(path: Path) -> int:
    return int(path.parent.name.removeprefix("seed-"))


def _part(path: Path) -> int:
    return int(path.parent.name.removeprefix("part-"))


def band(
    curves: Sequence[tuple[list[int], list[float]]],
) -> tuple[list[int], list[float], list[float], list[float]]:
    """Mean, lowest and highest of several curves at their common steps."""
    common = sorted(set.intersection(*(set(steps) for steps, _ in curves)))
    lookup = [dict(zip(*curve, strict=True)) for curve in curves]
    at = [[points[step] for points in lookup] for step in common]
    return (
        common,
        [fmean(values) for values in at],
        [min(values) for values in at],
        [max(values) for values in at],
    )
