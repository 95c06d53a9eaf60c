"""Other scenes and questions, as right as the ones that they come from.

What CLEVR asks does not depend on which colour is called red: where every
red object of a scene becomes green and every green one blue, and its
questions and answers say so, they are as true as before. The same holds for
materials and shapes, and for left and right in the mirror. A training that
sees each scene under other names every time has less to learn by heart, and
more to gain from how an answer is found.
"""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from datasets.clevr.features import (
    FeatureForm,
    attribute_tables,
    node_features,
)
from datasets.clevr.scenes import VECTORS
from datasets.clevr.vocabulary import ANSWERS, ATTRIBUTES, COLORS, TOKENS

#: Attribute → the words of its values, which become one another. A word that
#: stands twice becomes the first of its counterparts. Sizes are left alone: an
#: object's centre lies as high as half its size.
_WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "color": tuple((color,) for color in COLORS),
    "material": (
        ("rubber", "matte", "matte"),
        ("metal", "shiny", "metallic"),
    ),
    "shape": (
        ("cube", "cubes", "block", "blocks"),
        ("sphere", "spheres", "ball", "balls"),
        ("cylinder", "cylinders", "cylinder", "cylinders"),
    ),
}


class Augmentation:
    """Renames the attributes of each scene of a batch, and mirrors some.

    Each scene gets its own permutation of the colours, of the materials and
    of the shapes; every second one is mirrored, left for right. Its questions
    and answers follow. Random numbers are torch's own, of the batch's device.

    A mirrored scene is turned about the line through the middle of the view,
    which is no diagonal of the floor: an object in a corner may land outside.
    Of CoGenT's conditions nothing is left: any shape may get any colour.

    Args:
        features: Form of the batches' ``x``. (default: ``"onehot"``)
    """

    def __init__(self, features: FeatureForm = "onehot") -> None:
        self.tables = attribute_tables(features)

    def __call__(self, batch: Batch) -> Batch:
        """Return another batch; the given one stays as it is.

        Args:
            batch: Of :class:`~datasets.dataset.QuestionDataset`, of a CLEVR
                store.

        Raises:
            ValueError: If its ``x`` is not of the form ``features``.
        """
        # Half precision would move mirrored objects by some hundredths.
        with torch.autocast(batch.x.device.type, enabled=False):
            return self._change(batch)

    def _change(self, batch: Batch) -> Batch:
        device = batch.x.device
        scenes = batch.ptr.numel() - 1
        scene, asked = batch.batch, batch.question_batch
        tables = [table.to(device) for table in self.tables]
        codes = _codes(batch.x, tables)
        tokens = torch.arange(len(TOKENS), device=device).repeat(scenes, 1)
        answers = torch.arange(len(ANSWERS), device=device).repeat(scenes, 1)
        for column, (name, values) in enumerate(ATTRIBUTES.items()):
            if name not in _WORDS:
                continue
            becomes = torch.rand(scenes, len(values), device=device).argsort(1)
            codes[:, column] = becomes[scene, codes[:, column]]
            for one_form in reversed(tuple(zip(*_WORDS[name], strict=True))):
                _rename(tokens, TOKENS, one_form, becomes)
            _rename(answers, ANSWERS, values, becomes)

        mirrored = torch.rand(scenes, device=device) < 0.5
        swap = torch.stack([mirrored, ~mirrored], dim=1).long()
        _rename(tokens, TOKENS, ("left", "right"), swap)
        right = batch.pos.new_tensor(VECTORS["right"])
        right = right / right.norm()
        along = (batch.pos * right).sum(1, keepdim=True)
        pos = batch.pos - 2 * along * right * mirrored[scene].unsqueeze(1)

        out = batch.clone()
        out.x, out.pos = node_features(codes, pos, tables), pos
        out.tokens = tokens[asked.unsqueeze(1), batch.tokens]
        known = batch.y.clamp(min=0)
        out.y = torch.where(batch.y < 0, batch.y, answers[asked, known])
        return out


def _codes(x: Tensor, tables: list[Tensor]) -> Tensor:
    """Attribute indices [N, 4] of node features."""
    widths = [table.size(1) for table in tables]
    if x.dim() != 2 or x.size(1) != sum(widths) + 3:
        raise ValueError(
            f"`x` has shape {list(x.shape)}, expected [N, {sum(widths) + 3}], "
            f"the form that the augmentation was made for"
        )
    parts = x[:, : sum(widths)].split(widths, dim=1)
    return torch.stack(
        [
            torch.cdist(part, table).argmin(1)
            for part, table in zip(parts, tables, strict=True)
        ],
        dim=1,
    )


def _rename(
    renamed: Tensor,
    names: tuple[str, ...],
    words: tuple[str, ...],
    becomes: Tensor,
) -> None:
    """Let each word become another of them, as each scene has it.

    Args:
        renamed: What each of ``names`` becomes, ``[scenes, names]``; changed.
        names: All words.
        words: Those that become one another.
        becomes: Which of ``words`` each becomes, ``[scenes, words]``.
    """
    at = torch.tensor([names.index(w) for w in words], device=becomes.device)
    renamed[:, at] = at[becomes]
