from random import Random

import numpy as np
import pytest
from scipy.optimize import least_squares

from datasets.clevr.camera import (
    JITTER,
    LOCATION,
    Camera,
    Solid,
    all_visible,
    visible_pixels,
)
from datasets.clevr.layout import read_scenes, scenes_path


def project_all(camera, scene):
    return np.array([camera.project(o["3d_coords"]) for o in scene["objects"]])


def fit_camera(scene):
    """The camera that best explains a scene's pixel_coords."""
    seen = np.array([o["pixel_coords"] for o in scene["objects"]], float)

    def error(place):
        off = project_all(Camera(tuple(place)), scene) - seen
        return (off * [1, 1, 100]).ravel()  # depth is exact, pixels are whole

    return Camera(tuple(least_squares(error, LOCATION).x))


@pytest.mark.parametrize("source", ["real", "generated"])
def test_projection_gives_pixel_coords(source, request):
    if source == "real":
        folder = request.getfixturevalue("sample")
        some = read_scenes(scenes_path(folder, "train"))[:40]
    else:
        some = request.getfixturevalue("scenes")[:20]
    for scene in some:
        camera = fit_camera(scene)
        jitter = np.array(camera.location) - LOCATION
        assert np.abs(jitter).max() < JITTER + 0.02
        seen = np.array([o["pixel_coords"] for o in scene["objects"]])
        off = np.abs(project_all(camera, scene) - seen).max(0)
        assert off[:2].max() < 0.64
        assert off[2] < 0.006


def corners(solid):
    """Points that are dense enough on the surface for a mask of pixels."""
    steps = np.linspace(-1, 1, 120)
    if solid.shape == "sphere":
        angle = np.linspace(0, 2 * np.pi, 360)
        rise, turn = np.meshgrid(np.arcsin(steps), angle)
        unit = np.stack(
            [
                np.cos(rise) * np.cos(turn),
                np.cos(rise) * np.sin(turn),
                np.sin(rise),
            ],
            -1,
        ).reshape(-1, 3)
    elif solid.shape == "cylinder":
        angle = np.linspace(0, 2 * np.pi, 360)
        height, turn = np.meshgrid(steps, angle)
        side = np.stack([np.cos(turn), np.sin(turn), height], -1)
        radius, turn = np.meshgrid(np.linspace(0, 1, 60), angle)
        lid = np.stack(
            [radius * np.cos(turn), radius * np.sin(turn), np.ones_like(turn)],
            -1,
        )
        unit = np.concatenate([side.reshape(-1, 3), lid.reshape(-1, 3)])
    else:
        a, b = (g.ravel() for g in np.meshgrid(steps, steps))
        unit = np.concatenate(
            [
                np.stack(np.roll([a, b, np.full_like(a, s)], k, axis=0), -1)
                for s in (-1, 1)
                for k in range(3)
            ]
        )
        cos, sin = np.cos(solid.angle), np.sin(solid.angle)
        unit = unit @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return unit * solid.half + [solid.x, solid.y, solid.half]


def splatted(solids, camera, size=(320, 240)):
    """Visible pixels by splatting points of the surfaces: slow and plain."""
    depth = np.full(size[::-1], np.inf)
    owner = np.full(size[::-1], -1)
    for index, solid in enumerate(solids):
        for point in corners(solid):
            col, row, z = camera.project(tuple(point), size)
            i, j = int(row // 1), int(col // 1)
            if 0 <= i < size[1] and 0 <= j < size[0] and z < depth[i, j]:
                depth[i, j], owner[i, j] = z, index
    return [int((owner == k).sum()) for k in range(len(solids))]


@pytest.mark.parametrize(
    "solids",
    [
        [Solid("sphere", 0.7, 0.5, 1.0, 0.0)],
        [Solid("cylinder", 0.35, 2.0, -1.0, 0.0)],
        [Solid("cube", 0.7, -1.0, 1.0, 0.4)],
        # In a row towards the camera: each hides part of the next.
        [
            Solid("cube", 0.7, -1.9, 1.6, 1.1),
            Solid("cylinder", 0.7, 0.2, 0.0, 0.0),
            Solid("sphere", 0.35, 1.8, -1.3, 0.0),
        ],
    ],
)
def test_visible_pixels_agree_with_points_of_the_surface(solids):
    camera = Camera()
    # Points touch pixels whose centres the solid misses: a rim of half a
    # pixel more, round outlines of up to 200 pixels.
    for exact, rough in zip(
        visible_pixels(solids, camera), splatted(solids, camera), strict=True
    ):
        assert exact == pytest.approx(rough, rel=0.12)


def test_a_hidden_object_shows_nothing():
    front = Solid("cube", 0.7, 2.0, -1.74, 0.7)
    behind = Solid("sphere", 0.35, 0.6, -0.52, 0.0)
    assert visible_pixels([front], Camera())[0] > 2000
    shown = visible_pixels([behind, front], Camera())
    assert shown[0] < 0.5 * visible_pixels([behind], Camera())[0]
    # The order in which they are given does not matter.
    assert visible_pixels([front, behind], Camera()) == shown[::-1]


def test_outside_the_view_there_are_no_pixels():
    assert visible_pixels([Solid("cube", 0.7, 60.0, 60.0, 0)], Camera()) == [0]


def test_all_visible_is_the_count_in_short():
    rng = Random(5)
    verdicts = set()
    for _ in range(200):
        solids = [
            Solid(
                rng.choice(["cube", "sphere", "cylinder"]),
                rng.choice([0.35, 0.7]),
                rng.uniform(-3, 3),
                rng.uniform(-3, 3),
                rng.uniform(0, 360),
            )
            for _ in range(rng.randint(1, 5))
        ]
        camera = Camera(tuple(v + rng.uniform(-0.5, 0.5) for v in LOCATION))
        expected = min(visible_pixels(solids, camera)) >= 200
        assert all_visible(solids, camera, 200) == expected
        verdicts.add(expected)
    assert verdicts == {True, False}
