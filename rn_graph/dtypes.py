"""The types that g is computed in, and summed in."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type to sum in: float32 for half precision, else unchanged."""
    return torch.float32 if dtype.itemsize < 4 else dtype


def is_autocast(x: Tensor) -> bool:
    """Whether autocast is on where ``x`` is."""
    return not x.is_meta and torch.is_autocast_enabled(x.device.type)


def no_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """A context in which autocast is off where ``x`` is."""
    if not is_autocast(x):
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def compute_dtype(x: Tensor) -> torch.dtype:
    """The type that products of ``x`` are computed in, by autocast's rules."""
    # Autocast leaves float64 alone, here as everywhere in torch.
    if x.dtype == torch.float64 or not is_autocast(x):
        return x.dtype
    return torch.get_autocast_dtype(x.device.type)
