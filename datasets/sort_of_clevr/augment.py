"""Other pictures and questions, as true as those that they come from.

Which colour an object has does not decide anything, and neither does the way
up that a picture is held, as long as questions and answers follow: each scene
gets its colours permuted, and one of the square's eight symmetries.
"""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from datasets.sort_of_clevr.questions import question_vector
from datasets.sort_of_clevr.vocabulary import (
    ANSWERS,
    BACKGROUND,
    COLOR_VALUES,
    COLORS,
    QUESTION_TYPES,
)

_YES, _NO = ANSWERS.index("yes"), ANSWERS.index("no")
_LEFT, _TOP = QUESTION_TYPES.index("left"), QUESTION_TYPES.index("top")
_NUM_COLORS, _NUM_TYPES = len(COLORS), len(QUESTION_TYPES)
#: Tells the colours of a picture apart in one number.
_RADIX = (1, 256, 65_536)


class Augmentation:
    """Renames the colours of each scene of a batch, flips and turns it.

    A turn swaps left and top: a question about the one becomes one about the
    other. Random numbers are torch's own, of the batch's device.

    Example::

        augment = Augmentation()
        for batch in QuestionLoader(dataset, 32, by_scene=True):
            batch = augment(batch)
    """

    def __init__(self) -> None:
        self.radix = torch.tensor(_RADIX)
        palette = torch.tensor([*COLOR_VALUES, BACKGROUND])
        # A picture's numbers are looked up among those of the colours.
        self.numbers, self.order = (palette * self.radix).sum(1).sort()
        self.palette = palette.float() / 255
        kinds = torch.arange(_NUM_COLORS * _NUM_TYPES).numpy()
        vectors = question_vector(kinds // _NUM_TYPES, kinds % _NUM_TYPES)
        self.vectors = torch.from_numpy(vectors).float()

    def __call__(self, batch: Batch) -> Batch:
        """Return another batch; the given one stays as it is.

        Args:
            batch: Of :class:`~datasets.dataset.QuestionDataset`, of a
                Sort-of-CLEVR store, pictures or states.
        """
        device, asked = batch.y.device, batch.question_batch
        scenes = batch.num_graphs
        becomes = torch.rand(scenes, _NUM_COLORS, device=device).argsort(1)
        mirror, flip, turn = torch.rand(3, scenes, device=device) < 0.5

        out = batch.clone()
        if "image" in batch:
            image = self._recolor(batch.image, becomes)
            for how, dims in ((mirror, (3,)), (flip, (2,))):
                image = _where(how, image.flip(dims), image)
            out.image = _where(turn, image.transpose(2, 3), image)
        else:
            self._change_states(out, becomes, mirror, flip, turn)

        color, kind = batch.family // _NUM_TYPES, batch.question_type
        # Which question was asked says which flip turns its answer round.
        other = (kind == _LEFT) & mirror[asked] | (kind == _TOP) & flip[asked]
        yes, no = batch.y == _YES, batch.y == _NO
        swapped = torch.where(yes, _NO, torch.where(no, _YES, batch.y))
        out.y = torch.where(other, swapped, batch.y)
        turned = turn[asked]
        new = torch.where(turned & (kind == _LEFT), _TOP, kind)
        out.question_type = torch.where(turned & (kind == _TOP), _LEFT, new)
        color = becomes[asked, color]
        out.family = color * _NUM_TYPES + out.question_type
        out.vector = self.vectors.to(device)[out.family]
        return out

    def _recolor(self, image: Tensor, becomes: Tensor) -> Tensor:
        device = image.device
        radix, numbers, order, palette = (
            t.to(device)
            for t in (self.radix, self.numbers, self.order, self.palette)
        )
        number = ((image * 255).round().long() * radix.view(1, 3, 1, 1)).sum(1)
        place = torch.searchsorted(numbers, number).clamp(max=_NUM_COLORS)
        index = order[place]
        # What is white stays so.
        white = torch.full_like(becomes[:, :1], _NUM_COLORS)
        now = torch.cat([becomes, white], 1)
        painted = palette[now.gather(1, index.flatten(1))]
        return painted.transpose(1, 2).reshape(image.shape)

    def _change_states(
        self,
        out: Batch,
        becomes: Tensor,
        mirror: Tensor,
        flip: Tensor,
        turn: Tensor,
    ) -> None:
        """Change places and colours; object k stays the one of colour k."""
        scene = out.batch
        sign = 1 - 2 * torch.stack([mirror, flip], 1).to(out.pos.dtype)
        pos = out.pos * sign[scene]
        pos = torch.where(turn[scene, None], pos.flip(1), pos)
        color = becomes[scene, out.x[:, :_NUM_COLORS].argmax(1)]
        # Where each object of the old order goes in the new one.
        place = out.ptr[scene] + color
        x = out.x.clone()
        x[:, :_NUM_COLORS] = torch.eye(_NUM_COLORS, device=x.device)[color]
        x[:, -2:] = pos
        out.x = torch.empty_like(x).index_copy(0, place, x)
        out.pos = torch.empty_like(pos).index_copy(0, place, pos)
        if "support" in out:
            out.support = place[out.support]


def _where(how: Tensor, then: Tensor, other: Tensor) -> Tensor:
    return torch.where(how.view(-1, 1, 1, 1), then, other)
