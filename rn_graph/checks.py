"""Checks of arguments that read values, and the switch that turns them off.

Shapes and types are always checked. Checks that must look at values (ranges,
order, NaN) cost a pass over the data and, on a GPU, a wait for it; they run
where there are values to look at, never under :func:`torch.compile` or a
transform of functions, and can be switched off.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import (
    is_batchedtensor,
    is_legacy_batchedtensor,
    maybe_current_level,
)
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from rn_graph.dtypes import is_autocast

# Of each thread and each asynchronous task its own.
_enabled: ContextVar[bool] = ContextVar("value_checks", default=True)
_trusted: ContextVar[object] = ContextVar("trusted", default=None)


def is_transformed() -> bool:
    """Whether what runs now is traced, or transformed as a function.

    Within ``torch.func`` and ``vmap``, forward-mode differentiation and
    ``torch.jit.trace``, that is, but not :func:`torch.compile`.
    """
    return not torch.compiler.is_compiling() and (
        maybe_current_level() is not None
        or forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    )


def is_batched(x: Tensor) -> bool:
    """Whether ``x`` stands for a batch of tensors, as within ``vmap``."""
    return is_batchedtensor(x) or is_legacy_batchedtensor(x)


def has_values(x: Tensor | None = None) -> bool:
    """Whether a tensor has values to look at now, not a shape alone."""
    if torch.compiler.is_compiling():
        return False
    return x is None or not (x.is_meta or isinstance(x, FakeTensor))


def checks_enabled(x: Tensor | None = None) -> bool:
    """Whether checks that read the values of ``x`` run now."""
    return has_values(x) and _enabled.get() and not is_transformed()


@contextmanager
def value_checks(enabled: bool) -> Iterator[None]:
    """Switch the checks that read values on or off within a ``with`` block.

    The switch is that of the thread, or asynchronous task, that is in the
    block.

    .. code-block:: python

        with rn_graph.value_checks(False):
            out = model(batch)

    Args:
        enabled: ``False`` trusts the caller: wrong indices may then fail
            inside torch, or go unnoticed.
    """
    if torch.compiler.is_compiling():  # there are no such checks
        yield
        return
    token = _enabled.set(enabled)
    try:
        yield
    finally:
        _enabled.reset(token)


def call_trusted(module: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a module on nodes and questions that were checked already.

    The module alone is told, not what it calls itself.
    """
    if torch.compiler.is_compiling():
        return module(*args, **kwargs)
    token = _trusted.set(module)
    try:
        return module(*args, **kwargs)
    finally:
        _trusted.reset(token)


def is_trusted(module: object) -> bool:
    """Whether a module was called by :func:`call_trusted` just now."""
    return not torch.compiler.is_compiling() and _trusted.get() is module


def check_channels(
    name: str, channels: object, least: int = 1, lazy: bool = False
) -> None:
    """Check that a number of channels (or layers) is one.

    Args:
        name: The argument's name, for the message.
        channels: The number.
        least: The smallest that is allowed.
        lazy: Whether ``-1`` is allowed too.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is too small.
    """
    expected = f"an integer ≥ {least}" + (" or -1" if lazy else "")
    if not isinstance(channels, int) or isinstance(channels, bool):
        raise TypeError(f"`{name}` is {channels!r}, expected {expected}")
    if channels < least and not (lazy and channels == -1):
        raise ValueError(f"`{name}` is {channels}, expected {expected}")


def check_place(
    name: str, x: object, like: Tensor, what: str, dtype: bool = False
) -> None:
    """Check that ``x``, if it is a tensor, is on the device of ``like``.

    Args:
        name: The argument's name, for the message.
        x: The tensor; anything else is left to other checks.
        like: The tensor that it will meet.
        what: What the message calls ``like``.
        dtype: Whether the types must be the same, too, as far as autocast
            does not see to it.

    Raises:
        TypeError: For another type.
        ValueError: For another device.
    """
    if not isinstance(x, Tensor):
        return
    if x.device != like.device:
        raise ValueError(
            f"`{name}` is on {x.device}, expected {like.device}, where {what}"
        )
    if dtype and x.dtype != like.dtype and not is_autocast(like):
        raise TypeError(
            f"`{name}` is {x.dtype}, expected {like.dtype}, as {what}"
        )


def _kind(x: object) -> object:
    return x.dtype if isinstance(x, Tensor) else type(x).__name__


def check_features(
    name: str,
    x: Tensor,
    channels: int | None = None,
    rows: str = "N",
    finite: bool = False,
) -> None:
    """Check that ``x`` is a floating-point matrix without NaN.

    Args:
        name: The argument's name, for the message.
        x: The tensor, expected ``[rows, channels]``.
        channels: The expected width; ``None`` and ``-1`` accept any.
        rows: What the message calls the first dimension.
        finite: Whether infinity is refused, too.

    Raises:
        TypeError: If ``x`` is not a floating-point tensor.
        ValueError: For another shape, NaN, or infinity where it is refused.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(
            f"`{name}` is {_kind(x)}, expected a floating-point tensor"
        )
    known = channels is not None and channels >= 0
    if x.dim() != 2 or (known and x.size(1) != channels):
        width = channels if known else "channels"
        raise ValueError(
            f"`{name}` has shape {list(x.shape)}, expected [{rows}, {width}]"
        )
    if not checks_enabled(x):
        return
    if not finite and has_nan(x):
        raise ValueError(f"`{name}` contains NaN, expected numbers")
    if finite and not torch.isfinite(x).all():
        found = "NaN" if torch.isnan(x).any() else "infinity"
        raise ValueError(f"`{name}` contains {found}, expected finite numbers")


def has_nan(x: Tensor) -> bool:
    """Whether a tensor holds NaN."""
    # One pass and no tensor of answers; NaN is also what infinities sum to.
    total = x.detach().sum().item()
    return total != total and bool(torch.isnan(x).any())


def check_rows(name: str, x: Tensor, rows: int) -> None:
    """Check that there is a row for each node.

    Args:
        name: The argument's name, for the message.
        x: The tensor.
        rows: Rows of the nodes, which messages call `x`.

    Raises:
        ValueError: For another number of rows.
    """
    if x.size(0) != rows:
        raise ValueError(
            f"`{name}` has {x.size(0)} rows, expected {rows}, one for each "
            f"row of `x`"
        )


def check_index(
    name: str,
    index: Tensor,
    length: int | None = None,
    upper: int | None = None,
    ordered: bool = False,
) -> None:
    """Check that ``index`` is a vector of indices.

    Args:
        name: The argument's name, for the message.
        index: The tensor, expected ``[length]`` of an integer type.
        length: The expected length; ``None`` accepts any.
        upper: Indices must lie in ``[0, upper)``; ``None``: only ``≥ 0``.
        ordered: Whether indices must be in ascending order.

    Raises:
        TypeError: If ``index`` is not an integer tensor.
        ValueError: For another shape, an index out of range, or wrong order.
    """
    if not isinstance(index, Tensor) or index.dtype not in (
        torch.int64,
        torch.int32,
    ):
        raise TypeError(f"`{name}` is {_kind(index)}, expected an int64 tensor")
    if index.dim() != 1 or (length is not None and index.numel() != length):
        size = "any length" if length is None else length
        raise ValueError(
            f"`{name}` has shape {list(index.shape)}, expected [{size}]"
        )
    if not checks_enabled(index) or index.numel() == 0:
        return
    low, high = int(index.min()), int(index.max())
    if low < 0 or (upper is not None and high >= upper):
        bound = "≥ 0" if upper is None else f"in [0, {upper})"
        raise ValueError(
            f"`{name}` holds values from {low} to {high}, expected {bound}"
        )
    if ordered and (index[1:] < index[:-1]).any():
        raise ValueError(
            f"`{name}` is not sorted, expected ascending order (the nodes of "
            f"a graph stand together)"
        )


def check_questions(
    num_nodes: int,
    question_channels: int | None,
    question: Tensor | None,
    batch: Tensor | None,
    question_batch: Tensor | None,
    ordered: bool = True,
) -> None:
    """Check that questions fit the graphs that they are about.

    Args:
        num_nodes: Number of nodes, N.
        question_channels: Width that questions must have; ``None``: there
            must be none.
        question: ``[Q, question_channels]`` or ``None``.
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        question_batch: Graph of each question, ``[Q]``; ``None``: one each.
        ordered: Whether ``batch`` must be in ascending order.

    Raises:
        TypeError: For a tensor of the wrong type.
        ValueError: For shapes, counts or indices that do not fit.
    """
    if batch is not None:
        check_index("batch", batch, length=num_nodes, ordered=ordered)
    if question is None:
        if question_channels is None and question_batch is None:
            return
        width = question_channels or "channels"
        raise ValueError(f"`question` is missing, expected [Q, {width}]")
    if question_channels is None:
        raise ValueError(
            "`question` is given, but `question_channels` was not: expected "
            "both or neither"
        )
    check_features("question", question, question_channels, rows="Q")
    questions = question.size(0)
    if question_batch is not None:
        one = 1 if batch is None else None
        check_index("question_batch", question_batch, questions, upper=one)
        return
    graphs = 1
    if batch is not None:
        # Without a node, nothing says how many (empty) graphs there are.
        if num_nodes == 0 or not checks_enabled(batch):
            return
        graphs = int(batch.max()) + 1
    if questions != graphs:
        raise ValueError(
            f"`question` has {questions} rows for {graphs} graphs in `batch`, "
            f"expected one each (`question_batch` names each question's graph "
            f"where that is not so)"
        )
