"""RNConv: a Relation Network as a message passing layer."""

from typing import Any, Optional

import torch
import torch_geometric.typing
from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.typing import (
    Adj,
    OptPairTensor,
    OptTensor,
    PairTensor,
    Size,
)

from rn_graph.batching import (
    complete_edge_index,
    graph_spans,
    question_rows,
)
from rn_graph.checks import (
    check_channels,
    check_features,
    check_place,
    check_questions,
)
from rn_graph.edges import Edges, read_edges, repeat_edges
from rn_graph.mlp import PairMLP, PairModule, PairTerms
from rn_graph.ops import BACKENDS, choose, edge_sum, pair_sum
from rn_graph.ops.blocked import accumulation_dtype
from rn_graph.ops.segment import SegmentSum

_HOOKS = (
    "_propagate_forward_pre_hooks",
    "_propagate_forward_hooks",
    "_message_forward_pre_hooks",
    "_message_forward_hooks",
    "_aggregate_forward_pre_hooks",
    "_aggregate_forward_hooks",
)
_INNER_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


class RNConv(MessagePassing):
    r"""The relation operator: a function of pairs, summed for each node.

    From the `"A simple neural network module for relational reasoning"
    <https://arxiv.org/abs/1706.01427>`_ paper (section 2), as a layer.

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{j \in \mathcal{N}(i)} w_{ij} \cdot
        g_{\mathbf{\Theta}}(\mathbf{x}_i, \mathbf{x}_j, \mathbf{e}_{ij},
        \mathbf{q})

    Without ``edge_index``, :math:`\mathcal{N}(i)` is every node of
    :math:`i`'s graph, itself included, and no list of those pairs is made.
    :math:`g_{\mathbf{\Theta}}` is an MLP with a ReLU after each layer, also
    the last; its first layer is split into terms of nodes, edges and
    question, so that no pair's input is ever put together.

    Args:
        in_channels (int or tuple): Width of the nodes; a tuple is (senders,
            receivers) of a bipartite graph; ``-1``: taken from the first
            input.
        out_channels (int): Width of the output, g's last layer.
        hidden_channels (int, optional): Width of g's other layers.
            (default: ``256``)
        num_layers (int, optional): Layers of g. (default: ``4``)
        question_channels (int, optional): Width of a question; ``None``: no
            question. (default: ``None``)
        edge_channels (int, optional): Width of edge features; ``None``: none.
            (default: ``None``)
        self_pairs (bool, optional): Whether all pairs include a node with
            itself. An ``edge_index`` is taken as it is. (default: ``True``)
        question_layer (int, optional): The layer of g, from 0, that the
            question enters at. (default: ``0``)
        aggr (str, optional): ``"sum"``, or ``"mean"``: the sum divided by the
            number of pairs. (default: ``"sum"``)
        norm (str, optional): ``None`` or ``"layer_norm"`` in g.
            (default: ``None``)
        dropout (float, optional): Dropout in g, after each ReLU but the last.
            (default: ``0.0``)
        plain_last (bool, optional): Whether g's last layer has no ReLU.
            (default: ``False``)
        g (torch.nn.Module, optional): A function of your own in g's place,
            that maps :math:`[\mathbf{x}_i ; \mathbf{x}_j ; \mathbf{e}_{ij} ;
            \mathbf{q}]`, ``[P, sum of widths]``, to ``[P, out_channels]``,
            each row on its own. (default: ``None``)
        backend (str, optional): How all pairs are summed, see
            :mod:`rn_graph.ops`; ``None`` chooses. (default: ``None``)
        keep_bytes (int, optional): Most bytes of activations that a training
            step on a CPU keeps; what does not fit is computed again in the
            backward pass. More is faster, by up to a third, as long as there
            is memory. (default: ``64 * 2**20``)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    .. note::
        To PyG, an edge type that a heterogeneous graph lacks is ``None``.
        A layer whose edges were an input of the model that
        :func:`torch_geometric.nn.to_hetero` traced takes ``None`` for *no*
        edges, and its sum is zero; only a layer that was called without
        ``edge_index`` there sums all pairs.

    Shapes:
        - **input:** nodes :math:`(|\mathcal{V}|, F_{in})` or
          :math:`((|\mathcal{V}_s|, F_s), (|\mathcal{V}_t|, F_t))` if
          bipartite, edges :math:`(2, |\mathcal{E}|)` *(optional)*, questions
          :math:`(Q, C)` *(optional)*
        - **output:** :math:`(|\mathcal{V}_t|, F_{out})`; with
          ``question_batch``, one block of nodes for each question
          (:func:`~rn_graph.question_rows` names the rows)
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        hidden_channels: int = 256,
        num_layers: int = 4,
        question_channels: int | None = None,
        edge_channels: int | None = None,
        self_pairs: bool = True,
        question_layer: int = 0,
        aggr: str = "sum",
        norm: str | None = None,
        dropout: float = 0.0,
        plain_last: bool = False,
        g: nn.Module | None = None,
        backend: str | None = None,
        keep_bytes: int | None = None,
        **kwargs: Any,
    ) -> None:
        if aggr not in ("sum", "add", "mean"):
            raise ValueError(f"`aggr` is {aggr!r}, expected 'sum' or 'mean'")
        if backend not in (None, *BACKENDS):
            raise ValueError(
                f"`backend` is {backend!r}, expected None or one of {BACKENDS}"
            )
        if keep_bytes is not None:
            check_channels("keep_bytes", keep_bytes, least=0)
        if kwargs.get("decomposed_layers", 1) != 1:
            raise ValueError(
                f"`decomposed_layers` is {kwargs['decomposed_layers']}, "
                f"expected 1: g mixes all channels of a pair"
            )
        pair = in_channels
        if not isinstance(pair, tuple | list):
            pair = (pair, pair)
        if len(pair) != 2:
            raise ValueError(
                f"`in_channels` is {in_channels}, expected a width, or those "
                f"of (senders, receivers)"
            )
        for width in pair:
            check_channels("in_channels", width, least=0, lazy=True)
        check_channels("out_channels", out_channels)
        if question_channels is not None:
            check_channels("question_channels", question_channels)
        if edge_channels is not None:
            check_channels("edge_channels", edge_channels)
        super().__init__(aggr=aggr, **kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.question_channels = question_channels
        self.edge_channels = edge_channels
        self.self_pairs = self_pairs
        self.backend = backend
        self.keep_bytes = keep_bytes
        # `to_hetero` traces a model, then copies its layers. The copies of a
        # layer whose edges it traced take ``None`` for no edges.
        self._edges_traced = False
        self.needs_edges = False
        self.g: PairMLP | PairModule
        if g is not None:
            self.g = PairModule(g, out_channels)
            self.reset_parameters()
            return
        self.g = PairMLP(
            receiver_channels=pair[1],
            sender_channels=pair[0],
            out_channels=out_channels,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            question_channels=question_channels,
            edge_channels=edge_channels,
            question_layer=question_layer,
            norm=norm,
            dropout=dropout,
            plain_last=plain_last,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        self.g.reset_parameters()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer; notice whether its edges are being traced."""
        edges = args[1] if len(args) > 1 else kwargs.get("edge_index")
        if isinstance(edges, torch.fx.Proxy):
            self._edges_traced = True
        return super().__call__(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the state of the layer that this is a copy of."""
        super().__setstate__(state)
        self.needs_edges = self.needs_edges or self._edges_traced

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj | None = None,
        question: Tensor | OptPairTensor | None = None,
        batch: Tensor | OptPairTensor | None = None,
        edge_attr: Tensor | None = None,
        edge_weight: Tensor | None = None,
        size: Size = None,
        question_batch: Tensor | OptPairTensor | None = None,
    ) -> Tensor:
        r"""Run the layer.

        Of ``question``, ``batch`` and ``question_batch`` as pairs (of
        senders, of receivers), which PyG's heterogeneous models hand over,
        the receivers' is read.

        Args:
            x: Nodes ``[N, in_channels]``, or a pair (senders, receivers).
            edge_index: Which pairs to sum, in any of PyG's forms: ``[2, E]``,
                an :class:`~torch_geometric.EdgeIndex`, or the transposed
                adjacency as a ``torch.sparse`` matrix or ``SparseTensor``,
                whose values are weights. An edge listed twice counts twice.
                ``None``: all pairs within each graph.
            question: ``[Q, question_channels]``, one a graph unless
                ``question_batch`` says otherwise.
            batch: Graph of each (receiving) node, ``[N]``, ascending;
                ``None``: one graph. With ``edge_index`` and one question a
                graph, any order will do.
            edge_attr: Features of each edge, ``[E, edge_channels]``.
            edge_weight: Weight :math:`w_{ij}` of each edge, ``[E]``.
            size: Numbers of (senders, receivers); checked against ``x``.
            question_batch: Graph of each question, ``[Q]``, in any order,
                where graphs have several questions, or none, or no nodes.

        Returns:
            ``[N, out_channels]``; with ``question_batch`` the rows of
            :func:`~rn_graph.question_rows`.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For widths, counts or indices that do not fit.
        """
        question, batch = _of_receivers(question), _of_receivers(batch)
        question_batch = _of_receivers(question_batch)
        x_j, x_i = self._read_nodes(x, size)
        if edge_index is None and self.needs_edges:
            edge_index = torch.zeros(2, 0, dtype=torch.long, device=x_i.device)
        check_questions(
            x_i.size(0),
            self.question_channels,
            question,
            batch,
            question_batch,
            ordered=edge_index is None or question_batch is not None,
        )
        self._check_places(
            x_i,
            question=question,
            batch=batch,
            question_batch=question_batch,
            edge_index=edge_index,
            edge_attr=edge_attr,
            edge_weight=edge_weight,
        )
        node, row = None, batch  # each output row's receiver and question
        if question_batch is not None:
            if batch is None:
                batch = question_batch.new_zeros(x_i.size(0))
            node, row = question_rows(batch, question_batch)

        if edge_index is None:
            self._check_all_pairs(x, edge_attr, edge_weight)
            if not self._needs_edges():
                out = self._all_pairs(
                    x_i, question, batch, question_batch, node, row
                )
                return self._finish(out, x_i)
            terms = self._row_terms(x_i, question, node, row)
            rows = terms.receiver.size(0)
            index = complete_edge_index(
                row, rows, self.self_pairs, device=x_i.device
            )
            edges = Edges(index[0], index[1], None, None)
        else:
            edges = read_edges(
                edge_index, x_j.size(0), x_i.size(0), edge_weight, self.flow
            )
            self._check_edge_attr(edge_attr, edges.sender.numel())
            if question_batch is not None:
                assert batch is not None
                assert row is not None
                edges, copy = repeat_edges(edges, batch, question_batch, row)
                edge_attr = None if edge_attr is None else edge_attr[copy]
            terms = self.g.terms(x_i, x_j, question, node, row)
            if self._is_blocked(edge_attr):
                assert isinstance(self.g, PairMLP)  # no other g is plain
                out = edge_sum(self.g, terms, edges, self.keep_bytes)
                return self._finish(self._mean(out, edges.receiver), x_i)
        if edge_attr is not None:
            edge_attr = self.g.edge_term(edge_attr)

        # Of pairs of tensors PyG reads the first as the senders', whatever the
        # flow; single ones it lifts by it.
        # propagate_type: (receiver: Tensor, sender: Tensor, late: OptTensor, edge_term: OptTensor, alpha: OptTensor, row_ptr: OptTensor)  # noqa: E501
        out = self.propagate(
            torch.stack(self._flow(edges.sender, edges.receiver)),
            size=self._flow(terms.sender.size(0), terms.receiver.size(0)),
            receiver=terms.receiver,
            sender=terms.sender,
            late=terms.late,
            edge_term=edge_attr,
            alpha=edges.weight,
            row_ptr=edges.ptr,
        )
        return self._finish(out, x_i)

    def _row_terms(
        self,
        x: Tensor,
        question: Tensor | None,
        node: Tensor | None,
        row: Tensor | None,
    ) -> PairTerms:
        """A receiver and a sender for each row, of each row's own graph."""
        terms = self.g.terms(x, x, question, node, row)
        if node is None:
            return terms
        return terms._replace(sender=terms.sender[node])

    def _all_pairs(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor | None,
        question_batch: Tensor | None,
        node: Tensor | None,
        row: Tensor | None,
    ) -> Tensor:
        backend = choose(self.g, self.backend, x)
        # Before the layer that the question enters at, the questions of a
        # graph have the same pairs.
        if (
            question_batch is not None
            and backend == "blocked"
            and isinstance(self.g, PairMLP)
            and self.g.question_layer > 0
        ):
            terms = self.g.terms(x, x, question, None, row)
            graphs, asked = batch, question_batch
        else:
            terms = self._row_terms(x, question, node, row)
            graphs, asked = row, None
        out = pair_sum(
            self.g,
            terms,
            graphs,
            self.self_pairs,
            asked,
            backend,
            self.keep_bytes,
        )
        if self.aggr != "mean":
            return out
        if row is None:
            row = torch.zeros(out.size(0), dtype=torch.long, device=out.device)
        pairs = graph_spans(row, row)[1] - int(not self.self_pairs)
        return out / pairs.clamp(min=1).unsqueeze(1)

    def _is_blocked(self, edge_attr: Tensor | None) -> bool:
        """Whether a sum over edges is left to the blocked backend."""
        return (
            edge_attr is None
            and not torch.compiler.is_compiling()
            and not self._needs_edges()
            and choose(self.g, self.backend) in ("blocked", "triton")
        )

    def message(
        self,
        receiver_i: Tensor,
        sender_j: Tensor,
        late_i: OptTensor,
        edge_term: OptTensor,
        alpha: OptTensor,
    ) -> Tensor:
        """Compute :math:`w_{ij} g(x_i, x_j, e_{ij}, q)` of each edge."""
        out: Tensor = self.g(receiver_i, sender_j, edge_term, late_i)
        return out if alpha is None else out * alpha.unsqueeze(-1)

    def aggregate(
        self,
        inputs: Tensor,
        index: Tensor,
        row_ptr: OptTensor = None,
        dim_size: Optional[int] = None,  # noqa: UP045  (PyG reads it)
    ) -> Tensor:
        """Sum each receiver's messages, in at least float32."""
        inputs = inputs.to(accumulation_dtype(inputs.dtype))
        # Segments pay off by torch-scatter alone.
        if (
            row_ptr is not None
            and torch_geometric.typing.WITH_TORCH_SCATTER
            and not torch.compiler.is_compiling()
        ):
            segments: Tensor = SegmentSum.apply(inputs, row_ptr, index)
            return self._mean(segments, index)
        out: Tensor = self.aggr_module(
            inputs, index, dim_size=dim_size, dim=self.node_dim
        )
        return out

    def _flow(self, sender: Any, receiver: Any) -> tuple[Any, Any]:
        if self.flow == "source_to_target":
            return sender, receiver
        return receiver, sender

    def _needs_edges(self) -> bool:
        # Whoever listens to messages, or changes them, needs real edges.
        own = type(self)
        return (
            bool(self.explain)
            or any(getattr(self, name) for name in _HOOKS)
            or own.message is not RNConv.message
            or own.aggregate is not RNConv.aggregate
            or any(
                getattr(module, name)
                for module in self.g.modules()
                for name in _INNER_HOOKS
            )
            # Only the blocked backend is an operator to the compiler.
            or (
                torch.compiler.is_compiling()
                and choose(self.g, self.backend) != "blocked"
            )
        )

    def _mean(self, out: Tensor, receiver: Tensor) -> Tensor:
        if self.aggr != "mean":
            return out
        edges = torch.bincount(receiver, minlength=out.size(0))
        return out / edges.clamp(min=1).unsqueeze(1)

    def _finish(self, out: Tensor, like: Tensor) -> Tensor:
        # The sum leaves autocast as float32, like torch's own sums.
        if torch.is_autocast_enabled(out.device.type):
            return out
        return out.to(like.dtype)

    # Checks ##################################################################

    def _read_nodes(
        self, x: Tensor | PairTensor, size: Size
    ) -> tuple[Tensor, Tensor]:
        pair = x if isinstance(x, tuple | list) else (x, x)
        if len(pair) != 2:
            raise ValueError(
                f"`x` holds {len(pair)} tensors, expected (senders, receivers)"
            )
        widths = self.in_channels
        widths = (widths, widths) if isinstance(widths, int) else widths
        if isinstance(self.g, PairMLP):  # knows widths that were left open
            widths = (self.g.sender_channels, self.g.receiver_channels)
        names = ("x", "x") if pair[0] is pair[1] else ("x[0]", "x[1]")
        for name, nodes, width in zip(names, pair, widths, strict=True):
            check_features(name, nodes, width if width >= 0 else None)
        self.g.materialize(pair[1].size(1), pair[0].size(1))
        size = (None, None) if size is None else tuple(size)
        found = tuple(nodes.size(0) for nodes in pair)
        for number, expected in zip(found, size, strict=False):
            if len(size) != 2 or expected not in (None, number):
                raise ValueError(
                    f"`size` is {size}, expected {found}, the numbers of "
                    f"(senders, receivers)"
                )
        return pair[0], pair[1]

    def _check_places(self, x: Tensor, **others: Any) -> None:
        """Check that all is on one device, and features of g's type."""
        if isinstance(self.g, PairMLP):
            weight = self.g.lins[0].weight
            what = "the layer's parameters are"
            check_place("x", x, weight, what)
            typed = not torch.is_autocast_enabled(x.device.type)
            check_place("x", x, weight, what, typed)
            for name in ("question", "edge_attr"):
                check_place(name, others[name], weight, what, typed)
        for name, value in others.items():
            check_place(name, value, x, "`x` is")

    def _check_all_pairs(
        self,
        x: Tensor | PairTensor,
        edge_attr: Tensor | None,
        edge_weight: Tensor | None,
    ) -> None:
        if isinstance(x, tuple | list) and x[0] is not x[1]:
            raise ValueError(
                "`x` is a pair of senders and receivers without `edge_index`: "
                "expected edges, since all pairs are those of one set of nodes"
            )
        for name, value in (
            ("edge_attr", edge_attr),
            ("edge_weight", edge_weight),
        ):
            if value is not None:
                raise ValueError(
                    f"`{name}` is given without `edge_index`: expected the "
                    f"edges that it belongs to (`complete_edge_index` lists "
                    f"all pairs)"
                )
        if self.edge_channels is not None:
            raise ValueError(
                "`edge_attr` is missing: the layer was made with "
                f"`edge_channels={self.edge_channels}`, which takes an "
                "`edge_index` and its features"
            )

    def _check_edge_attr(self, edge_attr: Tensor | None, edges: int) -> None:
        if (edge_attr is None) != (self.edge_channels is None):
            raise ValueError(
                f"`edge_attr` is {'missing' if edge_attr is None else 'given'}"
                f", but the layer was made with "
                f"`edge_channels={self.edge_channels}`"
            )
        if edge_attr is None:
            return
        check_features("edge_attr", edge_attr, self.edge_channels, rows="E")
        if edge_attr.size(0) != edges:
            raise ValueError(
                f"`edge_attr` has {edge_attr.size(0)} rows, expected {edges}, "
                f"one an edge"
            )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, "
            f"{self.out_channels}, num_layers={self.num_layers})"
        )


def _of_receivers(value: Any) -> Any:
    is_pair = isinstance(value, tuple) and len(value) == 2
    return value[1] if is_pair else value
