"""Count the multiplications and additions of a forward pass.

Matrix products count 2 per multiply-add. So do the products and sums that
graph layers do outside of them, one each: elementwise multiplication and
addition of floating point numbers, and sums over nodes, edges or pairs.
Activations, normalisation constants and index arithmetic do not count.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


def _raw(formula: Callable[..., int]) -> Callable[..., int]:
    formula._get_raw = True  # type: ignore[attr-defined]
    return formula


@_raw
def _elementwise(*args: Any, out_val: Any = None, **_: Any) -> int:
    if isinstance(out_val, Tensor) and out_val.is_floating_point():
        return out_val.numel()
    return 0


@_raw
def _fused(*args: Any, out_val: Any = None, **_: Any) -> int:
    """A product and a sum at once, of each element."""
    return 2 * _elementwise(out_val=out_val)


@_raw
def _summed(x: Tensor, *args: Any, out_val: Any = None, **_: Any) -> int:
    return x.numel() if x.is_floating_point() else 0


@_raw
def _scattered(
    x: Tensor, dim: int, index: Tensor, source: Any, *_: Any, **__: Any
) -> int:
    if isinstance(source, Tensor) and x.is_floating_point():
        return source.numel()
    return 0


_ELEMENTWISE = (
    aten.add,
    aten.add_,
    aten.sub,
    aten.sub_,
    aten.mul,
    aten.mul_,
    aten.div,
    aten.div_,
)
_SUMMED = (aten.sum, aten.mean, aten.cumsum)
_SCATTERED = (
    aten.index_add,
    aten.index_add_,
    aten.scatter_add,
    aten.scatter_add_,
    aten.scatter_reduce,
    aten.scatter_reduce_,
)
_FORMULAS: dict[Any, Callable[..., int]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_SUMMED, _summed),
    **dict.fromkeys(_SCATTERED, _scattered),
    aten.segment_reduce: _summed,
    aten.addcmul: _fused,
}


def count_flops(function: Callable[[], object]) -> int:
    """Count the floating point operations that a call does.

    Args:
        function: Called once, without gradients.

    Returns:
        Multiplications and additions, 2 a multiply-add.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    # oneDNN's fused LSTM would hide its products from the counter.
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), counter:
        function()
    return counter.get_total_flops()


def flops_a_question(model: nn.Module, batch: Any) -> float:
    """Mean operations of a model's forward pass for a question.

    Args:
        model: Any trained model of ``experiments.run.models``.
        batch: A batch of ``datasets.loader``.
    """
    from experiments.run.accuracy import logits

    training = model.training
    model.eval()
    total = count_flops(lambda: logits(model, batch))
    model.train(training)
    return total / batch.y.numel()
