"""Graph neural networks over a scene's objects, RNConv's among them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import (
    MLP,
    EdgeConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    Linear,
    PNAConv,
    SAGEConv,
    TransformerConv,
)
from torch_geometric.utils import degree

from rn_graph.batching import complete_edge_index
from rn_graph.checks import (
    call_trusted,
    check_channels,
    check_index,
    checks_enabled,
)
from rn_graph.conv import RNConv
from rn_graph.edges import Edges
from rn_graph.models.base import (
    ObjectEncoder,
    Rows,
    SceneModel,
    check_pairs_or_edges,
    messages_over,
    per_question,
    with_question,
)

HEADS = 4


@dataclass(frozen=True)
class Layer:
    """What a layer is made for.

    Args:
        width: Width of the nodes, which it keeps.
        deg: Histogram of degrees.
        question_channels: Width of a question.
        edge_channels: Features of edges; ``None``: none.
    """

    width: int
    deg: Tensor | None = None
    question_channels: int | None = None
    edge_channels: int | None = None


def _pna(layer: Layer) -> nn.Module:
    width, deg = layer.width, layer.deg
    if deg is None:
        raise ValueError(
            "`deg` is None, expected a histogram of degrees: 'pna' scales by "
            "those of the training graphs (`degree_histogram` counts them)"
        )
    check_index("deg", deg)
    if checks_enabled() and not deg[1:].any():
        raise ValueError(
            f"`deg` is {deg.tolist()}, expected a histogram of degrees with "
            f"some above 0"
        )
    return PNAConv(
        width,
        width,
        aggregators=["mean", "min", "max", "std"],
        scalers=["identity", "amplification", "attenuation"],
        deg=deg,
        edge_dim=layer.edge_channels,
        # With one layer, max_j would be taken of x_j alone, not of pairs.
        pre_layers=2,
    )


def _heads(kind: type[nn.Module], layer: Layer, **options: Any) -> nn.Module:
    width, edge_dim = layer.width, layer.edge_channels
    return kind(width, width // HEADS, HEADS, edge_dim=edge_dim, **options)


#: Name → layer. To add a baseline, add it here.
CONVS: dict[str, Callable[[Layer], nn.Module]] = {
    "gcn": lambda layer: GCNConv(layer.width, layer.width),
    "sage": lambda layer: SAGEConv(layer.width, layer.width),
    "gin": lambda layer: GINConv(
        MLP([layer.width] * 3, norm=None), train_eps=True
    ),
    "gatv2": lambda layer: _heads(GATv2Conv, layer),
    "edge": lambda layer: EdgeConv(
        MLP([2 * layer.width, layer.width, layer.width], norm=None)
    ),
    "transformer": lambda layer: _heads(TransformerConv, layer, beta=True),
    "pna": _pna,
    "rnconv": lambda layer: RNConv(
        layer.width,
        layer.width,
        layer.width,
        num_layers=2,
        question_channels=layer.question_channels,
        edge_channels=layer.edge_channels,
        self_pairs=False,
    ),
}
_WITH_HEADS = ("gatv2", "transformer")
#: Layers whose messages can be told of features of edges.
_WITH_EDGE_FEATURES = ("gatv2", "transformer", "pna", "rnconv")


class GNN(SceneModel):
    r"""A graph neural network of PyG over a scene's objects.

    .. math::
        \mathbf{h}^{0}_i = W [\mathbf{o}_i ; \mathbf{q}], \qquad
        \mathbf{h}^{l}_i = \mathbf{h}^{l-1}_i +
        \mathrm{ReLU}(\mathrm{conv}_l(\mathrm{norm}(\mathbf{h}^{l-1}))_i)

    The question joins each object, since a network could not otherwise know
    what is asked, and is given to f again. The residual connection lets a
    node differ from its neighbours' mean, which on a complete graph is the
    same for all. Layers, each as its authors describe it:

    =============== =========================================================
    ``gcn``         `GCN <https://arxiv.org/abs/1609.02907>`_
    ``sage``        `GraphSAGE <https://arxiv.org/abs/1706.02216>`_, mean
    ``gin``         `GIN <https://arxiv.org/abs/1810.00826>`_, ε learned, an
                    MLP of 2 layers
    ``gatv2``       `GATv2 <https://arxiv.org/abs/2105.14491>`_, 4 heads
    ``edge``        `EdgeConv <https://arxiv.org/abs/1801.07829>`_, max, an
                    MLP of 2 layers
    ``transformer`` `TransformerConv <https://arxiv.org/abs/2009.03509>`_, 4
                    heads, gated residual
    ``pna``         `PNA <https://arxiv.org/abs/2004.05718>`_, 4 aggregators,
                    3 scalers, a message MLP of 2 layers
    ``rnconv``      :class:`~rn_graph.RNConv`, sum, g of 2 layers, which is
                    given the question: Relation Networks in rounds
    =============== =========================================================

    Args:
        conv: Name of the layer.
        in_channels: Width of an object.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of the nodes; rounded up to a multiple of the
            heads, where a layer has them. (default: ``256``)
        num_layers: Number of layers. (default: ``2``)
        pairs: Which pairs are edges, a module of :mod:`rn_graph.pairs`;
            ``None``: the complete graph, without self-pairs, as each layer
            has its own way to keep a node's state. Only ``"rnconv"`` takes
            selections that weigh their pairs. (default: ``None``)
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
        deg: For ``"pna"``: how many nodes of the training graphs have each
            in-degree, ``[D]``, see :func:`degree_histogram`.
        object_layers: Layers of an MLP :math:`\phi` before them, as in
            :class:`RelationNetwork`: :math:`[\mathbf{o}_i ;
            \phi(\mathbf{o}_i, \mathbf{q})]` takes the object's place.
            (default: ``0``)
        edge_channels: Width of the features of given edges, which take the
            pairs' place, 0: edges without; ``"gatv2"``, ``"transformer"``,
            ``"pna"`` and ``"rnconv"`` are told of the features. ``None``: there
            are none. (default: ``None``)

    Raises:
        TypeError: If a width or a number of layers is no integer, or
            ``pairs`` no module.
        ValueError: If one of them is too small, for a layer that is not
            known, PNA without ``deg``, a layer that would ignore the edges'
            features, or ``pairs`` along with edges.
    """

    def __init__(
        self,
        conv: str,
        in_channels: int,
        out_channels: int,
        question_channels: int | None = None,
        hidden_channels: int = 256,
        num_layers: int = 2,
        pairs: nn.Module | None = None,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
        deg: Tensor | None = None,
        object_layers: int = 0,
        edge_channels: int | None = None,
    ) -> None:
        if conv not in CONVS:
            raise ValueError(
                f"`conv` is {conv!r}, expected one of {sorted(CONVS)}"
            )
        check_pairs_or_edges(pairs, edge_channels)
        if edge_channels and conv not in _WITH_EDGE_FEATURES:
            raise ValueError(
                f"`edge_channels` is {edge_channels}, expected 0: {conv!r} "
                f"would ignore features of edges; "
                f"{', '.join(_WITH_EDGE_FEATURES)} take them"
            )
        check_channels("in_channels", in_channels, least=0)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_layers", num_layers)
        if conv in _WITH_HEADS:
            hidden_channels = -(-hidden_channels // HEADS) * HEADS
        super().__init__(
            hidden_channels,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )
        self.hidden_channels = hidden_channels
        self.pairs = pairs
        self.edge_channels = edge_channels
        self.in_channels = in_channels
        self.objects = ObjectEncoder(
            in_channels, question_channels, hidden_channels, object_layers
        )
        width = self.objects.out_channels + (question_channels or 0)
        self.lin = Linear(width, hidden_channels)
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden_channels) for _ in range(num_layers)
        )
        layer = Layer(
            hidden_channels, deg, question_channels, edge_channels or None
        )
        self.convs = nn.ModuleList(
            CONVS[conv](layer) for _ in range(num_layers)
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
        """Pass messages between the objects, ``[R, hidden_channels]``."""
        x, row, pos, edges = per_question(x, batch, question_batch, pos, edges)
        x = self.objects(x, question, row)
        h: Tensor = self.lin(with_question(x, question, row))
        message = self._messages(x, question, row, pos, edges)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = h + message(conv, norm(h)).relu()
        return h

    def _messages(
        self,
        x: Tensor,
        question: Tensor | None,
        row: Tensor,
        pos: Tensor | None,
        edges: Edges | None,
    ) -> Callable[[nn.Module, Tensor], Tensor]:
        """How a layer is called: over which edges, and with what else."""
        if isinstance(self.convs[0], RNConv):
            rows = Rows(x, row, pos, edges)
            over = messages_over(self.pairs, question, rows)
            return lambda conv, h: call_trusted(
                conv, h, question=question, batch=row, **over
            )
        options = {}
        if edges is None:
            edge_index = _edges(self.pairs, x, pos, question, row, trusted=True)
        else:
            edge_index = torch.stack([edges.sender, edges.receiver])
            if edges.attr is not None:
                options["edge_attr"] = edges.attr
        return lambda conv, h: conv(h, edge_index, **options)


def degree_histogram(
    batches: Iterable[Any], pairs: nn.Module | None = None
) -> Tensor:
    """Count how many nodes have each in-degree, as PNA needs it.

    Each graph of each batch counts once, however many questions it has; where
    edges are given, they are counted.

    Args:
        batches: The training graphs: objects with ``x``, ``batch`` and, where
            ``pairs`` needs them, ``pos``, as PyG's loaders give them.
        pairs: Which pairs are edges, as in :class:`GNN`; it is not given
            questions. (default: ``None``)

    Returns:
        Number of nodes of degree 0, 1, …, ``[largest degree + 1]``, int64.

    Raises:
        ValueError: If there are no nodes at all.
    """
    total = torch.zeros(0, dtype=torch.long)
    for data in batches:
        x, row = data.x, getattr(data, "batch", None)
        if row is None:
            row = torch.zeros(len(x), dtype=torch.long, device=x.device)
        pos = getattr(data, "pos", None)
        edge_index = getattr(data, "edge_index", None)
        if edge_index is None:
            edge_index = _edges(pairs, x, pos, None, row)
        degrees = degree(edge_index[1], len(x), dtype=torch.long)
        count = torch.bincount(degrees, minlength=len(total)).cpu()
        count[: len(total)] += total
        total = count
    if not total.any():
        raise ValueError("`batches` holds no nodes, expected training graphs")
    return total


def _edges(
    pairs: nn.Module | None,
    x: Tensor,
    pos: Tensor | None,
    question: Tensor | None,
    row: Tensor,
    trusted: bool = False,
) -> Tensor:
    if pairs is None:
        return complete_edge_index(row, self_pairs=False)
    select = partial(call_trusted, pairs) if trusted else pairs
    edge_index: Tensor
    edge_index, weight = select(x, question, row, pos)
    if weight is not None:
        raise ValueError(
            f"`pairs` is {type(pairs).__name__}, which weighs its pairs: PyG's "
            f"layers would ignore the weights, and it could not learn; "
            f"expected a selection without"
        )
    return edge_index
