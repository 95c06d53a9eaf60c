"""The products of a block, by the fastest kernel at hand.

In float32 on a CPU that is oneDNN's product, elsewhere torch's own, which is
oneDNN's too for bfloat16.
"""

from typing import Any

import torch
from torch import Tensor

#: oneDNN's ``h Wᵀ + b``, where torch was built with it.
_fused: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def _is_fused(h: Tensor, weight: Tensor) -> bool:
    return (
        _fused is not None
        and bool(torch.backends.mkldnn.enabled)
        and h.device.type == "cpu"
        and h.dtype == torch.float32
        and h.numel() > 0
        and weight.is_contiguous()  # oneDNN is very slow at others
    )


def linear(h: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """``h Wᵀ + b``; ``out`` may be used for it."""
    if _is_fused(h, weight):
        fused: Tensor = _fused(h, weight, bias, "none", [], "")
        return fused
    return torch.addmm(bias, h, weight.t(), out=out)


def linear_relu(h: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
    """``ReLU(h Wᵀ + b)``; ``out`` may be used for it."""
    # oneDNN's own ReLU would turn NaN into 0.
    return linear(h, weight, bias, out).relu_()


def product(g: Tensor, weight: Tensor, out: Tensor) -> Tensor:
    """``g W``, the gradient of a layer's input; ``out`` may be used for it."""
    if _is_fused(g, weight):
        fused: Tensor = _fused(g, weight.t(), None, "none", [], "")
        return fused
    return torch.mm(g, weight, out=out)
