"""Pictures: read from files, their cells named, moved and turned a little."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from PIL import Image, UnidentifiedImageError
from torch import Tensor

_MODES = ("RGB", "RGBA")


def read_picture(
    path: str | Path, sizes: Sequence[tuple[int, int]] | None = None
) -> np.ndarray:
    """Read a picture of a file, with all checks.

    Args:
        path: A PNG (or another format that Pillow reads), RGB or RGBA,
            whose transparency is dropped.
        sizes: The sizes (across, down) that are expected. (default: ``None``:
            any)

    Returns:
        Bytes ``[H, W, 3]``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, truncated, or of another size or
            mode.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, expected a picture")
    try:
        with Image.open(path) as image:
            if image.mode not in _MODES:
                raise ValueError(
                    f"{path} is a picture of mode {image.mode!r}, expected "
                    f"{' or '.join(_MODES)}, eight bits a channel"
                )
            if sizes is not None and image.size not in sizes:
                wanted = " or ".join(f"{w}×{h}" for w, h in sizes)
                raise ValueError(
                    f"{path} is a picture of {image.size[0]}×{image.size[1]}, "
                    f"expected {wanted}"
                )
            return np.array(image.convert("RGB"))
    except UnidentifiedImageError:
        raise ValueError(
            f"{path} is no picture, expected a PNG of RGB or RGBA"
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is no picture of a scene: {error}") from None
    except (OSError, SyntaxError, EOFError) as error:  # what Pillow raises
        raise ValueError(
            f"{path} is truncated or damaged ({error}), expected a whole PNG"
        ) from None


def name_cells(
    names: Iterable[str], places: Iterable[ArrayLike], side: int
) -> list[str]:
    """Name the cells of a map by their place, and by what stands there.

    >>> name_cells(["red cube"], [(0.9, 0.1)], 2)[:2]
    ['row 1, column 1', 'row 1, column 2 (red cube)']

    Args:
        names: Names of objects.
        places: Of each object its place across and down, 0 to 1.
        side: Cells of the map's side.
    """
    there: dict[int, list[str]] = {}
    for name, place in zip(names, places, strict=True):
        column, row = (np.asarray(place) * side).astype(int).clip(0, side - 1)
        there.setdefault(int(row) * side + int(column), []).append(name)
    return [
        f"row {i // side + 1}, column {i % side + 1}"
        + (f" ({', '.join(there[i])})" if i in there else "")
        for i in range(side * side)
    ]


def jittered(
    images: Tensor,
    pad: int = 4,
    angle: float = 0.05,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pad pictures, crop them at random to their size, and turn them.

    Each picture is moved by up to ``pad`` whole pixels and turned about its
    middle, in one go, so that pixels are interpolated once. What comes into
    the picture repeats the pixels at its edge: a black frame would say how far
    it was moved.

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 5.1: pictures padded from 128 to 136 pixels, cropped back,
    and turned by up to 0.05 rad.

    Args:
        images: ``[G, C, H, W]``, bytes, or of any floating type.
        pad: Pixels on each side. (default: ``4``)
        angle: Largest turn in rad, either way. (default: ``0.05``)
        generator: Of random numbers, on the pictures' device; ``None``:
            torch's own. (default: ``None``)

    Returns:
        Other pictures of the same shape and type; those given stay as they
        are.

    Raises:
        TypeError: If they are neither bytes nor floating-point numbers.
        ValueError: For another shape, a negative ``pad`` or ``angle``, or one
            that is not finite.
    """
    if not isinstance(images, Tensor) or not (
        images.dtype == torch.uint8 or images.is_floating_point()
    ):
        kind = getattr(images, "dtype", type(images).__name__)
        raise TypeError(
            f"`images` is {kind}, expected bytes or floating-point numbers "
            f"[G, C, H, W]"
        )
    if images.dim() != 4:
        raise ValueError(
            f"`images` has shape {list(images.shape)}, expected [G, C, H, W]"
        )
    if pad < 0:
        raise ValueError(f"`pad` is {pad}, expected pixels, 0 or more")
    if not 0 <= angle < math.inf:
        raise ValueError(f"`angle` is {angle}, expected rad, 0 or more")
    count, _, height, width = images.shape
    if 0 in images.shape:
        return images.clone()
    device = images.device
    by = torch.randint(
        -pad, pad + 1, (2, count), generator=generator, device=device
    )
    turn = torch.rand(count, generator=generator, device=device)
    turn = (2 * turn - 1) * angle
    cos, sin = turn.cos(), turn.sin()
    # Where each pixel comes from, in units of half a side.
    zoom = width / height
    column = torch.stack([cos, -sin / zoom, 2 * by[0] / width], 1)
    row = torch.stack([sin * zoom, cos, 2 * by[1] / height], 1)
    affine = torch.stack([column, row], 1)
    size = [count, 1, height, width]
    grid = F.affine_grid(affine, size, align_corners=False)
    # Half precision would round where a pixel comes from.
    exact = images.dtype if images.dtype.itemsize >= 4 else torch.float32
    out = F.grid_sample(
        images.to(exact),
        grid.to(exact),
        padding_mode="border",
        align_corners=False,
    )
    if images.dtype == torch.uint8:
        out = out.round_()
    return out.to(images.dtype)
