"""A CLEVR scene, seen from above or as a picture, with pairs as arrows."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, FancyArrowPatch

from datasets.clevr.camera import IMAGE_SIZE, Camera
from datasets.clevr.scenes import HALF_SIZE, VECTORS
from datasets.clevr.shapes import draw_object
from rn_graph.pairs import PairSelection

Scene = Mapping[str, Any]
#: What is right goes right, what is behind goes up.
_PLANE = np.array([VECTORS["right"][:2], VECTORS["behind"][:2]])
_FLOOR, _GRID, _FRAME, _TEXT = "#f6f4ef", "#e8e4da", "#cfc9bb", "#8d8677"
_INK, _LIGHT = "#2d3a8c", "#ffe45e"
#: Opacity of the pair of least and of most weight.
_FAINT, _FULL = 0.1, 0.9
_UNWEIGHTED = 0.6


def from_above(axes: Axes, scene: Scene, pairs: PairSelection) -> None:
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
    draw_pairs(axes, places, radii, pairs, _INK)
    for item, place, radius in zip(objects, places, radii, strict=True):
        draw_object(axes, item, place, radius)


def over_image(
    axes: Axes, scene: Scene, pairs: PairSelection, image: np.ndarray
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
    draw_pairs(axes, pixels[:, :2], 0.55 * radii, pairs, _LIGHT, "black")
    axes.scatter(
        pixels[:, 0], pixels[:, 1], s=14, c=_LIGHT, ec="black", lw=0.8, zorder=5
    )
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


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
    path_effects = (
        [effects.withStroke(linewidth=3, foreground=outline, alpha=0.45)]
        if outline
        else None
    )
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
            "path_effects": path_effects,
        }
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


def legend(with_weights: bool) -> list[Line2D]:
    """Handles that say what shapes, finish and arrows mean."""

    def marker(shape: str, label: str, **kwargs: Any) -> Line2D:
        style: dict[str, Any] = {
            "mfc": "#9a9a9a",
            "mec": "#5c5c5c",
            "ms": 10,
            "ls": "",
        }
        return Line2D([], [], marker=shape, label=label, **(style | kwargs))

    handles = [
        marker("s", "cube"),
        marker("o", "sphere"),
        marker("$◎$", "cylinder", ms=11, mfc="#6c6c6c", mec="#6c6c6c", mew=0.3),
        marker("o", "metal: light rim", mec="#d2d2d2", mew=2.2, mfc="#6c6c6c"),
        Line2D([], [], color=_INK, label="pair: sender to receiver"),
    ]
    if with_weights:
        handles.append(
            Line2D([], [], color=_INK, alpha=0.25, label="of less weight")
        )
    return handles


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
