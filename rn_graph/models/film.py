"""FiLM: a CNN whose features are scaled and shifted by the question."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from rn_graph.checks import check_channels
from rn_graph.edges import Edges
from rn_graph.encoders.objects import grid_size, nodes_to_map
from rn_graph.models.base import SceneModel, count_scenes


class FiLMBlock(nn.Module):
    r"""A residual block whose features are scaled and shifted from outside.

    .. math::
        \mathbf{A} = \mathrm{ReLU}(\mathbf{W}_1 * \mathbf{H} + \mathbf{b}_1),
        \qquad \mathbf{H}' = \mathbf{A} + \mathrm{ReLU}\big(\boldsymbol{\gamma}
        \odot \mathrm{BN}(\mathbf{W}_2 * \mathbf{A}) + \boldsymbol{\beta}\big)

    with kernels of 1 × 1 and 3 × 3. Source: `Perez et al. (2018)
    <https://arxiv.org/abs/1709.07871>`_, figure 3.

    Args:
        in_channels: Channels of the map, coordinates included.
        channels: Channels of what it gives.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(in_channels, channels, 1)
        # What batch norm takes out, or beta adds, needs no bias of its own.
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(
        self,
        x: Tensor,
        film: tuple[Tensor, Tensor] | None = None,
        scene: Tensor | None = None,
    ) -> Tensor:
        r"""Run the block.

        Args:
            x: Maps, ``[G, in_channels, H, W]``.
            film: :math:`\gamma` and :math:`\beta` of each question,
                ``[Q, channels, 1, 1]``; ``None``: 1 and 0.
            scene: Which map each question is about, ``[Q]``; ``None``: its
                own. What the question does not change is computed before.

        Returns:
            ``[Q, channels, H, W]``.
        """
        a = self.look(x).relu()
        h: Tensor = self.norm(self.conv(a))
        if scene is not None:
            a, h = a[scene], h[scene]
        if film is not None:
            scale, shift = film
            h = torch.addcmul(shift, scale, h)
        out: Tensor = a + h.relu()
        return out


class FiLM(SceneModel):
    r"""Residual blocks over a map, each scaled and shifted by the question.

    .. math::
        (\boldsymbol{\gamma}_l, \boldsymbol{\beta}_l) = (1, 0) + \mathbf{W}_l
        \mathbf{q} + \mathbf{b}_l, \qquad \mathbf{H}_l = \mathrm{Block}_l
        \big([\mathbf{H}_{l-1} ; \mathbf{P}], \boldsymbol{\gamma}_l,
        \boldsymbol{\beta}_l\big)

        \mathbf{s} = \max_{rc} \mathrm{ReLU}\big(\mathrm{BN}(\mathbf{W} *
        [\mathbf{H}_L ; \mathbf{P}] + \mathbf{b})\big)_{rc}, \qquad
        \mathrm{answer} = f(\mathbf{s})

    with ``FiLMBlock`` and the cells' coordinates :math:`\mathbf{P}`,
    which :math:`\mathbf{H}_0`, the objects, already have. The objects must be
    all cells of a map, as :class:`~rn_graph.encoders.Cells` and
    :func:`~rn_graph.encoders.map_to_nodes` give them; their places say its
    height and width. The first block is computed once a scene up to its batch
    norm, whatever the number of questions about it.

    Source: `Perez et al. (2018) <https://arxiv.org/abs/1709.07871>`_, section
    3. There the CNN before has four layers of 128 kernels 4 × 4 where it is
    trained from pixels, the question comes of a GRU of 4,096 units, and f has
    1,024 hidden units with batch norm.

    Args:
        in_channels: Width of an object, a cell's channels and coordinates.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question, and
            :math:`\gamma_l = 1, \beta_l = 0`. (default: ``None``)
        hidden_channels: Channels of the blocks. (default: ``128``)
        num_blocks: Number of blocks, L. (default: ``4``)
        pooled_channels: Channels of the map that is pooled; ``None``: four
            times ``hidden_channels``, as in the paper. (default: ``None``)
        readout_channels: Widths of f's hidden layers. (default: ``(1024,)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
        question_in_readout: Whether f is given the question too; in the paper
            it is not. (default: ``False``)

    Shapes:
        - **input:** objects :math:`(G \cdot H \cdot W, F)`, places
          :math:`(G \cdot H \cdot W, 2)`, questions :math:`(Q, C)`
        - **output:** scores :math:`(Q, A)`

    Raises:
        TypeError: If a size is no integer.
        ValueError: If one is too small; in a call, for objects that are not
            the cells of maps of one size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 128,
        num_blocks: int = 4,
        pooled_channels: int | None = None,
        readout_channels: Sequence[int] = (1024,),
        readout_dropout: float = 0.0,
        question_in_readout: bool = False,
    ) -> None:
        check_channels("in_channels", in_channels)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_blocks", num_blocks)
        if pooled_channels is None:
            pooled_channels = 4 * hidden_channels
        check_channels("pooled_channels", pooled_channels)
        super().__init__(
            pooled_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
            question_in_readout,
        )
        self.in_channels = in_channels
        width = hidden_channels
        self.generator: nn.Linear | None = None
        if question_channels is not None:
            self.generator = nn.Linear(
                question_channels, num_blocks * 2 * width
            )
        inputs = [in_channels] + [width + 2] * (num_blocks - 1)
        self.blocks = nn.ModuleList(FiLMBlock(i, width) for i in inputs)
        # Batch norm takes a bias out again.
        self.conv = nn.Conv2d(width + 2, pooled_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(pooled_channels)

    def films(self, question: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        r"""Generate :math:`\gamma_l` and :math:`\beta_l` of each block.

        Args:
            question: ``[Q, question_channels]``; ``None``: no question.

        Returns:
            A pair a block, each ``[Q, hidden_channels, 1, 1]``; none without
            a question.
        """
        if self.generator is None:
            return []
        made: Tensor = self.generator(question)
        made = made.view(len(made), len(self.blocks), 2, -1, 1, 1)
        return [
            (1 + scale, shift)
            for scale, shift in (b.unbind(1) for b in made.unbind(1))
        ]

    def summarize(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
        count: int,
    ) -> Tensor:
        """Run the blocks and pool, ``[count, pooled_channels]``."""
        if count == 0:
            return x.new_zeros(0, self.conv.out_channels)
        scenes = count_scenes(batch, question_batch, count)
        size = grid_size(pos, batch, scenes)
        pos = cast(Tensor, pos)  # else there is no grid
        h = nodes_to_map(x, size)
        if h.device.type == "cpu":
            h = h.contiguous(memory_format=torch.channels_last)
        place = nodes_to_map(pos[: size[0] * size[1]], size).to(h.dtype)
        films = self.films(question)
        for number, block in enumerate(self.blocks):
            film = films[number] if films else None
            if number == 0:
                h = block(h, film, question_batch)
            else:
                h = block(_with_place(h, place), film)
        h = self.norm(self.conv(_with_place(h, place))).relu()
        pooled: Tensor = h.amax((2, 3))
        return pooled


def _with_place(h: Tensor, place: Tensor) -> Tensor:
    """Join the cells' coordinates to maps as two more channels."""
    return torch.cat([h, place.expand(len(h), -1, -1, -1)], dim=1)
