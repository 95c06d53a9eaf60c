"""The plots of a comparison."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from datasets.files import whole
from experiments.report.results import Result, budgets, has_several_budgets
from experiments.run.models import MODELS


def write_plots(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw learning curves, accuracy by category, and accuracy against cost.

    Args:
        results: The models.
        folder: Where the PNG files are written.

    Returns:
        Their paths.
    """
    colors = _colors(results)
    figures = {
        "learning_curves": learning_curves(results, colors),
        "categories": categories(results, colors),
        "cost": cost(results, colors),
    }
    if has_several_budgets(results):
        figures["pairs"] = pairs(results, colors)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        write_figure(figure, path)
        paths.append(path)
    return paths


def write_figure(figure: Figure, path: Path, dpi: int = 120) -> None:
    """Write a figure whole or not at all, and close it."""
    try:
        with whole(path) as partial:
            figure.savefig(partial, dpi=dpi)
    finally:
        plt.close(figure)


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure whole or not at all; its ending says the format.

    Raises:
        ValueError: For an ending that matplotlib does not know.
    """
    kinds = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    if kind not in kinds:
        raise ValueError(
            f"`out` is {path.name!r}, expected a name that ends in one of "
            f"{', '.join(sorted(kinds))}"
        )
    write_figure(figure, path, dpi)


#: By the label of a model with its budget and depth.
Colors = dict[str, Any]


def _colors(results: Sequence[Result]) -> Colors:
    """A colour a model, paler the smaller its share of the pairs."""
    names = list(dict.fromkeys(map(_color_key, results)))
    sequence = "tab10" if len(names) <= 10 else "tab20"
    palette = mpl.color_sequences[sequence]
    lines = budgets(results)
    colors = {}
    for result in results:
        base = palette[names.index(_color_key(result)) % len(palette)]
        line = lines.get(result.name, [result])
        strength = 1.0
        if len(line) > 1:
            strength = 0.3 + 0.7 * line.index(result) / (len(line) - 1)
        colors[result.label] = [
            1 - strength * (1 - part) for part in to_rgb(base)
        ]
    return colors


def _color_key(result: Result) -> str:
    """A GNN has one colour, on all pairs and on the nearest."""
    if MODELS[result.name].tuned:
        return result.name.removesuffix("_knn")
    return result.name


def _is_sparse(result: Result) -> bool:
    """Whether it is a GNN on nearest pairs: hollow, dashed or hatched."""
    return MODELS[result.name].tuned and result.share is not None


def _are_many(results: Sequence[Result]) -> bool:
    """Whether bands and intervals of all would hide one another."""
    return len(results) > 10


def pairs(results: Sequence[Result], colors: Colors) -> Figure:
    """Test accuracy against the share of the pairs; all others as lines."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, line in budgets(results).items():
        errors = [100 * r.interval("all") for r in line]
        axes.errorbar(
            [100 * (r.share or 0) for r in line],
            [100 * r.mean("all") for r in line],
            None if any(map(math.isnan, errors)) else errors,
            fmt="o-",
            capsize=3,
            color=colors[line[-1].label],
            label=MODELS[name].label,
        )
    for result in results:
        if result.share is None:
            axes.axhline(
                100 * result.mean("all"),
                ls="--",
                lw=1,
                color=colors[result.label],
                label=result.label,
            )
    axes.set(
        xlabel="share of the pairs that are summed (%)",
        ylabel="test accuracy (%)",
        xlim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def learning_curves(results: Sequence[Result], colors: Colors) -> Figure:
    """Validation error against steps and time; bands span the seeds of a few.

    The axis is logarithmic, so that what is nearly right can be told apart. A
    step's time is the measured one. A model is left out there where that is
    not the time of all its steps, as with a budget that shrank.
    """
    timed = any(r.step_minutes is not None for r in results)
    figure, row = plt.subplots(
        1,
        2 if timed else 1,
        figsize=(13, 6) if timed else (8, 6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    axes, time = row[0, 0], row[0, -1]
    many = _are_many(results)
    for result in results:
        color = colors[result.label]
        if not result.trained:
            value = 100 * (1 - result.mean("all"))
            label = f"{result.label} (on test)"
            axes.axhline(value, color=color, ls="--", label=label)
            continue
        errors = 100 * (1 - result.band)
        style = {"ls": "--" if _is_sparse(result) else "-", "color": color}
        axes.plot(errors["mean"], label=result.label, **style)
        if result.step_minutes is not None:
            minutes = errors.index * result.step_minutes
            time.plot(minutes, errors["mean"], **style)
        if not many:
            axes.fill_between(
                errors.index,
                errors["min"],
                errors["max"],
                color=color,
                alpha=0.2,
                lw=0,
            )
    axes.set(xlabel="training step", ylabel="validation error (%)")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if timed:
        time.set(xlabel="minutes of training steps", xlim=(0, None))
        time.grid(alpha=0.3)
    figure.legend(
        loc="outside right upper" if many else "outside lower center",
        ncols=1 if many else 3,
        fontsize="small",
    )
    return figure


def categories(results: Sequence[Result], colors: Colors) -> Figure:
    """Test accuracy by category, with 95 % intervals over seeds."""
    size = (max(10, len(results)), 5 + 0.1 * len(results))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    width = 0.8 / len(results)
    places = range(len(results[0].categories))
    for i, result in enumerate(results):
        errors = [100 * result.interval(c) for c in result.categories]
        axes.bar(
            [c + (i - (len(results) - 1) / 2) * width for c in places],
            [100 * result.mean(c) for c in result.categories],
            width,
            yerr=None if any(map(math.isnan, errors)) else errors,
            color=colors[result.label],
            hatch="///" if _is_sparse(result) else None,
            label=result.label,
            error_kw={"lw": 1},
        )
    axes.set_xticks(places, results[0].categories)
    axes.set(
        ylabel="test accuracy (%)",
        ylim=(0, 105),
        xlim=(-0.6, len(results[0].categories) - 0.4),
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    return figure


def cost(results: Sequence[Result], colors: Colors) -> Figure:
    """Test accuracy against FLOPs, time and memory, for models of one size.

    The question alone is left out: it would squeeze all others into a line.
    Intervals are drawn for a few models; the table has them of many.
    """
    results = [r for r in results if MODELS[r.name].matched] or results
    many = _are_many(results)
    columns = {
        "flops": "FLOPs a question",
        "step_ms": "ms a training step",
        "memory_mib": "peak memory of training (MiB)",
    }
    figure, axes = plt.subplots(
        1,
        len(columns),
        figsize=(12, 7 if many else 4),
        sharey=True,
        layout="constrained",
    )
    for axis, (key, title) in zip(axes, columns.items(), strict=True):
        measured = [r for r in results if r.cost(key) is not None]
        for result in measured:
            error = 100 * result.interval("all")
            axis.errorbar(
                result.cost(key),
                100 * result.mean("all"),
                None if math.isnan(error) or many else error,
                fmt="o",
                mfc="none" if _is_sparse(result) else None,
                capsize=3,
                color=colors[result.label],
                label=result.label,
            )
        axis.set(xlabel=title)
        values = [r.cost(key) for r in measured]
        if values and max(values) > 10 * min(values):
            axis.set_xscale("log")
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="test accuracy (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3 if many else 4,
        fontsize="small",
    )
    return figure
