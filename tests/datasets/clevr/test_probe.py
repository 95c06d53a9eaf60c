"""The probe that learns attributes from rendered pictures."""

from random import Random

import numpy as np
import pytest
import torch

from datasets.clevr import probe
from datasets.clevr.images import resample
from datasets.clevr.pictures import render_scene
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import ATTRIBUTES


@pytest.fixture(scope="module")
def pictures():
    """Scenes with their rendered pictures."""
    rng = Random("probe")
    scenes = [generate_scene(rng, i) for i in range(20)]
    return [(scene, render_scene(scene)) for scene in scenes]


def test_an_objects_centre_is_its_crops(pictures):
    """Each crop is what stands around its object's centre."""
    crops = probe.crops_of(iter(pictures))
    assert crops.pixels.dtype == torch.uint8
    assert len(crops.codes) == sum(len(s["objects"]) for s, _ in pictures)
    half, n = probe.CROP // 2, 0
    for scene, picture in pictures:
        small = resample(picture)
        for item in scene["objects"]:
            x, y, _ = item["pixel_coords"]
            row, column = round(y * 128 / 320), round(x * 128 / 480)
            crop, codes = crops.pixels[n], crops.codes[n].tolist()
            n += 1
            if 0 <= row < 128 and 0 <= column < 128:
                centre = crop[:, half, half].numpy()
                np.testing.assert_array_equal(centre, small[row, column])
            values = [
                ATTRIBUTES[a][c] for a, c in zip(ATTRIBUTES, codes, strict=True)
            ]
            assert values == [item[a] for a in ATTRIBUTES]


def test_an_object_at_the_border_is_cut_out_whole():
    item = {
        "pixel_coords": [479.0, 0.0, 9.0],
        "size": "large",
        "color": "red",
        "material": "metal",
        "shape": "cube",
    }
    picture = np.full((320, 480, 3), 7, np.uint8)
    crops = probe.crops_of(iter([({"objects": [item]}, picture)]))
    assert crops.pixels.shape == (1, 3, probe.CROP, probe.CROP)
    assert (crops.pixels == 7).all()


def test_it_learns_what_it_sees(pictures, monkeypatch):
    """Colours of the scenes that it learned from, at least."""
    monkeypatch.setattr(probe, "_EPOCHS", 15)
    monkeypatch.setattr(probe, "_BATCH", 16)
    crops = probe.crops_of(iter(pictures))
    named = probe.named(probe.train_probe(crops), crops)
    often = [
        (crops.codes[:, i].bincount().max() / len(crops.codes)).item()
        for i in range(len(ATTRIBUTES))
    ]
    color = list(ATTRIBUTES).index("color")
    assert named[color] > often[color] + 0.4
    assert all(0 <= share <= 1 for share in named)
