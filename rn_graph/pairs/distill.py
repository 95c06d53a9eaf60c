"""Learned pairs from a network on all pairs: what each was worth to it."""

from typing import Self

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from rn_graph.pairs.attention import AttentionPairs


class Distillation:
    r"""Teaches a selection which pairs the answers depend on; a context.

    A network on all pairs knows which of them it needs: where its loss
    :math:`\ell` changes with the weight :math:`w_{ij}` of a pair's message, at
    :math:`w_{ij} = 1`, the answer depends on that pair. The scores
    :math:`t_{ij}` of the selection are taught to rank the pairs of each graph
    by that,

    .. math::
        p_{ij} = \frac{|\partial \ell / \partial w_{ij}|}
        {\sum_{kl} |\partial \ell / \partial w_{kl}|}, \qquad
        \ell_\mathrm{pairs} = -\frac{1}{B} \sum_{ij} p_{ij} \log
        \mathrm{softmax}_{kl} (t_{kl})_{ij},

    as `knowledge distillation <https://arxiv.org/abs/1503.02531>`_ teaches a
    small network by what a large one gives out. The sensitivity is the first
    order of leaving a pair out (`Molchanov et al. 2017
    <https://arxiv.org/abs/1611.06440>`_, section 2.2). Gradients of
    :math:`\ell_\mathrm{pairs}` reach the selection's parameters alone. Graphs
    in which nothing depends on any pair are left out of the mean.

    The network must run within the context, with a budget of all pairs; the
    selection is one without gates. Afterwards it is given its own budget, and
    the network goes on on the pairs that it keeps.

    .. code-block:: python

        pairs = AttentionPairs(16, 32, share=1.0, gate=False)
        model = RelationNetwork(16, 28, 32, pairs=pairs)
        with Distillation(pairs) as teacher:
            loss = F.cross_entropy(model(x, question, batch), y)
            loss = loss + teacher.loss(loss)
        loss.backward()

    Args:
        pairs: The selection, made with ``gate=False``.

    Raises:
        TypeError: If ``pairs`` is no :class:`AttentionPairs`.
        ValueError: If it has gates.
    """

    def __init__(self, pairs: AttentionPairs) -> None:
        if not isinstance(pairs, AttentionPairs):
            raise TypeError(f"`pairs` is {pairs!r}, expected AttentionPairs")
        if pairs.gate:
            raise ValueError(
                "`pairs` has gates, expected AttentionPairs(gate=False): what "
                "a pair is worth is measured with every weight 1"
            )
        self.pairs = pairs
        # Weights, scores and graphs of the pairs of the last forward pass.
        self._seen: tuple[Tensor, Tensor, Tensor] | None = None

    def __enter__(self) -> Self:
        """Start to teach.

        Raises:
            RuntimeError: If the selection is being taught already.
        """
        if self.pairs._teacher is not None:
            raise RuntimeError(
                "the selection is being taught already: expected one "
                "Distillation at a time, left before it is entered again"
            )
        self.pairs._teacher = self._watch
        return self

    def __exit__(self, *_: object) -> None:
        self.pairs._teacher = None
        self._seen = None

    @torch.compiler.disable  # its weights are leaves, which no graph makes
    def _watch(
        self, scores: Tensor, graph: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Take in a forward pass: what the weights of its pairs are."""
        weight = torch.ones_like(scores, dtype=dtype, requires_grad=True)
        self._seen = weight, scores, graph
        return weight

    def loss(self, loss: Tensor) -> Tensor:
        """How far the scores are from what the pairs are worth.

        Args:
            loss: The answers' loss, of the last forward pass within the
                context.

        Returns:
            A number, nought if nothing depends on any pair.

        Raises:
            RuntimeError: Without a forward pass before, or for a loss that
                is not computed from the last one's pairs.
        """
        if self._seen is None:
            raise RuntimeError(
                "the selection was not run in this context: compute the loss "
                "from a forward pass within it"
            )
        weight, scores, graph = self._seen
        if not scores.numel():
            return scores.sum() * 0
        slope = None
        if loss.requires_grad:
            (slope,) = torch.autograd.grad(
                loss, weight, retain_graph=True, allow_unused=True
            )
        if slope is None:
            raise RuntimeError(
                "`loss` does not depend on the pairs of the last forward pass "
                "in this context: expected the loss of that pass, with "
                "gradients"
            )
        count = int(graph.max()) + 1
        worth = slope.detach().abs().to(scores.dtype)
        total = scatter(worth, graph, 0, count)
        top = scatter(scores.detach(), graph, 0, count, reduce="max")
        shifted = scores - top[graph]
        normaliser = scatter(shifted.exp(), graph, 0, count)
        # Graphs without pairs have no share in anything below.
        log_p = shifted - normaliser.clamp(min=1).log()[graph]
        known = total > 0
        share = worth / total.where(known, torch.ones_like(total))[graph]
        graphs = known.sum().clamp(min=1)
        return -(share * log_p).sum() / graphs
