"""What encoders read of a batch, which is anything with the fields."""

from typing import Any

from torch import Tensor


def field(batch: Any, name: str, expected: str) -> Tensor:
    """Read a field that has to be there.

    Args:
        batch: PyG's ``Batch``, or anything else with attributes.
        name: The field's name.
        expected: What the message says it should be, as "objects [N, F]".

    Raises:
        TypeError: If it is no tensor.
        ValueError: If it is missing.
    """
    value = getattr(batch, name, None)
    if value is None:
        raise ValueError(f"`batch.{name}` is missing, expected {expected}")
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise TypeError(f"`batch.{name}` is {kind}, expected {expected}")
    return value
