"""Sums of consecutive rows by torch-scatter, which is optional."""

from typing import Any

import torch
from torch import Tensor


class SegmentSum(torch.autograd.Function):
    r""":math:`\sum_{p = ptr_i}^{ptr_{i+1} - 1} h_p` of each segment i.

    torch-scatter's own backward pass cannot be differentiated again, and would
    drop second derivatives without a word; this one's is an index.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, ptr: Tensor, index: Tensor) -> Tensor:
        """Sum.

        Args:
            ctx: For the backward pass.
            h: Rows, ``[E, C]``.
            ptr: First row of each segment, and their number, ``[N + 1]``.
            index: Segment of each row, ``[E]``.
        """
        import torch_scatter

        ctx.save_for_backward(index)
        out: Tensor = torch_scatter.segment_csr(h, ptr, reduce="sum")
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Give each row its segment's gradient."""
        (index,) = ctx.saved_tensors
        return grad[index], None, None
