"""CLEVR's objects from above: colour, size, shape, turn and finish."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, Polygon

from datasets.clevr.features import COLOR_RGB
from datasets.clevr.scenes import VECTORS


def draw_object(
    axes: Axes, item: Mapping[str, Any], place: np.ndarray, radius: float
) -> None:
    """Draw an object from above, lit from the upper left.

    Args:
        axes: Where to draw; what is behind in the scene is at the top.
        item: The object, of the released form.
        place: Its centre, ``[2]``.
        radius: Its half-size.
    """
    rgb = np.array(COLOR_RGB[item["color"]]) / 255
    metal = item["material"] == "metal"
    shape: Circle | Polygon
    edge: Circle | Polygon
    if item["shape"] == "cube":
        # `rotation` is about the scene's vertical, in radians; the scene's
        # x axis is seen at this angle.
        turn = item["rotation"] + math.atan2(
            VECTORS["behind"][0], VECTORS["right"][0]
        )
        corners = turn + math.pi / 4 + math.pi / 2 * np.arange(4)
        ring = np.stack([np.cos(corners), np.sin(corners)], 1)
        shape = Polygon(place + math.sqrt(2) * radius * ring)
    else:
        shape = Circle(tuple(place), radius)
    _shadow(axes, shape, radius)
    shape.set(facecolor=rgb, edgecolor=_mix(rgb, 0, 0.45), lw=1.1, zorder=3)
    axes.add_patch(shape)
    ball = item["shape"] == "sphere"
    _shine(axes, shape, place, radius, rgb, metal, ball)
    if item["shape"] == "cylinder":
        rim = Circle(tuple(place), 0.72 * radius, fill=False, zorder=4)
        rim.set(edgecolor=_mix(rgb, 0, 0.3), lw=1.0)
        axes.add_patch(rim)
    if metal:
        if isinstance(shape, Circle):
            edge = Circle(tuple(place), 0.9 * radius, fill=False)
        else:
            corners = place + 0.88 * (shape.get_xy()[:4] - place)
            edge = Polygon(corners, fill=False)
        edge.set(edgecolor="white", alpha=0.75, lw=1.3, zorder=4)
        axes.add_patch(edge)


def _shine(
    axes: Axes,
    shape: Circle | Polygon,
    place: np.ndarray,
    radius: float,
    rgb: np.ndarray,
    metal: bool,
    ball: bool,
) -> None:
    """Light from the upper left: strong and small on metal, soft on rubber."""
    side = np.linspace(-1, 1, 96)
    x, y = np.meshgrid(side, side)
    far = np.hypot(x + 0.35, y - 0.35)
    if ball:
        light = np.clip(1 - far / 1.5, 0, 1) ** 1.3
        tone = 0.25 + 0.55 * light
    else:
        light = np.clip(1 - (x - y + 1.6) / 3.6, 0, 1)
        tone = 0.36 + 0.22 * light
    if metal:
        spot = np.exp(-((far / 0.3) ** 2)) if ball else 0
        band = np.exp(-(((x - y + 0.55) / 0.28) ** 2)) if not ball else 0
        tone = tone + 0.5 * spot + 0.3 * band
    cmap = LinearSegmentedColormap.from_list(
        "tone", [_mix(rgb, 0, 0.45), rgb, _mix(rgb, 1, 0.9)]
    )
    reach = radius * (1 if isinstance(shape, Circle) else math.sqrt(2))
    picture = axes.imshow(
        tone,
        cmap=cmap,
        vmin=0,
        vmax=1,
        origin="lower",
        extent=(
            place[0] - reach,
            place[0] + reach,
            place[1] - reach,
            place[1] + reach,
        ),
        zorder=3.2,
        interpolation="bilinear",
    )
    picture.set_clip_path(shape)


def _shadow(axes: Axes, shape: Circle | Polygon, radius: float) -> None:
    offset = np.array([0.09, -0.09]) * (0.6 + radius)
    shadow: Circle | Polygon
    if isinstance(shape, Circle):
        shadow = Circle(tuple(np.array(shape.center) + offset), shape.radius)
    else:
        shadow = Polygon(shape.get_xy()[:4] + offset)
    shadow.set(facecolor="black", alpha=0.14, lw=0, zorder=2.9)
    axes.add_patch(shadow)


def _mix(rgb: Sequence[float] | np.ndarray, to: float, share: float) -> Any:
    """Darken (to 0) or lighten (to 1) a colour."""
    return tuple(np.asarray(rgb) * (1 - share) + to * share)
