"""A CLEVR scene, seen from above or as a picture, with pairs as arrows."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from datasets.clevr.camera import IMAGE_SIZE, Camera
from datasets.clevr.scenes import HALF_SIZE, VECTORS
from datasets.clevr.shapes import draw_object
from datasets.draw import INK, LIGHT, Paint, draw_pairs, panels
from rn_graph.pairs import PairSelection

Scene = Mapping[str, Any]
#: What is right goes right, what is behind goes up.
_PLANE = np.array([VECTORS["right"][:2], VECTORS["behind"][:2]])
_FLOOR, _GRID, _FRAME, _TEXT = "#f6f4ef", "#e8e4da", "#cfc9bb", "#8d8677"


def from_above(axes: Axes, pairs: PairSelection, scene: Scene) -> None:
    """Draw a scene from above, what is behind at the top, and pairs.

    Objects have their colour, size, shape and turn; metal ones shine.

    Args:
        axes: Where to draw.
        scene: A scene of the released form.
        pairs: Pairs of its objects; the higher their weight, the less
            transparent.
    """
    objects = scene["objects"]
    coords = [o["3d_coords"][:2] for o in objects]
    places = np.array(coords, dtype=float).reshape(-1, 2) @ _PLANE.T
    radii = np.array([HALF_SIZE[o["size"]] for o in objects])
    far = np.abs(places) + 1.5 * radii[:, None]
    reach = max(4.3, float(far.max(initial=0)) + 0.45)
    _floor(axes, reach)
    draw_pairs(axes, places, radii, pairs, INK)
    for item, place, radius in zip(objects, places, radii, strict=True):
        draw_object(axes, item, place, radius)


def over_image(
    axes: Axes, pairs: PairSelection, scene: Scene, image: np.ndarray
) -> None:
    """Draw pairs over a scene's picture.

    Args:
        axes: Where to draw.
        scene: A scene of the released form.
        pairs: Pairs of its objects.
        image: The picture, ``[H, W, 3 or 4]``; of any size, ``pixel_coords``
            are those of 480×320.
    """
    width, height = IMAGE_SIZE
    axes.imshow(image, extent=(0, width, height, 0), interpolation="lanczos")
    pixels = np.array(
        [o["pixel_coords"] for o in scene["objects"]], dtype=float
    ).reshape(-1, 3)
    camera = Camera()
    focal = camera.project((0, 0, 0), IMAGE_SIZE)[2]
    halves = [HALF_SIZE[o["size"]] for o in scene["objects"]]
    # A step of half a size, to the side, at the depth of each object.
    side = np.array(camera.right)
    step = camera.project(tuple(side), IMAGE_SIZE)[0] - width / 2
    radii = np.array(halves) * step * focal / pixels[:, 2]
    draw_pairs(axes, pixels[:, :2], 0.55 * radii, pairs, LIGHT, "black")
    axes.scatter(
        pixels[:, 0], pixels[:, 1], s=14, c=LIGHT, ec="black", lw=0.8, zorder=5
    )
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw(
    scene: Scene,
    chosen: Mapping[str, PairSelection],
    image: np.ndarray | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a scene once for each selection.

    Args:
        scene: A scene of the released form.
        chosen: Title → pairs.
        image: The scene's picture, ``[H, W, 3]``; ``None``: no second row.
        title: What stands above all.
    """
    paints: list[tuple[float, Paint]] = [
        (4.25, partial(from_above, scene=scene))
    ]
    if image is not None:
        paints.append((2.75, partial(over_image, scene=scene, image=image)))
    return panels(chosen, paints, len(scene["objects"]), _legend(), title)


def _legend() -> list[Line2D]:
    """Handles that say what shapes and finish mean."""

    def marker(shape: str, label: str, **kwargs: Any) -> Line2D:
        style: dict[str, Any] = {
            "mfc": "#9a9a9a",
            "mec": "#5c5c5c",
            "ms": 10,
            "ls": "",
        }
        return Line2D([], [], marker=shape, label=label, **(style | kwargs))

    return [
        marker("s", "cube"),
        marker("o", "sphere"),
        marker("$◎$", "cylinder", ms=11, mfc="#6c6c6c", mec="#6c6c6c", mew=0.3),
        marker("o", "metal: light rim", mec="#d2d2d2", mew=2.2, mfc="#6c6c6c"),
    ]


def _floor(axes: Axes, reach: float) -> None:
    axes.set(
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        aspect="equal",
        xticks=[],
        yticks=[],
        facecolor=_FLOOR,
    )
    for spine in axes.spines.values():
        spine.set(color=_FRAME, lw=1)
    # The scene's own x and y, which the camera sees at an angle.
    lines = np.arange(-3 * math.ceil(reach), 3 * math.ceil(reach) + 1)
    ends = np.array([lines[0], lines[-1]], dtype=float)
    for at in lines:
        for line in ((np.full(2, at), ends), (ends, np.full(2, at))):
            seen = _PLANE @ np.stack(line)
            axes.plot(*seen, color=_GRID, lw=0.7, zorder=0)
    edge = 0.97 * reach
    for text, x, y, turn in (
        ("behind", 0, edge, 0),
        ("front", 0, -edge, 0),
        ("left", -edge, 0, 90),
        ("right", edge, 0, 270),
    ):
        axes.text(
            x,
            y,
            text,
            ha="center" if turn == 0 else ("left" if x < 0 else "right"),
            va="center" if turn else ("top" if y > 0 else "bottom"),
            rotation=turn,
            fontsize=8,
            color=_TEXT,
        )
