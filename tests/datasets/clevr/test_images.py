import numpy as np
import pytest
from PIL import Image

from datasets.clevr.images import (
    PictureFiles,
    picture_path,
    read_picture,
    resample,
)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    values = np.random.default_rng().integers(0, 256, (320, 480, 4), np.uint8)
    Image.fromarray(values).save(path)
    return path, values


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


def test_resampling_neither_shifts_nor_darkens():
    flat = np.full((320, 480, 3), 77, np.uint8)
    assert (resample(flat, 128) == 77).all()
    ramp = np.broadcast_to(np.arange(480)[None, :, None] // 2, (320, 480, 3))
    small = resample(ramp.astype(np.uint8), 128)
    assert small.shape == (128, 128, 3)
    middles = ((np.arange(128) + 0.5) * 480 / 128 - 0.5) / 2
    apart = np.abs(small[64, 4:-4, 0] - middles[4:-4] + 0.25)
    assert apart.max() < 1
    # What changes every pixel is gone, not aliased.
    fine = np.zeros((320, 480, 3), np.uint8)
    fine[:, ::2] = 255
    inside = resample(fine, 128)[:, 3:-3].astype(int)
    assert abs(inside.mean() - 127.5) < 1
    assert inside.std() < 16
    assert resample(small, 128) is small


def test_files_of_scenes(picture, tmp_path):
    path, values = picture
    folder = tmp_path / "images/val"
    folder.mkdir(parents=True)
    path.rename(folder / "a.png")
    scene = {"image_index": 5, "image_filename": "a.png"}
    found = PictureFiles(tmp_path, 64)("val", [scene, scene])
    assert found.shape == (2, 64, 64, 3)
    assert (found[1] == resample(values[..., :3], 64)).all()
    for name in ("../a.png", "..", "", "a\0.png", 3):
        scene["image_filename"] = name
        with pytest.raises(ValueError, match=r"of scene 5 is .*, expected the"):
            picture_path(tmp_path, "val", scene)
    with pytest.raises(ValueError, match="`images` is 4, expected 8 to 8192"):
        PictureFiles(tmp_path, 4)
