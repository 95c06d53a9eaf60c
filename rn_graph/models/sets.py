"""Models without pairs: each object is seen alone, then all are pooled."""

from collections.abc import Sequence

from torch import Tensor
from torch_geometric.nn import MLP
from torch_geometric.nn import aggr as pyg_aggr

from rn_graph.checks import check_channels
from rn_graph.edges import Edges
from rn_graph.models.base import SceneModel, per_question, with_question


class _SetModel(SceneModel):
    """What both share: an MLP phi on each object and the question.

    Args:
        in_channels: Width of an object.
        hidden_channels: Width of phi's layers.
        num_layers: Layers of phi.
        pooled_channels: Width of the pooled set.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        readout_channels: Widths of f's hidden layers.
        readout_dropout: Dropout before f's last layer.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        pooled_channels: int,
        out_channels: int,
        question_channels: int | None,
        readout_channels: Sequence[int],
        readout_dropout: float,
    ) -> None:
        check_channels("in_channels", in_channels, least=0)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_layers", num_layers)
        super().__init__(
            pooled_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )
        self.in_channels = in_channels
        width = in_channels + (question_channels or 0)
        self.phi = MLP(
            [width, *[hidden_channels] * num_layers],
            norm=None,
            plain_last=False,
        )

    def embed(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
    ) -> Tensor:
        """Compute phi of each object, ``[R, hidden_channels]``."""
        x, row, *_ = per_question(x, batch, question_batch, None)
        out: Tensor = self.phi(with_question(x, question, row))
        return out


class DeepSets(_SetModel):
    r"""`Deep Sets <https://arxiv.org/abs/1703.06114>`_ with a question.

    .. math::
        \mathrm{answer} = f\Big(\Big[\sum_i \phi(\mathbf{o}_i, \mathbf{q}) ;
        \mathbf{q}\Big]\Big)

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of :math:`\phi`'s layers. (default: ``256``)
        num_layers: Layers of :math:`\phi`. (default: ``4``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 256,
        num_layers: int = 4,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
    ) -> None:
        super().__init__(
            in_channels,
            hidden_channels,
            num_layers,
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )


class Set2Set(_SetModel):
    r"""`Set2Set <https://arxiv.org/abs/1511.06391>`_ with a question.

    An LSTM reads the set in several steps, each time by attention:

    .. math::
        \mathbf{h}_i = \phi(\mathbf{o}_i, \mathbf{q}), \qquad
        \mathrm{answer} = f\big([\mathrm{Set2Set}(\{\mathbf{h}_i\}) ;
        \mathbf{q}]\big)

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of :math:`\phi`'s layers and of the LSTM.
            (default: ``256``)
        num_layers: Layers of :math:`\phi`. (default: ``4``)
        processing_steps: How often the LSTM reads the set. (default: ``3``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 256,
        num_layers: int = 4,
        processing_steps: int = 3,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
    ) -> None:
        check_channels("processing_steps", processing_steps)
        super().__init__(
            in_channels,
            hidden_channels,
            num_layers,
            2 * hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )
        self.aggr = pyg_aggr.Set2Set(hidden_channels, processing_steps)

    def pool(self, h: Tensor, row: Tensor, count: int) -> Tensor:
        """Read each question's objects, ``[count, 2 * hidden_channels]``."""
        out: Tensor = self.aggr(h, row, dim_size=count)
        return out
