r"""The sum over pairs of a plain MLP by Triton kernels, for CUDA.

Forward, one kernel runs all layers of g over a tile of pairs and sums them:
no activation leaves the chip. Backward, a tile's activations are computed
again and written, with their gradients, into a workspace of constant size,
from which the weights' gradients are taken as large products; so memory does
not grow with the number of pairs. Nothing is added in an order that changes:
equal inputs give equal bits.

Here is which sums the kernels know. Triton need not be installed for that;
the other modules import it.
"""

import importlib.util
import os
from collections.abc import Sequence

import torch

#: Widths that the kernels are written for.
WIDTHS = (16, 32, 64, 128, 256, 512)
#: Shared memory that a program may need, in bytes: what Hopper offers.
SHARED_BYTES = 227 * 2**10
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def why_not(
    widths: Sequence[int], dtype: torch.dtype, device: torch.device
) -> str | None:
    """Why the kernels cannot sum a plain MLP, or ``None`` where they can.

    Args:
        widths: Of its layers, the first one's first.
        dtype: What its layers are computed in.
        device: Where.
    """
    if len(widths) < 2:
        return "g has one layer, so there are no products"
    width, last = widths[0], widths[-1]
    if width not in WIDTHS or last > width:
        return (
            f"g's layers are {width} wide and {last} at the end, expected one "
            f"of {WIDTHS} and no more at the end"
        )
    if dtype not in DTYPES:
        return f"it computes in {DTYPES}, not in {dtype}"
    # Triton's interpreter, for tests, runs kernels on the CPU.
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"it needs a CUDA device, not {device}"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        offered = found.shared_memory_per_block_optin  # type: ignore[attr-defined]
        if offered < SHARED_BYTES:
            return (
                f"it needs {SHARED_BYTES} bytes of shared memory, "
                f"{found.name} has {offered}"
            )
    return None


def is_chosen(
    widths: Sequence[int], dtype: torch.dtype, device: torch.device
) -> bool:
    """Whether the kernels are used where nobody says which backend.

    They are where matrix units compute: in half precision on CUDA, or in
    float32 where torch is allowed TF32.
    """
    if device.type != "cuda" or torch.compiler.is_compiling():
        return False
    tf32 = torch.backends.cuda.matmul.fp32_precision == "tf32"
    if dtype == torch.float32 and not tf32:
        return False
    return why_not(widths, dtype, device) is None
