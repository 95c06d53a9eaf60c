"""One large graph's pairs, shared over processes."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from rn_graph.batching import Complete
from rn_graph.checks import checks_enabled
from rn_graph.conv import Plan, RNConv
from rn_graph.ops import pair_sum


class ShardedRNConv(RNConv):
    r"""An :class:`RNConv` that shares the pairs of one graph over processes.

    Every process gives the same nodes and question, and has the same
    parameters; each sums the pairs of its share of the receivers,

    .. math::
        \mathbf{x}^{\prime}_i = \sum_j g_{\mathbf{\Theta}}(\mathbf{x}_i,
        \mathbf{x}_j, \mathbf{q}), \qquad i \in \text{share}(\text{rank}),

    and every process gets the sums of all. What comes after is then the same
    computation everywhere, and the layer stands where one process has its
    :class:`RNConv`: outputs and gradients, those of nodes, question and
    parameters, are on each process what they are on one. Nothing further is
    to be reduced, and optimisers that start equal stay equal.

    Forward sends the sums, ``[N, out_channels]``, backward the gradients of
    nodes, question and parameters: little beside :math:`N^2` pairs. Every
    process must run both. Sums over an ``edge_index`` are not shared: each
    process computes them whole.

    Args:
        *args: Arguments of :class:`RNConv`.
        group (ProcessGroup, optional): The processes; ``None``: all of them.
            (default: ``None``)
        **kwargs (optional): Arguments of :class:`RNConv`.

    .. code-block:: python

        dist.init_process_group("gloo")  # torchrun --nproc-per-node 2 …
        torch.manual_seed(0)  # the same parameters and nodes everywhere
        conv = ShardedRNConv(64, 256)
        conv(torch.randn(10_000, 64)).sum().backward()
    """

    def __init__(
        self,
        *args: Any,
        group: "dist.ProcessGroup | None" = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    @torch.compiler.disable
    def _sum(
        self, x_j: Tensor, x_i: Tensor, question: Tensor | None, plan: Plan
    ) -> Tensor:
        if not isinstance(plan.pairs, Complete):
            return super()._sum(x_j, x_i, question, plan)
        several = plan.node is not None or plan.pairs.question_batch is not None
        self._check_processes(x_i, plan.row, several)
        names = [name for name, _ in self.g.named_parameters()]
        asked = [] if question is None else [question]
        x, *copies = _ReduceGradients.apply(
            self.group, x_i, *asked, *self.g.parameters()
        )
        question = copies.pop(0) if asked else None
        out: Tensor = functional_call(
            _Share(self),
            {f"g.{name}": p for name, p in zip(names, copies, strict=True)},
            (x, question, plan.row),
        )
        out = _Reduce.apply(self.group, out)
        return self._mean(out, Complete(None, self.self_pairs))

    def _check_processes(
        self, x: Tensor, batch: Tensor | None, several: bool
    ) -> None:
        if not dist.is_available() or not dist.is_initialized():
            raise RuntimeError(
                "there is no process group: call "
                "torch.distributed.init_process_group first, in each of the "
                "processes (torchrun starts them)"
            )
        if several:
            raise ValueError(
                "`question_batch` is given: ShardedRNConv takes one question, "
                "about one graph"
            )
        if not checks_enabled(x):
            return
        if batch is not None and batch.numel() and batch[0] != batch[-1]:
            raise ValueError(
                "`batch` names several graphs: ShardedRNConv shares the pairs "
                "of one (give each process graphs of its own instead)"
            )
        nodes = torch.tensor([x.size(0), -x.size(0)], device=x.device)
        dist.all_reduce(nodes, dist.ReduceOp.MAX, group=self.group)
        most, least = int(nodes[0]), -int(nodes[1])
        if most != least:
            raise ValueError(
                f"`x` has {x.size(0)} rows here, and {least} to {most} on all "
                f"processes: expected the same nodes on each"
            )


class _Share(nn.Module):
    """This process's share of a layer's pairs, as a function of parameters."""

    def __init__(self, conv: ShardedRNConv) -> None:
        super().__init__()
        self.g = conv.g
        self.self_pairs = conv.self_pairs
        self.backend = conv.backend
        self.keep_bytes = conv.keep_bytes
        self.group = conv.group

    def forward(
        self, x: Tensor, question: Tensor | None, row: Tensor | None
    ) -> Tensor:
        rank, ranks = dist.get_rank(self.group), dist.get_world_size(self.group)
        first, count = share_of(x.size(0), rank, ranks)
        terms = self.g.terms(x, x, question, None, row)
        pairs = Complete(None, self.self_pairs, share=(first, count))
        return pair_sum(self.g, terms, pairs, self.backend, self.keep_bytes)


def share_of(rows: int, rank: int, ranks: int) -> tuple[int, int]:
    """First row of a process's share, and their number; shares are even."""
    share, more = divmod(rows, ranks)
    return rank * share + min(rank, more), share + int(rank < more)


class _Reduce(torch.autograd.Function):
    """Sum over the processes; what follows is the same on each."""

    @staticmethod
    def forward(
        ctx: Any, group: "dist.ProcessGroup | None", part: Tensor
    ) -> Tensor:
        total = part.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, grad


class _ReduceGradients(torch.autograd.Function):
    """The tensors as they are; their gradients, summed over the processes."""

    @staticmethod
    def forward(
        ctx: Any, group: "dist.ProcessGroup | None", *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.group = group
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1:]
        total: list[Tensor | None] = [None] * len(grads)
        # One message for each type, whatever the number of tensors.
        for dtype in dict.fromkeys(d.dtype for d in grads):
            places = [
                place
                for place, d in enumerate(grads)
                if wanted[place] and d.dtype == dtype
            ]
            if not places:
                continue
            flat = torch.cat([grads[place].reshape(-1) for place in places])
            dist.all_reduce(flat, group=ctx.group)
            parts = flat.split([grads[place].numel() for place in places])
            for place, part in zip(places, parts, strict=True):
                total[place] = part.view_as(grads[place])
        return None, *total
