import itertools
import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.camera import Solid, visible_pixels
from datasets.clevr.layout import check_scene, read_scenes, scenes_path
from datasets.clevr.scenes import (
    CONDITIONS,
    HALF_SIZE,
    MIN_GAP,
    MIN_MARGIN,
    VECTORS,
    generate_scene,
    relationships,
)
from datasets.clevr.vocabulary import ATTRIBUTES, DIRECTIONS


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def recompute(scene):
    """Relations by the definition, object by object."""
    places = [o["3d_coords"] for o in scene["objects"]]
    out = {}
    for name in DIRECTIONS:
        vector = scene["directions"][name]
        out[name] = [
            [
                j
                for j, q in enumerate(places)
                if dot([b - a for a, b in zip(p, q, strict=True)], vector) > 0.2
            ]
            for p in places
        ]
    return out


def check_placement(scene, floor=3.0):
    objects = scene["objects"]
    for item in objects:
        x, y, z = item["3d_coords"]
        assert abs(x) <= floor
        assert abs(y) <= floor
        assert z == pytest.approx(HALF_SIZE[item["size"]], abs=1e-7)
    for one, other in itertools.combinations(objects, 2):
        delta = [
            b - a
            for a, b in zip(one["3d_coords"], other["3d_coords"], strict=True)
        ]
        room = HALF_SIZE[one["size"]] + HALF_SIZE[other["size"]]
        assert math.hypot(*delta[:2]) - room >= MIN_GAP - 1e-5
        for name in ("right", "behind"):
            assert abs(dot(delta, VECTORS[name])) >= MIN_MARGIN - 1e-5


@given(st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_scenes_keep_the_rules(seed):
    scene = generate_scene(Random(seed))
    check_scene(scene)
    assert 3 <= len(scene["objects"]) <= 10
    check_placement(scene)
    assert scene["relationships"] == recompute(scene)
    assert scene == generate_scene(Random(seed))


def test_real_relationships_recompute(sample):
    lists = 0
    for split in ("train", "val"):
        for scene in read_scenes(scenes_path(sample, split)):
            expected = {
                name: [
                    sorted(others) for others in scene["relationships"][name]
                ]
                for name in DIRECTIONS
            }
            places = [o["3d_coords"] for o in scene["objects"]]
            assert recompute(scene) == expected
            assert relationships(places, scene["directions"]) == expected
            assert scene["directions"] == {k: [*v] for k, v in VECTORS.items()}
            lists += 4 * len(places)
    assert lists > 25_000


def test_real_placement_keeps_the_rules(sample):
    for scene in read_scenes(scenes_path(sample, "train")):
        check_placement(scene)


def test_keys_are_those_of_the_real_files(sample, scenes):
    real = read_scenes(scenes_path(sample, "train"))[0]
    assert scenes[0].keys() == real.keys()
    assert scenes[0]["objects"][0].keys() == real["objects"][0].keys()
    assert scenes[0]["relationships"].keys() == real["relationships"].keys()


def test_statistics(scenes):
    # 250 scenes, about 1,600 objects: bounds are some five standard errors.
    counts = Counter(len(s["objects"]) for s in scenes)
    assert set(counts) == set(range(3, 11))
    assert max(counts.values()) < 60
    objects = [o for s in scenes for o in s["objects"]]
    for name, values in ATTRIBUTES.items():
        tally = Counter(o[name] for o in objects)
        for value in values:
            share = tally[value] / len(objects)
            assert share == pytest.approx(1 / len(values), abs=0.07)


@pytest.mark.parametrize("condition", ["A", "B"])
def test_cogent_conditions(condition):
    rng = Random(condition)
    seen = set()
    for _ in range(60):
        for item in generate_scene(rng, condition=condition)["objects"]:
            colors = CONDITIONS[condition][item["shape"]]
            assert item["color"] in colors
            seen.add((item["shape"], item["color"]))
    assert len(seen) == 4 + 4 + 8
    other = CONDITIONS["B" if condition == "A" else "A"]
    for shape in ("cube", "cylinder"):
        assert not set(CONDITIONS[condition][shape]) & set(other[shape])


@pytest.mark.parametrize("count", [11, 40, 100])
def test_crowded_scenes(count):
    scene = generate_scene(Random(count), min_objects=count, max_objects=count)
    check_scene(scene)
    assert len(scene["objects"]) == count
    check_placement(scene, floor=3 * count / 8)
    assert scene["relationships"] == recompute(scene)


def test_a_scene_shows_all_its_objects(scenes):
    # The jitter of the camera is not stored: pixel_coords tell it well
    # enough to see that nothing is nearly hidden.
    from tests.datasets.clevr.test_camera import fit_camera

    for scene in scenes[:10]:
        camera = fit_camera(scene)
        solids = [
            Solid(
                o["shape"],
                HALF_SIZE[o["size"]],
                o["3d_coords"][0],
                o["3d_coords"][1],
                o["rotation"],
            )
            for o in scene["objects"]
        ]
        assert min(visible_pixels(solids, camera)) >= 190


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_objects": 0}, "`min_objects` is 0"),
        ({"min_objects": 5, "max_objects": 4}, "`max_objects` 4"),
        ({"max_objects": 101}, "≤ 100"),
        ({"condition": "C"}, "`condition` is 'C'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        generate_scene(Random(0), **options)
