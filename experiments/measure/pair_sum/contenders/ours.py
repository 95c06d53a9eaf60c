"""RNConv: over all pairs, in other forms of g, and over some pairs."""

import torch
from torch import Tensor, nn

from experiments.measure.pair_sum.contenders.base import (
    Case,
    TorchContender,
    pool,
)
from experiments.measure.pair_sum.shapes import PLAIN, Inputs, Shape
from experiments.measure.pair_sum.weights import Weights
from rn_graph import RNConv, question_rows
from rn_graph.mlp import PairMLP
from rn_graph.ops import blocked
from rn_graph.pairs import AttentionPairs, KNNPairs, PairSelector

#: Shapes that a symmetric g is timed at: one graph that grows, and batches.
SYMMETRIC = ("scenes", "grid25", "grid64", "n64", "n256", "n1024")
#: Layer of g, from 0, that the late question enters at.
LATE_LAYER = 2
SHARE = 0.1


def _kept_bytes(shape: Shape, case: Case) -> int:
    """Bytes of all activations that may be kept: what the products give."""
    if not case.training:
        return 0
    return shape.pairs * shape.hidden_products * shape.width * case.itemsize


def make_conv(
    shape: Shape,
    weights: Weights,
    question_layer: int = 0,
    symmetric: bool = False,
) -> RNConv:
    """RNConv with the given weights."""
    conv = RNConv(
        shape.in_channels,
        shape.width,
        hidden_channels=shape.width,
        num_layers=shape.num_layers,
        question_channels=shape.question_channels or None,
        question_layer=question_layer,
        plain_last=shape.plain_last,
        symmetric=symmetric,
    )
    assert isinstance(conv.g, PairMLP)
    own = [*weights.weights]
    if question_layer > 0:
        *nodes, question = weights.first()
        own[0] = torch.cat(nodes, dim=1)
        own[question_layer] = torch.cat([own[question_layer], question], dim=1)
    if symmetric:  # one weight for sender and receiver
        node, _, asked = weights.first()
        own[0] = torch.cat([node, asked], dim=1)
    with torch.no_grad():
        for lin, weight, bias in zip(
            conv.g.lins, own, weights.biases, strict=True
        ):
            lin.weight.copy_(weight)
            lin.bias.copy_(bias)
    return conv


class RNConvAll(TorchContender):
    """RNConv over all pairs, as it comes."""

    name = "rnconv"
    label = "RNConv (rn_graph)"
    kind = "ours"
    expected = 1.5
    # Small graphs of one size go another way than ragged ones.
    check_sizes = ((3, 5, 8), (8, 8))
    question_layer = 0
    symmetric = False

    @classmethod
    def rows(cls, shape: Shape) -> int:
        """See :class:`Contender`."""
        return 0

    @classmethod
    def recomputed_share(cls, shape: Shape, case: Case) -> float:
        """See :class:`Contender`."""
        all_bytes = max(_kept_bytes(shape, case), 1)
        return max(0.0, 1 - blocked.KEEP_BYTES / all_bytes)

    @classmethod
    def estimate_bytes(cls, shape: Shape, case: Case) -> int:
        """What is kept, and some blocks: not a matter of the pairs."""
        blocks = 2 * (shape.num_layers + 2)
        return blocked.KEEP_BYTES + blocks * blocked.BLOCK_BYTES

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        return make_conv(
            self.shape, weights, self.question_layer, self.symmetric
        )

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        super().prepare(inputs)
        self.graph = inputs.batch
        if inputs.question_batch is not None:
            self.graph = question_rows(
                inputs.batch, inputs.question_batch
            ).question

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        i = self.inputs
        # Of one graph, nobody has to say so.
        batch = None if len(i.shape.sizes) == 1 else i.batch
        out = self.module(
            i.x,
            question=i.question,
            batch=batch,
            question_batch=i.question_batch,
        )
        return pool(out, self.graph, i)


class RNConvKeeping(RNConvAll):
    """RNConv over all pairs, all activations kept, as the peers do."""

    name = "rnconv_keep"
    label = "RNConv, all kept"
    expected = 1.3

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        all_bytes = _kept_bytes(shape, Case("training", "fp32"))
        if all_bytes <= blocked.KEEP_BYTES:
            return "RNConv keeps all by itself here"
        return None

    @classmethod
    def recomputed_share(cls, shape: Shape, case: Case) -> float:
        """See :class:`Contender`."""
        return 0.0

    @classmethod
    def estimate_bytes(cls, shape: Shape, case: Case) -> int:
        """All layers but the first, and some blocks."""
        return RNConvAll.estimate_bytes(shape, case) + _kept_bytes(shape, case)

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        conv = make_conv(self.shape, weights)
        conv.keep_bytes = 2**62
        return conv


class RNConvLate(RNConvAll):
    """RNConv whose question enters at the third layer of g."""

    name = "rnconv_late"
    label = "RNConv, question at layer 3"
    kind = "variant"
    question_layer = LATE_LAYER

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        if shape.questions == 1:
            return "pays where a scene has several questions"
        return None


class RNConvSymmetric(RNConvAll):
    """RNConv whose g is the same both ways, computed once for both."""

    name = "rnconv_symmetric"
    label = "RNConv, symmetric g"
    kind = "variant"
    expected = 0.9
    tied = True
    symmetric = True

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        if shape.name not in SYMMETRIC:
            return f"timed at {', '.join(SYMMETRIC)}"
        return None


class OverPairs(nn.Module):
    """RNConv over the pairs of a selection.

    Args:
        pairs: The selection.
        conv: The layer.
    """

    def __init__(self, pairs: PairSelector, conv: RNConv) -> None:
        super().__init__()
        self.pairs = pairs
        self.conv = conv

    def forward(
        self, x: Tensor, pos: Tensor, question: Tensor | None, batch: Tensor
    ) -> Tensor:
        """Choose pairs and sum over them, ``[N, width]``."""
        edges, weight = self.pairs(x, question=question, batch=batch, pos=pos)
        out: Tensor = self.conv(
            x, edges, question=question, batch=batch, edge_weight=weight
        )
        return out


class SparsePairs(TorchContender):
    """RNConv over a tenth of the pairs, the choice of them included."""

    kind = "sparse"

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        if min(shape.sizes) < 64:
            return "a choice among pairs pays at 64 objects and more"
        if shape.name in PLAIN:
            return "timed on the same graphs with the usual g"
        return None

    @classmethod
    def rows(cls, shape: Shape) -> int:
        """See :class:`Contender`."""
        return int(SHARE * shape.pairs)

    @classmethod
    def estimate_bytes(cls, shape: Shape, case: Case) -> int:
        """Blocks, and for each edge its index, score and projections."""
        base = RNConvAll.estimate_bytes(shape, case)
        return base + cls.rows(shape) * 8 * (6 + 4 * 16)

    def selector(self) -> PairSelector:
        """The choice of pairs."""
        raise NotImplementedError

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        return OverPairs(self.selector(), make_conv(self.shape, weights))

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        i = self.inputs
        out = self.module(i.x, i.pos, i.question, i.batch)
        return pool(out, i.batch, i)


class Nearest(SparsePairs):
    """The nearest tenth of each graph's pairs."""

    name = "rnconv_knn"
    label = "RNConv, nearest 10 %"
    expected = 0.3

    def selector(self) -> PairSelector:
        """See :class:`SparsePairs`."""
        return KNNPairs(share=SHARE)


class Attended(SparsePairs):
    """The tenth of each graph's pairs that a learned score puts first."""

    name = "rnconv_attention"
    label = "RNConv, attended 10 %"
    expected = 0.3

    def selector(self) -> PairSelector:
        """See :class:`SparsePairs`."""
        return AttentionPairs(
            self.shape.in_channels,
            self.shape.question_channels or None,
            share=SHARE,
        )
