"""The selections that were tried on the pair recall task, by name."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import softmax

from rn_graph.pairs import (
    AttentionPairs,
    KNNPairs,
    PairSelection,
    RandomPairs,
)


class _Unbounded(AttentionPairs):
    """Scores without a bound: gates may saturate."""

    def _bound(self, raw: Tensor) -> Tensor:
        return raw


class _Uncentred(AttentionPairs):
    """Scores not measured against the graph's mean: gates may all shrink."""

    def _mean(self, t: Tensor, batch: Tensor, sizes: Tensor) -> Tensor:
        return t.new_zeros(t.size(0), sizes.numel(), *t.shape[2:])


class _Plain(_Unbounded, _Uncentred):
    """The first scorer: a plain score, a plain sigmoid."""

    def _gate(self, score: Tensor) -> Tensor:
        return torch.sigmoid(score)


class _Additive(AttentionPairs):
    """The question is added to the objects, it does not multiply them."""

    def _modulate(self, h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return h + shift


class _Softmax(AttentionPairs):
    """Weights by a softmax over the pairs kept, with mean 1, in no gate."""

    def _gate(self, score: Tensor) -> Tensor:
        return score

    def select(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        pos: Tensor | None,
        sizes: Tensor,
    ) -> PairSelection:
        edges, score = super().select(x, question, batch, pos, sizes)
        assert score is not None
        graph = batch[edges[1]]
        kept = torch.bincount(graph, minlength=sizes.numel())
        weight = softmax(score, graph, num_nodes=sizes.numel())
        return PairSelection(edges, weight * kept[graph])


Budgeted = AttentionPairs | KNNPairs | RandomPairs
Make = Callable[[int, int, float], Budgeted]


def _attention(
    kind: type[AttentionPairs] = AttentionPairs, **options: Any
) -> Make:
    def make(
        in_channels: int, question_channels: int, share: float
    ) -> Budgeted:
        return kind(in_channels, question_channels, share=share, **options)

    return make


#: Each makes a selection from the widths of objects and questions, and the
#: budget.
SELECTIONS: dict[str, Make] = {
    "attention": _attention(),
    "noise-0": _attention(noise=0.0),
    "noise-0.5": _attention(noise=0.5),
    "noise-1": _attention(noise=1.0),
    "heads-4": _attention(heads=4, channels=4),
    "one-way": _attention(symmetric=False),
    "unbounded": _attention(_Unbounded),
    "uncentred": _attention(_Uncentred),
    "softmax": _attention(_Softmax),
    "additive": _attention(_Additive),
    "first": _attention(_Plain, symmetric=False, noise=0.0),
    "random": lambda f, c, share: RandomPairs(share=share),
    "nearest": lambda f, c, share: KNNPairs(share=share, self_pairs=False),
}
