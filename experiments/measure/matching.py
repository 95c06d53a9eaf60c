"""Give every model the parameters of the reference model."""

from collections.abc import Callable

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def match_parameters(
    build: Callable[[int], nn.Module],
    target: int,
    tolerance: float = 0.1,
    multiple_of: int = 1,
    largest: int = 4096,
) -> int:
    """Find the hidden width that gives a model the wished parameters.

    The count grows with the width, so bisection finds the two widths around
    the target; the nearer of them is taken.

    Args:
        build: Maps a hidden width to a model.
        target: The wished number of parameters.
        tolerance: Largest relative difference.
        multiple_of: The width must be a multiple of this, as for heads.
        largest: Largest width to try.

    Returns:
        The hidden width.

    Raises:
        ValueError: If no width comes within the tolerance.
    """

    def count(units: int) -> int:
        with torch.device("meta"):  # shapes alone: nothing is allocated
            return count_parameters(build(units * multiple_of))

    low, high = 1, max(largest // multiple_of, 2)
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle) <= target:
            low = middle
        else:
            high = middle
    counts = {units: count(units) for units in (low, high)}
    best = min(counts, key=lambda units: abs(counts[units] - target))
    if abs(counts[best] - target) > tolerance * target:
        raise ValueError(
            f"no hidden width up to {largest} gives {target:,} parameters "
            f"within {tolerance:.0%}: width {best * multiple_of} has "
            f"{counts[best]:,}; change `model.hidden_channels`, or the sizes "
            f"that all models share"
        )
    return best * multiple_of
