"""Objects in their order, read by an LSTM: without pairs, but not a set."""

from collections.abc import Sequence

from torch import Tensor, nn

from rn_graph.checks import check_channels
from rn_graph.dense import nodes_to_dense
from rn_graph.edges import Edges
from rn_graph.models.base import SceneModel, per_question, with_question


class SequenceLSTM(SceneModel):
    r"""An LSTM over a scene's objects, in order, each told the question.

    .. math::
        \mathbf{h} = \mathrm{LSTM}\big([\mathbf{o}_1 ; \mathbf{q}], \ldots,
        [\mathbf{o}_N ; \mathbf{q}]\big)_N, \qquad
        \mathrm{answer} = f([\mathbf{h} ; \mathbf{q}])

    Of the words of a story this is the baseline of `Weston et al. (2015)
    <https://arxiv.org/abs/1502.05698>`_, section 5, told the question before
    it reads, not after; of its sentences, an LSTM above an LSTM. A scene
    without objects has :math:`\mathbf{h} = \mathbf{0}`.

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
            (default: ``None``)
        hidden_channels: Width of the LSTM's state. (default: ``256``)
        num_layers: Layers of the LSTM. (default: ``1``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)

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
        num_layers: int = 1,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
    ) -> None:
        check_channels("in_channels", in_channels, least=0)
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
        self.lstm = nn.LSTM(
            in_channels + (question_channels or 0),
            hidden_channels,
            num_layers,
            batch_first=True,
        )

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
        """The state after each question's last object, ``[count, hidden]``."""
        x, row, *_ = per_question(x, batch, question_batch, None)
        x = with_question(x, question, row)
        out = x.new_zeros(count, self.lstm.hidden_size)
        if not len(x):
            return out
        padded, mask = nodes_to_dense(x, row, count)
        states, size = self.lstm(padded)[0], mask.sum(1)
        some = size.nonzero()[:, 0]
        # What is behind a scene's end does not come into the state before it.
        last = states[some, size[some] - 1]
        return out.to(last.dtype).index_copy(0, some, last)
