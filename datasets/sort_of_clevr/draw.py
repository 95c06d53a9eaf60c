"""Paint scenes as pixels.

Edges are not smoothed: a pixel belongs to an object if its own centre lies in
it, and has the object's colour or the background's, nothing between. With
centres at whole numbers that is exact for squares, and it makes every circle
the same 80 pixels. What is in the picture is then just what the answers were
worked out from, and mirrored or renamed pictures are ones that could have been
drawn.
"""

import numpy as np

from datasets.sort_of_clevr.scenes import IMAGE_SIZE, OBJECT_SIZE
from datasets.sort_of_clevr.vocabulary import BACKGROUND, COLOR_VALUES, SHAPES


def _masks() -> np.ndarray:
    """[2, 10, 10] Which pixels of its square each shape covers."""
    offset = np.arange(OBJECT_SIZE) + 0.5 - OBJECT_SIZE / 2
    circle = np.add.outer(offset**2, offset**2) <= (OBJECT_SIZE / 2) ** 2
    shapes = {"square": np.ones_like(circle), "circle": circle}
    return np.stack([shapes[name] for name in SHAPES])


MASKS = _masks()
_VALUES = np.array(COLOR_VALUES, np.uint8)


def draw_images(
    center: np.ndarray, color: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Paint scenes.

    Args:
        center: [S, N, 2] Centres (x, y) in whole pixels; y grows downward.
        color: [S, N], or [N] for all scenes. Indices into ``COLORS``.
        shape: [S, N] Indices into ``SHAPES``.

    Returns:
        [S, 75, 75, 3] RGB images (uint8), rows from the top.
    """
    num_scenes, num_objects = shape.shape
    color = np.broadcast_to(color, shape.shape)
    out = np.empty((num_scenes, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    out[:] = BACKGROUND
    scene = np.arange(num_scenes)[:, None, None]
    span = np.arange(OBJECT_SIZE) - OBJECT_SIZE // 2
    for k in range(num_objects):
        column = (center[:, k, 0, None] + span)[:, None, :]
        row = (center[:, k, 1, None] + span)[:, :, None]
        out[scene, row, column] = np.where(
            MASKS[shape[:, k], :, :, None],
            _VALUES[color[:, k], None, None],
            out[scene, row, column],
        )
    return out
