"""Padded objects ``[B, N, F]`` with a mask, to nodes and back."""

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.utils import to_dense_batch

from rn_graph.batching import graph_sizes
from rn_graph.checks import check_index
from rn_graph.conv import RNConv
from rn_graph.encoders.objects import Nodes


def dense_to_nodes(
    x: Tensor, mask: Tensor | None = None, pos: Tensor | None = None
) -> Nodes:
    """Drop the padding, and line the objects up as nodes.

    Args:
        x: Padded objects, ``[B, N, F]``.
        mask: Which rows are objects, ``[B, N]``, bool, in any places of a
            row; ``None``: all. Padded rows are not read.
        pos: Padded positions, ``[B, N, D]``, or ``None``.

    Returns:
        The nodes, in order of graphs, and within one of rows.

    Raises:
        TypeError: If ``mask`` is not boolean.
        ValueError: For shapes that do not fit.

    .. code-block:: python

        nodes = dense_to_nodes(x, mask)
        answer = model(nodes.x, question, nodes.batch)
    """
    mask = _check_dense(x, mask)
    if pos is not None and (pos.dim() != 3 or pos.shape[:2] != mask.shape):
        raise ValueError(
            f"`pos` has shape {list(pos.shape)}, expected "
            f"[{mask.size(0)}, {mask.size(1)}, D] as `x` has"
        )
    batch = mask.nonzero()[:, 0]
    return Nodes(x[mask], batch, None if pos is None else pos[mask])


def nodes_to_dense(
    x: Tensor,
    batch: Tensor,
    num_graphs: int | None = None,
    max_num_nodes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Pad each graph's nodes with zeros to a common number of rows.

    Args:
        x: Nodes, ``[ΣN, F]``.
        batch: Graph of each node, ``[ΣN]``, ascending.
        num_graphs: Number of graphs, B, where the last ones may be empty.
            (default: the last node's graph + 1)
        max_num_nodes: Number of rows, N. (default: the largest graph's)

    Returns:
        Padded nodes ``[B, N, F]``, the nodes of each graph first, and the
        mask of the nodes, ``[B, N]``.

    Raises:
        TypeError: If ``batch`` is not an integer tensor.
        ValueError: If a graph has more than ``max_num_nodes`` nodes, or for
            shapes or indices that do not fit.
    """
    check_index("batch", batch, len(x), num_graphs, ordered=True)
    if num_graphs is None:
        num_graphs = int(batch[-1]) + 1 if len(batch) else 0
    largest = int(graph_sizes(batch, num_graphs).amax()) if num_graphs else 0
    if max_num_nodes is None:
        max_num_nodes = largest
    elif max_num_nodes < largest:
        # PyG drops the nodes beyond without a word.
        raise ValueError(
            f"`max_num_nodes` is {max_num_nodes}, but a graph has {largest} "
            f"nodes: expected at least that"
        )
    if len(x) == 0 or num_graphs == 0:
        shape = (num_graphs, max_num_nodes)
        none = torch.zeros(shape, dtype=torch.bool, device=x.device)
        return x.new_zeros(*shape, *x.shape[1:]), none
    dense, mask = to_dense_batch(
        x, batch, max_num_nodes=max_num_nodes, batch_size=num_graphs
    )
    return dense, mask


class DenseRNConv(nn.Module):
    r"""See :class:`~rn_graph.RNConv`, on padded objects with a mask.

    All pairs of each graph's objects are summed, padding is neither read nor
    computed: the objects are lined up as nodes, and put back in their places.

    Args:
        in_channels: Width of the objects; ``-1``: taken from the first input.
        out_channels: Width of the output.
        **kwargs: Further arguments of :class:`~rn_graph.RNConv`.

    Shapes:
        - **input:** objects :math:`(B, N, F_{in})`, mask :math:`(B, N)`
          *(optional)*, questions :math:`(B, C)` *(optional)*
        - **output:** :math:`(B, N, F_{out})`
    """

    def __init__(
        self, in_channels: int, out_channels: int, **kwargs: Any
    ) -> None:
        super().__init__()
        if not isinstance(in_channels, int):
            raise TypeError(
                f"`in_channels` is {in_channels!r}, expected an integer: a "
                f"dense layer has one set of objects"
            )
        self.conv = RNConv(in_channels, out_channels, **kwargs)

    @property
    def in_channels(self) -> Any:
        """Width of the objects."""
        return self.conv.in_channels

    @property
    def out_channels(self) -> int:
        """Width of the output."""
        return self.conv.out_channels

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.conv.reset_parameters()

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        question: Tensor | None = None,
    ) -> Tensor:
        """Run the layer.

        Args:
            x: Padded objects, ``[B, N, in_channels]``.
            mask: Which rows are objects, ``[B, N]``, bool; ``None``: all.
            question: One a graph, ``[B, question_channels]``.

        Returns:
            ``[B, N, out_channels]``, zeros where there is no object.

        Raises:
            TypeError: If ``mask`` is not boolean.
            ValueError: For shapes that do not fit.
        """
        mask = _check_dense(x, mask)
        nodes = dense_to_nodes(x, mask)
        graphs = None
        if question is not None:
            if question.size(0) != len(x):
                raise ValueError(
                    f"`question` has {question.size(0)} rows, expected "
                    f"{len(x)}, one for each graph of `x`"
                )
            graphs = torch.arange(len(x), device=x.device)
        h = self.conv(
            nodes.x, None, question, nodes.batch, question_batch=graphs
        )
        out = h.new_zeros(*mask.shape, h.size(-1))
        # One question a graph, in order: rows are those of the nodes.
        return out.masked_scatter(mask.unsqueeze(-1), h)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, "
            f"{self.out_channels}, num_layers={self.conv.num_layers})"
        )


def _check_dense(x: Tensor, mask: Tensor | None) -> Tensor:
    """Check both, and return the mask."""
    if not isinstance(x, Tensor) or x.dim() != 3:
        shape = list(getattr(x, "shape", []))
        raise ValueError(f"`x` has shape {shape}, expected [B, N, F]")
    if mask is None:
        return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"`mask` is {kind}, expected a tensor of bool")
    if mask.shape != x.shape[:2]:
        raise ValueError(
            f"`mask` has shape {list(mask.shape)}, which contradicts `x` of "
            f"shape {list(x.shape)}: expected [{x.size(0)}, {x.size(1)}]"
        )
    return mask
