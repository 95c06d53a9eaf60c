"""Pictures in files, found and brought to a store's size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets.clevr.camera import IMAGE_SIZE
from datasets.pictures import read_picture

#: Pixels of a side of the pictures in a store (the RN paper, section 5.1).
STORED_SIZE = 128
# A picture of more pixels than this is none of a scene.
_MOST = 8192


def images_folder(folder: str | Path, split: str) -> Path:
    """``<folder>/images/<split>``."""
    return Path(folder) / "images" / split


def resample(picture: np.ndarray, side: int = STORED_SIZE) -> np.ndarray:
    """Bring a picture to a square, as every picture of a store is.

    Pillow's bicubic filter, widened by how much the picture shrinks, so that
    nothing aliases. The released pictures and rendered ones take the same
    way, from 480×320: a model cannot tell them apart by it.

    Args:
        picture: Bytes ``[H, W, 3]``.
        side: Pixels of the square's side.
    """
    if picture.shape[:2] == (side, side):
        return picture
    image = Image.fromarray(picture)
    return np.array(image.resize((side, side), Image.Resampling.BICUBIC))


class PictureFiles:
    """The pictures of scenes in ``<folder>/images/<split>``.

    Args:
        folder: A folder in the official layout.
        side: Pixels of a side, in the store.
        size: Pixels across and down, in the files.
    """

    def __init__(
        self,
        folder: str | Path,
        side: int = STORED_SIZE,
        size: tuple[int, int] = IMAGE_SIZE,
    ) -> None:
        check_side("images", side)
        self.folder, self.side, self.size = Path(folder), side, size

    def __call__(
        self, split: str, scenes: Sequence[Mapping[str, Any]]
    ) -> np.ndarray:
        """The scenes' pictures, ``[S, side, side, 3]``.

        Raises:
            FileNotFoundError: If a scene has no picture.
            ValueError: If a picture is not as expected.
        """
        paths = [picture_path(self.folder, split, scene) for scene in scenes]
        return np.stack(
            [resample(read_picture(p, (self.size,)), self.side) for p in paths]
        )


def picture_path(
    folder: str | Path, split: str, scene: Mapping[str, Any]
) -> Path:
    """Where a scene's picture lies in a folder of the official layout.

    Raises:
        ValueError: If its file name leads out of the folder.
    """
    return images_folder(folder, split) / picture_name(scene)


def picture_name(scene: Mapping[str, Any]) -> str:
    """The name of the file of a scene's picture.

    Raises:
        ValueError: If it leads out of a folder.
    """
    name = scene["image_filename"]
    if (
        not isinstance(name, str)
        or name in ("", "..")
        or "\0" in name
        or Path(name).name != name
    ):
        raise ValueError(
            f"`image_filename` of scene {scene['image_index']} is {name!r}, "
            f"expected the plain name of a file"
        )
    return name


def check_side(name: str, side: int) -> None:
    """Check pixels of a side.

    Raises:
        ValueError: If there are too few or too many; it names the argument.
    """
    if not 8 <= side <= _MOST:
        raise ValueError(f"`{name}` is {side}, expected 8 to {_MOST} pixels")
