import numpy as np
import pytest

from datasets.clevr.images import (
    PictureFiles,
    picture_path,
    resample,
)


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
