"""Layers of other graph networks on the complete graph: for scale alone."""

import torch
from torch import Tensor, nn

from experiments.measure.pair_sum.contenders.base import (
    Case,
    TorchContender,
    pool,
)
from experiments.measure.pair_sum.shapes import PLAIN, Inputs, Shape
from experiments.measure.pair_sum.weights import Weights
from rn_graph.batching import complete_edge_index
from rn_graph.models.gnn import CONVS, Layer

#: Shapes with more pairs say nothing new of layers that are not the subject.
MAX_PAIRS = 2**16


class GNNLayer(TorchContender):
    """One layer of the comparison, nodes as wide as g."""

    kind = "scale"
    conv = ""

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        if shape.name in PLAIN:
            return "has no g: timed on the same graphs beside the usual one"
        if shape.pairs > MAX_PAIRS:
            return f"for scale only, up to {MAX_PAIRS:,} pairs"
        return None

    @classmethod
    def estimate_bytes(cls, shape: Shape, case: Case) -> int:
        """A few messages an edge; PNA's are the largest."""
        return 16 * shape.pairs * shape.width * case.itemsize

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        degree = torch.bincount(torch.tensor(self.shape.sizes) - 1)
        return CONVS[self.conv](Layer(self.shape.width, degree))

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        inputs = inputs.one_graph_a_question()
        super().prepare(inputs)
        self.edge_index = complete_edge_index(inputs.batch, self_pairs=False)
        nodes = torch.randn(len(inputs.x), self.shape.width)
        self.h = nodes.to(inputs.x.device).requires_grad_()

    def leaves(self) -> dict[str, Tensor]:
        """See :class:`TorchContender`."""
        return {"h": self.h}

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        out = self.module(self.h, self.edge_index)
        return pool(out, self.inputs.batch, self.inputs)


#: A contender for each layer of the comparison.
GNN_LAYERS: list[type[GNNLayer]] = [
    type(
        f"{conv.title()}Layer",
        (GNNLayer,),
        {
            "name": f"gnn_{conv}",
            "label": f"1 layer of {conv}",
            "conv": conv,
            "__doc__": f"One layer of {conv}.",
        },
    )
    for conv in CONVS
    if conv != "rnconv"  # it is what is compared
]
