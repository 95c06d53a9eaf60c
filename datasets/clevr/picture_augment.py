"""Other pictures, as right as the ones that they come from.

What the Relation Network paper does (appendix B): padded by 4 pixels, cropped
at random, turned by up to 0.05 radians. And the mirror: left becomes right,
in the picture and in what is asked.
"""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from datasets.clevr.vocabulary import TOKENS

#: The most that a picture moves, as a share of its side: 4 pixels of 128.
SHIFT = 4 / 128
#: The most that it is turned, in radians.
TURN = 0.05
_LEFT, _RIGHT = TOKENS.index("left"), TOKENS.index("right")


class PictureAugmentation:
    """Moves, turns and mirrors the picture of each scene of a batch.

    Every second scene is mirrored; its questions say right for left. Random
    numbers are torch's own, of the batch's device.

    Args:
        shift: The most that a picture moves along either axis, as a share of
            its side. (default: 4 / 128)
        turn: The most that it is turned, in radians. (default: 0.05)
    """

    def __init__(self, shift: float = SHIFT, turn: float = TURN) -> None:
        self.shift, self.turn = shift, turn

    def __call__(self, batch: Batch) -> Batch:
        """Return another batch; the given one stays as it is.

        Args:
            batch: Of :class:`~datasets.dataset.QuestionDataset`, of a CLEVR
                store's pictures.
        """
        image: Tensor = batch.image
        scenes, device = len(image), image.device
        mirrored = torch.rand(scenes, device=device) < 0.5
        by = 2 * torch.rand(3, scenes, device=device) - 1
        angle = self.turn * by[0]
        cos, sin = angle.cos(), angle.sin()
        side = torch.where(mirrored, -1.0, 1.0)
        # Where each pixel is fetched from; coordinates run from −1 to 1.
        rows = [
            torch.stack([side * cos, -side * sin, 2 * self.shift * by[1]], 1),
            torch.stack([sin, cos, 2 * self.shift * by[2]], 1),
        ]
        grid = torch.nn.functional.affine_grid(
            torch.stack(rows, 1), list(image.shape), align_corners=False
        )
        out = batch.clone()
        out.image = torch.nn.functional.grid_sample(
            image, grid, padding_mode="border", align_corners=False
        )
        tokens = batch.tokens
        swapped = torch.where(tokens == _LEFT, _RIGHT, tokens)
        swapped = torch.where(tokens == _RIGHT, _LEFT, swapped)
        asked = mirrored[batch.question_batch].unsqueeze(1)
        out.tokens = torch.where(asked, swapped, tokens)
        return out
