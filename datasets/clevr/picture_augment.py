"""Other pictures, as right as the ones that they come from.

Moved and turned a little, as in the Relation Network paper (appendix B), and
mirrored: left becomes right, in the picture and in what is asked.
"""

import torch
from torch_geometric.data import Batch

from datasets.clevr.vocabulary import TOKENS
from datasets.pictures import jittered

_LEFT, _RIGHT = TOKENS.index("left"), TOKENS.index("right")


class PictureAugmentation:
    """Moves, turns and mirrors the picture of each scene of a batch.

    Every second scene is mirrored; its questions say right for left. Random
    numbers are torch's own, of the batch's device.

    Args:
        pad: The most pixels that a picture moves along either axis.
            (default: ``4``)
        angle: The most that it is turned, in radians. (default: ``0.05``)
    """

    def __init__(self, pad: int = 4, angle: float = 0.05) -> None:
        self.pad, self.angle = pad, angle

    def __call__(self, batch: Batch) -> Batch:
        """Return another batch; the given one stays as it is.

        Args:
            batch: Of :class:`~datasets.dataset.QuestionDataset`, of a CLEVR
                store's pictures.
        """
        mirrored = torch.rand(len(batch.image), device=batch.image.device) < 0.5
        out = batch.clone()
        image = jittered(batch.image, self.pad, self.angle)
        out.image = torch.where(
            mirrored.view(-1, 1, 1, 1), image.flip(3), image
        )
        tokens = batch.tokens
        swapped = torch.where(tokens == _LEFT, _RIGHT, tokens)
        swapped = torch.where(tokens == _RIGHT, _LEFT, swapped)
        asked = mirrored[batch.question_batch].unsqueeze(1)
        out.tokens = torch.where(asked, swapped, tokens)
        return out
