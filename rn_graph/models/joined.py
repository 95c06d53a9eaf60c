"""All objects of a scene as one vector, and an MLP: what CNN + MLP does."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import Linear

from rn_graph.batching import graph_spans
from rn_graph.checks import check_channels, checks_enabled
from rn_graph.edges import Edges
from rn_graph.models.base import SceneModel, count_scenes


class JoinedMLP(SceneModel):
    r"""A scene's objects joined, in order, to one vector, and an MLP of it.

    .. math::
        \mathbf{h}_1 = \mathrm{ReLU}(\mathbf{W}_1 [\mathbf{o}_1 ; \ldots ;
        \mathbf{o}_M ; \mathbf{q}] + \mathbf{b}_1), \qquad
        \mathbf{h}_l = \mathrm{ReLU}(\mathbf{W}_l \mathbf{h}_{l-1} +
        \mathbf{b}_l), \qquad
        \mathrm{answer} = f\big([\mathbf{h}_L ; \mathbf{q}]\big)

    Of cells of a CNN this is the baseline CNN + MLP, an MLP in RN's place: it
    has a weight of its own for each place, so that the order of the objects
    counts, and all it knows of a pair it has to learn for each two places
    anew. f is given the question again, as of the other models. The first
    layer's product with the objects is computed once a scene, whatever the
    number of questions about it.

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    appendix D.

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
            (default: ``None``)
        num_objects: Objects of the largest scene, M; a smaller one is padded
            with noughts. (default: ``25``)
        hidden_channels: Width of the MLP's layers. (default: ``256``)
        num_layers: Layers of the MLP, before f. (default: ``4``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)

    Shapes:
        - **input:** objects :math:`(N, F)`, questions :math:`(Q, C)`
        - **output:** scores :math:`(Q, A)`

    Raises:
        TypeError: If a size is no integer.
        ValueError: If one is too small; in a call, for a scene of more than
            ``num_objects``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        num_objects: int = 25,
        hidden_channels: int = 256,
        num_layers: int = 4,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
    ) -> None:
        check_channels("in_channels", in_channels)
        check_channels("num_objects", num_objects)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_layers", num_layers)
        super().__init__(
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )
        self.in_channels = in_channels
        self.num_objects = num_objects
        width = num_objects * in_channels + (question_channels or 0)
        widths = [width, *[hidden_channels] * num_layers]
        self.lins = nn.ModuleList(Linear(i, o) for i, o in pairwise(widths))

    def join(self, x: Tensor, batch: Tensor, scenes: int) -> Tensor:
        """Lay each scene's objects side by side.

        Args:
            x: Objects, ``[N, in_channels]``.
            batch: Scene of each object, ``[N]``, ascending.
            scenes: Number of scenes, G.

        Returns:
            ``[G, num_objects * in_channels]``, noughts where there is none.

        Raises:
            ValueError: For a scene of more than ``num_objects``.
        """
        start, size = graph_spans(batch, batch)
        if checks_enabled(size) and len(size):
            most = int(size.max())
            if most > self.num_objects:
                raise ValueError(
                    f"`batch` has a scene of {most} objects, expected at most "
                    f"{self.num_objects}, `num_objects`"
                )
        place = torch.arange(len(x), device=x.device) - start
        row = batch.long() * self.num_objects + place
        joined = x.new_zeros(scenes * self.num_objects, x.size(1))
        width = self.num_objects * x.size(1)
        return joined.index_copy(0, row, x).view(scenes, width)

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
        """Run the MLP for each question, ``[count, hidden_channels]``."""
        joined = self.join(x, batch, count_scenes(batch, question_batch, count))
        # One layer on [objects ; question], its weight applied in two parts.
        first: Any = self.lins[0]
        width = joined.size(1)
        h = F.linear(joined, first.weight[:, :width], first.bias)
        if question_batch is not None:
            h = h[question_batch]
        if question is not None:
            h = h + F.linear(question, first.weight[:, width:])
        h = h.relu()
        for lin in self.lins[1:]:
            h = lin(h).relu()
        return h
