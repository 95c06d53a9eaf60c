import torch
from torch_geometric.data import Batch

from datasets.clevr.picture_augment import PictureAugmentation
from datasets.clevr.vocabulary import TOKENS

WORDS = ("<pad>", "left", "right", "behind", "front", "red")


def make_batch(scenes=64, side=32):
    image = torch.rand(scenes, 3, side, side)
    tokens = torch.tensor([[TOKENS.index(w) for w in WORDS]]).repeat(scenes, 1)
    return Batch(
        image=image, tokens=tokens, question_batch=torch.arange(scenes)
    )


def said(tokens):
    return [TOKENS[i] for i in tokens.tolist()]


def test_the_mirror_exchanges_left_and_right_in_picture_and_words():
    batch = make_batch()
    before = batch.clone()
    out = PictureAugmentation(0, 0.0)(batch)
    kinds = set()
    for i in range(len(batch.image)):
        words = said(out.tokens[i])
        mirrored = words[1] == "right"
        kinds.add(mirrored)
        swapped = ["<pad>", "right", "left", "behind", "front", "red"]
        assert words == (swapped if mirrored else list(WORDS))
        expected = batch.image[i].flip(2) if mirrored else batch.image[i]
        torch.testing.assert_close(out.image[i], expected)
    assert kinds == {True, False}
    assert torch.equal(batch.image, before.image)
    assert torch.equal(batch.tokens, before.tokens)


def test_pictures_are_moved_and_turned_too():
    batch = make_batch(64, 128)
    batch.image = torch.zeros(64, 3, 128, 128)
    batch.image[:, :, 62:66, 20:108] = 1
    mass = PictureAugmentation()(batch).image[:, 0]
    y, x = torch.meshgrid(*[torch.arange(128.0) - 63.5] * 2, indexing="ij")
    weight = mass.sum((1, 2))
    middle = (mass * y).sum((1, 2)) / weight
    across = x - ((mass * x).sum((1, 2)) / weight).view(-1, 1, 1)
    slope = (mass * across * y).sum((1, 2)) / (mass * across**2).sum((1, 2))
    for found, most in ((middle, 4.3), (slope, 0.051)):
        assert found.abs().max() <= most
        assert found.max() > most / 2
        assert found.min() < -most / 2
