"""g, the function of a pair, with its first layer split into node terms."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels


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
    the (few) nodes are not repeated for the (many) pairs (its module is not
    called, and hooks on it are not run). The question can
    enter at a later layer instead: the input of layer ``question_layer`` is
    then :math:`[h_{l-1} ; q]`.

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
    ) -> None:
        super().__init__()
        check_channels("num_layers", num_layers)
        check_channels("hidden_channels", hidden_channels)
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
        self.receiver_channels = receiver_channels
        self.sender_channels = sender_channels
        self.out_channels = out_channels
        self.question_channels = question_channels or 0
        self.edge_channels = edge_channels or 0
        self.question_layer = question_layer
        self.dropout = dropout
        self.plain_last = plain_last

        widths = [hidden_channels] * (num_layers - 1) + [out_channels]
        inputs = [-1, *widths[:-1]]
        if min(receiver_channels, sender_channels) >= 0:
            inputs[0] = receiver_channels + sender_channels + self.edge_channels
        if inputs[question_layer] >= 0:
            inputs[question_layer] += self.question_channels
        self.lins: Any = nn.ModuleList(
            Linear(i, o) for i, o in zip(inputs, widths, strict=True)
        )
        normed = widths[:-1] if plain_last else widths
        self.norms: Any = nn.ModuleList(
            nn.LayerNorm(width) for width in (normed if norm else [])
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (*self.lins, *self.norms):
            module.reset_parameters()

    @property
    def is_plain(self) -> bool:
        """Whether g is nothing but products, biases and ReLUs just now."""
        return len(self.norms) == 0 and not (self.dropout and self.training)

    def materialize(self, receiver_channels: int, sender_channels: int) -> None:
        """Set widths left open (``-1``) and draw the first layer's weight."""
        first = self.lins[0]
        is_open = is_uninitialized_parameter(first.weight)
        known = min(self.receiver_channels, self.sender_channels) >= 0
        if known and not is_open:
            return
        width = receiver_channels + sender_channels + self.edge_channels
        if self.question_layer == 0:
            width += self.question_channels
        if is_open:
            first.initialize_parameters(first, (torch.empty(0, width),))
        elif first.weight.size(1) != width:  # from a state that was loaded
            raise ValueError(
                f"`x` has {sender_channels} and {receiver_channels} channels, "
                f"{width} of a pair in all, expected {first.weight.size(1)}"
            )
        self.receiver_channels = receiver_channels
        self.sender_channels = sender_channels

    def _first_weights(self) -> tuple[Tensor, ...]:
        # Columns of [o_i ; o_j ; e_ij ; q].
        first = self.question_channels if self.question_layer == 0 else 0
        return self.lins[0].weight.split(
            [
                self.receiver_channels,
                self.sender_channels,
                self.edge_channels,
                first,
            ],
            dim=1,
        )

    def terms(
        self,
        x_i: Tensor,
        x_j: Tensor,
        question: Tensor | None = None,
        node: Tensor | None = None,
        row_question: Tensor | None = None,
    ) -> PairTerms:
        """Compute the node terms.

        Args:
            x_i: Receivers, ``[N, receiver_channels]``.
            x_j: Senders, ``[M, sender_channels]``.
            question: ``[Q, question_channels]``.
            node: Receiver of each row ``[R]``; ``None``: one row each.
            row_question: Question of each row ``[R]``.
        """
        w_i, w_j, _, w_q = self._first_weights()
        receiver = F.linear(x_i, w_i, self.lins[0].bias)
        sender = F.linear(x_j, w_j)
        if node is not None:
            receiver = receiver[node]
        if question is None:
            return PairTerms(receiver, sender, None)
        if self.question_layer > 0:
            w_q = self.lins[self.question_layer].weight[
                :, -self.question_channels :
            ]
        term = _per_row(F.linear(question, w_q), receiver, row_question)
        if self.question_layer == 0:
            return PairTerms(receiver + term, sender, None)
        return PairTerms(receiver, sender, term)

    def edge_term(self, edge_attr: Tensor) -> Tensor:
        """The term of edge features ``[E, edge_channels]``, ``[E, hidden]``."""
        return F.linear(edge_attr, self._first_weights()[2])

    def later_weights(self) -> list[Tensor]:
        """Weights of layers 2 and on, without the question's columns."""
        weights = [lin.weight for lin in list(self.lins)[1:]]
        if self.question_channels and self.question_layer > 0:
            at = self.question_layer - 1
            weights[at] = weights[at][:, : -self.question_channels]
        return weights

    def later_biases(self) -> list[Tensor]:
        """Biases of layers 2 and on."""
        return [lin.bias for lin in list(self.lins)[1:]]

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
    ) -> Tensor:
        """Run g from its first layer's terms, one row a pair.

        Args:
            receiver: The receivers' terms, ``[P, hidden]``.
            sender: The senders' terms, ``[P, hidden]``.
            edge_term: The edges' terms, ``[P, hidden]``.
            late: The question's terms at a later layer, ``[P, width]``.

        Returns:
            g of each pair, ``[P, out_channels]``.
        """
        h = receiver + sender
        h = self._activate(h if edge_term is None else h + edge_term, 0)
        for layer, lin in enumerate(list(self.lins)[1:], start=1):
            if late is not None and layer == self.question_layer:
                weight = lin.weight[:, : -self.question_channels]
                h = F.linear(h, weight, lin.bias) + late
            else:
                h = lin(h)
            h = self._activate(h, layer)
        return h

    def extra_repr(self) -> str:
        """Name what the layers do not show."""
        return f"question_layer={self.question_layer}, dropout={self.dropout}"


class PairModule(nn.Module):
    """Any module in g's place, called with the parts of a pair joined.

    Args:
        module: Maps ``[x_i ; x_j ; e_ij ; q]``, ``[P, sum of widths]``, to
            ``[P, out_channels]``, each row on its own.
        out_channels: Width of its output.
    """

    is_plain = False

    def __init__(self, module: nn.Module, out_channels: int) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"`g` is {module!r}, expected a torch.nn.Module (or None, "
                f"for an MLP)"
            )
        self.nn = module
        self.out_channels = out_channels

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.nn)

    def materialize(self, receiver_channels: int, sender_channels: int) -> None:
        """Do nothing: a module knows its own widths."""

    def terms(
        self,
        x_i: Tensor,
        x_j: Tensor,
        question: Tensor | None = None,
        node: Tensor | None = None,
        row_question: Tensor | None = None,
    ) -> PairTerms:
        """The rows as they are; arguments as in :meth:`PairMLP.terms`."""
        receiver = x_i if node is None else x_i[node]
        late = None
        if question is not None:
            late = _per_row(question, receiver, row_question)
        return PairTerms(receiver, x_j, late)

    def edge_term(self, edge_attr: Tensor) -> Tensor:
        """Edge features as they are."""
        return edge_attr

    def forward(
        self,
        receiver: Tensor,
        sender: Tensor,
        edge_term: Tensor | None = None,
        late: Tensor | None = None,
    ) -> Tensor:
        """Join the parts and run the module, ``[P, out_channels]``."""
        parts = [receiver, sender, edge_term, late]
        inputs = torch.cat([p for p in parts if p is not None], dim=-1)
        out: Tensor = self.nn(inputs)
        if out.shape != (inputs.size(0), self.out_channels):
            raise ValueError(
                f"`g` maps {list(inputs.shape)} to {list(out.shape)}, "
                f"expected [{inputs.size(0)}, {self.out_channels}]"
            )
        return out


def _per_row(term: Tensor, rows: Tensor, index: Tensor | None) -> Tensor:
    # One question needs no index: it goes to every row.
    return term.expand(rows.size(0), -1) if index is None else term[index]
