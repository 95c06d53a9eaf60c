"""Stacked attention: a question that looks at the objects several times."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import Linear

from rn_graph.checks import check_channels
from rn_graph.dense import nodes_to_dense
from rn_graph.dtypes import accumulation_dtype
from rn_graph.edges import Edges
from rn_graph.models.base import SceneModel, count_scenes


class StackedAttention(SceneModel):
    r"""The question looks at all objects, is changed, and looks again.

    .. math::
        \mathbf{v}_i &= \tanh(\mathbf{W}_o \mathbf{o}_i + \mathbf{b}_o),
        \qquad \mathbf{u}_0 = \mathbf{W}_q \mathbf{q} + \mathbf{b}_q

        p_{ki} &= \mathrm{softmax}_i\big(\mathbf{w}_k \cdot \tanh(\mathbf{V}_k
        \mathbf{v}_i + \mathbf{U}_k \mathbf{u}_{k-1} + \mathbf{b}_k)\big)

        \mathbf{u}_k &= \mathbf{u}_{k-1} + \sum_i p_{ki} \mathbf{v}_i, \qquad
        \mathrm{answer} = f(\mathbf{u}_K)

    Objects meet through the question alone: what the first hop found decides
    where the second one looks. Of cells of a CNN this is the baseline CNN +
    LSTM + stacked attention. Objects and :math:`\mathbf{V}_k \mathbf{v}_i`
    are computed once a scene, whatever the number of questions about it.

    Source: `Yang et al. (2016) <https://arxiv.org/abs/1511.02274>`_, section
    3.3, with any objects in place of an image's regions; two hops as in
    `Johnson et al. (2017) <https://arxiv.org/abs/1612.06890>`_, section 4.1.
    There :math:`\mathbf{u}_0` is the question itself, of the width of
    :math:`\mathbf{v}_i`.

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question, and
            :math:`\mathbf{u}_0 = 0`. (default: ``None``)
        hidden_channels: Width of :math:`\mathbf{v}_i`, of
            :math:`\mathbf{u}_k`, and of what a hop compares.
            (default: ``256``)
        num_hops: Number of hops, K. (default: ``2``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
        question_in_readout: Whether f is given the question too; in the paper
            it is not. (default: ``False``)

    Shapes:
        - **input:** objects :math:`(N, F)`, questions :math:`(Q, C)`
        - **output:** scores :math:`(Q, A)`

    Raises:
        TypeError: If a size is no integer.
        ValueError: If one is too small.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 256,
        num_hops: int = 2,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
        question_in_readout: bool = False,
    ) -> None:
        check_channels("in_channels", in_channels)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_hops", num_hops)
        super().__init__(
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
            question_in_readout,
        )
        self.in_channels = in_channels
        width = hidden_channels
        self.objects = Linear(in_channels, width)
        self.asked: nn.Module | None = None
        if question_channels is not None:
            self.asked = Linear(question_channels, width)
        # The softmax takes a bias of the scores out again, and one of the two
        # that tanh is given is enough.
        self.keys = _hops(num_hops, width, width, bias=False)
        self.queries = _hops(num_hops, width, width)
        self.scores = _hops(num_hops, width, 1, bias=False)

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
        """Look at the objects in each hop, ``[count, hidden_channels]``."""
        v, mask, scene = self._padded(x, batch, question_batch, count)
        u = v.new_zeros(count, v.size(-1))
        if self.asked is not None:
            u = self.asked(question)
        own = v if scene is None else v[scene]
        for key, query, score in zip(
            self.keys, self.queries, self.scores, strict=True
        ):
            seen = key(v)
            seen = seen if scene is None else seen[scene]
            said: Tensor = score(torch.tanh(seen + query(u).unsqueeze(1)))
            said = said.to(accumulation_dtype(said.dtype))
            # Not -inf, of which a scene without objects would make NaN: it
            # attends to its padding, which is nought.
            said = said.masked_fill(~mask, torch.finfo(said.dtype).min)
            look = said.softmax(1).to(own.dtype).transpose(1, 2)
            u = u + (look @ own).squeeze(1)
        return u

    def _padded(
        self,
        x: Tensor,
        batch: Tensor,
        question_batch: Tensor | None,
        count: int,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        r"""Objects of each scene, and those of each question.

        Returns:
            :math:`\mathbf{v}`, ``[G, M, hidden_channels]``, noughts where a
            scene has no object; which rows of each question are objects,
            ``[count, M, 1]``; scene of each question, or ``None``: theirs.
        """
        scenes = count_scenes(batch, question_batch, count)
        v, mask = nodes_to_dense(torch.tanh(self.objects(x)), batch, scenes)
        mask = mask.unsqueeze(2)
        if question_batch is not None:
            mask = mask[question_batch]
        return v, mask, question_batch


def _hops(count: int, *widths: int, **options: Any) -> nn.ModuleList:
    return nn.ModuleList(Linear(*widths, **options) for _ in range(count))
