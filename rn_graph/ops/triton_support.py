"""Which sums the Triton kernels know; does not import Triton."""

import importlib.util
import os

import torch

from rn_graph.mlp import PairMLP, PairModule

#: Widths that the kernels are written for.
WIDTHS = (16, 32, 64, 128, 256, 512)
#: Shared memory that a program may need, in bytes: what Hopper offers.
SHARED_BYTES = 227 * 2**10
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def why_not(
    g: PairMLP | PairModule, dtype: torch.dtype, device: torch.device
) -> str | None:
    """Why the kernels cannot sum g, or ``None`` where they can.

    Args:
        g: The function of a pair.
        dtype: What its layers are computed in.
        device: Where.
    """
    if not g.is_plain or not isinstance(g, PairMLP):
        return "it knows no norm, no dropout and no custom g"
    if len(g.lins) < 2:
        return "g has one layer, so there are no products"
    width, last = g.lins[0].out_channels, g.lins[-1].out_channels
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
    g: PairMLP | PairModule, dtype: torch.dtype, device: torch.device
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
    return why_not(g, dtype, device) is None
