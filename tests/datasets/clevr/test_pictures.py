import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.camera import (
    LOCATION,
    VIEW_SIZE,
    Camera,
    Solid,
    pixel_owners,
    visible_pixels,
)
from datasets.clevr.layout import iter_scenes
from datasets.clevr.look import LAMPS, LOOK, to_bytes
from datasets.clevr.pictures import cast_scene, find_camera, render_scene
from datasets.clevr.scenes import HALF_SIZE, generate_scene

seeds = st.integers(0, 2**32)
ZERO = (0.0, 0.0, 0.0)


def solids_of(scene):
    return [
        Solid(
            o["shape"],
            HALF_SIZE[o["size"]],
            *o["3d_coords"][:2],
            o["rotation"],
        )
        for o in scene["objects"]
    ]


def away_from_borders(owners):
    """Pixels all of whose neighbours show the same object."""
    # What lies beside the picture is not known.
    padded = np.pad(owners, 1, constant_values=-1)
    height, width = owners.shape
    return np.all(
        [
            padded[r : r + height, c : c + width] == owners
            for r in range(3)
            for c in range(3)
        ],
        axis=0,
    )


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_pixels_show_the_objects_that_the_masks_say(seed):
    scene = generate_scene(Random(seed))
    camera = find_camera(scene)
    owners = pixel_owners(solids_of(scene), camera)
    ids = cast_scene(scene, VIEW_SIZE).ids.astype(int)
    ids[ids < 0] = len(scene["objects"])
    agree = owners == ids
    assert agree[away_from_borders(owners)].all()
    assert agree.mean() > 0.98


def test_pixel_owners_are_what_visible_pixels_counts():
    scene = generate_scene(Random("owners"))
    solids, camera = solids_of(scene), Camera()
    owners = pixel_owners(solids, camera)
    counts = [int((owners == k).sum()) for k in range(len(solids))]
    assert counts == visible_pixels(solids, camera)


@given(seeds, st.integers(3, 30))
@settings(max_examples=20, deadline=None)
def test_the_camera_is_found(seed, count):
    scene = generate_scene(Random(seed), min_objects=count, max_objects=count)
    camera = find_camera(scene)
    for item in scene["objects"]:
        place = camera.project(tuple(item["3d_coords"]))
        off = np.abs(np.subtract(place, item["pixel_coords"]))
        assert off[0] < 1
        assert off[1] < 1
        assert off[2] < 0.01


def test_a_camera_that_cannot_be_is_an_error():
    scene = generate_scene(Random(0))
    scene["objects"][0]["pixel_coords"][0] += 100
    with pytest.raises(ValueError, match="scene 3 of a has pixel_coords that"):
        find_camera(scene, "scene 3 of a")
    assert find_camera({"objects": []}).location == Camera().location


@pytest.mark.parametrize(
    "change",
    [
        {"3d_coords": list(LOCATION)},  # where the camera is
        {"3d_coords": [1e308, -1e308, 1e308]},
        {"pixel_coords": [1e308, 1e308, 1e308]},
        {"pixel_coords": [0, 0, 0], "3d_coords": [0, 0, 0]},
    ],
)
def test_places_beyond_all_bounds_are_an_error(change):
    scene = generate_scene(Random(0))
    scene["objects"][0].update(change)
    with pytest.raises(ValueError, match="scene 3 of a has pixel_coords that"):
        find_camera(scene, "scene 3 of a")


def test_real_scenes_render_and_their_cameras_are_found(sample):
    for split in ("train", "val"):
        scenes = list(iter_scenes(sample / f"scenes/CLEVR_{split}_scenes.json"))
        for scene in scenes:
            cast = cast_scene(scene, (48, 32))
            assert np.isfinite(cast.light).all()
            assert cast.light.min() >= 0
        for scene in scenes[::50]:
            camera = find_camera(scene)
            for item in scene["objects"]:
                place = camera.project(tuple(item["3d_coords"]))
                off = np.abs(np.subtract(place, item["pixel_coords"]))
                assert off[:2].max() < 1
                assert off[2] < 0.02


def one_object(**changes):
    item = {
        "shape": "sphere",
        "size": "large",
        "color": "gray",
        "material": "rubber",
        "rotation": 0.0,
        "3d_coords": [0.0, 0.0, 0.7],
    } | changes
    # Not rounded: of one object, half a pixel would leave the camera open.
    item["pixel_coords"] = [*Camera().project(tuple(item["3d_coords"]))]
    return {"objects": [item], "split": "train", "image_index": 0}


def test_light_on_the_floor_is_the_lamps():
    # A reference of one lamp over an empty floor, pixel by pixel.
    lamp = LAMPS[0]._replace(light=(3.0, 2.0, 1.0))
    look = LOOK._replace(sky_light=ZERO, floor_light=ZERO)
    empty = {"objects": [], "split": "train", "image_index": 0}
    light = cast_scene(empty, (480, 320), None, [lamp], look).light
    camera, focal = Camera(), 480 * 35 / 32
    place = np.array(lamp.place)
    for row, col in ((0, 0), (56, 248), (163, 240), (319, 479)):
        across = (col + 0.5 - 240) / focal
        down = (160 - 0.5 - row) / focal
        ray = (
            np.array(camera.forward)
            + across * np.array(camera.right)
            + down * np.array(camera.up)
        )
        eye = np.array(camera.location)
        point = eye - eye[2] / ray[2] * ray
        way = place - point
        far = np.linalg.norm(way)
        front = way @ place / far / np.linalg.norm(place)
        expected = way[2] / far * max(front, 0) / far**2
        np.testing.assert_allclose(
            light[row, col],
            expected * np.array([3.0, 2.0, 1.0]) * look.ground,
            rtol=0.02,
            atol=1e-4,
        )


def test_shadows_are_where_a_lamp_is_hidden():
    lamp = LAMPS[2]._replace(half=0.01)  # from the left
    look = LOOK._replace(sky_light=ZERO, floor_light=ZERO)
    scene = one_object()
    light = cast_scene(scene, (120, 80), None, [lamp], look).light
    # Straight behind the sphere, as the lamp sees it, the floor is dark …
    way = np.array([0, 0, 0.7]) - lamp.place
    point = np.array(lamp.place) + way * lamp.place[2] / -way[2]
    camera = find_camera(scene)
    col, row, _ = camera.project(tuple(point), (120, 80))
    assert light[int(row), int(col)].max() == 0
    # … and to the side of it is not.
    aside = point + 1.5 * np.array([-way[1], way[0], 0]) / math.hypot(*way[:2])
    col, row, _ = camera.project(tuple(aside), (120, 80))
    assert light[int(row), int(col)].min() > 0.002


def test_a_larger_lamp_has_softer_shadows():
    look = LOOK._replace(sky_light=ZERO, floor_light=ZERO)
    kinds = []
    for half in (0.001, 0.8):
        lamp = LAMPS[2]._replace(half=half)
        full = cast_scene(
            one_object() | {"objects": []}, (120, 80), None, [lamp], look
        )
        cast = cast_scene(one_object(), (120, 80), None, [lamp], look)
        lit = (cast.ids < 0) & (full.light[..., 0] > 0)
        share = cast.light[lit, 0] / full.light[lit, 0]
        kinds.append(int(((share > 0.05) & (share < 0.95)).sum()))
    assert kinds[1] > 3 * kinds[0]


def test_metal_mirrors_and_rubber_does_not():
    pictures = {
        material: cast_scene(one_object(material=material), (120, 80), None)
        for material in ("rubber", "metal")
    }
    spread = {
        m: cast.light[cast.ids == 0].max() / cast.light[cast.ids == 0].mean()
        for m, cast in pictures.items()
    }
    assert spread["metal"] > 2 * spread["rubber"]


def test_colours_are_those_of_the_objects():
    for color, order in (("red", 0), ("green", 1), ("blue", 2)):
        for material in ("rubber", "metal"):
            scene = one_object(color=color, material=material)
            cast = cast_scene(scene, (60, 40))
            mean = to_bytes(cast.light)[cast.ids == 0].mean(0)
            assert mean.argmax() == order


def test_pictures_are_their_scenes_and_seeds_alone():
    scene = generate_scene(Random("alone"))
    picture = render_scene(scene, (48, 32), 3)
    assert picture.shape == (32, 48, 3)
    assert picture.dtype == np.uint8
    assert (picture == render_scene(scene, (48, 32), 3)).all()
    assert (picture != render_scene(scene, (48, 32), 4)).any()
    other = scene | {"image_index": 1}
    assert (picture != render_scene(other, (48, 32), 3)).any()


def test_the_curve_is_that_of_srgb():
    light = np.array([[[-1.0, 0.0, 0.001], [0.215, 1.0, 7.0]]])
    assert to_bytes(light).tolist() == [[[0, 0, 3], [128, 255, 255]]]
