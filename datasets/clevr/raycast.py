"""A ray caster for cubes, spheres and cylinders on a floor, by numba.

Rays meet the solids where :mod:`datasets.clevr.camera` has them, so that each
pixel shows the object that its masks say. All numbers are float64, and each
picture is cast by one thread: the same scene gives the same bytes.

In the functions here ``s`` is an array of solids, a row each: kind (0 cube, 1
sphere, 2 cylinder), the middle's x, y and z, half-size, cosine and sine of the
turn, whether it mirrors, and the colour; ``lamps`` has a row a lamp: place,
half its edge, and colour times power; ``look`` is a :class:`Look`.

All of it stands in one file: numba's cache, which saves half a minute at every
start, is renewed when the file of a function changes, not when another does.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

Color = tuple[float, float, float]
#: Columns of a solid.
KIND, X, Y, Z, HALF, COS, SIN, METAL, RED, GREEN, BLUE = range(11)
CUBE, SPHERE, CYLINDER = range(3)
#: What ``ids`` has where the floor is seen, and above the horizon.
FLOOR, SKY = -1, -2


class Look(NamedTuple):
    """What surfaces do with light. Lengths are in half-sizes of an object."""

    #: Width of the softened edge of a cube, and of a cylinder's rim.
    cube_edge: float = 0.12
    cylinder_edge: float = 0.06
    #: Light from above and from below, where nothing stands.
    sky_light: Color = (0.158, 0.158, 0.158)
    floor_light: Color = (0.184, 0.184, 0.184)
    #: How much of that solids take from what is near them, and a solid from
    #: its own foot.
    crowding: float = 0.5
    contact: float = 0.5
    #: What is seen above the horizon, which only mirrors show.
    sky: Color = (0.04, 0.04, 0.04)
    #: Share of the light that the ground gives back.
    ground: Color = (0.82, 0.82, 0.82)
    #: Strength and width (radians) of the gloss on rubber.
    rubber_shine: float = 0.0
    rubber_width: float = 0.4
    #: Of lamps on metal: size of the spot, width, share and strength of the
    #: glow around it.
    metal_spot: float = 0.08
    metal_width: float = 0.35
    metal_glow: float = 0.6
    metal_shine: float = 0.9
    #: Share of light that metal scatters.
    metal_rough: float = 0.1


_compiled = njit(cache=True, error_model="numpy")
_FAR = 1e30
#: Solids darken what is closer than so many half-sizes.
_CROWD = 4.0
#: Pixels across of what is looked at together, and of pictures in which light
#: hardly changes between its corners.
_TILE = 8
_SMOOTH = 240
# Places on a lamp: the corners of a square turned a little, then a 4 × 4 grid.
_SPOTS = np.array(
    [(-0.9, -0.5), (0.5, -0.9), (0.9, 0.5), (-0.5, 0.9)]
    + [
        (-0.75 + 0.5 * i + 0.1 * (j - 1.5), -0.75 + 0.5 * j - 0.1 * (i - 1.5))
        for i in range(4)
        for j in range(4)
    ]
)
# Where within a pixel its border is looked at again.
_SUBPIXELS = np.array(
    [(-0.375, -0.125), (-0.125, 0.375), (0.125, -0.375), (0.375, 0.125)]
)


@_compiled
def _reach(kind):  # type: ignore[no-untyped-def]
    """Farthest point of a solid from its middle, for a half-size of 1."""
    if kind == CUBE:
        return 1.7320509
    return 1.0 if kind == SPHERE else 1.4142137


@_compiled
def _enter(s, k, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """How far along a ray it enters solid ``k``; ``_FAR`` where it misses."""
    kind, half = s[k, KIND], s[k, HALF]
    px, py, pz = ox - s[k, X], oy - s[k, Y], oz - s[k, Z]
    # The ball round the solid is missed by most rays.
    dd = dx * dx + dy * dy + dz * dz
    b = px * dx + py * dy + pz * dz
    reach = half * _reach(kind)
    c = px * px + py * py + pz * pz - reach * reach
    gap = b * b - dd * c
    if gap < 0 or (b > 0 and c > 0):
        return _FAR
    if kind == SPHERE:
        t = (-b - math.sqrt(gap)) / dd
        return t if t > 0 else _FAR
    cos, sin = s[k, COS], s[k, SIN]
    if kind == CUBE:
        qx, qy = cos * px + sin * py, -sin * px + cos * py
        ex, ey = cos * dx + sin * dy, -sin * dx + cos * dy
        near, far = -_FAR, _FAR
        i = 1.0 / ex
        t1, t2 = (-half - qx) * i, (half - qx) * i
        near, far = max(near, min(t1, t2)), min(far, max(t1, t2))
        i = 1.0 / ey
        t1, t2 = (-half - qy) * i, (half - qy) * i
        near, far = max(near, min(t1, t2)), min(far, max(t1, t2))
    else:
        a = dx * dx + dy * dy
        b = px * dx + py * dy
        c = px * px + py * py - half * half
        gap = b * b - a * c
        if gap < 0:
            return _FAR
        root = math.sqrt(gap)
        near, far = (-b - root) / a, (-b + root) / a
    i = 1.0 / dz
    t1, t2 = (-half - pz) * i, (half - pz) * i
    near, far = max(near, min(t1, t2)), min(far, max(t1, t2))
    if near > far or near <= 0:
        return _FAR
    return near


@_compiled
def _nearest(s, ox, oy, oz, dx, dy, dz, skip):  # type: ignore[no-untyped-def]
    """The solid that a ray meets first, or the floor, and how far along."""
    t, which = _FAR, SKY
    if dz < 0:
        t, which = -oz / dz, FLOOR
    for k in range(len(s)):
        if k != skip:
            enter = _enter(s, k, ox, oy, oz, dx, dy, dz)
            if enter < t:
                t, which = enter, k
    return t, which


@_compiled
def _bend(x, half, width):  # type: ignore[no-untyped-def]
    """How far a face's normal leans outwards, near its edge: from 0 to 1.

    At the edge both faces lean by half a right angle, as a round edge does.
    """
    inside = half - abs(x)
    if inside >= width:
        return 0.0
    lean = max(0.0, 1.0 - inside / width)
    return math.copysign(lean, x)


@_compiled
def _normal(s, k, x, y, z, look):  # type: ignore[no-untyped-def]
    """The normal of solid ``k`` at a point of it, edges softened."""
    kind, half = s[k, KIND], s[k, HALF]
    px, py, pz = x - s[k, X], y - s[k, Y], z - s[k, Z]
    if kind == SPHERE:
        return px / half, py / half, pz / half
    if kind == CYLINDER:
        r = math.sqrt(px * px + py * py)
        width = look.cylinder_edge * half
        up = pz / half
        if abs(up) * half > half - 1e-6 and r < half - 1e-9:
            # The top: near its rim the normal leans outwards.
            lean = max(0.0, 1.0 - (half - r) / width)
            nx, ny, nz = lean * px / r, lean * py / r, math.copysign(1.0, pz)
        else:
            nx, ny, nz = px / r, py / r, _bend(pz, half, width)
    else:
        cos, sin = s[k, COS], s[k, SIN]
        width = look.cube_edge * half
        qx, qy = cos * px + sin * py, -sin * px + cos * py
        ax, ay, az = abs(qx), abs(qy), abs(pz)
        lx, ly, lz = (
            _bend(qx, half, width),
            _bend(qy, half, width),
            _bend(pz, half, width),
        )
        if ax >= ay and ax >= az:
            lx = math.copysign(1.0, qx)
        elif ay >= az:
            ly = math.copysign(1.0, qy)
        else:
            lz = math.copysign(1.0, pz)
        nx, ny, nz = cos * lx - sin * ly, sin * lx + cos * ly, lz
    norm = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * norm, ny * norm, nz * norm


@_compiled
def _around(s, lamps, look, x, y, z, radius, on, near):  # type: ignore[no-untyped-def]
    """Find the solids that may darken any point of a ball.

    They are written to ``near`` ``[L + 1, N + 1]``: a row a lamp, of those
    that may stand in its way, and one of those that are close; how many they
    are, then which. The solid that the points are ``on`` is none of them: it
    is convex, and what of it faces a lamp it does not shade.
    """
    for i in range(len(lamps)):
        lx, ly, lz = lamps[i, 0] - x, lamps[i, 1] - y, lamps[i, 2] - z
        l2 = lx * lx + ly * ly + lz * lz
        wide = 1.4143 * lamps[i, 3]
        count = 0
        for k in range(len(s)):
            if k == on:
                continue
            half = s[k, HALF]
            px, py, pz = s[k, X] - x, s[k, Y] - y, s[k, Z] - z
            along = (px * lx + py * ly + pz * lz) / l2
            reach = half * _reach(s[k, KIND])
            room = reach + radius + wide * min(max(along, 0.0), 1.0) + 1e-6
            apart2 = px * px + py * py + pz * pz - along * along * l2
            if apart2 < room * room and along * along * l2 < (
                room * room if along < 0 else _FAR
            ):
                count += 1
                near[i, count] = k
        near[i, 0] = count
    count = 0
    for k in range(len(s)):
        if k != on:
            px, py, pz = s[k, X] - x, s[k, Y] - y, s[k, Z] - z
            room = _CROWD * s[k, HALF] + radius
            if px * px + py * py + pz * pz < room * room:
                count += 1
                near[len(lamps), count] = k
    near[len(lamps), 0] = count


@_compiled
def _lit(s, lamps, i, x, y, z, near, spots):  # type: ignore[no-untyped-def]
    """The share of lamp ``i`` that is seen from a point.

    ``near`` says what may stand in the way: how many, then which; ``spots``
    whether the lamp is a square, or its middle alone.
    """
    count = near[0]
    if count == 0:
        return 1.0
    lx, ly, lz = lamps[i, 0] - x, lamps[i, 1] - y, lamps[i, 2] - z
    if not spots:
        for j in range(1, count + 1):
            if _enter(s, near[j], x, y, z, lx, ly, lz) < 1:
                return 0.0
        return 1.0
    # Two directions across the lamp, which faces the scene's middle.
    size = lamps[i, 3]
    qx, qy, qz = lamps[i, 0], lamps[i, 1], lamps[i, 2]
    ground = math.sqrt(qx * qx + qy * qy) + 1e-9
    far = math.sqrt(ground * ground + qz * qz)
    ux, uy = -qy / ground * size, qx / ground * size
    vx, vy = -qx * qz / (ground * far) * size, -qy * qz / (ground * far) * size
    vz = ground / far * size
    seen = 0
    for n in range(len(_SPOTS)):
        if n == 4:
            # Where the four corners agree, so do most of the others.
            if seen == 0 or seen == 4:
                return seen / 4.0
            seen = 0
        a, b = _SPOTS[n, 0], _SPOTS[n, 1]
        seen += 1
        for j in range(1, count + 1):
            enter = _enter(
                s,
                near[j],
                x,
                y,
                z,
                lx + a * ux + b * vx,
                ly + a * uy + b * vy,
                lz + b * vz,
            )
            if enter < 1:
                seen -= 1
                break
    return seen / 16.0


@_compiled
def _light(s, lamps, look, x, y, z, nx, ny, nz, on, spots, near):  # type: ignore[no-untyped-def]
    """The light that falls on a point: red, green, blue."""
    red = green = blue = 0.0
    for i in range(len(lamps)):
        qx, qy, qz = lamps[i, 0], lamps[i, 1], lamps[i, 2]
        lx, ly, lz = qx - x, qy - y, qz - z
        facing = lx * nx + ly * ny + lz * nz
        # The lamp faces the scene's middle, and is dimmer from the side.
        front = lx * qx + ly * qy + lz * qz
        if facing <= 0 or front <= 0:
            continue
        l2 = lx * lx + ly * ly + lz * lz
        share = facing * front / math.sqrt(qx * qx + qy * qy + qz * qz)
        share *= _lit(s, lamps, i, x, y, z, near[i], spots) / (l2 * l2)
        red += share * lamps[i, 4]
        green += share * lamps[i, 5]
        blue += share * lamps[i, 6]
    # What comes from the sky above and from the floor below, less of it where
    # solids stand around.
    free = 1.0
    close = near[len(lamps)]
    for j in range(1, close[0] + 1):
        k = close[j]
        half = s[k, HALF]
        px, py, pz = s[k, X] - x, s[k, Y] - y, s[k, Z] - z
        p2 = px * px + py * py + pz * pz
        size2 = half * half / p2
        facing = 0.34 + 0.66 * (px * nx + py * ny + pz * nz) / math.sqrt(p2)
        if facing > 0 and size2 > 1 / _CROWD**2:
            share = min(1.0, size2) - 1 / _CROWD**2
            free -= facing * share * look.crowding
    free = max(free, 0.1)
    up = 0.5 + 0.5 * nz
    below = 1 - up
    if on >= 0:
        # Close to the floor, the solid itself keeps the light off it.
        low = 1 - z / (2 * s[on, HALF])
        below *= 1 - look.contact * low * low
    return (
        red + free * (up * look.sky_light[0] + below * look.floor_light[0]),
        green + free * (up * look.sky_light[1] + below * look.floor_light[1]),
        blue + free * (up * look.sky_light[2] + below * look.floor_light[2]),
    )


@_compiled
def _shine(lamps, x, y, z, dx, dy, dz, sharp, wide, gain):  # type: ignore[no-untyped-def]
    """What a mirroring point shows of the lamps, in a direction of length 1."""
    red = green = blue = 0.0
    for i in range(len(lamps)):
        lx, ly, lz = lamps[i, 0] - x, lamps[i, 1] - y, lamps[i, 2] - z
        l2 = lx * lx + ly * ly + lz * lz
        cos = (lx * dx + ly * dy + lz * dz) / math.sqrt(l2)
        if cos <= 0.5:
            continue
        angle2 = 2 * (1 - cos)
        size2 = lamps[i, 3] * lamps[i, 3] / l2 * 1.3 + sharp * sharp
        spot = math.exp(-((angle2 / size2) ** 2)) / size2
        spot += gain * math.exp(-angle2 / (wide * wide)) / (wide * wide)
        red += spot * lamps[i, 4] / l2
        green += spot * lamps[i, 5] / l2
        blue += spot * lamps[i, 6] / l2
    return red, green, blue


@_compiled
def _seen(s, lamps, look, ox, oy, oz, dx, dy, dz, t, k, near):  # type: ignore[no-untyped-def]
    """The colour that a ray brings back which met ``k`` at ``t``.

    From a mirror the ray goes on; the second mirror that it meets scatters.
    """
    red = green = blue = 0.0
    share_r = share_g = share_b = 1.0
    for depth in range(3):
        if k == SKY:
            r, g, b = look.sky
            return red + share_r * r, green + share_g * g, blue + share_b * b
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        nx, ny, nz = 0.0, 0.0, 1.0
        own_r, own_g, own_b = look.ground
        metal = False
        if k == FLOOR:
            z = 0.0
        else:
            nx, ny, nz = _normal(s, k, x, y, z, look)
            own_r, own_g, own_b = s[k, RED], s[k, GREEN], s[k, BLUE]
            metal = s[k, METAL] > 0
        scatters = 1.0
        if metal and depth < 2:
            scatters = look.metal_rough
        if scatters > 0:
            _around(s, lamps, look, x, y, z, 0.0, k, near)
            r, g, b = _light(
                s, lamps, look, x, y, z, nx, ny, nz, k, depth == 0, near
            )
            red += share_r * own_r * scatters * r
            green += share_g * own_g * scatters * g
            blue += share_b * own_b * scatters * b
        if k == FLOOR or depth == 2 or (not metal and look.rubber_shine == 0):
            return red, green, blue
        norm = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
        dx, dy, dz = dx * norm, dy * norm, dz * norm
        facing = dx * nx + dy * ny + dz * nz
        dx, dy, dz = (
            dx - 2 * facing * nx,
            dy - 2 * facing * ny,
            dz - 2 * facing * nz,
        )
        if not metal:
            r, g, b = _shine(
                lamps, x, y, z, dx, dy, dz, look.rubber_width, 1.0, 0.0
            )
            return (
                red + share_r * look.rubber_shine * r,
                green + share_g * look.rubber_shine * g,
                blue + share_b * look.rubber_shine * b,
            )
        share_r *= own_r * (1 - scatters)
        share_g *= own_g * (1 - scatters)
        share_b *= own_b * (1 - scatters)
        ox, oy, oz = x, y, z
        t, k = _nearest(s, ox, oy, oz, dx, dy, dz, k)
        if k < 0:
            r, g, b = _shine(
                lamps, x, y, z, dx, dy, dz,
                look.metal_spot, look.metal_width, look.metal_glow,
            )  # fmt: skip
            red += share_r * look.metal_shine * r
            green += share_g * look.metal_shine * g
            blue += share_b * look.metal_shine * b
    return red, green, blue


@_compiled
def _floor_tile(  # type: ignore[no-untyped-def]
    s, lamps, look, eye, forward, right, up,
    top, bottom, left, end, width, height, focal, near,
):  # fmt: skip
    """Find what may darken the floor within a rectangle of pixels.

    Returns:
        Whether all of it lies below the horizon; else nothing is found.
    """
    x = np.empty(4)
    y = np.empty(4)
    for corner in range(4):
        across = ((left, end)[corner % 2] - width / 2) / focal
        down = (height / 2 - (top, bottom)[corner // 2]) / focal
        dz = forward[2] + right[2] * across + up[2] * down
        if dz > -1e-3:
            return False
        t = -eye[2] / dz
        x[corner] = eye[0] + t * (forward[0] + right[0] * across + up[0] * down)
        y[corner] = eye[1] + t * (forward[1] + right[1] * across + up[1] * down)
    mid_x, mid_y = x.mean(), y.mean()
    radius = 0.0
    for corner in range(4):
        far = math.hypot(x[corner] - mid_x, y[corner] - mid_y)
        radius = max(radius, far)
    _around(s, lamps, look, mid_x, mid_y, 0.0, radius, FLOOR, near)
    return True


@_compiled
def cast(s, lamps, look, eye, forward, right, up, width, height, focal):  # type: ignore[no-untyped-def]
    """Cast a picture.

    Args:
        s: Solids, ``[N, 11]``.
        lamps: Lamps, ``[L, 7]``.
        look: The look of things.
        eye: Where the camera is, ``[3]``.
        forward: Its axis, ``[3]``.
        right: What it has on its right, ``[3]``.
        up: What it has above, ``[3]``.
        width: Pixels across.
        height: Pixels down.
        focal: Focal length, in pixels.

    Returns:
        Light, ``[H, W, 3]``, and the object that each pixel's middle shows
        ``[H, W]``; ``FLOOR`` and ``SKY`` elsewhere.
    """
    out = np.empty((height, width, 3))
    ids = np.empty((height, width), np.int16)
    near = np.empty((len(lamps) + 1, len(s) + 1), np.int64)
    on_floor = np.empty_like(near)
    corner = np.empty((4, 3))
    ox, oy, oz = eye
    depths = np.full((height, width), _FAR)
    for row in range(height):
        down = (height / 2 - 0.5 - row) / focal
        for col in range(width):
            across = (col + 0.5 - width / 2) / focal
            dz = forward[2] + right[2] * across + up[2] * down
            if dz < 0:
                ids[row, col] = FLOOR
                depths[row, col] = -oz / dz
            else:
                ids[row, col] = SKY
    for k in range(len(s)):
        # A box round where the solid is drawn.
        half = s[k, HALF]
        cx, cy, cz = s[k, X] - ox, s[k, Y] - oy, s[k, Z] - oz
        depth = cx * forward[0] + cy * forward[1] + cz * forward[2]
        reach = 1.7320509 * half
        if depth <= reach:
            continue
        mid_col = (
            focal * (cx * right[0] + cy * right[1] + cz * right[2]) / depth
        )
        mid_row = focal * (cx * up[0] + cy * up[1] + cz * up[2]) / depth
        tilt = math.sqrt(mid_col * mid_col + mid_row * mid_row) / focal
        spread = focal * reach * (1 + tilt) / (depth - reach) + 1
        first_col = max(0, int(width / 2 + mid_col - spread))
        last_col = min(width, int(width / 2 + mid_col + spread) + 1)
        first_row = max(0, int(height / 2 - mid_row - spread))
        last_row = min(height, int(height / 2 - mid_row + spread) + 1)
        for row in range(first_row, last_row):
            down = (height / 2 - 0.5 - row) / focal
            for col in range(first_col, last_col):
                across = (col + 0.5 - width / 2) / focal
                t = _enter(
                    s,
                    k,
                    ox,
                    oy,
                    oz,
                    forward[0] + right[0] * across + up[0] * down,
                    forward[1] + right[1] * across + up[1] * down,
                    forward[2] + right[2] * across + up[2] * down,
                )
                if t < depths[row, col]:
                    depths[row, col] = t
                    ids[row, col] = k
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            bottom, end = min(top + _TILE, height), min(left + _TILE, width)
            # Most of the floor lies in full light.
            plain = _floor_tile(
                s, lamps, look, eye, forward, right, up,
                top, bottom, left, end, width, height, focal, on_floor,
            )  # fmt: skip
            blocked = on_floor[: len(lamps), 0].sum()
            smooth = width >= _SMOOTH and plain and blocked == 0
            if smooth:
                # No shadow: the light changes so slowly that its corners
                # tell it.
                for i in range(4):
                    across = ((left, end)[i % 2] - width / 2) / focal
                    down = (height / 2 - (top, bottom)[i // 2]) / focal
                    dx = forward[0] + right[0] * across + up[0] * down
                    dy = forward[1] + right[1] * across + up[1] * down
                    dz = forward[2] + right[2] * across + up[2] * down
                    t = -oz / dz
                    r, g, b = _light(
                        s, lamps, look, ox + t * dx, oy + t * dy, 0.0,
                        0.0, 0.0, 1.0, FLOOR, True, on_floor,
                    )  # fmt: skip
                    corner[i, 0], corner[i, 1], corner[i, 2] = r, g, b
            for row in range(top, bottom):
                low = (row + 0.5 - top) / (bottom - top)
                for col in range(left, end):
                    k = ids[row, col]
                    border = (
                        (row > 0 and ids[row - 1, col] != k)
                        or (row < height - 1 and ids[row + 1, col] != k)
                        or (col > 0 and ids[row, col - 1] != k)
                        or (col < width - 1 and ids[row, col + 1] != k)
                    )
                    if smooth and k == FLOOR and not border:
                        a = (col + 0.5 - left) / (end - left)
                        for i in range(3):
                            out[row, col, i] = look.ground[i] * (
                                (1 - low) * (1 - a) * corner[0, i]
                                + (1 - low) * a * corner[1, i]
                                + low * (1 - a) * corner[2, i]
                                + low * a * corner[3, i]
                            )
                        continue
                    red = green = blue = 0.0
                    looks = len(_SUBPIXELS) if border else 1
                    for n in range(looks):
                        dc = _SUBPIXELS[n, 0] if border else 0.0
                        dr = _SUBPIXELS[n, 1] if border else 0.0
                        across = (col + 0.5 + dc - width / 2) / focal
                        down = (height / 2 - 0.5 - row - dr) / focal
                        dx = forward[0] + right[0] * across + up[0] * down
                        dy = forward[1] + right[1] * across + up[1] * down
                        dz = forward[2] + right[2] * across + up[2] * down
                        t, which = depths[row, col], int(k)
                        if border:
                            t, which = _nearest(s, ox, oy, oz, dx, dy, dz, SKY)
                        if which == FLOOR and plain:
                            r, g, b = _light(
                                s, lamps, look, ox + t * dx, oy + t * dy, 0.0,
                                0.0, 0.0, 1.0, FLOOR, True, on_floor,
                            )  # fmt: skip
                            r, g, b = (
                                r * look.ground[0],
                                g * look.ground[1],
                                b * look.ground[2],
                            )
                        else:
                            r, g, b = _seen(
                                s, lamps, look, ox, oy, oz, dx, dy, dz,
                                t, which, near,
                            )  # fmt: skip
                        red, green, blue = red + r, green + g, blue + b
                    out[row, col, 0] = red / looks
                    out[row, col, 1] = green / looks
                    out[row, col, 2] = blue / looks
    return out, ids
