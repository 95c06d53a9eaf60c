import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets.pictures import jittered, name_cells, read_picture

few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 2**16)
sides = st.integers(1, 9)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(seed, count, pad, angle):
    """What is drawn for each picture: moves and turns."""
    g = seeded(seed)
    by = torch.randint(-pad, pad + 1, (2, count), generator=g)
    return by, (2 * torch.rand(count, generator=g) - 1) * angle


def turned(picture, right, down, turn):
    """One picture, pixel by pixel; its middle is the point it turns about."""
    _, height, width = picture.shape
    out = torch.zeros_like(picture)
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    cos, sin = math.cos(turn), math.sin(turn)
    for r in range(height):
        for c in range(width):
            x = cos * (c - x0) - sin * (r - y0) + x0 + right
            y = sin * (c - x0) + cos * (r - y0) + y0 + down
            x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
            left, top = min(int(x), width - 1), min(int(y), height - 1)
            right_of, below = min(left + 1, width - 1), min(top + 1, height - 1)
            a, b = x - left, y - top
            out[:, r, c] = (
                (1 - a) * (1 - b) * picture[:, top, left]
                + a * (1 - b) * picture[:, top, right_of]
                + (1 - a) * b * picture[:, below, left]
                + a * b * picture[:, below, right_of]
            )
    return out


@few
@given(sides, sides, st.integers(0, 3), st.floats(0, 1), seeds)
def test_pictures_are_moved_and_turned(height, width, pad, angle, seed):
    images = torch.rand(3, 2, height, width, generator=seeded(seed)).double()
    before = images.clone()
    out = jittered(images, pad, angle, seeded(seed))
    assert torch.equal(images, before)
    by, turn = drawn(seed, 3, pad, angle)
    for i, picture in enumerate(images):
        expected = turned(picture, *by[:, i].tolist(), float(turn[i]))
        torch.testing.assert_close(out[i], expected, rtol=0, atol=1e-5)


@few
@given(sides, sides, st.integers(0, 4), seeds)
def test_without_a_turn_a_padded_picture_is_cropped(height, width, pad, seed):
    images = torch.randint(256, (4, 3, height, width), generator=seeded(seed))
    images = images.to(torch.uint8)
    out = jittered(images, pad, 0.0, seeded(seed))
    assert out.dtype == torch.uint8
    padded = F.pad(images.double(), [pad] * 4, mode="replicate").byte()
    by, _ = drawn(seed, 4, pad, 0.0)
    for i, (right, down) in enumerate(by.T.tolist()):
        left, top = pad + right, pad + down
        crop = padded[i, :, top : top + height, left : left + width]
        assert torch.equal(out[i], crop)


def test_moves_go_all_ways_and_turns_both():
    by, turn = drawn(0, 500, 4, 0.05)
    # Where one dark pixel comes to lie says how its picture was moved.
    images = torch.ones(500, 1, 21, 21)
    images[:, :, 10, 10] = 0
    out = jittered(images, 4, 0.0, seeded(0))
    dark = (out < 0.5).nonzero()[:, 2:] - 10
    assert torch.equal(dark.flip(1), -by.T)
    assert set(by.flatten().tolist()) == set(range(-4, 5))
    assert turn.min() < -0.04 < 0.04 < turn.max()
    assert len(turn.unique()) == 500


@pytest.mark.parametrize("dtype", [torch.uint8, torch.half, torch.bfloat16])
def test_small_types_are_as_good_as_large_ones(dtype):
    images = torch.randint(256, (2, 3, 32, 32), generator=seeded(0))
    images = images.to(dtype)
    out = jittered(images, generator=seeded(1))
    exact = jittered(images.double(), generator=seeded(1))
    assert out.dtype == dtype
    off = (out.double() - exact).abs().max()
    assert off <= (0.51 if dtype == torch.uint8 else 1)
    assert jittered(images[:0]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"images": [1]}, TypeError, "`images` is list, expected bytes"),
        (
            {"images": torch.zeros(1, 3, 4, 4, dtype=torch.long)},
            TypeError,
            r"`images` is torch\.int64, expected bytes",
        ),
        ({"images": torch.zeros(3, 4, 4)}, ValueError, r"shape \[3, 4, 4\]"),
        ({"pad": -1}, ValueError, "`pad` is -1, expected pixels"),
        ({"angle": -0.1}, ValueError, r"`angle` is -0\.1, expected rad"),
        ({"angle": math.inf}, ValueError, "`angle` is inf, expected rad"),
    ],
)
def test_what_cannot_be(given, error, message):
    with pytest.raises(error, match=message):
        jittered(**({"images": torch.zeros(1, 3, 4, 4)} | given))


def test_transparency_is_dropped(picture, tmp_path):
    path, values = picture
    assert (read_picture(path) == values[..., :3]).all()
    plain = tmp_path / "b.png"
    Image.fromarray(values[..., :3].copy()).save(plain)
    assert (read_picture(plain) == values[..., :3]).all()


def test_pictures_that_are_not_as_expected(picture, tmp_path):
    path, values = picture
    with pytest.raises(FileNotFoundError, match=r"c\.png is missing, expected"):
        read_picture(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"a\.png is a picture of 480×320, ex"):
        read_picture(path, [(128, 128), (64, 64)])
    gray = tmp_path / "gray.png"
    Image.fromarray(values[..., 0].copy()).save(gray)
    with pytest.raises(ValueError, match=r"gray\.png is a picture of mode 'L'"):
        read_picture(gray)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png is no picture, expected"):
        read_picture(text)
    data = path.read_bytes()
    cut = tmp_path / "cut.png"
    for share in (0.1, 0.5, 0.99):
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match=r"cut\.png is truncated or dam"):
            read_picture(cut)
    cut.write_bytes(b"")
    with pytest.raises(ValueError, match=r"cut\.png is no picture"):
        read_picture(cut)
    broken = bytearray(data)
    broken[len(data) // 2] ^= 255
    cut.write_bytes(broken)
    with pytest.raises(ValueError, match=r"cut\.png is truncated or damaged"):
        read_picture(cut)


def test_cells_are_named_by_what_stands_there():
    rng = np.random.default_rng()
    side, places = 5, rng.uniform(-0.1, 1.1, (9, 2))
    names = [f"object {i}" for i in range(9)]
    found = name_cells(names, places, side)
    assert len(found) == side**2
    for name, (x, y) in zip(names, places, strict=True):
        row = sum(y >= edge / side for edge in range(1, side))
        column = sum(x >= edge / side for edge in range(1, side))
        cell = found[row * side + column]
        assert cell.startswith(f"row {row + 1}, column {column + 1} (")
        assert name in cell
    assert sum(cell.count("object") for cell in found) == 9
