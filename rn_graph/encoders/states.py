"""Objects that a batch holds as they are: descriptions of a state."""

from typing import Any

import torch
from torch import nn

from rn_graph.checks import check_channels
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes


class States(nn.Module):
    """Objects whose features the batch holds; there is nothing to learn.

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 4, "state descriptions".

    Args:
        in_channels: Width of an object.

    Attributes:
        out_channels: The same.

    Raises:
        TypeError: If ``in_channels`` is no integer.
        ValueError: If it is below 0.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        check_channels("in_channels", in_channels, least=0)
        self.in_channels = in_channels
        self.out_channels = in_channels

    def forward(self, batch: Any) -> Nodes:
        """Take the objects out of a batch.

        Args:
            batch: Holds ``x [N, in_channels]``; ``batch [N]``, the scene of
                each object, ascending, or ``None``: one scene; ``pos
                [N, D]``, or ``None``.

        Raises:
            TypeError: If ``x`` is no tensor.
            ValueError: If it is missing, or of another shape. What it holds
                is checked by the model.
        """
        expected = f"objects [N, {self.in_channels}]"
        x = field(batch, "x", expected)
        if x.dim() != 2 or x.size(1) != self.in_channels:
            raise ValueError(
                f"`batch.x` has shape {list(x.shape)}, expected {expected}"
            )
        row = getattr(batch, "batch", None)
        if row is None:
            row = torch.zeros(len(x), dtype=torch.long, device=x.device)
        return Nodes(x, row, getattr(batch, "pos", None))

    def extra_repr(self) -> str:
        """Name the width."""
        return str(self.in_channels)
