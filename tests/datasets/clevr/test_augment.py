"""A renamed question, asked about the renamed scene, has the renamed answer."""

import pytest
import torch

from datasets.clevr.augment import Augmentation
from datasets.clevr.features import NodeFeatures, attribute_tables
from datasets.clevr.generate import generate
from datasets.clevr.importer import import_folder
from datasets.clevr.programs import execute
from datasets.clevr.scenes import VECTORS, relationships
from datasets.clevr.templates import parse
from datasets.clevr.vocabulary import ANSWERS, ATTRIBUTES, TOKENS
from datasets.dataset import QuestionDataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("augment")
    generate(folder, scenes={"train": 40}, seed=5, workers=1, progress=False)
    import_folder(folder, run_programs=False, progress=False)
    return folder


def dataset(folder, features="onehot"):
    return QuestionDataset(
        folder / "train.h5", node_features=NodeFeatures(features)
    )


def scene_of(batch, graph, tables):
    nodes = slice(int(batch.ptr[graph]), int(batch.ptr[graph + 1]))
    objects = []
    for row, pos in zip(batch.x[nodes], batch.pos[nodes], strict=True):
        thing, at = {"3d_coords": pos.tolist()}, 0
        for (name, values), table in zip(
            ATTRIBUTES.items(), tables, strict=True
        ):
            part = row[at : at + table.size(1)]
            thing[name] = values[int((table - part).norm(dim=1).argmin())]
            at += table.size(1)
        objects.append(thing)
    positions = [thing["3d_coords"] for thing in objects]
    return {"objects": objects, "relationships": relationships(positions)}


def sentence(tokens, length):
    words = " ".join(TOKENS[int(t)] for t in tokens[: int(length)])
    words = words.replace(" ?", "?").replace(" ;", ";")
    return words[0].upper() + words[1:]


@pytest.mark.parametrize("features", ["onehot", "rgb", "ordinal"])
def test_what_is_asked_stays_true(folder, features):
    data = dataset(folder, features)
    batch = data[:]
    before = batch.clone()
    out = Augmentation(features)(batch)
    for key in ("x", "pos", "tokens", "y"):
        assert torch.equal(batch[key], before[key])  # the given one stays
        assert not torch.equal(out[key], batch[key])
    torch.testing.assert_close(out.x[:, -3:], out.pos)
    tables = attribute_tables(features)
    scenes = [scene_of(out, g, tables) for g in range(out.ptr.numel() - 1)]
    read = 0
    for q in range(out.y.numel()):
        found = parse(sentence(out.tokens[q], out.length[q]))
        answers = {
            execute(program, scenes[int(out.question_batch[q])])
            for family, program in found
            if family.index == int(out.family[q])
        }
        if len(answers) == 1:
            read += 1
            assert answers == {ANSWERS[int(out.y[q])]}
    assert read > 0.9 * out.y.numel()


def test_a_mirror_keeps_depth_and_height(folder):
    batch = dataset(folder)[:]
    out = Augmentation()(batch)
    behind, right = (
        torch.tensor(VECTORS[name]) for name in ("behind", "right")
    )
    torch.testing.assert_close(
        out.pos @ behind, batch.pos @ behind, atol=1e-5, rtol=0
    )
    assert torch.equal(out.pos[:, 2], batch.pos[:, 2])
    torch.testing.assert_close(
        (out.pos @ right).abs(), (batch.pos @ right).abs(), atol=1e-5, rtol=0
    )
    sizes = slice(0, 2)
    assert torch.equal(out.x[:, sizes], batch.x[:, sizes])


def test_half_precision_does_not_move_a_mirrored_object(folder):
    batch = dataset(folder)[:]
    right = torch.tensor(VECTORS["right"])
    with torch.autocast("cpu", torch.bfloat16):
        out = Augmentation()(batch)
    torch.testing.assert_close(
        (out.pos * right).sum(1).abs(),
        (batch.pos * right).sum(1).abs(),
        atol=1e-5,
        rtol=0,
    )


def test_every_value_becomes_every_other(folder):
    batch = dataset(folder)[:]
    seen = torch.zeros(15, 15)
    for _ in range(20):
        out = Augmentation()(batch)
        seen += batch.x[:, :15].T @ out.x[:, :15]
    assert torch.equal(seen[:2, :2], seen[:2, :2].diag().diag())  # sizes stay
    at = 2
    for values in (8, 2, 3):
        assert (seen[at : at + values, at : at + values] > 0).all()
        at += values


def test_the_same_random_numbers_give_the_same_batch(folder):
    batch = dataset(folder)[:]
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(Augmentation()(batch))
    assert torch.equal(drawn[0].x, drawn[1].x)
    assert torch.equal(drawn[0].tokens, drawn[1].tokens)


def test_unknown_answers_stay_unknown(folder):
    batch = dataset(folder)[:20]
    batch.y = torch.full_like(batch.y, -1)
    assert (Augmentation()(batch).y == -1).all()


def test_features_of_another_form(folder):
    batch = dataset(folder, "rgb")[:5]
    with pytest.raises(ValueError, match=r"`x` has shape .* expected \[N, 18"):
        Augmentation()(batch)
