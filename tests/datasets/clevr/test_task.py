"""CLEVR by the contract of every task."""

import json
import random

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from datasets.clevr.augment import Augmentation
from datasets.clevr.families import load_families
from datasets.clevr.features import SCHEMA, NodeFeatures
from datasets.clevr.images import resample
from datasets.clevr.layout import scenes_path
from datasets.clevr.picture_augment import PictureAugmentation
from datasets.clevr.pictures import render_scene
from datasets.clevr.scenes import generate_scene
from datasets.clevr.task import TASK, ClevrData
from datasets.clevr.vocabulary import TOKENS
from datasets.dataset import QuestionDataset
from datasets.task import Source
from rn_graph.pairs import PairSelection

plt.switch_backend("agg")


@pytest.fixture
def folder(tmp_path):
    """A CLEVR folder of two scenes, and a picture of the second."""
    scenes = [generate_scene(random.Random(i), i, "val") for i in range(2)]
    path = scenes_path(tmp_path, "val")
    path.parent.mkdir()
    info = {"split": "val", "version": "1.0", "date": "", "license": ""}
    path.write_text(json.dumps({"info": info, "scenes": scenes}))
    images = tmp_path / "images"
    images.mkdir()
    picture = np.random.default_rng(0).random((32, 48, 3))
    plt.imsave(images / scenes[1]["image_filename"], picture)
    return tmp_path


def source(folder, **options):
    return Source(scene=str(scenes_path(folder, "val")), **options)


def test_it_makes_its_splits(tmp_path):
    settings = ClevrData(
        train=4, val=2, test=3, questions_per_scene=3, families=["zero_hop"],
        min_objects=5, max_objects=6,
    )  # fmt: skip
    TASK.make(settings, tmp_path)
    for split, scenes in (("train", 4), ("val", 2), ("test", 3)):
        data = QuestionDataset(
            tmp_path / f"{split}.h5",
            node_features=TASK.node_features(settings),
        )
        assert data.store.schema == SCHEMA
        assert data.store.num_scenes == scenes
        assert len(data) == 3 * scenes
        families = {load_families()[f].group for f in data.labels("family")}
        assert families == {"zero_hop"}
        objects = np.diff(data.store.columns["scenes/ptr"])
        assert set(objects) <= {5, 6}
    assert "5 to 6 objects (4 train, 2 val, 3 test)" in TASK.describe(settings)
    assert "zero_hop" in TASK.describe(settings)


@pytest.mark.parametrize("features", ["onehot", "rgb", "ordinal"])
def test_a_scene_becomes_a_batch(features):
    scene = TASK.find_scene(Source(objects=7, seed=3), TASK.settings())
    settings = ClevrData(features=features)
    batch = TASK.batch(scene, "What size is the red cube?", settings)
    made = NodeFeatures(features)(torch.zeros(7, 4).long(), torch.zeros(7, 3))
    assert batch.x.shape == made.shape
    coords = [o["3d_coords"] for o in scene.data["objects"]]
    assert torch.equal(batch.pos, torch.tensor(coords))
    assert torch.equal(batch.x[:, -3:], batch.pos)
    words = "what size is the red cube ?".split()
    assert batch.tokens.tolist() == [[TOKENS.index(word) for word in words]]
    assert TASK.words(batch, 0) == " ".join(words)
    for question, message in (
        ("Is it a rad ball?", "unknown word 'rad'"),
        (" ", "no words"),
    ):
        with pytest.raises(ValueError, match=message):
            TASK.batch(scene, question, settings)


def test_a_scene_is_read_or_made(folder):
    made = TASK.find_scene(Source(objects=4, seed=1), TASK.settings())
    assert len(made.data["objects"]) == 4
    assert made == TASK.find_scene(Source(objects=4, seed=1), TASK.settings())
    assert made != TASK.find_scene(Source(objects=4, seed=2), TASK.settings())
    assert len(TASK.find_scene(Source(), TASK.settings()).data["objects"]) == 6

    images = str(folder / "images")
    second = TASK.find_scene(
        source(folder, index=1, image=images), TASK.settings()
    )
    assert second.image.shape[:2] == (32, 48)
    assert TASK.find_scene(source(folder), TASK.settings()).image is None
    with pytest.raises(FileNotFoundError, match="CLEVR_val_000000"):
        TASK.find_scene(source(folder, image=images), TASK.settings())
    with pytest.raises(ValueError, match=r"`index` is 2, but .* fewer"):
        TASK.find_scene(source(folder, index=2), TASK.settings())
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        TASK.find_scene(
            Source(scene=str(folder / "none.json")), TASK.settings()
        )


def test_a_picture_is_looked_for_in_its_folder_alone(folder):
    path = scenes_path(folder, "val")
    content = json.loads(path.read_text())
    name = content["scenes"][1]["image_filename"]
    images = folder / "images"
    (images / name).write_bytes(b"no picture")
    with pytest.raises(ValueError, match="is no picture"):
        TASK.find_scene(
            source(folder, index=1, image=str(images)), TASK.settings()
        )
    content["scenes"][1]["image_filename"] = f"../images/{name}"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"is '\.\./.*expected the plain"):
        TASK.find_scene(
            source(folder, index=1, image=str(images)), TASK.settings()
        )


def test_objects_are_described():
    scene = TASK.find_scene(Source(objects=3), TASK.settings())
    names = TASK.objects(scene, ClevrData(), None)
    first = scene.data["objects"][0]
    assert len(names) == 3
    assert names[0].split() == [
        first[key] for key in ("size", "color", "material", "shape")
    ]


def test_families_have_groups():
    assert TASK.select_families(["zero_hop"]) == list(range(84, 90))
    assert TASK.select_families([3, "zero_hop", 3])[:2] == [3, 84]
    assert {TASK.group(f) for f in range(84, 90)} == {"zero_hop"}
    with pytest.raises(ValueError, match="nope"):
        TASK.select_families(["nope"])
    with pytest.raises(ValueError, match="90"):
        TASK.select_families([90])


def test_every_type_has_one_category():
    kinds = [kind for group in TASK.categories.values() for kind in group]
    assert sorted(kinds) == sorted(TASK.schema.question_types)


def test_states_and_pictures_can_be_augmented():
    assert isinstance(TASK.augmentation(ClevrData()), Augmentation)
    pictures = ClevrData(objects="images")
    assert isinstance(TASK.augmentation(pictures), PictureAugmentation)
    with pytest.raises(ValueError, match=r"`train\.augment` is true, but"):
        TASK.augmentation(ClevrData(objects="maps"))


def test_it_makes_pictures(tmp_path):
    settings = ClevrData(
        train=2, val=1, test=1, questions_per_scene=2, objects="images"
    )
    TASK.make(settings, tmp_path)
    data = QuestionDataset(tmp_path / "train.h5", objects="images")
    assert data.store.schema == TASK.schema
    batch = data[range(4)]
    assert batch.image.shape == (2, 3, 128, 128)
    scene = json.loads(scenes_path(tmp_path, "train").read_text())["scenes"][1]
    expected = torch.from_numpy(resample(render_scene(scene)))
    assert torch.equal(
        (255 * batch.image[1]).round().byte(), expected.permute(2, 0, 1)
    )
    # What is whole is kept, and what is missing made.
    before = (tmp_path / "train.h5").stat().st_mtime_ns
    (tmp_path / "val.h5").unlink()
    TASK.make(settings, tmp_path)
    assert (tmp_path / "train.h5").stat().st_mtime_ns == before
    assert (tmp_path / "val.h5").exists()
    # States and pictures are not taken for one another.
    assert (
        settings.identity()
        != ClevrData(train=2, val=1, test=1, questions_per_scene=2).identity()
    )
    assert "rendered, 128×128" in TASK.describe(settings)


def test_a_picture_becomes_a_batch_of_cells(folder):
    settings = ClevrData(objects="images")
    path = folder / "outside.png"
    scene = generate_scene(random.Random(8), min_objects=4, max_objects=4)
    picture = render_scene(scene)
    plt.imsave(path, picture)  # RGBA
    found = TASK.find_scene(Source(image=str(path)), settings)
    assert found.data is None
    assert (found.image == picture).all()
    batch = TASK.batch(found, "What color is the large cube?", settings)
    small = torch.from_numpy(resample(picture)).permute(2, 0, 1)
    torch.testing.assert_close(batch.image, small[None] / 255)
    assert "x" not in batch
    # A stored picture is taken as it is.
    plt.imsave(path, resample(picture))
    again = TASK.find_scene(Source(image=str(path)), settings)
    assert torch.equal(
        TASK.batch(again, "How many?", settings).image, batch.image
    )

    places = torch.cartesian_prod(*[torch.linspace(-1, 1, 8)] * 2).flip(1)
    cells = TASK.objects(found, settings, places)
    assert (cells[0], cells[63]) == ("row 1, column 1", "row 8, column 8")
    made = TASK.find_scene(Source(objects=4, seed=3), settings)
    names = TASK.objects(made, settings, places)
    assert sum(name.count("(") for name in names) >= 1
    for item in made.data["objects"]:
        x, y, _ = item["pixel_coords"]
        assert item["color"] in names[int(y / 320 * 8) * 8 + int(x / 480 * 8)]
    pairs = {"all": PairSelection(torch.tensor([[0, 9], [9, 63]]))}
    figure = TASK.draw(found, settings, pairs, places, "asked")
    assert figure.axes


def test_pictures_that_cannot_be_asked_about(folder):
    settings = ClevrData(objects="images")
    wrong = str(next((folder / "images").glob("*.png")))
    with pytest.raises(ValueError, match=r"48×32, expected 480×320 or 128×128"):
        TASK.find_scene(Source(image=wrong), settings)
    with pytest.raises(FileNotFoundError, match=r"none\.png is missing"):
        TASK.find_scene(Source(image=str(folder / "none.png")), settings)
    with pytest.raises(ValueError, match="but the model is given states, not"):
        TASK.find_scene(Source(image=wrong), TASK.settings())
    made = TASK.find_scene(Source(), settings)
    with pytest.raises(ValueError, match="another one's CNN"):
        TASK.batch(made, "How many?", ClevrData(objects="maps"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"val": 0}, r"`data\.val` is 0"),
        ({"hold_out": 7}, r"`data\.hold_out` is 7, expected 0"),
        ({"min_objects": 0}, r"`data\.min_objects` is 0"),
        ({"min_objects": 5, "max_objects": 4}, r"`data\.max_objects` is 4"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(ValueError, match=message):
        ClevrData(**values)
