"""The Relation Network: g over pairs of objects, their sum, and f."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from rn_graph.batching import complete_edge_index
from rn_graph.checks import call_trusted, check_channels
from rn_graph.conv import RNConv
from rn_graph.edges import Edges, pair_features
from rn_graph.models.base import (
    ObjectEncoder,
    SceneModel,
    check_edge_channels,
    check_pairs,
    per_question,
)


class RelationNetwork(SceneModel):
    r"""The Relation Network: g over pairs of objects, their sum, and f.

    From `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 2.

    .. math::
        \mathrm{RN}(O) = f\Big(\sum_{i,j} w_{ij} \, g(\mathbf{o}_i,
        \mathbf{o}_j, \mathbf{q})\Big)

    Args:
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of g's layers, the last included.
            (default: ``256``)
        num_layers: Layers of g. (default: ``4``)
        pairs: Which pairs to sum, a module of :mod:`rn_graph.pairs`;
            ``None``: all. (default: ``None``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
        question_in_readout: Whether f is given the question too; in the paper
            it is not. (default: ``False``)
        object_layers: Layers of an MLP :math:`\phi` that shows each object
            the question before the pairs do: g is then given
            :math:`\mathbf{o}'_i = [\mathbf{o}_i ; \phi(\mathbf{o}_i,
            \mathbf{q})]`, and so is ``pairs``, of width
            ``in_channels + hidden_channels`` (neighbours by ``x`` are then
            those of :math:`\mathbf{o}'`). It is run once an object, not once
            a pair. With 0, as in the paper, there is none. (default: ``0``)
        object_sum: Whether each object is seen without a pair, too: f is
            given :math:`\sum_{ij} w_{ij}\, g(\cdot) + W \sum_i
            \phi(\mathbf{o}_i, \mathbf{q})`, so that an object of which no
            pair was kept still counts. It needs ``object_layers``, whose
            :math:`\phi` it sums. :math:`W` starts at nought: a model that
            begins with the weights of one without it answers as that one
            does. (default: ``False``)
        edge_channels: Width of the features of given edges: g is then told of
            each pair whether it is one, and its features,
            :math:`g(\mathbf{o}_i, \mathbf{o}_j, [1 ; \mathbf{e}_{ij}],
            \mathbf{q})`, or noughts. 0: edges without; ``None``: there are
            none. (default: ``None``)
        **kwargs: Further arguments of :class:`~rn_graph.RNConv`.

    Shapes:
        - **input:** objects :math:`(N, F)`, questions :math:`(Q, C)`
        - **output:** scores :math:`(Q, A)`

    Example:
        >>> model = RelationNetwork(16, out_channels=10, question_channels=8)
        >>> x, batch = torch.randn(5, 16), torch.tensor([0, 0, 0, 1, 1])
        >>> model(x, torch.randn(2, 8), batch).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 256,
        num_layers: int = 4,
        pairs: nn.Module | None = None,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
        question_in_readout: bool = False,
        object_layers: int = 0,
        object_sum: bool = False,
        edge_channels: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_pairs(pairs)
        check_channels("hidden_channels", hidden_channels)
        if object_sum and not object_layers:
            raise ValueError(
                "`object_sum` is True and `object_layers` is 0, expected at "
                "least 1: what they give is summed"
            )
        super().__init__(
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
            question_in_readout,
        )
        self.pairs = pairs
        self.edge_channels = check_edge_channels(edge_channels)
        self.objects = ObjectEncoder(
            in_channels, question_channels, hidden_channels, object_layers
        )
        if in_channels >= 0:  # else the layer takes it from the first input
            self.in_channels = in_channels
        width = getattr(pairs, "in_channels", -1)
        if width not in (-1, self.objects.out_channels):
            raise ValueError(
                f"`pairs` takes objects of {width} channels, expected "
                f"{self.objects.out_channels}: `in_channels`"
                f"{' + `hidden_channels`' if object_layers else ''}"
            )
        if kwargs.get("g") is None:
            kwargs["hidden_channels"] = hidden_channels
        self.conv = RNConv(
            self.objects.out_channels,
            hidden_channels,
            num_layers=num_layers,
            question_channels=question_channels,
            edge_channels=None if edge_channels is None else 1 + edge_channels,
            **kwargs,
        )
        self.object_sum: nn.Linear | None = None
        if object_sum:
            self.object_sum = nn.Linear(
                hidden_channels, hidden_channels, bias=False
            )
            nn.init.zeros_(self.object_sum.weight)

    def reset_parameters(self) -> None:
        """Draw all parameters anew; those of ``object_sum`` are noughts."""
        super().reset_parameters()
        if self.object_sum is not None:
            nn.init.zeros_(self.object_sum.weight)

    def embed(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
    ) -> Tensor:
        """Sum g over each object's pairs, ``[R, hidden_channels]``."""
        alone = self.pairs is None and self.edge_channels is None
        if alone and self.objects.phi is None:
            out: Tensor = call_trusted(
                self.conv, x, None, question, batch, question_batch
            )
            return out
        # What depends on the question needs one graph for each.
        x, row, pos, edges = per_question(x, batch, question_batch, pos, edges)
        x = self.objects(x, question, row)
        edge_index = weight = attr = None
        if self.pairs is not None:
            edge_index, weight = call_trusted(self.pairs, x, question, row, pos)
        if edges is not None:
            if edge_index is None:
                edge_index = complete_edge_index(
                    row, self_pairs=self.conv.self_pairs
                )
            attr = pair_features(edge_index, edges, x)
        out = call_trusted(
            self.conv,
            x,
            edge_index,
            question,
            row,
            edge_attr=attr,
            edge_weight=weight,
        )
        return self.add_objects(out, x)

    def add_objects(self, out: Tensor, x: Tensor) -> Tensor:
        """Add what each object says without a pair, where it does.

        Args:
            out: Sums over the objects' pairs, ``[R, hidden_channels]``.
            x: Objects that have seen the question.
        """
        if self.object_sum is None:
            return out
        return out + self.object_sum(x[:, -self.object_sum.in_features :])
