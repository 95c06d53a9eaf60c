"""Scenes with pairs of their objects as arrows, whatever the task."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, FancyArrowPatch

from rn_graph.pairs import PairSelection

#: Colours of arrows, on paper and over a picture.
INK, LIGHT = "#2d3a8c", "#ffe45e"
#: Opacity of the pair of least and of most weight.
_FAINT, _FULL = 0.1, 0.9
_UNWEIGHTED = 0.6

#: Paints a scene with some of its pairs.
Paint = Callable[[Axes, PairSelection], None]


def panels(
    chosen: Mapping[str, PairSelection],
    paints: Sequence[tuple[float, Paint]],
    num_objects: int,
    handles: Sequence[Line2D] = (),
    title: str | None = None,
    color: str = INK,
) -> Figure:
    """Draw a scene once for each choice of pairs.

    Args:
        chosen: Title → pairs.
        paints: Height of a row, and what paints it. A single one is laid out
            as a square of panels, several one below the other.
        num_objects: Objects of the scene.
        handles: What the legend says beside what an arrow means.
        title: What stands above all.
        color: Colour of the arrows, for the legend.
    """
    count = len(chosen)
    columns = math.ceil(math.sqrt(count)) if len(paints) == 1 else count
    rows = math.ceil(count / columns)
    heights = [height for height, _ in paints for _ in range(rows)]
    figure, grid = plt.subplots(
        len(heights),
        columns,
        figsize=(4 * columns, sum(heights) + (0.8 if title else 0.4)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for row, (_, paint) in enumerate(paints):
        cells = list(grid[row * rows : (row + 1) * rows].flat)
        for axes in cells[count:]:
            axes.axis("off")
        for axes, (name, pairs) in zip(cells, chosen.items(), strict=False):
            paint(axes, pairs)
            if row == 0:
                kept = pairs.edge_index.size(1)
                text = f"{name}  ·  {kept} of {num_objects**2}"
                axes.set_title(text, fontsize=12)
    arrows = [Line2D([], [], color=color, label="pair: sender to receiver")]
    if any(p.edge_weight is not None for p in chosen.values()):
        faint = Line2D([], [], color=color, alpha=0.25, label="of less weight")
        arrows.append(faint)
    figure.legend(
        handles=[*handles, *arrows],
        loc="outside lower center",
        ncols=6 if columns > 1 else 2,
        columnspacing=1.3,
        handletextpad=0.5,
        frameon=False,
        fontsize=9.5,
    )
    if title:
        # A panel of four inches holds so many characters.
        figure.suptitle(textwrap.fill(title, 42 * columns), fontsize=13)
    return figure


def draw_pairs(
    axes: Axes,
    places: np.ndarray,
    radii: np.ndarray,
    pairs: PairSelection,
    color: str,
    outline: str | None = None,
) -> None:
    """Draw an arrow from sender to receiver, a loop for an object itself.

    Args:
        axes: Where to draw.
        places: Centres of the objects, ``[N, 2]``.
        radii: Where arrows begin and end, from the centre, ``[N]``.
        pairs: The pairs.
        color: Colour of all arrows.
        outline: Colour of a line round each, to stand out from a picture.
    """
    centre = places.mean(0) if len(places) else np.zeros(2)
    opacity = _opacity(pairs)
    # Faint ones first, so that they do not hide the others.
    edges = pairs.edge_index.t().tolist()
    for e in np.argsort(opacity, kind="stable"):
        j, i = edges[e]
        style: dict[str, Any] = {
            "color": color,
            "alpha": float(opacity[e]),
            "lw": 1.3 if outline is None else 1.6,
        }
        if outline is not None:
            # As faint as the arrow: else it would be what is seen.
            alpha = 0.75 * float(opacity[e])
            stroke = effects.withStroke(
                linewidth=3, foreground=outline, alpha=alpha
            )
            style["path_effects"] = [stroke]
        if i == j:
            _loop(axes, places[i], radii[i], centre, style)
            continue
        way = places[i] - places[j]
        far = max(float(np.hypot(*way)), 1e-9)
        way = way / far
        ends = np.array([1.05 * radii[j], 1.15 * radii[i]])
        # Between objects that (nearly) touch, an arrow runs over both.
        near = ends.sum() > 0.7 * far
        if near:
            ends *= 0.5 * far / ends.sum()
        arrow = FancyArrowPatch(
            tuple(places[j] + ends[0] * way),
            tuple(places[i] - ends[1] * way),
            connectionstyle="arc3,rad=0.14",
            arrowstyle="-|>,head_length=4,head_width=1.9",
            shrinkA=0,
            shrinkB=0,
            zorder=5 if near else 2,
            joinstyle="miter",
            **style,
        )
        axes.add_patch(arrow)


def _opacity(pairs: PairSelection) -> np.ndarray:
    count = pairs.edge_index.size(1)
    if pairs.edge_weight is None or count == 0:
        return np.full(count, _UNWEIGHTED)
    weight = pairs.edge_weight.detach().double().numpy()
    share: np.ndarray = weight / max(float(weight.max()), 1e-12)
    return _FAINT + (_FULL - _FAINT) * share.clip(0, 1)


def _loop(
    axes: Axes,
    place: np.ndarray,
    radius: float,
    centre: np.ndarray,
    style: dict[str, Any],
) -> None:
    out = place - centre
    norm = float(np.hypot(*out))
    out = out / norm if norm > 1e-9 else np.array([0.0, 1.0])
    size = 0.75 * radius + 0.1 * float(radius > 5)
    x, y = place + out * (radius + 0.3 * size)
    # The part of the loop within the object stays out of sight behind it.
    axes.add_patch(Arc((x, y), size, size, zorder=1.5, **style))
