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
    out = PictureAugmentation(0.0, 0.0)(batch)
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


def test_pictures_move_by_four_pixels_of_128_at_most():
    batch = make_batch(256, 128)
    batch.image = torch.zeros(256, 3, 128, 128)
    batch.image[:, :, 60:68, 60:68] = 1
    out = PictureAugmentation(turn=0.0)(batch)
    x = torch.arange(128.0)
    mass = out.image[:, 0]
    for dim in (1, 2):
        middle = (mass.sum(dim) * x).sum(1) / mass.sum((1, 2))
        off = middle - 63.5
        assert off.abs().max() <= 4.01
        assert off.max() > 2
        assert off.min() < -2


def test_pictures_turn_by_a_twentieth_at_most():
    batch = make_batch(256, 128)
    batch.image = torch.zeros(256, 3, 128, 128)
    batch.image[:, :, 62:66, 20:108] = 1
    out = PictureAugmentation(shift=0.0)(batch)
    mass = out.image[:, 0]
    y, x = torch.meshgrid(*[torch.arange(128.0) - 63.5] * 2, indexing="ij")
    slope = (mass * x * y).sum((1, 2)) / (mass * x * x).sum((1, 2))
    assert slope.abs().max() < 0.051
    assert slope.max() > 0.03
    assert slope.min() < -0.03


def test_a_turn_keeps_what_is_turned_as_it_is():
    # Neither stretched nor made dark: a picture of one colour stays so.
    batch = make_batch(16)
    batch.image = torch.full_like(batch.image, 0.25)
    out = PictureAugmentation()(batch)
    torch.testing.assert_close(out.image, batch.image)
