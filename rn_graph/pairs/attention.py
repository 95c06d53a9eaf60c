"""Attention over pairs: a learned score decides which pairs are summed."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.utils import scatter

from rn_graph.checks import check_channels, checks_enabled
from rn_graph.edges import read_edges
from rn_graph.pairs.base import PairSelection, PairSelector
from rn_graph.pairs.budget import (
    Budget,
    best_pairs,
    check_number,
    make_budget,
)

#: Scores are bounded to ±BOUND, so that a gate 2σ(s) lies in [0.24, 1.76]: no
#: kept pair falls silent, and no gate loses its gradient.
BOUND = 2.0


class Projections(NamedTuple):
    """What the score needs of the nodes, computed once a node.

    Attributes:
        query: The receivers' vectors, ``[heads, N, channels]``.
        key: The senders' vectors, ``[heads, N, channels]``.
        receiver: The receivers' terms, less the mean score of all pairs of
            their graph, ``[heads, N]``.
        sender: The senders' terms, ``[heads, N]``.
    """

    query: Tensor
    key: Tensor
    receiver: Tensor
    sender: Tensor


class AttentionPairs(PairSelector):
    r"""The best pairs by a learned score, trained by the answer's loss alone.

    A small network, cheap beside g, turns each node and its graph's question
    into a query, a key and two biases,

    .. math::
        [\mathbf{k}_i ; u_i ; \mathbf{q}_i ; v_i] = W\, \mathrm{ReLU}\big(
        (1 + W_m \mathbf{q}) \odot W_x \mathbf{x}_i + W_a \mathbf{q}
        \big), \qquad
        t_{ij} = \frac{\mathbf{q}_i^{\top} \mathbf{k}_j}{\sqrt{d}} + u_i + v_j

    (without biases here). The question multiplies, since to find what it
    names is to compare it with each object. The score is measured against the
    graph's mean over all :math:`N^2` pairs, and bounded:

    .. math::
        s_{ij} = 2 \tanh \big( (t_{ij} - \bar{t}) / 2 \big), \qquad
        w_{ij} = 2\, \sigma(s_{ij})

    The pairs of the highest scores are kept, the rest is dropped (hard), and
    each pair kept is weighed by its own gate :math:`w_{ij}`. The gate is no
    softmax over the pairs kept, so that the sum over them keeps its scale; it
    starts near 1. Through it the loss says of each pair kept whether it
    should count more or less, which moves its score, and so what is kept
    next. Without the mean, gates could all shrink before g has learned what
    the pairs are good for; without the bound, they saturate and learn no
    more.

    In training, Gumbel noise on the scores makes the choice a draw without
    replacement with probabilities :math:`\propto \exp(s_{ij} /
    \mathrm{noise})`, so that pairs of middling scores are tried too; at
    evaluation there is none. Of equal scores, the lower sender goes first,
    then the lower receiver. Scores are computed in float64 and compared to
    six decimals, so that what is equal ties, and batching changes nothing.

    The scores of all pairs are made in blocks, and only those of pairs kept
    take part in the backward pass: memory is :math:`O(N d + E d)` and a block.

    Args:
        in_channels: Width of the nodes; ``-1``: taken from the first input.
        question_channels: Width of the question; ``None``: scores without a
            question. (default: ``None``)
        k: Pairs kept of each receiving node; or
        share: share of each graph's :math:`N^2` pairs that is kept,
            :math:`\lceil \mathrm{share} \cdot N^2 \rceil`, in (0, 1].
        channels: Width :math:`d` of queries and keys. (default: ``16``)
        heads: Number of scores; a pair's score is the log of the mean of
            their exponentials, so that it is high where one of them is.
            (default: ``1``)
        hidden_channels: Width of the small network. (default: ``64``)
        symmetric: Whether (i, j) and (j, i) have one score, since what
            relates two nodes in one direction does in the other: then
            :math:`\mathbf{q}_i` is :math:`\mathbf{k}_i` with every second
            sign changed, and :math:`v_i = u_i`. Without it, training tends to
            keep one direction, where one is enough for the answer.
            (default: ``True``)
        noise: Scale of the noise in training. (default: ``0.25``)
        self_pairs: Whether a node's pair with itself is a candidate and
            counts in the budget. (default: ``True``)
        gate: Whether pairs kept are weighed by their gates. Without, all count
            alike, and the scores learn nothing from the answer's loss:
            :class:`Distillation` teaches them. (default: ``True``)

    Raises:
        TypeError: If ``k`` is no integer, ``share`` or ``noise`` no number.
        ValueError: If not exactly one of ``k`` and ``share`` is given, or an
            argument is out of range; in use, also if scores are not finite.

    The hard choice with a gate is that of `"Graph U-Nets"
    <https://arxiv.org/abs/1905.05178>`_, the noise that of `"Stochastic Beams
    and Where to Find Them" <https://arxiv.org/abs/1903.06059>`_, the
    question's part that of `"FiLM" <https://arxiv.org/abs/1709.07871>`_.
    """

    budget: Budget
    # Weighs the pairs, to teach the scores: of scores, graphs and a dtype.
    _teacher: Callable[[Tensor, Tensor, torch.dtype], Tensor] | None = None

    def __init__(
        self,
        in_channels: int,
        question_channels: int | None = None,
        k: int | None = None,
        share: float | None = None,
        channels: int = 16,
        heads: int = 1,
        hidden_channels: int = 64,
        symmetric: bool = True,
        noise: float = 0.25,
        self_pairs: bool = True,
        gate: bool = True,
    ) -> None:
        super().__init__(self_pairs)
        check_channels("in_channels", in_channels, lazy=True)
        if question_channels is not None:
            check_channels("question_channels", question_channels)
        for name, value in (
            ("channels", channels),
            ("heads", heads),
            ("hidden_channels", hidden_channels),
        ):
            check_channels(name, value)
        if not 0 <= check_number("noise", noise) < 1e30:
            raise ValueError(f"`noise` is {noise}, expected 0 ≤ noise < 1e30")
        self.budget = make_budget(k, share)
        self.in_channels = in_channels
        self.question_channels = question_channels
        self.channels = channels
        self.heads = heads
        self.symmetric = symmetric
        self.noise = noise
        self.gate = gate
        self.lin_x = Linear(in_channels, hidden_channels)
        self.lin_question = (
            None
            if question_channels is None
            else Linear(question_channels, 2 * hidden_channels)
        )
        self.width = (channels + 1) * (1 if symmetric else 2)
        self.lin_out = Linear(hidden_channels, heads * self.width)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.lin_x.reset_parameters()
        if self.lin_question is not None:
            self.lin_question.reset_parameters()
        self.lin_out.reset_parameters()

    def __getstate__(self) -> dict[str, Any]:
        """Give what a copy is made of: all but who teaches this one."""
        return self.__dict__ | {"_teacher": None}

    def _goes_by(self) -> dict[str, int | None]:
        width = self.lin_x.in_channels
        widths = {"x": width if width > 0 else None}
        if self.question_channels is not None:
            widths["question"] = self.question_channels
        return widths

    def select(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        """Keep the best pairs, and weigh them."""
        if not self.gate:  # a teacher's loss is for the scores alone
            x = x.detach()
            question = None if question is None else question.detach()
        nodes = self._project(x, question, batch, sizes)
        if checks_enabled(x) and not all(t.isfinite().all() for t in nodes):
            raise ValueError(
                "the scores are NaN or infinite, expected finite numbers: the "
                "parameters of AttentionPairs have diverged"
            )

        def score(i: Tensor, j: Tensor) -> Tensor:
            raw = self._raw_block(nodes, i, j)
            if not self.training or self.noise == 0:
                return raw.round(decimals=6).float()
            scores = self._bound(raw.float())
            return scores + self.noise * _gumbel_like(scores)

        if self.budget.share == 1:  # no score is needed to keep all
            edges = self._all_pairs(batch)
        else:
            edges = best_pairs(score, sizes, self.budget, self.self_pairs)
        j, i = edges
        if self.gate:
            weight = self._gate(self._bound(self._raw(nodes, i, j)))
            return PairSelection(edges, weight.to(x.dtype))
        if self._teacher is None:
            return PairSelection(edges)
        scores = self._raw(nodes, i, j)
        return PairSelection(edges, self._teacher(scores, batch[i], x.dtype))

    def scores(
        self,
        x: Tensor,
        edge_index: Tensor,
        question: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        r"""Score listed pairs: :math:`t_{ij} - \bar{t}`, with gradients.

        Args:
            x: Nodes, ``[N, in_channels]``.
            edge_index: Pairs within the graphs, senders and receivers,
                ``[2, E]``.
            question: Question of each graph, ``[B, question_channels]``, or
                ``None``.
            batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.

        Returns:
            ``[E]``, in float64.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For ``x``, ``question``, ``batch`` or ``edge_index``
                that do not fit, NaN or infinite numbers.
        """
        batch, sizes = self._graphs(x, question, batch, None)
        j, i, *_ = read_edges(edge_index, x.size(0), x.size(0))
        if checks_enabled(batch) and bool((batch[j] != batch[i]).any()):
            raise ValueError(
                "`edge_index` joins nodes of different graphs, whose scores "
                "are not measured against one mean: expected pairs within one"
            )
        nodes = self._project(x, question, batch, sizes)
        return self._raw(nodes, i, j)

    def _project(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        sizes: Tensor,
    ) -> Projections:
        # In float64, compared to six decimals: what is equal but for the order
        # of a sum ties, so that neither batching nor blocks decide.
        h = _linear(self.lin_x, x.double())
        if self.lin_question is not None:
            if question is None:
                raise ValueError(
                    f"`question` is None, expected "
                    f"[B, {self.question_channels}]: the scores depend on it"
                )
            film = _linear(self.lin_question, question.double())[batch]
            h = self._modulate(h, *film.chunk(2, dim=-1))
        h = _linear(self.lin_out, h.relu())
        h = h.view(-1, self.heads, self.width).transpose(0, 1)
        d = self.channels
        if self.symmetric:
            key, u = h.split([d, 1], -1)
            # The signs let alike nodes repel each other, too.
            sign = 1 - 2 * (torch.arange(d, device=x.device) % 2)
            query, v = key * sign, u
        else:
            key, u, query, v = h.split([d, 1, d, 1], -1)
        query, u, v = query / math.sqrt(d), u.squeeze(-1), v.squeeze(-1)
        # The mean of all products is the product of the means.
        mean = (
            (self._mean(query, batch, sizes) * self._mean(key, batch, sizes))
            .sum(-1)
            .add(self._mean(u + v, batch, sizes))
        )
        return Projections(query, key, u - mean[:, batch], v)

    def _mean(self, t: Tensor, batch: Tensor, sizes: Tensor) -> Tensor:
        """Mean over each graph's nodes, ``[heads, B, ...]``."""
        return scatter(t, batch, 1, sizes.numel(), reduce="mean")

    def _raw_block(self, p: Projections, i: Tensor, j: Tensor) -> Tensor:
        """Scores ``[G, R, S]`` of receivers ``[G, R]``, senders ``[G, S]``."""
        raw = [
            (query[i] @ key[j].transpose(1, 2))
            .add_(receiver[i].unsqueeze(2))
            .add_(sender[j].unsqueeze(1))
            for query, key, receiver, sender in zip(*p, strict=True)
        ]
        return self._join(raw)

    def _raw(self, p: Projections, i: Tensor, j: Tensor) -> Tensor:
        """Scores ``[E]`` of receivers and senders, those of a block."""
        raw = [
            (query[i] * key[j]).sum(-1) + receiver[i] + sender[j]
            for query, key, receiver, sender in zip(*p, strict=True)
        ]
        return self._join(raw)

    def _join(self, heads: list[Tensor]) -> Tensor:
        if len(heads) == 1:
            return heads[0]
        return torch.stack(heads).logsumexp(0) - math.log(len(heads))

    def _bound(self, raw: Tensor) -> Tensor:
        return BOUND * torch.tanh(raw / BOUND)

    def _modulate(self, h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return (1 + scale) * h + shift

    def _gate(self, score: Tensor) -> Tensor:
        return 2 * torch.sigmoid(score)

    def extra_repr(self) -> str:
        """Name the options."""
        return (
            f"{self.budget}, heads={self.heads}, symmetric={self.symmetric}, "
            f"noise={self.noise}, self_pairs={self.self_pairs}, "
            f"gate={self.gate}"
        )


def _linear(linear: Linear, x: Tensor) -> Tensor:
    """Apply a layer in the precision of ``x``."""
    if linear.in_channels < 0:  # takes its width from the first input
        linear(x.to(linear.weight.dtype))
    bias = linear.bias
    assert bias is not None
    return F.linear(x, linear.weight.to(x.dtype), bias.to(x.dtype))


def _gumbel_like(t: Tensor) -> Tensor:
    """Numbers from the standard Gumbel distribution, in the shape of ``t``."""
    # 2**-25 is half a step of the uniform numbers: their log stays finite.
    uniform = torch.rand_like(t).clamp_(min=2**-25)
    return uniform.log_().neg_().log_().neg_()
