"""A scene's picture, cast as its camera saw it.

The camera is the one that the scene's ``pixel_coords`` imply, so that released
scenes and generated ones are drawn alike. The lamps are moved a little, by
chance of the seed, the split and the scene's number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np

from datasets.clevr.camera import FOCAL, IMAGE_SIZE, LOCATION, Camera
from datasets.clevr.features import COLOR_RGB
from datasets.clevr.look import (
    DRAWN_SIZE,
    LAMP_JITTER,
    LAMPS,
    LOOK,
    Lamp,
    Look,
    to_bytes,
)
from datasets.clevr.raycast import CUBE, CYLINDER, SPHERE, cast
from datasets.clevr.scenes import HALF_SIZE, MAX_OBJECTS

#: To be raised with every change that alters what a seed gives.
PICTURE_VERSION = 1
_KINDS = {"cube": CUBE, "sphere": SPHERE, "cylinder": CYLINDER}
# Pixels are whole numbers, which says half a pixel; depth has six digits.
_WEIGHT = np.array([1.0, 1.0, 100.0])
_ROUNDS = 20
# Residuals beyond this are of another camera: that of the release fits within
# 0.64 pixels, and 0.006 in depth.
_PIXELS_OFF = 3.0


class Cast(NamedTuple):
    """What is cast of a scene.

    Attributes:
        light: ``[H, W, 3]``, before the curve that makes bytes of it.
        ids: The object in the middle of each pixel, ``[H, W]``; −1 where it
            is the floor.
    """

    light: np.ndarray
    ids: np.ndarray


def find_camera(scene: Mapping[str, Any], where: str = "`scene`") -> Camera:
    """The camera that a scene's ``pixel_coords`` imply, by least squares.

    Args:
        scene: A scene of the released form.
        where: How an error should name it.

    Raises:
        ValueError: If none that looks at the scene's middle has objects
            within three pixels of where they should be.
    """
    objects = scene["objects"]
    if not objects:
        return Camera()
    points = [tuple(map(float, o["3d_coords"])) for o in objects]
    wanted = np.array([o["pixel_coords"] for o in objects], float)

    def off(place: np.ndarray) -> np.ndarray:
        camera = Camera((float(place[0]), float(place[1]), float(place[2])))
        seen = np.array([camera.project(p) for p in points])  # type: ignore[arg-type]
        return ((seen - wanted) * _WEIGHT).ravel()

    # In crowds the camera stands farther off.
    place = np.array(LOCATION) * max(1.0, float(wanted[:, 2].mean()) / 11.3)
    # Objects where the camera is, or numbers beyond all bounds.
    try:
        with np.errstate(all="ignore"):
            place = _fit(off, place)
            left = off(place)
    except (ArithmeticError, np.linalg.LinAlgError):
        raise ValueError(_no_camera(where)) from None
    if not np.abs(left).max() < _PIXELS_OFF * _WEIGHT[2]:
        raise ValueError(_no_camera(where))
    if not np.abs(left.reshape(-1, 3)[:, :2]).max() < _PIXELS_OFF:
        raise ValueError(_no_camera(where))
    return Camera((float(place[0]), float(place[1]), float(place[2])))


def _fit(
    off: Callable[[np.ndarray], np.ndarray], place: np.ndarray
) -> np.ndarray:
    """The place whose residuals have the least squares, from one near it."""
    for _ in range(_ROUNDS):
        now = off(place)
        slopes = [(off(place + 1e-5 * axis) - now) / 1e-5 for axis in np.eye(3)]
        change = np.linalg.lstsq(np.stack(slopes, 1), -now, rcond=None)[0]
        place = place + change
        if not np.abs(place).max() < 1e6 or np.abs(change).max() < 1e-8:
            break
    return place


def _no_camera(where: str) -> str:
    return (
        f"{where} has pixel_coords that do not follow from its 3d_coords, "
        f"expected those of a camera that looks at the scene's middle, in "
        f"pixels of {IMAGE_SIZE[0]}×{IMAGE_SIZE[1]}"
    )


def cast_scene(
    scene: Mapping[str, Any],
    size: tuple[int, int] = IMAGE_SIZE,
    seed: int | None = 0,
    lamps: Sequence[Lamp] = LAMPS,
    look: Look = LOOK,
    where: str = "`scene`",
) -> Cast:
    """Cast a scene.

    Args:
        scene: A scene of the released form.
        size: Pixels across and down.
        seed: Seed of the lamps' places; ``None``: where they are on average.
        lamps: The lamps.
        look: What surfaces do with light.
        where: How an error should name the scene.

    Raises:
        ValueError: If its camera cannot be found, or it has too many objects.
    """
    objects = scene["objects"]
    if len(objects) > MAX_OBJECTS:
        raise ValueError(
            f"{where} has {len(objects)} objects, expected {MAX_OBJECTS} at "
            f"most"
        )
    solids = np.empty((len(objects), 11))
    for row, item in zip(solids, objects, strict=True):
        x, y, z = item["3d_coords"]
        half = HALF_SIZE[item["size"]] * DRAWN_SIZE[item["shape"]]
        turn = float(item["rotation"])
        row[:4] = _KINDS[item["shape"]], x, y, z
        row[4:7] = half, math.cos(turn), math.sin(turn)
        row[7] = item["material"] == "metal"
        row[8:] = [c / 255 for c in COLOR_RGB[item["color"]]]
    rows = np.empty((len(lamps), 7))
    rng = Random(f"lamps/{seed}/{scene['split']}/{scene['image_index']}")
    for row, lamp in zip(rows, lamps, strict=True):
        moved = [
            0.0 if seed is None else LAMP_JITTER * (2 * rng.random() - 1)
            for _ in range(3)
        ]
        row[:3] = np.add(lamp.place, moved)
        row[3], row[4:] = lamp.half, lamp.light
    camera = find_camera(scene, where)
    return Cast(
        *cast(
            solids,
            rows,
            look,
            camera.location,
            camera.forward,
            camera.right,
            camera.up,
            size[0],
            size[1],
            FOCAL * size[0],
        )
    )


def render_scene(
    scene: Mapping[str, Any],
    size: tuple[int, int] = IMAGE_SIZE,
    seed: int | None = 0,
    where: str = "`scene`",
) -> np.ndarray:
    """A scene's picture, as bytes ``[H, W, 3]``.

    Args:
        scene: A scene of the released form.
        size: Pixels across and down.
        seed: Seed of the lamps' places; ``None``: where they are on average.
        where: How an error should name the scene.

    Raises:
        ValueError: If its camera cannot be found, or it has too many objects.
    """
    return to_bytes(cast_scene(scene, size, seed, where=where).light)
