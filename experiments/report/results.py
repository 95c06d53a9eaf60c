"""What a comparison found: each model with its seeds, out of its frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from datasets.task import find_task
from experiments.report.frames import Frames, read_frames
from experiments.report.stats import interval
from experiments.run.models import MODELS, label

#: What is measured and validated apart, of one model.
VARIANT = ["model", "share", "depth"]


class Result:
    """All seeds of one model.

    Args:
        runs: Their rows, by rising seed, each with the model's cost.
        curves: Their validation accuracy by step.
        families: Their test accuracy by family of questions, in that order;
            ``None``: it is not known.

    Attributes:
        name: The model's name in ``MODELS``.
        share: Share of the pairs that it keeps, where it selects.
        depth: Its number of layers, where that was tuned.
        learning_rate: Its learning rate; ``None`` if untrained.
        categories: What accuracy is given for: all, and a task's categories.
        families: Test accuracy by family, a row a seed, of those asked.
        solved: Of each seed, how many families are answered so well that
            they count as solved; empty where the task counts none.
        band: Mean, lowest and highest validation accuracy of the seeds
            (``mean``, ``min``, ``max``) at their common steps; empty if
            untrained.
    """

    def __init__(
        self,
        runs: pd.DataFrame,
        curves: pd.DataFrame,
        families: pd.DataFrame | None = None,
    ) -> None:
        self.runs = runs
        self.name: str = runs["model"].iloc[0]
        self.share = self._first("share")
        self.depth = self._first("depth")
        self.learning_rate = self._first("learning_rate")
        task = find_task(runs["task"].iloc[0])
        self.categories = ("all", *task.categories)
        if families is None:
            families = pd.DataFrame(index=runs["run"])
        self.families = families.dropna(axis=1, how="all")
        self.solved: list[int] = []
        if task.solved and len(self.families.columns):
            # A share of whole questions is not told exactly by a float.
            enough = self.families >= task.solved - 1e-9
            self.solved = enough.sum(axis=1).tolist()
        by_run = curves.pivot(index="step", columns="run", values="val/all")
        self.band = by_run.dropna().agg(["mean", "min", "max"], axis=1)

    def _first(self, key: str) -> Any:
        value = self.runs[key].iloc[0] if key in self.runs else None
        return None if pd.isna(value) else value

    @property
    def label(self) -> str:
        """Its name in tables and plots."""
        return label(self.name, self.share, self.depth)

    @property
    def trained(self) -> bool:
        """Whether it is a model that learns."""
        return not self.band.empty

    @property
    def step_minutes(self) -> float | None:
        """Minutes a training step, if all its steps took what was measured.

        Not where a budget shrank, or weights of another training were taken
        over: that cost more.
        """
        shrank = self.share is not None and self._first("shrink_steps")
        if shrank or self._first("init") or self.cost("step_ms") is None:
            return None
        return self.cost("step_ms") / 60_000

    def cost(self, key: str) -> Any:
        """What ``experiments.measure.cost`` measured; ``None`` if nothing."""
        return self._first(f"cost/{key}")

    @property
    def validation(self) -> float:
        """Validation accuracy of the first seed; below 0 if untrained."""
        value = self._first("val/all")
        return -1.0 if value is None else value

    def mean(self, category: str) -> float:
        """Mean test accuracy; NaN if the category was not asked."""
        return float(self._values(category).mean())

    def interval(self, category: str) -> float:
        """Half width of its 95 % interval; NaN with a single seed."""
        return interval(self._values(category).tolist())

    def _values(self, category: str) -> pd.Series:
        empty = pd.Series(dtype=float)
        return self.runs.get(f"test/{category}", empty).dropna()

    def steps_to(self, aim: float) -> int | None:
        """First step after which the mean validation accuracy is ``aim``.

        Args:
            aim: An accuracy, in [0, 1].

        Returns:
            The step; ``None`` if it was not reached.
        """
        reached = self.band.index[self.band["mean"] >= aim]
        return int(reached[0]) if len(reached) else None


def results_of(frames: Frames) -> list[Result]:
    """The models whose test figures are there, as they stand in tables.

    Args:
        frames: A comparison's figures.

    Returns:
        The models in the order of ``MODELS``, each by rising share. Of
        several depths and rates, the one best on validation stands; of equals
        the smallest, as when the comparison chose.

    Raises:
        ValueError: If no run was tested.
    """
    runs, curves = frames.runs, frames.curves
    if "test/all" not in runs:
        raise ValueError("no run has been tested: there is nothing to report")
    # One figure stands for all learning rates and seeds of a model.
    costs = [key for key in runs if key.startswith("cost/")]
    measured = runs.groupby(VARIANT, dropna=False)[costs].transform("last")
    tested = runs.assign(**measured).dropna(subset="test/all")
    curves = curves.reindex(columns=["run", "step", "val/all"])
    groups = tested.sort_values("seed").groupby(
        [*VARIANT, "learning_rate"], dropna=False
    )
    families = frames.families.set_index("run")
    results = [
        Result(
            mine,
            curves[curves["run"].isin(mine["run"])].dropna(),
            families.reindex(mine["run"]),
        )
        for _, mine in groups
    ]
    results.sort(
        key=lambda r: (r.validation, -(r.depth or 0), -(r.learning_rate or 0))
    )
    chosen = {(result.name, result.share): result for result in results}
    order = list(MODELS)
    return sorted(
        chosen.values(), key=lambda r: (order.index(r.name), r.share or 0)
    )


def read_results(folder: Path) -> list[Result]:
    """Read every model whose test figures are in a results folder."""
    return results_of(read_frames(folder))


def budgets(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results of each model that selects pairs, in their order."""
    lines: dict[str, list[Result]] = {}
    for result in results:
        if result.share is not None:
            lines.setdefault(result.name, []).append(result)
    return lines


def has_several_budgets(results: Sequence[Result]) -> bool:
    """Whether some model was trained with more than one share of the pairs."""
    return any(len(line) > 1 for line in budgets(results).values())
