"""The same function as others write it in PyTorch."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv, MessagePassing
from torch_geometric.typing import OptTensor
from torch_geometric.utils import to_dense_batch

from experiments.measure.pair_sum.contenders.base import TorchContender, pool
from experiments.measure.pair_sum.shapes import Inputs, Shape
from experiments.measure.pair_sum.weights import Weights, linear
from rn_graph.batching import complete_edge_index


class PlainRN(MessagePassing):
    """The relation layer as one would first write it in PyG."""

    def __init__(self, g: nn.Module) -> None:
        super().__init__(aggr="sum")
        self.g = g

    def forward(
        self, x: Tensor, edge_index: Tensor, question: Tensor | None
    ) -> Tensor:
        """Sum g over edges; ``question`` has one row a node."""
        out: Tensor = self.propagate(edge_index, x=x, question=question)
        return out

    def message(
        self, x_i: Tensor, x_j: Tensor, question_i: OptTensor
    ) -> Tensor:
        """Join a pair's parts and run g."""
        parts = [x_i, x_j] if question_i is None else [x_i, x_j, question_i]
        out: Tensor = self.g(torch.cat(parts, dim=-1))
        return out


class OnEdges(TorchContender):
    """Contenders that take an edge list, made ahead of time."""

    kind = "peer"

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        super().prepare(inputs.one_graph_a_question())
        self.edge_index = complete_edge_index(self.inputs.batch)


class Plain(OnEdges):
    """PyG's MessagePassing over an edge list of all pairs, eager."""

    name = "pyg_plain"
    label = "PyG MessagePassing, eager"

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        return PlainRN(weights.mlp())

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        i = self.inputs
        question = None if i.question is None else i.question[i.batch]
        out = self.module(i.x, self.edge_index, question)
        return pool(out, i.batch, i)


class Compiled(Plain):
    """The same through torch.compile."""

    name = "pyg_compiled"
    label = "PyG MessagePassing, compiled"
    compiles = True

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        # One graph a width, mode and precision; past the limit, the rest would
        # silently run eagerly.
        torch._dynamo.config.recompile_limit = 64
        module: Any = torch.compile(super().build(weights), dynamic=True)
        return module


class Padded(TorchContender):
    """Dense rows ``[B, N², 2F + Q]`` of scenes padded to the largest.

    Public code has no mask; here g's outputs are multiplied by one, so that
    the function is the same. Equal sizes need none.
    """

    name = "padded"
    label = "PyTorch, dense and padded"
    kind = "peer"

    @classmethod
    def rows(cls, shape: Shape) -> int:
        """See :class:`Contender`."""
        return shape.padded_pairs

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        return weights.mlp()

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        super().prepare(inputs.one_graph_a_question())
        x, self.real = to_dense_batch(self.inputs.x.detach(), self.inputs.batch)
        self.x = x.requires_grad_()
        self.mask: Tensor | None = None
        if not self.real.all():
            pairs = self.real.unsqueeze(2) & self.real.unsqueeze(1)
            self.mask = pairs.to(x.dtype).flatten(1).unsqueeze(2)

    def leaves(self) -> dict[str, Tensor]:
        """See :class:`TorchContender`."""
        return super().leaves() | {"x": self.x}

    def gradients(self) -> dict[str, Tensor]:
        """See :class:`Contender`."""
        found = super().gradients()
        if "x" in found:
            found["x"] = found["x"][self.real.cpu()]
        return found

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        x, question = self.x, self.inputs.question
        b, n, f = x.shape
        parts = [
            x.unsqueeze(2).expand(b, n, n, f),
            x.unsqueeze(1).expand(b, n, n, f),
        ]
        if question is not None:
            q = question.size(1)
            parts.append(question.view(b, 1, 1, q).expand(b, n, n, q))
        rows = torch.cat(parts, dim=-1).view(b * n * n, -1)
        out = self.module(rows).view(b, n * n, -1)
        if self.mask is not None:
            out = out * self.mask
        summed: Tensor = out.sum(1)
        return summed


class SplitRN(nn.Module):
    """Dense, the first layer's products with nodes and questions apart."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        w_i, w_j, w_q = weights.first()
        self.receiver = linear(w_i, weights.biases[0])
        self.sender = linear(w_j)
        self.question = linear(w_q) if w_q.numel() else None
        self.later = weights.later_mlp()

    def forward(self, x: Tensor, question: Tensor | None) -> Tensor:
        """Sums of each node of ``x``, ``[B, N, width]``."""
        r, s = self.receiver(x), self.sender(x)
        if self.question is not None:
            r = r + self.question(question).unsqueeze(1)
        h = torch.relu(r.unsqueeze(2) + s.unsqueeze(1))
        out: Tensor = self.later(h.flatten(0, 2)).view(h.shape)
        return out.sum(2)


class DenseSplit(TorchContender):
    """Dense rows again, of graphs of one size, the first layer split.

    What one writes by hand for few small graphs: no checks, no blocks, the
    gradients by autograd.
    """

    name = "dense_split"
    label = "PyTorch, dense, first layer split"
    kind = "peer"
    check_sizes = ((6, 6, 6),)

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """See :class:`Contender`."""
        if len(set(shape.sizes)) > 1:
            return "takes graphs of one size; those that are padded do others"
        return None

    @classmethod
    def input_channels(cls, shape: Shape) -> int:
        """See :class:`Contender`."""
        return 0  # no row is put together

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        return SplitRN(weights)

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        super().prepare(inputs.one_graph_a_question())

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        i = self.inputs
        x = i.x.view(i.num_sums, -1, i.x.size(1))
        out: Tensor = self.module(x, i.question).sum(1)
        return out


class EdgeConvRN(OnEdges):
    """PyG's EdgeConv, whose MLP reads ``[x_i ; x_j − x_i]``.

    The question joins the objects. With W_i + W_j in W_i's place the function
    is the same; the question's difference is 0, whatever its weights.
    """

    name = "edge_conv"
    label = "PyG EdgeConv, same MLP"

    @classmethod
    def input_channels(cls, shape: Shape) -> int:
        """See :class:`Contender`."""
        return 2 * (shape.in_channels + shape.question_channels)

    def build(self, weights: Weights) -> nn.Module:
        """See :class:`TorchContender`."""
        w_i, w_j, w_q = weights.first()
        first = torch.cat([w_i + w_j, w_q, w_j, torch.zeros_like(w_q)], dim=1)
        g = weights.mlp(first)
        drawn = copy.deepcopy(g.state_dict())
        conv = EdgeConv(g, aggr="sum")  # draws g's parameters anew
        g.load_state_dict(drawn)
        return conv

    def forward(self) -> Tensor:
        """See :class:`TorchContender`."""
        i = self.inputs
        x = i.x
        if i.question is not None:
            x = torch.cat([x, i.question[i.batch]], dim=-1)
        return pool(self.module(x, self.edge_index), i.batch, i)
