"""Pictures moved and turned a little, as true as those that they come from."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


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
