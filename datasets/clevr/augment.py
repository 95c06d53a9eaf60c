"""Other scenes and questions, as right as the ones that they come from.

What CLEVR asks does not depend on which colour is called red: where every
red object of a scene becomes green and every green one blue, and its
questions and answers say so, they are as true as before. The same holds for
materials, for spheres and cylinders, and for left and right in the mirror.
A training that sees each scene under other names cannot learn answers by
heart, and has to learn how they are found.
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

#: Words that change places. A cube does not become a sphere, nor a large
#: object a small one: their centres are at other heights.
_MATERIALS = {
    "rubber": "metal",
    "matte": "shiny",
    "metal": "rubber",
    "shiny": "matte",
    "metallic": "matte",
}
_SHAPES = {
    "sphere": "cylinder",
    "spheres": "cylinders",
    "ball": "cylinder",
    "balls": "cylinders",
    "cylinder": "sphere",
    "cylinders": "spheres",
}
_MIRROR = {"left": "right", "right": "left"}


class Augmentation:
    """Renames the attributes of each scene of a batch, and mirrors some.

    Each scene gets its own permutation of the colours; with a probability of
    one half each, its materials change places, its spheres and cylinders do,
    and it is mirrored, left for right. Its questions and answers follow.
    Random numbers are torch's own, of the batch's device.

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
        device = batch.x.device
        scenes = batch.ptr.numel() - 1
        tables = [table.to(device) for table in self.tables]
        codes = _codes(batch.x, tables)
        own = {name: torch.arange(len(v)) for name, v in ATTRIBUTES.items()}
        values = {
            name: index.to(device).repeat(scenes, 1)
            for name, index in own.items()
        }
        tokens = torch.arange(len(TOKENS), device=device).repeat(scenes, 1)
        answers = torch.arange(len(ANSWERS), device=device).repeat(scenes, 1)

        colors = torch.rand(scenes, len(COLORS), device=device).argsort(1)
        values["color"] = colors
        for names, renamed in ((TOKENS, tokens), (ANSWERS, answers)):
            at = torch.tensor([names.index(c) for c in COLORS], device=device)
            renamed[:, at] = at[colors]

        mirrored = torch.rand(scenes, device=device) < 0.5
        for words, chosen in (
            (_MATERIALS, torch.rand(scenes, device=device) < 0.5),
            (_SHAPES, torch.rand(scenes, device=device) < 0.5),
            (_MIRROR, mirrored),
        ):
            _swap(tokens, TOKENS, words, chosen)
            _swap(answers, ANSWERS, words, chosen)
            for name, renamed in values.items():
                _swap(renamed, ATTRIBUTES[name], words, chosen)

        scene, asked = batch.batch, batch.question_batch
        codes = torch.stack(
            [
                renamed[scene, codes[:, column]]
                for column, renamed in enumerate(values.values())
            ],
            dim=1,
        )
        right = batch.pos.new_tensor(VECTORS["right"])
        right = right / right.norm()
        along = (batch.pos @ right).unsqueeze(1) * mirrored[scene].unsqueeze(1)
        pos = batch.pos - 2 * along * right

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


def _swap(
    renamed: Tensor,
    names: tuple[str, ...],
    words: dict[str, str],
    chosen: Tensor,
) -> None:
    """Let words change places in the chosen rows of ``renamed``."""
    for source, target in words.items():
        if source in names:
            column = renamed[:, names.index(source)]
            column[chosen] = names.index(target)
