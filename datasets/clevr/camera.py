"""CLEVR's camera: where objects land in the picture, and what can be seen.

A pinhole at (7.48, −6.51, 5.34), jittered per scene, looks at the origin with
z up, through a 35 mm lens on a 32 mm wide sensor.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: The camera's place before jitter, and the jitter's half-width on each axis.
LOCATION = (7.48113, -6.50764, 5.34367)
JITTER = 0.5
#: Pixels of the released pictures, in which ``pixel_coords`` are counted.
IMAGE_SIZE = (480, 320)
#: Pixels of the view in which visibility is judged.
VIEW_SIZE = (320, 240)
#: Focal length, in widths of the picture.
FOCAL = 35.0 / 32.0

Vector = tuple[float, float, float]


class Solid(NamedTuple):
    """A cube, sphere or cylinder that stands on the floor.

    Attributes:
        shape: ``cube``, ``sphere`` or ``cylinder``.
        half: Half of its height, width and depth.
        x: Its centre's place; its centre's height is ``half``.
        y: The same.
        angle: Its turn about the vertical, in radians.
    """

    shape: str
    half: float
    x: float
    y: float
    angle: float


# The farthest point from the centre, for a half-size of 1.
_REACH = {"cube": math.sqrt(3), "cylinder": math.sqrt(2), "sphere": 1.0}


class Camera:
    """A pinhole camera that looks at the origin.

    Args:
        location: Where it is.
    """

    def __init__(self, location: Vector = LOCATION) -> None:
        cx, cy, cz = self.location = location
        distance = math.sqrt(cx * cx + cy * cy + cz * cz)
        ground = math.hypot(cx, cy)
        self.forward = (-cx / distance, -cy / distance, -cz / distance)
        self.right = (-cy / ground, cx / ground, 0.0)
        fx, fy, fz = self.forward
        rx, ry, _ = self.right
        # up = right × forward
        self.up = (ry * fz, -rx * fz, rx * fy - ry * fx)

    def project(
        self, point: Vector, size: tuple[int, int] = IMAGE_SIZE
    ) -> Vector:
        """Where a point falls in the picture.

        Args:
            point: In the scene's coordinates.
            size: Width and height of the picture.

        Returns:
            Pixels from the left, pixels from the top, and the depth along
            the camera's axis.
        """
        dx = point[0] - self.location[0]
        dy = point[1] - self.location[1]
        dz = point[2] - self.location[2]
        f, r, u = self.forward, self.right, self.up
        depth = dx * f[0] + dy * f[1] + dz * f[2]
        scale = FOCAL * size[0] / depth
        return (
            size[0] / 2 + scale * (dx * r[0] + dy * r[1]),
            size[1] / 2 - scale * (dx * u[0] + dy * u[1] + dz * u[2]),
            depth,
        )


def _spread(solid: Solid, place: Vector, size: tuple[int, int]) -> float:
    """Half-width in pixels of a box, round its centre, that holds a solid."""
    focal = FOCAL * size[0]
    reach = _REACH[solid.shape] * solid.half
    # Off the axis a ball is drawn longer: by the tangent, at most.
    tilt = math.hypot(place[0] - size[0] / 2, place[1] - size[1] / 2) / focal
    return focal * reach * (1 + tilt) / (place[2] - reach) + 1


def all_visible(
    solids: Sequence[Solid],
    camera: Camera,
    minimum: int,
    size: tuple[int, int] = VIEW_SIZE,
) -> bool:
    """Whether every object shows at least ``minimum`` pixels.

    As ``min(visible_pixels(…)) >= minimum``, but objects that are surely seen
    whole and surely large enough are not counted out.
    """
    width, height = size
    boxes = []
    for solid in solids:
        place = camera.project((solid.x, solid.y, solid.half), size)
        boxes.append((*place, _spread(solid, place, size)))
    doubtful = []
    for i, (solid, (col, row, depth, spread)) in enumerate(
        zip(solids, boxes, strict=True)
    ):
        # The ball within a solid is drawn at least this large; a disc of so
        # many pixels holds that many pixel centres, give or take a tenth.
        area = math.pi * (FOCAL * width * solid.half / depth) ** 2
        if (
            area < 1.25 * minimum
            or not spread <= col <= width - spread
            or not spread <= row <= height - spread
            or any(
                abs(col - col2) < spread + spread2
                and abs(row - row2) < spread + spread2
                for j, (col2, row2, _, spread2) in enumerate(boxes)
                if j != i
            )
        ):
            doubtful.append(solid)
    return not doubtful or (
        min(visible_pixels(doubtful, camera, size)) >= minimum
    )


def visible_pixels(
    solids: Sequence[Solid],
    camera: Camera,
    size: tuple[int, int] = VIEW_SIZE,
) -> list[int]:
    """Count each object's pixels that nothing hides.

    Args:
        solids: The objects.
        camera: The camera.
        size: Width and height of the view, in pixels.

    Returns:
        One count for each object.
    """
    owner = pixel_owners(solids, camera, size)
    counts = np.bincount(owner.ravel(), minlength=len(solids) + 1)
    return [int(n) for n in counts[:-1]]


def pixel_owners(
    solids: Sequence[Solid],
    camera: Camera,
    size: tuple[int, int] = VIEW_SIZE,
) -> np.ndarray:
    """Find which object each pixel shows.

    A ray is cast through the centre of each pixel that an object might
    cover, and the nearest object keeps the pixel.

    Args:
        solids: The objects.
        camera: The camera.
        size: Width and height of the view, in pixels.

    Returns:
        The objects' indices ``[height, width]``; ``len(solids)`` where none is
        seen.
    """
    width, height = size
    focal = FOCAL * width
    nearest = np.full((height, width), np.inf)
    owner = np.full((height, width), len(solids), dtype=np.intp)
    forward, right, up = camera.forward, camera.right, camera.up
    for index, solid in enumerate(solids):
        col, row, depth = camera.project((solid.x, solid.y, solid.half), size)
        reach = _REACH[solid.shape] * solid.half
        if depth <= reach:
            continue
        spread = _spread(solid, (col, row, depth), size)
        left, stop = (
            max(0, int(col - spread)),
            min(width, int(col + spread) + 1),
        )
        top, end = max(0, int(row - spread)), min(height, int(row + spread) + 1)
        if left >= stop or top >= end:
            continue
        across = (np.arange(left, stop) + (0.5 - width / 2)) / focal
        down = ((np.arange(top, end) + (0.5 - height / 2)) / -focal)[:, None]
        # Rays are scaled to advance by 1 along the axis, so that the
        # distance along a ray is its depth.
        cos, sin = math.cos(solid.angle), math.sin(solid.angle)

        def turned(v: Vector, c: float = cos, s: float = sin) -> Vector:
            return (c * v[0] + s * v[1], -s * v[0] + c * v[1], v[2])

        f, r, u = turned(forward), turned(right), turned(up)
        ray = [f[k] + r[k] * across + u[k] * down for k in range(3)]
        ox, oy, oz = camera.location
        eye = turned((ox - solid.x, oy - solid.y, oz - solid.half))
        enter = _enter(solid.shape, solid.half, eye, ray)
        box = nearest[top:end, left:stop]
        closer = enter < box
        box[closer] = enter[closer]
        owner[top:end, left:stop][closer] = index
    return owner


def _enter(
    shape: str, half: float, eye: Vector, ray: list[np.ndarray]
) -> np.ndarray:
    """Depth at which each ray enters a centred solid; inf where it misses."""
    if shape == "sphere":
        return _enter_round(half, eye, ray, 3)[0]
    if shape == "cylinder":
        enter, leave = _enter_round(half, eye, ray, 2)
        slabs = [2]
    else:
        enter = np.full(ray[0].shape, -np.inf)
        leave = np.full(ray[0].shape, np.inf)
        slabs = [0, 1, 2]
    for k in slabs:
        # A ray along a slab gives ±inf, which the comparison takes rightly.
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / ray[k]
            near = (-half - eye[k]) * inverse
            far = (half - eye[k]) * inverse
        enter = np.maximum(enter, np.minimum(near, far))
        leave = np.minimum(leave, np.maximum(near, far))
    return np.where(enter <= leave, enter, np.inf)


def _enter_round(
    radius: float, eye: Vector, ray: list[np.ndarray], dims: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave a sphere (3) or an endless cylinder (2)."""
    a = sum(ray[k] * ray[k] for k in range(dims))
    b = sum(ray[k] * eye[k] for k in range(dims))
    c = sum(eye[k] * eye[k] for k in range(dims)) - radius * radius
    gap = b * b - a * c
    hit = gap >= 0
    root = np.sqrt(np.where(hit, gap, 0.0))
    return (
        np.where(hit, (-b - root) / a, np.inf),
        np.where(hit, (-b + root) / a, -np.inf),
    )
