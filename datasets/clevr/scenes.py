"""Random CLEVR scenes: objects placed, seen and related by CLEVR's rules."""

import math
import struct
from random import Random
from typing import Any

from datasets.clevr.camera import (
    JITTER,
    LOCATION,
    VIEW_SIZE,
    Camera,
    Solid,
    all_visible,
)
from datasets.clevr.layout import image_filename
from datasets.clevr.vocabulary import (
    COLORS,
    MATERIALS,
    SHAPES,
    SIZES,
)

#: Half of an object's height, width and depth.
HALF_SIZE = {"large": 0.7, "small": 0.35}
#: The same in every scene; left and front are their opposites' negatives.
VECTORS: dict[str, tuple[float, float, float]] = {
    "right": (0.6563112735748291, 0.7544902563095093, -0.0),
    "behind": (-0.754490315914154, 0.6563112735748291, 0.0),
    "above": (0.0, 0.0, 1.0),
    "below": (-0.0, -0.0, -1.0),
    "left": (-0.6563112735748291, -0.7544902563095093, 0.0),
    "front": (0.754490315914154, -0.6563112735748291, -0.0),
}
#: One object is left of another if it is farther left by more than this.
RELATION_MARGIN = 0.2
#: Objects lie at least this far apart along each direction …
MIN_MARGIN = 0.4
#: … and leave at least this much room between them.
MIN_GAP = 0.25
MIN_PIXELS = 200
MAX_OBJECTS = 100
#: Centres lie within this of the origin, along either axis.
FLOOR = 3.0
_TRIES = 50
# The floor that holds ten objects cannot hold more: beyond, it grows so that
# each object keeps as much of either axis as one of eight has. Camera and view
# grow with it, so that objects show as many pixels as ever.
_CROWD = 8
_CROWDED_ABOVE = 10

_WARM = ("gray", "blue", "brown", "yellow")
_COOL = ("red", "green", "purple", "cyan")
#: CoGenT's conditions: shape → the colours that it may have.
CONDITIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "A": {"cube": _WARM, "cylinder": _COOL, "sphere": COLORS},
    "B": {"cube": _COOL, "cylinder": _WARM, "sphere": COLORS},
}

_FLOAT32 = struct.Struct("f")


def _float32(value: float) -> float:
    # Released coordinates are 32-bit numbers.
    return float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])


def _choice(rng: Random, options: tuple[str, ...]) -> str:
    # Only Random.random() is the same in every version of Python.
    return options[int(rng.random() * len(options))]


def _place(
    rng: Random, count: int, scale: float
) -> list[tuple[float, float, str]] | None:
    """Sizes and places of ``count`` objects; None if one finds no room."""
    random = rng.random
    low, span = -FLOOR * scale, 2 * FLOOR * scale
    rx, ry, _ = VECTORS["right"]
    bx, by, _ = VECTORS["behind"]
    placed: list[tuple[float, float, float, float, float]] = []
    out = []
    for _ in range(count):
        size = _choice(rng, SIZES)
        room = HALF_SIZE[size] + MIN_GAP
        for _ in range(_TRIES):
            x, y = low + span * random(), low + span * random()
            right, behind = x * rx + y * ry, x * bx + y * by
            for x2, y2, right2, behind2, half2 in placed:
                if (
                    -MIN_MARGIN < right - right2 < MIN_MARGIN
                    or -MIN_MARGIN < behind - behind2 < MIN_MARGIN
                    or (x - x2) ** 2 + (y - y2) ** 2 < (room + half2) ** 2
                ):
                    break
            else:
                break
        else:
            return None
        placed.append((x, y, right, behind, HALF_SIZE[size]))
        out.append((_float32(x), _float32(y), size))
    return out


def relationships(
    positions: list[list[float]],
    directions: dict[str, Any] = VECTORS,
) -> dict[str, list[list[int]]]:
    """Who lies left of, right of, in front of and behind whom.

    ``relationships[d][i]`` lists every j with (p_j − p_i) · d > 0.2.

    Args:
        positions: Each object's ``3d_coords``.
        directions: Direction → its vector.
    """
    out = {}
    for name in ("right", "behind", "front", "left"):
        dx, dy, dz = directions[name]
        along = [x * dx + y * dy + z * dz for x, y, z in positions]
        out[name] = [
            [j for j, b in enumerate(along) if b - a > RELATION_MARGIN]
            for a in along
        ]
    return out


def generate_scene(
    rng: Random,
    index: int = 0,
    split: str = "train",
    *,
    min_objects: int = 3,
    max_objects: int = 10,
    condition: str | None = None,
) -> dict[str, Any]:
    """Draw one scene.

    The number of objects is uniform, and so is each attribute of each object,
    until placing rejects: centres are uniform on the floor, at least 0.4 apart
    along each direction, with a gap of at least 0.25. An object that finds no
    room in 50 tries, or shows fewer than 200 pixels of a 320×240 view that
    nothing hides, sends the whole scene back.

    Above 10 objects the floor, the camera's distance and the view grow in
    proportion to the number of objects.

    Args:
        rng: The source of chance.
        index: The scene's ``image_index``.
        split: Its split.
        min_objects: Fewest objects.
        max_objects: Most objects, at most 100.
        condition: CoGenT's colour condition, ``"A"`` or ``"B"``; None lets
            every shape have every colour.

    Returns:
        A scene in the released form.

    Raises:
        ValueError: If an option is out of range.
    """
    check_options(min_objects, max_objects, condition)
    count = min_objects + int(rng.random() * (max_objects - min_objects + 1))
    scale = count / _CROWD if count > _CROWDED_ABOVE else 1.0
    view = (int(VIEW_SIZE[0] * scale), int(VIEW_SIZE[1] * scale))
    while True:
        camera = Camera(
            (
                scale * (LOCATION[0] + JITTER * (2 * rng.random() - 1)),
                scale * (LOCATION[1] + JITTER * (2 * rng.random() - 1)),
                scale * (LOCATION[2] + JITTER * (2 * rng.random() - 1)),
            )
        )
        placed = None
        while placed is None:
            placed = _place(rng, count, scale)
        objects: list[dict[str, Any]] = []
        solids = []
        for x, y, size in placed:
            shape = _choice(rng, SHAPES)
            colors = CONDITIONS[condition][shape] if condition else COLORS
            rotation = 360.0 * rng.random()
            z = _float32(HALF_SIZE[size])
            col, row, depth = camera.project((x, y, z))
            objects.append(
                {
                    "color": _choice(rng, colors),
                    "size": size,
                    "rotation": rotation,
                    "shape": shape,
                    "3d_coords": [x, y, z],
                    "material": _choice(rng, MATERIALS),
                    "pixel_coords": [
                        math.floor(col + 0.5),
                        math.floor(row + 0.5),
                        _float32(depth),
                    ],
                }
            )
            # The renderer takes the number as radians, whatever it means.
            solids.append(Solid(shape, HALF_SIZE[size], x, y, rotation))
        if all_visible(solids, camera, MIN_PIXELS, view):
            break
    return {
        "image_index": index,
        "objects": objects,
        "relationships": relationships([o["3d_coords"] for o in objects]),
        "image_filename": image_filename(split, index),
        "split": split,
        "directions": {name: list(v) for name, v in VECTORS.items()},
    }


def check_options(
    min_objects: int, max_objects: int, condition: str | None
) -> None:
    """Refuse options that no scene can meet.

    Raises:
        ValueError: Naming the option, its value and what was expected.
    """
    if not 1 <= min_objects <= max_objects <= MAX_OBJECTS:
        raise ValueError(
            f"`min_objects` is {min_objects} and `max_objects` {max_objects}, "
            f"expected 1 ≤ min_objects ≤ max_objects ≤ {MAX_OBJECTS}"
        )
    if condition is not None and condition not in CONDITIONS:
        raise ValueError(
            f"`condition` is {condition!r}, expected 'A', 'B' or None"
        )
