"""Charts: time and memory against N, and multiples of the floor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from experiments.measure.pair_sum.contenders import CONTENDERS
from experiments.measure.pair_sum.contenders.base import MODES, PRECISIONS
from experiments.measure.pair_sum.shapes import GROWTH, SHAPES
from experiments.measure.pair_sum.targets import FOUR, Results

#: Line and colour of a contender: ours warm, peers cool, for scale grey.
STYLES: dict[str, dict[str, Any]] = {
    "floor": {"color": "black", "ls": ":", "lw": 1.5},
    "rnconv": {"color": "#d62728", "lw": 2.6, "marker": "o"},
    "rnconv_keep": {"color": "#ff7f7f", "lw": 1.8, "marker": "o"},
    "rnconv_late": {"color": "#e377c2", "lw": 1.8, "marker": "P"},
    "rnconv_symmetric": {"color": "#8c564b", "lw": 1.8, "marker": "d"},
    "rnconv_knn": {"color": "#ff9f40", "lw": 1.8, "marker": "v"},
    "rnconv_attention": {"color": "#b8860b", "lw": 1.8, "marker": "^"},
    "pyg_plain": {"color": "#1f77b4", "lw": 1.6, "marker": "s"},
    "pyg_compiled": {"color": "#17becf", "lw": 1.6, "marker": "D"},
    "padded": {"color": "#9467bd", "lw": 1.6, "marker": "X"},
    "dense_split": {"color": "#9acd32", "lw": 1.6, "marker": "x"},
    "edge_conv": {"color": "#2ca02c", "lw": 1.6, "marker": "<"},
    "jraph": {"color": "#0b3d91", "lw": 1.6, "marker": ">"},
    "graph_nets": {"color": "#006d5b", "lw": 1.6, "marker": "*"},
}
_GREYS = ("#404040", "#606060", "#808080", "#999999", "#adadad", "#c0c0c0")
_DASHES = ("--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)))


def style(name: str) -> dict[str, Any]:
    """How a contender is drawn."""
    if name in STYLES:
        return STYLES[name]
    scale = [n for n, c in CONTENDERS.items() if c.kind == "scale"]
    at = scale.index(name)
    return {
        "color": _GREYS[at % len(_GREYS)],
        "ls": _DASHES[at % len(_DASHES)],
        "lw": 1.1,
    }


def label(name: str) -> str:
    """What a contender is called."""
    if name == "floor":
        return "floor: hidden products alone"
    return CONTENDERS[name].label


def write_charts(results: Results, folder: Path) -> list[Path]:
    """Draw what there are results for.

    Returns:
        Paths of the PNG files.
    """
    sweep = [s for s in results.shapes if s in GROWTH]
    figures: dict[str, Figure] = {}
    if len(sweep) > 1:
        if any(key[0] in sweep for key in results.times):
            figures["time"] = time_by_size(results, sweep)
            figures["time_to_floor"] = time_by_size(results, sweep, True)
        if any(key[0] in sweep for key in results.memory):
            figures["memory"] = memory_by_size(results, sweep)
    if any(
        results.floor_ratio(s, "training", p, "rnconv")
        for s in FOUR
        for p in PRECISIONS
    ):
        figures["floor"] = floor_ratios(results)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        plt.close(figure)
        paths.append(path)
    return paths


def _lines(
    axes: Axes, sweep: list[str], value: Callable[[str, str], float | None]
) -> None:
    for name in ("floor", *CONTENDERS):
        points = [
            (max(SHAPES[shape].sizes), found)
            for shape in sweep
            if (found := value(shape, name)) is not None
        ]
        if not points:
            continue
        axes.plot(
            *zip(*points, strict=True),
            label=label(name),
            markersize=4.5,
            zorder=3 if name == "rnconv" else 2,
            **style(name),
        )
    sizes = [max(SHAPES[shape].sizes) for shape in sweep]
    axes.set(xscale="log", yscale="log", xlabel="objects N, one graph")
    axes.set_xticks(sizes, [str(size) for size in sizes], rotation=45)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    axes.grid(alpha=0.3)


def _number(value: float, _: int) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _legend(figure: Figure) -> None:
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(text, handle)
    figure.legend(
        found.values(), found.keys(), loc="outside right center", fontsize=9
    )


def time_by_size(
    results: Results, sweep: list[str], relative: bool = False
) -> Figure:
    """Time against N: a panel a case.

    Args:
        results: What was measured.
        sweep: Names of the shapes.
        relative: Whether to divide by the floor, which tells apart what is
            close together over five decades.
    """
    figure, grid = plt.subplots(
        len(MODES), len(PRECISIONS), figsize=(13, 9), layout="constrained"
    )
    for row, mode in zip(grid, MODES, strict=True):
        for axes, precision in zip(row, PRECISIONS, strict=True):

            def value(
                shape: str, name: str, case: tuple = (mode, precision)
            ) -> float | None:
                if relative:
                    return results.over_floor(shape, *case, name)
                seconds = results.seconds(shape, *case, name)
                return None if seconds is None else 1e3 * seconds

            _lines(axes, sweep, value)
            if relative:
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            step = "training step" if mode == "training" else "forward"
            unit = "time ÷ floor of all pairs" if relative else "milliseconds"
            axes.set(title=f"{step}, {precision}", ylabel=unit)
    _legend(figure)
    return figure


def memory_by_size(results: Results, sweep: list[str]) -> Figure:
    """Peak memory of a training step against N."""
    figure, axes = plt.subplots(figsize=(10, 6), layout="constrained")

    def megabytes(shape: str, name: str) -> float | None:
        peak = results.peak(shape, "training", "fp32", name)
        # What is below the noise of a process has no place on a log scale.
        return None if peak is None else max(peak / 1e6, 0.1)

    _lines(axes, sweep, megabytes)
    axes.set(
        title="training step, fp32: peak beyond parameters and inputs",
        ylabel="MB",
    )
    _legend(figure)
    return figure


def floor_ratios(results: Results) -> Figure:
    """A training step as a multiple of the floor: bars a shape."""
    same = [n for n, c in CONTENDERS.items() if c.kind in ("ours", "peer")]
    figure, rows = plt.subplots(
        len(PRECISIONS), 1, figsize=(11, 7.5), layout="constrained"
    )
    width = 0.85 / len(same)
    for axes, precision in zip(rows, PRECISIONS, strict=True):
        for i, name in enumerate(same):
            found = [
                (place + (i - (len(same) - 1) / 2) * width, ratio)
                for place, shape in enumerate(FOUR)
                if (
                    ratio := results.floor_ratio(
                        shape, "training", precision, name
                    )
                )
                is not None
            ]
            if not found:
                continue
            bars = axes.bar(
                *zip(*found, strict=True),
                width,
                color=style(name)["color"],
                label=label(name),
            )
            axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=1)
        axes.axhline(1, color="black", lw=1, ls=":", label=label("floor"))
        titles = [SHAPES[s].title.replace(", g", "\ng") for s in FOUR]
        axes.set_xticks(range(len(FOUR)), titles, fontsize=9)
        axes.set(
            title=f"training step, {precision}", ylabel="multiple of the floor"
        )
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    _legend(figure)
    return figure
