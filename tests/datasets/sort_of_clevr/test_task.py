"""Sort-of-CLEVR by the contract of every task, down to a trained model."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from datasets.dataset import QuestionDataset
from datasets.sort_of_clevr.augment import Augmentation
from datasets.sort_of_clevr.generate import make_chunk
from datasets.sort_of_clevr.scenes import IMAGE_SIZE
from datasets.sort_of_clevr.task import TASK, Picture, SortOfClevrData
from datasets.sort_of_clevr.vocabulary import COLORS, QUESTION_TYPES, SHAPES
from datasets.task import Source
from experiments.__main__ import main
from rn_graph.pairs import PairSelection
from tests.experiments.run.fitting import measured_here

plt.switch_backend("agg")
TINY = SortOfClevrData(train=12, val=3, test=4)
ASKED = "what is the shape of the object closest to the red object?"
KINDS = ("images", "states")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on each kind of objects."""
    folder = tmp_path_factory.mktemp("trained")
    with measured_here():
        for kind in KINDS:
            main(
                [
                    *("compare", "sort_of_clevr", "--data.objects", kind),
                    *("--models", "rn,edge", "--name", kind, "--seeds", "1"),
                    *("--data.train", "12", "--data.val", "3"),
                    *("--data.test", "4", "--train.batch_size", "40"),
                    *("--train.steps", "4", "--train.val_every", "2"),
                    *("--train.curriculum", "[]"),
                    *("--model.cnn_channels", "[8,8,8]", "--threads", "1"),
                    *("--model.hidden_channels", "16", "--cost_steps", "1"),
                    *("--runs", str(folder), "--data_root", str(folder)),
                ]
            )
    return folder


@pytest.fixture
def picture():
    """A made picture as a file, and what it is of."""

    def make(path):
        made = make_chunk(3, "test", 0, 1)
        plt.imsave(path, made.image[0])
        return made

    return make


def test_it_makes_its_splits_once(tmp_path):
    TASK.make(TINY, tmp_path)
    data = {
        split: QuestionDataset(
            tmp_path / f"{split}.h5",
            objects="images",
        )
        for split in ("train", "val", "test")
    }
    for split, scenes in (("train", 12), ("val", 3), ("test", 4)):
        assert data[split].store.schema == TASK.schema
        assert data[split].store.num_scenes == scenes
        assert len(data[split]) == 20 * scenes
    batch = data["test"][:]
    assert batch.image.shape == (4, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert batch.vector.shape == (80, 11)
    # What is whole is kept; what is not there is made as it was.
    kept = (tmp_path / "train.h5").stat().st_mtime_ns
    whole = (tmp_path / "val.h5").read_bytes()
    (tmp_path / "val.h5").unlink()
    TASK.make(TINY, tmp_path)
    assert (tmp_path / "train.h5").stat().st_mtime_ns == kept
    assert (tmp_path / "val.h5").read_bytes() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_models_are_trained_on_pictures_and_on_states(trained, kind, capsys):
    table = (trained / kind / "table.md").read_text()
    for text in ("RN, all pairs", "EdgeConv", "relational"):
        assert text in table
    # Both kinds are of the same stores.
    assert len(list(trained.glob("sort_of_clevr-*"))) == 1
    main(
        [
            *("evaluate", str(trained / kind / "rn/seed-0")),
            *("--data_root", str(trained), "--families", "true"),
        ]
    )
    text = capsys.readouterr().out
    assert "equal to the stored figures" in text
    assert all(name in text for name in ("closest", "relational"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_picture_is_asked_about(trained, tmp_path, capsys, kind):
    out = tmp_path / "asked.png"
    main(
        [
            *("ask", ASKED, "--run", str(trained / kind / "rn/seed-0")),
            *("--seed", "5", "--pairs", "2", "--out", str(out)),
        ]
    )
    text = capsys.readouterr().out
    made = make_chunk(5, "test", 0, 1)
    for color, shape in made.codes:
        assert f"{COLORS[color]} {SHAPES[shape]}" in text
    last = "row 10, column 10" if kind == "images" else " 5  "
    assert last in text
    assert out.stat().st_size > 1000


def test_a_file_is_asked_about(trained, picture, tmp_path, capsys):
    path = tmp_path / "a.png"
    picture(path)
    run = ["--run", str(trained / "images/rn/seed-0")]
    main(["ask", ASKED, *run, "--seed", "3"])
    of_made = capsys.readouterr().out
    main(["ask", ASKED, *run, "--scene", str(path)])
    of_file = capsys.readouterr().out
    # The same answers; but nobody says what is in the cells of a file.
    answers = [t.split(ASKED)[1].split("\n\n")[0] for t in (of_made, of_file)]
    assert answers[0] == answers[1]
    assert "red" in of_made.split(ASKED)[0]
    assert not of_file.split(ASKED)[0].strip()
    assert " at (" in of_file  # where a cell is
    states = ["--run", str(trained / "states/rn/seed-0")]
    with pytest.raises(ValueError, match=r"given objects, not pictures: .* sc"):
        main(["ask", ASKED, *states, "--scene", str(path)])


def test_what_is_no_picture_of_the_task_is_refused(picture, tmp_path):
    def find(**options):
        return TASK.find_scene(Source(**options), TASK.settings())

    path = tmp_path / "a.png"
    made = picture(path)
    found = find(scene=str(path))
    assert (find(image=str(path)).image == found.image).all()
    np.testing.assert_array_equal(found.image, made.image[0])
    assert found.codes is found.pos is None
    missing = str(tmp_path / "b.png")
    with pytest.raises(
        FileNotFoundError, match=r"b\.png is missing, expected a"
    ):
        find(scene=missing)
    text = tmp_path / "c.png"
    text.write_text("no picture")
    with pytest.raises(ValueError, match=r"c\.png is no picture"):
        find(scene=str(text))
    for name, shape in (("d", (75, 60, 3)), ("e", (80, 75, 3))):
        plt.imsave(tmp_path / f"{name}.png", np.zeros(shape))
        with pytest.raises(
            ValueError, match=r"is a picture of .*, expected 75×75"
        ):
            find(scene=str(tmp_path / f"{name}.png"))
    with pytest.raises(ValueError, match="`image` or `index` is given with"):
        find(scene=str(path), index=1)
    with pytest.raises(ValueError, match="`image` or `index` is given with"):
        find(scene=str(path), image=str(tmp_path))
    with pytest.raises(ValueError, match="`objects` is 5, expected 6"):
        find(objects=5)


def test_a_batch_is_what_the_store_would_give(tmp_path):
    TASK.make(TINY, tmp_path)
    made = make_chunk(TINY.seed, "test", 2, 1)
    picture = Picture(made.image[0], made.codes, made.pos)
    for kind in KINDS:
        settings = SortOfClevrData(objects=kind)
        data = QuestionDataset(
            tmp_path / "test.h5",
            objects=kind,
            node_features=TASK.node_features(settings),
        )
        stored = data[np.arange(40, 60)]  # the third scene's
        for question in range(3):
            words = TASK.words(stored, question)
            batch = TASK.batch(picture, words, settings)
            assert torch.equal(batch.vector[0], stored.vector[question])
            for key in ("image",) if kind == "images" else ("x", "pos"):
                torch.testing.assert_close(batch[key], stored[key])
    settings = SortOfClevrData(objects="maps", stores=str(tmp_path))
    with pytest.raises(ValueError, match="what another one's CNN made"):
        TASK.batch(picture, ASKED, settings)


def test_cells_are_named_after_what_stands_in_them():
    made = make_chunk(1, "test", 0, 1)
    picture = Picture(made.image[0], made.codes, made.pos)
    line = torch.linspace(-1, 1, 5)
    pos = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    names = TASK.objects(picture, SortOfClevrData(), pos.view(-1, 2))
    assert len(names) == 25
    assert names[0].startswith("row 1, column 1")
    assert names[24].startswith("row 5, column 5")
    for (color, shape), place in zip(made.codes, made.pos, strict=True):
        column, row = (int(v) for v in np.minimum((place + 1) / 2 * 5, 4))
        assert f"{COLORS[color]} {SHAPES[shape]}" in names[5 * row + column]
    assert TASK.objects(Picture(made.image[0]), SortOfClevrData(), pos) == []
    states = TASK.objects(picture, SortOfClevrData(objects="states"), None)
    assert states == [f"{COLORS[c]} {SHAPES[s]}" for c, s in made.codes]


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_drawn_where_objects_are(kind):
    made = make_chunk(1, "test", 0, 1)
    picture = Picture(made.image[0], made.codes, made.pos)
    pos = torch.from_numpy(made.pos)
    if kind == "images":
        line = torch.linspace(-1, 1, 5)
        pos = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
        pos = pos.view(-1, 2)
    last = len(pos) - 1
    pairs = PairSelection(torch.tensor([[0], [last]]), torch.ones(1))
    settings = SortOfClevrData(objects=kind)
    figure = TASK.draw(picture, settings, {"a": pairs, "b": pairs}, pos, "why")
    painted = [axes for axes in figure.axes if axes.images]
    assert len(painted) == 2
    assert figure.get_suptitle() == "why"
    [arrow] = painted[0].patches
    start, end = (np.array(p) for p in arrow._posA_posB)
    if kind == "images":  # from the first cell's middle to the last one's
        places = np.array([[7.5, 7.5], [67.5, 67.5]])
    else:
        places = (made.pos[[0, last]] + 1) / 2 * IMAGE_SIZE
        # Where it has that object's colour.
        column, row = places[0].astype(int)
        red = picture.image[row, column]
        assert red.tolist() == [255, 0, 0]
    assert np.linalg.norm(start - places[0]) < 8
    assert np.linalg.norm(end - places[1]) < 8
    plt.close(figure)


def test_families_and_groups():
    families = TASK.schema.families
    assert len(families) == len(COLORS) * len(QUESTION_TYPES)
    for number, name in enumerate(families):
        assert TASK.select_families([number]) == [number]
        assert name.endswith(f"_{TASK.group(number)}")
    counts = [i for i, name in enumerate(families) if "count" in name]
    assert len(counts) == len(COLORS)
    assert TASK.select_families(["count", 0, counts[1]]) == [0, *counts]
    for wrong in ("mauve", 36, -1):
        with pytest.raises(ValueError, match="unknown family"):
            TASK.select_families([wrong])


def test_families_are_those_of_the_questions(tmp_path):
    TASK.make(TINY, tmp_path)
    data = QuestionDataset(tmp_path / "train.h5", objects="images")
    batch = data[:]
    for question in range(60):
        family = TASK.schema.families[int(batch.family[question])]
        kind = QUESTION_TYPES[int(batch.question_type[question])]
        words = TASK.words(batch, question)
        assert family.endswith(f"_{kind}")
        assert family.split("_")[0] in words


def test_every_type_is_a_column_and_in_one_kind():
    kinds = TASK.categories
    both = kinds["relational"] + kinds["non-relational"]
    assert sorted(both) == sorted(QUESTION_TYPES)
    assert set(QUESTION_TYPES) <= set(kinds)


def test_what_is_seen_and_changed_depends_on_the_objects():
    seen = {
        kind: TASK.seen(SortOfClevrData(objects=kind, stores="a"))
        for kind in (*KINDS, "maps")
    }
    assert "75×75" in seen["images"]
    assert "not its picture" in seen["states"]
    assert "CNN" in seen["maps"]
    for kind in KINDS:
        settings = SortOfClevrData(objects=kind)
        assert isinstance(TASK.augmentation(settings), Augmentation)
    with pytest.raises(ValueError, match=r"`train\.augment` is true, but"):
        TASK.augmentation(SortOfClevrData(objects="maps", stores="a"))
    with pytest.raises(ValueError, match=r"maps without `data\.stores`"):
        SortOfClevrData(objects="maps")
