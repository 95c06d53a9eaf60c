"""The recurrent Relation Network: messages in rounds, an answer at each."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn import MLP

from rn_graph.checks import call_trusted, check_channels
from rn_graph.conv import RNConv
from rn_graph.edges import Edges
from rn_graph.models.base import (
    SceneModel,
    check_pairs_or_edges,
    messages_over,
    per_question,
    with_question,
)


class RecurrentRelationNetwork(SceneModel):
    r"""The recurrent Relation Network, which answers after each round.

    From `Palm et al. (2018) <https://arxiv.org/abs/1711.08028>`_, section 2.

    .. math::
        \mathbf{x}_i &= \mathrm{MLP}([\mathbf{o}_i ; \mathbf{q}]), \qquad
        \mathbf{h}^0_i = \mathbf{x}_i

        \mathbf{m}^t_i &= \sum_{j \ne i} w_{ij} \, g(\mathbf{h}^{t-1}_i,
        \mathbf{h}^{t-1}_j, \mathbf{e}_{ij}, \mathbf{q})

        \mathbf{h}^t_i, \mathbf{s}^t_i &= \mathrm{LSTM}(\mathrm{MLP}(
        [\mathbf{x}_i ; \mathbf{m}^t_i]), \mathbf{s}^{t-1}_i)

        \mathrm{answer}^t &= f\Big(\sum_i \mathbf{h}^t_i\Big)

    Each answer is trained, the last one counts. All rounds share their
    weights, so that a model may be run for more of them than it was trained
    with (``num_steps`` can be set).

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of every layer, the LSTM's state included.
            (default: ``128``)
        num_layers: Layers of g and of both MLPs; ReLU follows each but the
            last. (default: ``4``)
        num_steps: Rounds of messages. (default: ``8``)
        pairs: Which pairs send messages, a module of :mod:`rn_graph.pairs`
            that is given :math:`\mathbf{x}` (``hidden_channels`` wide);
            ``None``: all, but not an object itself. (default: ``None``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(128, 128)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
        question_in_readout: Whether f is given the question too; in the paper
            it is not. (default: ``False``)
        edge_channels: Width of the features of given edges, which take the
            pairs' place; 0: edges without; ``None``: there are none.
            (default: ``None``)

    Shapes:
        - **input:** objects :math:`(N, F)`, questions :math:`(Q, C)`
        - **output:** scores :math:`(T, Q, A)` after each of T rounds

    Raises:
        TypeError: If a width or a number is no integer, or ``pairs`` no
            module.
        ValueError: If one of them is too small, or for ``pairs`` along with
            edges.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 128,
        num_layers: int = 4,
        num_steps: int = 8,
        pairs: nn.Module | None = None,
        readout_channels: Sequence[int] = (128, 128),
        readout_dropout: float = 0.0,
        question_in_readout: bool = False,
        edge_channels: int | None = None,
    ) -> None:
        check_pairs_or_edges(pairs, edge_channels)
        check_channels("in_channels", in_channels, least=0)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_layers", num_layers)
        check_channels("num_steps", num_steps)
        super().__init__(
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
            question_in_readout,
        )
        self.in_channels = in_channels
        self.edge_channels = edge_channels
        self.num_steps = num_steps
        self.pairs = pairs
        width = hidden_channels
        inner = [width] * num_layers
        self.objects = MLP(
            [in_channels + (question_channels or 0), *inner], norm=None
        )
        self.conv = RNConv(
            width,
            width,
            width,
            num_layers=num_layers,
            question_channels=question_channels,
            edge_channels=edge_channels or None,
            self_pairs=False,
            plain_last=True,
        )
        self.update = MLP([2 * width, *inner], norm=None)
        self.lstm = nn.LSTMCell(width, width)

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
        """Pool the objects after each round, ``[steps, count, hidden]``."""
        rows = per_question(x, batch, question_batch, pos, edges)
        row = rows.row
        x = self.objects(with_question(rows.x, question, row))
        over = messages_over(self.pairs, question, rows._replace(x=x))
        h, state = x, torch.zeros_like(x)
        pooled = []
        for _ in range(self.num_steps):
            message = call_trusted(
                self.conv, h, question=question, batch=row, **over
            )
            given = self.update(torch.cat([x, message.to(x.dtype)], dim=-1))
            h, state = self.lstm(given, (h, state))
            pooled.append(self.pool(h, row, count))
        return torch.stack(pooled)
