"""g, the function of a pair, with its first layer split into node terms."""

import inspect
import warnings
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels
from rn_graph.dtypes import no_autocast

#: Types of weights that are what they seem; others compute themselves.
_WEIGHTS = (nn.Parameter, Tensor, FakeTensor)


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody listens to a module's calls."""
    state = vars(module)
    return bool(
        state["_forward_pre_hooks"]
        or state["_forward_hooks"]
        or state["_backward_pre_hooks"]
        or state["_backward_hooks"]
    )


class PairTerms(NamedTuple):
    """What g needs of the nodes, computed once a node.

    Attributes:
        receiver: ``W_i o_i + b`` (and ``W_q q``), ``[R, hidden]``.
        sender: ``W_j o_j``, ``[M, hidden]``.
        late: The question's term at a later layer, ``[R, width]``, or
            ``None``.
    """

    receiver: Tensor
    sender: Tensor
    late: Tensor | None


class PairMLP(nn.Module):
    r"""The multi-layer perceptron :math:`g(o_i, o_j, e_{ij}, q)`.

    .. math::
        h_1 = \mathrm{ReLU}(W_1 [o_i ; o_j ; e_{ij} ; q] + b_1), \qquad
        h_l = \mathrm{ReLU}(W_l h_{l-1} + b_l)

    The first layer is stored as one weight and applied as
    :math:`W_i o_i + W_j o_j + W_e e_{ij} + W_q q`, so that the products with
    the (few) nodes are not repeated for the (many) pairs. The question can
    enter at a later layer instead: the input of layer ``question_layer`` is
    then :math:`[h_{l-1} ; q]`. Layers that are more than their weight
    (wrapped, pruned, parametrized, listened to) are called on rows of pairs.

    Args:
        receiver_channels: Width of :math:`o_i`; ``-1``: taken from the first
            input (then all widths of the first layer are).
        sender_channels: Width of :math:`o_j`; ``-1`` likewise.
        out_channels: Width of the last layer.
        hidden_channels: Width of the other layers. (default: ``256``)
        num_layers: Number of layers. (default: ``4``)
        question_channels: Width of :math:`q`; ``None``: no question.
        edge_channels: Width of :math:`e_{ij}`; ``None``: no edge features.
        question_layer: The layer, from 0, that the question enters at.
            (default: ``0``)
        norm: ``None`` or ``"layer_norm"``, between a layer's product and its
            ReLU. (default: ``None``)
        dropout: Probability of dropout after each ReLU but the last.
            (default: ``0.0``)
        plain_last: Whether the last layer is without norm and ReLU.
            (default: ``False``, as in the paper)
        symmetric: Whether :math:`W_i = W_j`, so that :math:`g_{ij} = g_{ji}`
            where edges do not differ; the first weight then has the columns
            of :math:`o_i` once. (default: ``False``)

    Source: `"A simple neural network module for relational reasoning"
    <https://arxiv.org/abs/1706.01427>`_, section 2 and supplement.
    """

    def __init__(
        self,
        receiver_channels: int,
        sender_channels: int,
        out_channels: int,
        hidden_channels: int = 256,
        num_layers: int = 4,
        question_channels: int | None = None,
        edge_channels: int | None = None,
        question_layer: int = 0,
        norm: str | None = None,
        dropout: float = 0.0,
        plain_last: bool = False,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        for width in (receiver_channels, sender_channels):
            check_channels("in_channels", width, least=0, lazy=True)
        check_channels("out_channels", out_channels)
        check_channels("hidden_channels", hidden_channels)
        check_channels("num_layers", num_layers)
        if question_channels is not None:
            check_channels("question_channels", question_channels)
        if edge_channels is not None:
            check_channels("edge_channels", edge_channels)
        check_channels("question_layer", question_layer, least=0)
        if question_layer >= num_layers:
            raise ValueError(
                f"`question_layer` is {question_layer}, expected one of the "
                f"{num_layers} layers, 0 to {num_layers - 1}"
            )
        if norm not in (None, "layer_norm"):
            # Statistics over pairs (batch norm) would make an answer depend
            # on the other scenes of its batch.
            raise ValueError(
                f"`norm` is {norm!r}, expected None or 'layer_norm'"
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"`dropout` is {dropout}, expected in [0, 1)")
        if symmetric and receiver_channels != sender_channels:
            raise ValueError(
                f"`symmetric` is True, but senders have {sender_channels} "
                f"channels and receivers {receiver_channels}, expected as many"
            )
        if (
            plain_last
            and question_channels
            and question_layer == num_layers - 1
        ):
            warnings.warn(
                f"`question_layer` is {question_layer}, g's last layer, which "
                f"is plain: the question is only added to each sum, whatever "
                f"the objects are; expected an earlier layer",
                stacklevel=3,
            )
        self.receiver_channels = receiver_channels
        self.sender_channels = sender_channels
        self.out_channels = out_channels
        self.question_channels = question_channels or 0
        self.edge_channels = edge_channels or 0
        self.question_layer = question_layer
        self.dropout = dropout
        self.plain_last = plain_last
        self.symmetric = symmetric
        #: Width of the widest layer.
        self.widest = max(hidden_channels * (num_layers > 1), out_channels)

        widths = [hidden_channels] * (num_layers - 1) + [out_channels]
        known = min(receiver_channels, sender_channels) >= 0
        inputs = [sum(self._pair_widths()) if known else -1, *widths[:-1]]
        if question_layer:
            inputs[question_layer] += self.question_channels
        self.lins: Any = nn.ModuleList(
            Linear(i, o) for i, o in zip(inputs, widths, strict=True)
        )
        normed = widths[:-1] if plain_last else widths
        self.norms: Any = nn.ModuleList(
            nn.LayerNorm(width) for width in (normed if norm else [])
        )

    def _pair_widths(self) -> list[int]:
        """Columns of the first weight: of o_i, o_j, and e_ij, q if any."""
        asked = 0 if self.question_layer else self.question_channels
        return [
            self.receiver_channels,
            0 if self.symmetric else self.sender_channels,
            *filter(None, (self.edge_channels, asked)),
        ]

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (*self.lins, *self.norms):
            reset(module)

    def _is_bare(self, lin: nn.Module) -> bool:
        """Whether a call of a layer is its weight's product, and no more.

        A wrapped, pruned, parametrized or replaced layer has to be called.
        """
        state = vars(lin)
        parameters = state["_parameters"]
        return (
            type(lin) in (Linear, nn.Linear)
            and type(parameters.get("weight")) in _WEIGHTS
            and parameters["bias"] is not None
            and "forward" not in state
            and not has_hooks(lin)
        )

    @property
    def _layers(self) -> dict[str, Any]:
        # As `self.lins`, which torch looks for in vain elsewhere first.
        layers: dict[str, Any] = vars(self)["_modules"]["lins"]._modules
        return layers

    @property
    def first(self) -> Any:
        """The first layer."""
        return self._layers["0"]

    @property
    def is_split(self) -> bool:
        """Whether the first layer is applied to nodes, not to pairs."""
        return self._is_bare(self.first)

    @property
    def is_plain(self) -> bool:
        """Whether g is nothing but products, biases and ReLUs just now.

        A plain last layer is left to :meth:`finish`.
        """
        lins = self._layers.values()
        return (
            not (self.dropout and self.training)
            and not (self.plain_last and len(lins) == 1)
            and all(map(self._is_bare, lins))
            and not self.norms._modules
        )

    @property
    def is_summed_first(self) -> bool:
        """Whether the last layer is linear, and may wait for the sum."""
        return (
            self.plain_last
            and len(self.lins) > 1
            and self._is_bare(self.lins[-1])
        )

    @property
    def has_late_question(self) -> bool:
        """Whether layers that pairs need have no question, and one has."""
        needed = len(self.lins) - int(self.is_summed_first)
        return 0 < self.question_layer < needed

    def materialize(self, receiver_channels: int, sender_channels: int) -> None:
        """Set widths left open (``-1``) and draw the first layer's weight."""
        if self.symmetric and receiver_channels != sender_channels:
            raise ValueError(
                f"`x` has {sender_channels} and {receiver_channels} channels, "
                f"expected as many: g is symmetric"
            )
        self.receiver_channels = receiver_channels
        self.sender_channels = sender_channels
        first, width = self.first, sum(self._pair_widths())
        if type(first) is not Linear:  # in its place, and knows its width
            return
        if is_uninitialized_parameter(first.weight):
            first.initialize_parameters(first, (torch.empty(0, width),))
        elif first.weight.size(1) != width:  # from a state that was loaded
            self.receiver_channels = self.sender_channels = -1
            raise ValueError(
                f"`x` has {sender_channels} and {receiver_channels} channels, "
                f"{width} of a pair in all, expected {first.weight.size(1)}"
            )

    def _first_weights(self) -> tuple[Tensor, ...]:
        weight = self.first._parameters["weight"]
        w_i, w_j, *rest = weight.split_with_sizes(self._pair_widths(), dim=1)
        return (w_i, w_i if self.symmetric else w_j, *rest)

    def terms(
        self,
        x_i: Tensor,
        x_j: Tensor,
        question: Tensor | None = None,
        node: Tensor | None = None,
        row: Tensor | None = None,
    ) -> PairTerms:
        """Compute the node terms; of layers that are called, their inputs.

        Args:
            x_i: Receivers, ``[N, receiver_channels]``.
            x_j: Senders, ``[M, sender_channels]``.
            question: ``[Q, question_channels]``.
            node: Receiver of each row ``[R]``; ``None``: one row each.
            row: Question of each row ``[R]``.
        """
        receiver, sender = x_i, x_j
        if is_split := self._is_bare(self.first):
            w_i, w_j, *_ = self._first_weights()
            receiver = F.linear(x_i, w_i, self.first._parameters["bias"])
            sender = F.linear(x_j, w_j)
        if node is not None:
            receiver = receiver[node]
        if question is None:
            return PairTerms(receiver, sender, None)
        at = self.lins[self.question_layer]
        if self._is_bare(at):
            # The question's columns are the last.
            question = F.linear(question, at.weight[:, -question.size(1) :])
        if row is None:  # one question needs no index: it goes to every row
            late = question.expand(receiver.size(0), -1)
        else:
            late = question[row]
        if self.question_layer == 0 and is_split:
            return PairTerms(receiver + late, sender, None)
        return PairTerms(receiver, sender, late)

    def edge_term(self, edge_attr: Tensor) -> Tensor:
        """The term of edge features ``[E, edge_channels]``, ``[E, hidden]``."""
        if not self.is_split:
            return edge_attr
        return F.linear(edge_attr, self.edge_columns())

    def edge_columns(self) -> Tensor:
        """The first weight's columns of edge features, of a split g."""
        return self._first_weights()[2]

    def later(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights, without the question's columns, and biases from layer 1 on.

        Of a plain g, and without a plain last layer.
        """
        _, *lins = self._layers.values()
        lins = lins[:-1] if self.plain_last else lins
        weights = [lin._parameters["weight"] for lin in lins]
        if self.question_channels and 0 < self.question_layer <= len(lins):
            at = self.question_layer - 1
            weights[at] = weights[at][:, : -self.question_channels]
        return weights, [lin._parameters["bias"] for lin in lins]

    def _call(self, layer: int, h: Tensor, late: Tensor | None) -> Tensor:
        """One of the layers but the first, before its norm and ReLU."""
        lin = self.lins[layer]
        if late is not None and layer == self.question_layer:
            if self._is_bare(lin):
                weight = lin.weight[:, : -self.question_channels]
                return F.linear(h, weight, lin.bias) + late
            h = torch.cat([h, late], dim=-1)
        out: Tensor = lin(h)
        return out

    def _activate(self, h: Tensor, layer: int) -> Tensor:
        last = layer == len(self.lins) - 1
        if last and self.plain_last:
            return h
        if len(self.norms) > 0:
            h = self.norms[layer](h)
        h = h.relu()
        return h if last else F.dropout(h, self.dropout, self.training)

    def forward(
        self,
        receiver: Tensor,
        sender: Tensor,
        edge_term: Tensor | None = None,
        late: Tensor | None = None,
        finish: bool = True,
    ) -> Tensor:
        """Run g from what :meth:`terms` gives, one row a pair.

        Args:
            receiver: The receivers' terms, ``[P, hidden]``.
            sender: The senders' terms, ``[P, hidden]``.
            edge_term: The edges' terms, ``[P, hidden]``.
            late: The question's terms at a later layer, ``[P, width]``.
            finish: Whether to run a plain last layer, too.

        Returns:
            g of each pair, ``[P, out_channels]``.
        """
        if self.is_split:
            h = receiver + sender
            h = h if edge_term is None else h + edge_term
        else:
            pair = [receiver, sender]
            pair = [receiver + sender] if self.symmetric else pair
            asked = None if self.question_layer else late
            rest = [part for part in (edge_term, asked) if part is not None]
            h = self.first(torch.cat([*pair, *rest], dim=-1))
        h = self._activate(h, 0)
        stop = len(self.lins) - int(self.is_summed_first and not finish)
        for layer in range(1, stop):
            h = self._activate(self._call(layer, h, late), layer)
        return h

    def finish(
        self, h: Tensor, count: Tensor | float, late: Tensor | None
    ) -> Tensor:
        r"""Apply the plain last layer to a sum.

        .. math::
            \sum_j w_j (W h_j + b) = W \sum_j w_j h_j + b \sum_j w_j

        Args:
            h: Sums of what comes before it, ``[R, hidden]``.
            count: Sums of the weights, ``[R, 1]``, or one number for all.
            late: The question's terms, if they enter at it, ``[R, width]``.
        """
        layer = len(self.lins) - 1
        weight, shift = self.lins[layer].weight, self.lins[layer].bias
        if late is not None and layer == self.question_layer:
            weight = weight[:, : -self.question_channels]
            shift = shift + late
        weight, shift = weight.to(h.dtype), shift.to(h.dtype)
        with no_autocast(h):  # sums stay wide
            return F.linear(h, weight) + count * shift

    def extra_repr(self) -> str:
        """Name what the layers do not show."""
        return f"question_layer={self.question_layer}, dropout={self.dropout}"


class PairModule(PairMLP):
    """Any module in g's place, called with the parts of a pair joined.

    Args:
        module: Maps ``[x_i ; x_j ; e_ij ; q]``, ``[P, sum of widths]``, to
            ``[P, out_channels]``, each row on its own.
        **options: As of a :class:`PairMLP`: the widths of its input and
            output; what else there is has to be left as it is there.
    """

    def __init__(self, module: nn.Module, **options: Any) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"`g` is {module!r}, expected a torch.nn.Module (or None, "
                f"for an MLP)"
            )
        usual = inspect.signature(PairMLP).parameters
        for name in options:
            told = name.endswith("_channels") and name != "hidden_channels"
            if not told and options[name] != usual[name].default:
                raise ValueError(
                    f"`{name}` is {options[name]!r}, but `g` is given, which "
                    f"has layers of its own: expected one of the two"
                )
        super().__init__(**options)
        self.lins = nn.ModuleList([module])
        self.plain_last = True

    def _is_bare(self, lin: nn.Module) -> bool:
        """Never: a module is called."""
        return False

    def materialize(self, receiver_channels: int, sender_channels: int) -> None:
        """Do nothing: a module knows its own widths."""

    def forward(self, receiver: Tensor, *rest: Any, **terms: Any) -> Tensor:
        """Join the parts and run the module, ``[P, out_channels]``."""
        out = super().forward(receiver, *rest, **terms)
        expected = receiver.size(0), self.out_channels
        if out.shape != expected:
            raise ValueError(
                f"`g` maps {len(receiver)} pairs to {list(out.shape)}, "
                f"expected {list(expected)}"
            )
        return out
