"""RNConv: a Relation Network as a message passing layer."""

from functools import partial
from typing import Any, NamedTuple, NoReturn, Optional

import torch
import torch_geometric.typing
from torch import Tensor, nn
from torch_geometric.nn import MeanAggregation, SumAggregation
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.typing import (
    Adj,
    OptPairTensor,
    OptTensor,
    PairTensor,
    Size,
)

from rn_graph.batching import Complete, complete_edge_index, question_rows
from rn_graph.checks import (
    check_channels,
    check_features,
    check_place,
    check_questions,
    has_values,
    is_transformed,
    is_trusted,
    value_checks,
)
from rn_graph.dtypes import accumulation_dtype, is_autocast
from rn_graph.edges import Edges, edges_or_none, read_edges, repeat_edges
from rn_graph.mlp import PairMLP, PairModule, has_hooks
from rn_graph.ops import BACKENDS, choose, run
from rn_graph.ops.segment import SegmentSum

_METHODS = ("message", "aggregate", "update", "edge_update")
#: What an instance holds of those who listen to it, or have changed it.
_WATCHED = (
    "_explain",
    *_METHODS,
    *(
        f"_{name}_forward{kind}_hooks"
        for name in ("propagate", "message", "aggregate")
        for kind in ("", "_pre")
    ),
)
_AGGRS = {"sum": SumAggregation, "add": SumAggregation, "mean": MeanAggregation}


class Plan(NamedTuple):
    """What a layer sums, and how.

    Attributes:
        node: Node of each row, where rows are not nodes.
        row: Question of each row, where there are several.
        sender: Node of each sender, where senders are not nodes.
        pairs: Which pairs: all, or edges whose receivers are rows.
        backend: One of :data:`~rn_graph.ops.BACKENDS`; ``"messages"``: PyG's
            own message passing.
    """

    node: Tensor | None
    row: Tensor | None
    sender: Tensor | None
    pairs: Complete | Edges
    backend: str


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
        plain_last (bool, optional): Whether g's last layer has no ReLU. It is
            then linear, and applied once a node, to the sum of what comes
            before it. (default: ``False``)
        symmetric (bool, optional): Whether g weighs sender and receiver
            alike, so that a pair and its reverse have one message, which is
            computed once. Of a pair it then sees
            :math:`\mathbf{x}_i + \mathbf{x}_j`, from which no distance can be
            told: let a layer of each object come before.
            (default: ``False``)
        g (torch.nn.Module, optional): A function of your own in g's place,
            that maps :math:`[\mathbf{x}_i ; \mathbf{x}_j ; \mathbf{e}_{ij} ;
            \mathbf{q}]`, ``[P, sum of widths]``, to ``[P, out_channels]``,
            each row on its own; the options of g above are then not to be
            given. (default: ``None``)
        backend (str, optional): How all pairs are summed, see
            :mod:`rn_graph.ops`; ``None`` chooses. (default: ``None``)
        keep_bytes (int, optional): Most bytes of activations that a training
            step on a CPU keeps; what does not fit is computed again in the
            backward pass. More is faster, by up to a third, as long as there
            is memory; the process holds it for further steps.
            (default: ``64 * 2**20``)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    .. note::
        To PyG, an edge type that a heterogeneous graph lacks is ``None``.
        Where the edges are an input of the model that
        :func:`torch_geometric.nn.to_hetero` traces, ``None`` is therefore
        *no* edges, and the sum is zero.

    Shapes:
        - **input:** nodes :math:`(|\mathcal{V}|, F_{in})` or
          :math:`((|\mathcal{V}_s|, F_s), (|\mathcal{V}_t|, F_t))` if
          bipartite, edges :math:`(2, |\mathcal{E}|)` *(optional)*, questions
          :math:`(Q, C)` *(optional)*
        - **output:** :math:`(|\mathcal{V}_t|, F_{out})`; with
          ``question_batch``, one block of nodes for each question
          (:func:`~rn_graph.question_rows` names the rows)

    Example:
        >>> conv = RNConv(16, 32)
        >>> x, batch = torch.randn(5, 16), torch.tensor([0, 0, 0, 1, 1])
        >>> conv(x, batch=batch).shape  # 3² and 2² pairs
        torch.Size([5, 32])
        >>> conv(x, torch.tensor([[0, 3], [1, 4]])).shape  # two edges
        torch.Size([5, 32])
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
        symmetric: bool = False,
        g: nn.Module | None = None,
        backend: str | None = None,
        keep_bytes: int | None = None,
        **kwargs: Any,
    ) -> None:
        if aggr not in _AGGRS:
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
        make = PairMLP if g is None else partial(PairModule, g)
        self.g: PairMLP = make(
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
            symmetric=symmetric,
        )
        self.reset_parameters()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse what would be ignored."""
        super().__init_subclass__(**kwargs)
        own = cls.edge_update is not RNConv.edge_update
        if own and cls.forward is RNConv.forward:
            raise TypeError(
                f"{cls.__name__} overrides `edge_update`, which RNConv never "
                f"calls: expected `message`, or a `forward` of its own that "
                f"calls `edge_updater`"
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        self.g.reset_parameters()

    def __call__(
        self, x: Any, edge_index: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Run the layer; in a trace, edges that are ``None`` are no edges."""
        if isinstance(edge_index, torch.fx.Proxy):
            edge_index = edge_index.tracer.create_proxy(
                "call_function", edges_or_none, (edge_index, x), {}
            )
        return super().__call__(x, edge_index, *args, **kwargs)

    def __prepare_scriptable__(self) -> NoReturn:
        """Say to ``torch.jit.script`` that it asks too much."""
        raise NotImplementedError(
            "RNConv cannot be scripted: expected torch.compile, torch.export "
            "or torch.jit.trace"
        )

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj | None = None,
        question: Tensor | OptPairTensor | None = None,
        batch: Tensor | OptPairTensor | None = None,
        question_batch: Tensor | OptPairTensor | None = None,
        edge_attr: Tensor | None = None,
        edge_weight: Tensor | None = None,
        size: Size = None,
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
            question_batch: Graph of each question, ``[Q]``, in any order,
                where graphs have several questions, or none, or no nodes.
            edge_attr: Features of each edge, ``[E, edge_channels]``.
            edge_weight: Weight :math:`w_{ij}` of each edge, ``[E]``.
            size: Numbers of (senders, receivers); checked against ``x``.

        Returns:
            ``[N, out_channels]``; with ``question_batch`` the rows of
            :func:`~rn_graph.question_rows`.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For widths, counts or indices that do not fit.
        """
        asked = _of_receivers(question, batch, question_batch)
        pair = x if isinstance(x, tuple | list) else (x, x)
        if len(pair) != 2:
            raise ValueError(
                f"`x` holds {len(pair)} tensors, expected (senders, receivers)"
            )
        x_j, x_i = pair
        question, batch, question_batch = asked
        ordered = edge_index is None or question_batch is not None
        if is_trusted(self):
            with value_checks(False):
                self._check(x_j, x_i, size, asked, ordered)
        else:
            self._check(x_j, x_i, size, asked, ordered)
        edges = self._read_edges(x_j, x_i, edge_index, edge_attr, edge_weight)
        if self.g.receiver_channels < 0 or self.g.sender_channels < 0:
            self.g.materialize(x_i.size(1), x_j.size(1))
        plan = self._decide(x_i, edges, batch, question_batch)
        out = self._sum(x_j, x_i, question, plan)
        # The sum leaves autocast as float32, like torch's own sums.
        if out.dtype == x_i.dtype or is_autocast(out):
            return out
        return out.to(x_i.dtype)

    def _decide(
        self,
        x: Tensor,
        edges: Edges | None,
        batch: Tensor | None,
        question_batch: Tensor | None,
    ) -> Plan:
        """Which rows and pairs to sum, and by whom."""
        node, row = None, batch
        if question_batch is not None:
            if batch is None:
                batch = question_batch.new_zeros(x.size(0))
            node, row = question_rows(batch, question_batch)
            if edges is not None:
                edges = repeat_edges(edges, batch, question_batch, row)
        pairs: Complete | Edges = edges or Complete(row, self.self_pairs)
        backend = self._choose(x, pairs)
        if edges is not None:
            return Plan(node, row, None, edges, backend)
        if backend == "messages":
            rows = x.size(0) if node is None else node.numel()
            index = complete_edge_index(row, rows, self.self_pairs, x.device)
            pairs = Edges(index[0], index[1])
        elif (
            question_batch is not None
            and backend == "blocked"
            and self.g.has_late_question
        ):
            # Before the layer that the question enters at, the questions of a
            # graph have the same pairs.
            node, pairs = None, Complete(batch, self.self_pairs, question_batch)
        return Plan(node, row, node, pairs, backend)

    def _choose(self, x: Tensor, pairs: Complete | Edges) -> str:
        """The backend, or ``"messages"`` where they have to be seen."""
        wished, listed = self.backend, isinstance(pairs, Edges)
        if isinstance(pairs, Edges):
            if wished in ("rows", "reference"):
                return "messages"
            wished = wished if wished == "blocked" else None
        backend = choose(self.g, x, pairs, wished)
        called = backend in ("rows", "reference")
        if has_values(x):
            seen = is_transformed() or (listed and called)
        else:  # only the blocked sum over all pairs is an operator
            seen = listed or backend != "blocked"
        return "messages" if seen or self._is_watched(called) else backend

    def _is_watched(self, called: bool) -> bool:
        """Whether somebody listens to messages, or changes what they do.

        Args:
            called: Whether g's layers are; else nobody listens to them.
        """
        own = type(self)
        return (
            any(map(vars(self).get, _WATCHED))
            or (own is not RNConv and _methods(own) != _methods(RNConv))
            or not _is_pygs(self.propagate)
            or not self._has_own_aggr()
            or any(map(has_hooks, self.g.modules() if called else (self.g,)))
        )

    def _has_own_aggr(self) -> bool:
        aggr = self.aggr_module
        return type(aggr) is _AGGRS[str(self.aggr)] and not has_hooks(aggr)

    def _sum(
        self, x_j: Tensor, x_i: Tensor, question: Tensor | None, plan: Plan
    ) -> Tensor:
        """Sum g as planned, ``[rows, out_channels]``."""
        node, row, sender, pairs, backend = plan
        terms = self.g.terms(x_i, x_j, question, node, row)
        if sender is not None:
            terms = terms._replace(sender=terms.sender[sender])
        if backend != "messages":
            out = run(self.g, terms, pairs, backend, self.keep_bytes)
            return self._mean(out, pairs)
        assert isinstance(pairs, Edges)
        attr = None if pairs.attr is None else self.g.edge_term(pairs.attr)
        # Of pairs of tensors PyG reads the first as the senders', whatever the
        # flow; single ones it lifts by it.
        # propagate_type: (receiver: Tensor, sender: Tensor, late: OptTensor, edge_term: OptTensor, alpha: OptTensor, row_ptr: OptTensor)  # noqa: E501
        out = self.propagate(
            torch.stack(self._flow(pairs.sender, pairs.receiver)),
            size=self._flow(terms.sender.size(0), terms.receiver.size(0)),
            receiver=terms.receiver,
            sender=terms.sender,
            late=terms.late,
            edge_term=attr,
            alpha=pairs.weight,
            row_ptr=pairs.ptr,
        )
        return out

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
            and self._has_own_aggr()
            and has_values(inputs)
            and not is_transformed()
        ):
            segments: Tensor = SegmentSum.apply(inputs, row_ptr, index)
            return self._mean(segments, Edges(index, index))
        out: Tensor = self.aggr_module(
            inputs, index, dim_size=dim_size, dim=self.node_dim
        )
        return out

    def _mean(self, out: Tensor, pairs: Complete | Edges) -> Tensor:
        if self.aggr != "mean":
            return out
        if isinstance(pairs, Edges):  # PyG's mean is over edges, not weights
            pairs = pairs._replace(weight=None)
        count = pairs.num_pairs(out)
        return out / torch.as_tensor(count).clamp(min=1)

    def _flow(self, sender: Any, receiver: Any) -> tuple[Any, Any]:
        if self.flow == "source_to_target":
            return sender, receiver
        return receiver, sender

    # Checks ##################################################################

    def _check(
        self,
        x_j: Tensor,
        x_i: Tensor,
        size: Size,
        asked: tuple[Any, Any, Any],
        ordered: bool,
    ) -> None:
        """Check nodes, and questions with their graphs."""
        name = "x" if x_j is x_i else "x[1]"
        if x_j is not x_i:
            check_features("x[0]", x_j, self.g.sender_channels)
        check_features(name, x_i, self.g.receiver_channels)
        found = x_j.size(0), x_i.size(0)
        if size is not None and (
            len(size) != 2
            or any(s not in (None, n) for s, n in zip(size, found, strict=True))
        ):
            raise ValueError(
                f"`size` is {tuple(size)}, expected {found}, the numbers of "
                f"(senders, receivers)"
            )
        check_questions(found[1], self.question_channels, *asked, ordered)
        question, batch, question_batch = asked
        self._check_places(
            x_i,
            x=x_i,
            question=question,
            batch=batch,
            question_batch=question_batch,
        )

    def _check_places(self, nodes: Tensor, **values: object) -> None:
        """Check that all is on one device, and features of g's type."""
        # A module in g's place may have types and devices of its own.
        bias = self.g.first._parameters.get("bias")
        for name, value in values.items():
            if bias is not None and name in ("x", "question", "edge_attr"):
                what = "the layer's parameters are"
                check_place(name, value, bias, what, dtype=True)
            else:
                check_place(name, value, nodes, "`x` is")

    def _read_edges(
        self,
        x_j: Tensor,
        x_i: Tensor,
        edge_index: Adj | None,
        edge_attr: Tensor | None,
        edge_weight: Tensor | None,
    ) -> Edges | None:
        """The edges, checked; ``None``: all pairs, which have none."""
        given = {"edge_attr": edge_attr, "edge_weight": edge_weight}
        if edge_index is not None:
            self._check_places(x_i, edge_index=edge_index, **given)
        elif x_j is not x_i:
            raise ValueError(
                "`x` is a pair of senders and receivers without `edge_index`: "
                "expected edges, since all pairs are those of one set of nodes"
            )
        elif self.edge_channels is not None and edge_attr is None:
            raise ValueError(
                "`edge_attr` is missing: the layer was made with "
                f"`edge_channels={self.edge_channels}`, which takes an "
                "`edge_index` and its features"
            )
        else:
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"`{name}` is given without `edge_index`: expected "
                        f"the edges that it belongs to (`complete_edge_index` "
                        f"lists all pairs)"
                    )
            return None
        edges = read_edges(
            edge_index, x_j.size(0), x_i.size(0), edge_weight, self.flow
        )
        if (edge_attr is None) != (self.edge_channels is None):
            raise ValueError(
                f"`edge_attr` is {'missing' if edge_attr is None else 'given'}"
                f", but the layer was made with "
                f"`edge_channels={self.edge_channels}`"
            )
        if edges.weight is not None:
            dtype = accumulation_dtype(x_i.dtype)
            edges = edges._replace(weight=edges.weight.to(dtype))
        if edge_attr is None:
            return edges
        check_features("edge_attr", edge_attr, self.edge_channels, rows="E")
        if edge_attr.size(0) != edges.sender.numel():
            raise ValueError(
                f"`edge_attr` has {edge_attr.size(0)} rows, expected "
                f"{edges.sender.numel()}, one an edge"
            )
        return edges._replace(attr=edge_attr)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, "
            f"{self.out_channels}, num_layers={self.num_layers})"
        )


def _of_receivers(*values: Any) -> Any:
    """Of pairs (of senders, of receivers) the receivers'."""
    return [
        value[1] if isinstance(value, tuple) and len(value) == 2 else value
        for value in values
    ]


def _methods(cls: type) -> list[Any]:
    return [getattr(cls, name) for name in _METHODS]


def _is_pygs(propagate: Any) -> bool:
    """Whether it is PyG's own function, or made by PyG for one class."""
    function = getattr(propagate, "__func__", None)
    made = str(getattr(function, "__module__", "")).endswith("_propagate")
    return made or function is MessagePassing.propagate
