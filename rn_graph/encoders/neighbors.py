"""Objects that are told of their neighbours over given edges."""

from typing import Any

import torch
from torch import nn

from rn_graph.checks import check_channels, check_features, check_rows
from rn_graph.edges import read_edges
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes


class WithNeighbors(nn.Module):
    r"""Objects beside the sum of their neighbours, over given edges.

    .. math::
        \mathbf{o}'_i = \Big[\mathbf{o}_i ; \sum_{j \to i}
        [\mathbf{o}_j ; \mathbf{e}_{ji}]\Big]

    A model that takes no edges, as one without pairs, then knows of them: of
    objects with names, by name. There is nothing to learn.

    Args:
        objects: Makes the objects, with the attribute ``out_channels``.
        edge_channels: Width of the edges' features; 0: there are none.

    Attributes:
        out_channels: Width of an object.
        reads_edges: ``True``: the model that follows is not given the edges.
    """

    reads_edges = True

    def __init__(self, objects: nn.Module, edge_channels: int = 0) -> None:
        super().__init__()
        check_channels("edge_channels", edge_channels, least=0)
        self.objects = objects
        self.edge_channels = edge_channels
        width: Any = objects.out_channels
        self.out_channels: int = 2 * width + edge_channels

    def forward(self, batch: Any) -> Nodes:
        """Make the objects of a batch.

        Args:
            batch: Holds what ``objects`` reads, and ``edge_index [2, E]``
                and, with ``edge_channels``, ``edge_attr [E, D]``.

        Raises:
            TypeError: If a field is of the wrong type.
            ValueError: If one is missing, or does not fit.
        """
        nodes: Nodes = self.objects(batch)
        x = nodes.x
        edges = read_edges(
            field(batch, "edge_index", "edges [2, E]"), len(x), len(x)
        )
        sent = x[edges.sender]
        if self.edge_channels:
            attr = field(batch, "edge_attr", f"[E, {self.edge_channels}]")
            check_features("batch.edge_attr", attr, self.edge_channels)
            check_rows("batch.edge_attr", attr, len(sent))
            sent = torch.cat([sent, attr.to(x.dtype)], dim=1)
        total = x.new_zeros(len(x), sent.size(1))
        total = total.index_add(0, edges.receiver, sent)
        return nodes._replace(x=torch.cat([x, total], dim=1))
