"""RN beside PyG's GCN, GAT and GIN: the same constructor, layers of RNConv."""

from typing import Any, Final

from torch import Tensor, nn
from torch_geometric.nn.models.basic_gnn import BasicGNN
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import trim_to_layer

from rn_graph.conv import RNConv


class RN(BasicGNN):
    r"""Layers of :class:`~rn_graph.RNConv`, on PyG's ``BasicGNN``.

    Takes what :class:`torch_geometric.nn.models.GCN` and its like take, and
    questions: each layer is told the question of each node's graph. The last
    layer of each g is plain, as a ``BasicGNN`` puts its own norm, activation
    and dropout between the layers.

    Args:
        in_channels (int or tuple): Width of the nodes, or of (senders,
            receivers); ``-1``: taken from the first input.
        hidden_channels (int): Width between the layers.
        num_layers (int): Number of message passing layers.
        out_channels (int, optional): Width of the output; ``None``:
            ``hidden_channels``. (default: ``None``)
        dropout (float, optional): Dropout between the layers.
            (default: ``0.0``)
        act (str or Callable, optional): Activation between the layers.
            (default: ``"relu"``)
        act_first (bool, optional): Whether it goes before the normalization.
            (default: ``False``)
        act_kwargs (dict, optional): Arguments of the activation.
        norm (str or Callable, optional): Normalization between the layers.
            (default: ``None``)
        norm_kwargs (dict, optional): Arguments of the normalization.
        jk (str, optional): Jumping knowledge: ``None``, ``"last"``,
            ``"cat"``, ``"max"`` or ``"lstm"``. (default: ``None``)
        g_channels (int, optional): Width of g's hidden layers.
            (default: ``256``)
        g_layers (int, optional): Number of g's layers. (default: ``4``)
        **kwargs (optional): Further arguments of :class:`~rn_graph.RNConv`,
            such as ``question_channels``, ``edge_channels`` and ``aggr``.
    """

    supports_edge_weight: Final[bool] = True
    supports_edge_attr: Final[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._match = _MatchRows()

    def init_conv(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        g_channels: int = 256,
        g_layers: int = 4,
        plain_last: bool = True,
        **kwargs: Any,
    ) -> RNConv:
        """Make one layer."""
        return RNConv(
            in_channels,
            out_channels,
            hidden_channels=g_channels,
            num_layers=g_layers,
            plain_last=plain_last,
            **kwargs,
        )

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | None = None,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
        batch_size: int | None = None,
        num_sampled_nodes_per_hop: list[int] | None = None,
        num_sampled_edges_per_hop: list[int] | None = None,
        question: OptTensor = None,
    ) -> Tensor:
        """Run the layers.

        The arguments up to ``num_sampled_edges_per_hop`` are those of PyG's
        own models, in their order.

        Args:
            x: Nodes, ``[N, in_channels]``.
            edge_index: Edges in any of PyG's forms; ``None``: all pairs
                within each graph.
            edge_weight: Weight of each edge, ``[E]``.
            edge_attr: Features of each edge, ``[E, edge_channels]``.
            batch: Graph of each node, ``[N]``; ``None``: one graph.
            batch_size: Number of graphs, for norms that ask for it.
            num_sampled_nodes_per_hop: As
                :class:`~torch_geometric.loader.NeighborLoader` gives them, to
                leave out, layer by layer, what no output depends on.
            num_sampled_edges_per_hop: Likewise.
            question: ``[Q, question_channels]``, one a graph. (Several
                questions a graph: hand over the nodes of
                :func:`~rn_graph.question_rows`.)

        Returns:
            ``[N, out_channels]``.
        """
        # `to_hetero` traces this: an argument may only be asked for its type.
        xs: list[Tensor] = []
        for layer, conv in enumerate(self.convs):
            if isinstance(num_sampled_nodes_per_hop, list):
                x, edge_index, edge_weight, edge_attr = _trim(
                    layer,
                    num_sampled_nodes_per_hop,
                    num_sampled_edges_per_hop,
                    x,
                    edge_index,
                    edge_weight,
                    edge_attr,
                )
            x = conv(
                x,
                edge_index,
                question,
                self._match(x, batch),
                edge_attr=edge_attr,
                edge_weight=edge_weight,
            )
            if layer < self.num_layers - 1 or self.jk_mode is not None:
                x = self._between(layer, x, batch, batch_size)
                xs.append(x)
        if hasattr(self, "jk"):
            x = self.jk(xs)
        return self.lin(x) if hasattr(self, "lin") else x

    def _between(
        self, layer: int, x: Tensor, batch: OptTensor, batch_size: int | None
    ) -> Tensor:
        """Norm, activation and dropout after a layer."""
        norm = self.norms[layer]
        if self.act is not None and self.act_first:
            x = self.act(x)
        if self.supports_norm_batch:
            x = norm(x, self._match(x, batch), batch_size)
        else:
            x = norm(x)
        if self.act is not None and not self.act_first:
            x = self.act(x)
        out: Tensor = self.dropout(x)
        return out


class _MatchRows(nn.Module):
    """The batch vector of the nodes that trimming left; a leaf of a trace."""

    def forward(self, x: Any, batch: OptTensor) -> OptTensor:
        if batch is None or isinstance(x, tuple):
            return batch
        return batch[: x.size(0)]


def _trim(
    layer: int,
    nodes: list[int],
    edges: list[int] | None,
    x: Tensor,
    edge_index: Adj | None,
    edge_weight: OptTensor,
    edge_attr: OptTensor,
) -> tuple[Tensor, Adj, OptTensor, OptTensor]:
    """Leave out what no output depends on from this layer on."""
    if not isinstance(edges, list):
        raise ValueError(
            f"`num_sampled_edges_per_hop` is {edges}, expected a list, as "
            f"`num_sampled_nodes_per_hop` is given"
        )
    if edge_index is None:
        raise ValueError(
            "`edge_index` is missing: expected the sampled edges, as "
            "`num_sampled_nodes_per_hop` is given"
        )
    given = edge_attr if edge_weight is None else edge_weight
    x, index, left = trim_to_layer(layer, nodes, edges, x, edge_index, given)
    if edge_weight is None:
        return x, index, None, left
    if edge_attr is not None:
        edge_attr = edge_attr[: left.size(0)]
    return x, index, left, edge_attr
