"""Questions about released pictures, and about the same scenes as rendered."""

import random
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets.clevr.__main__ import main
from datasets.clevr.generate import generate
from datasets.clevr.images import resample
from datasets.clevr.layout import read_scenes, scenes_path
from datasets.clevr.released import NUM_LOOK, ask_twins, released_pictures
from datasets.store import open_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes, some of which have a picture of noise."""
    folder = tmp_path_factory.mktemp("released")
    counts = {"train": NUM_LOOK + 2, "val": 3}
    seed = random.SystemRandom().randrange(10**6)
    generate(folder, scenes=counts, seed=seed, workers=1, progress=False)
    rng = np.random.default_rng(seed)
    for split, numbers in {"train": range(NUM_LOOK + 1), "val": [2]}.items():
        images = folder / "images" / split
        images.mkdir(parents=True)
        for i in numbers:
            pixels = rng.integers(0, 256, (320, 480, 3), np.uint8)
            name = f"CLEVR_{split}_{i:06d}.png"
            Image.fromarray(pixels).save(images / name)
    return folder


def test_which_pictures(folder):
    names = {
        only: [path.name for _, path in released_pictures(folder, only)]
        for only in ("look", "report", "all")
    }
    assert names["report"] == ["CLEVR_train_000035.png", "CLEVR_val_000002.png"]
    assert len(names["look"]) == NUM_LOOK
    assert sorted(names["all"]) == sorted(names["look"] + names["report"])


def test_twins_differ_in_their_pictures_alone(folder, tmp_path):
    made = ask_twins(folder, tmp_path, questions_per_scene=3, seed=4)
    assert {s.num_scenes for s in made.values()} == {2}
    assert {s.num_questions for s in made.values()} == {6}
    real, rendered = (
        open_store(tmp_path / kind / "test.h5").columns["scenes/image"]
        for kind in ("real", "rendered")
    )
    scenes = read_scenes(scenes_path(tmp_path, "test"))
    for i, scene in enumerate(scenes):
        split = scene["image_filename"].split("_")[1]
        path = folder / "images" / split / scene["image_filename"]
        with Image.open(path) as image:
            stored = resample(np.array(image))
        np.testing.assert_array_equal(real[i], stored)
        assert (rendered[i] != stored).any()
    with pytest.raises(FileExistsError, match="exists"):
        ask_twins(folder, tmp_path)


def test_a_damaged_picture_leaves_nothing(folder, tmp_path):
    damaged = shutil.copytree(folder, tmp_path / "in")
    _, path = released_pictures(damaged, "report")[-1]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=path.name):
        ask_twins(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(folder, tmp_path, capsys):
    asked = ["--families", "[zero_hop]", "--questions_per_scene", "2"]
    main(["twins", str(folder), str(tmp_path), *asked])
    assert "rendered" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="has no pictures for this"):
        main(["twins", str(tmp_path / "nowhere"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
