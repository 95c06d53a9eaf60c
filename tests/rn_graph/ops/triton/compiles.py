"""Compiles the Triton kernels for a Hopper GPU, which need not be there.

The interpreter accepts what the compiler does not, so both are tried. Prints
each kernel's shared memory.
"""

import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rn_graph.ops.triton.backward import (
    backward_kernel,
    sum_receivers_kernel,
)
from rn_graph.ops.triton.forward import forward_kernel
from rn_graph.ops.triton.plan import tiling
from rn_graph.ops.triton.tiles import sum_tiles_kernel

_HALF = ("receiver", "sender", "late", "weight", "bias", "saved", "grads")
_HALF += ("grad",)
_FLOAT = ("row_parts", "late_parts", "bias_parts", "parts", "out")
_INT = ("first", "length", "own", "tiles", "row_first", "row_count")


def compile_kernel(kernel, warps, **constants):
    """Compile a kernel for its usual types; its shared memory in bytes."""
    signature, attributes = {}, {}
    for place, parameter in enumerate(kernel.params):
        name = parameter.name
        if name in constants:
            signature[name] = "constexpr"
            continue
        for names, kind in ((_HALF, "bf16"), (_FLOAT, "fp32"), (_INT, "i32")):
            if name in names:
                signature[name] = f"*{kind}"
                attributes[(place,)] = [["tt.divisibility", 16]]
        signature.setdefault(name, "i32")
    source = ASTSource(
        fn=kernel, constexprs=constants, signature=signature, attrs=attributes
    )
    target = GPUTarget("cuda", 90, 32)
    done = triton.compile(source, target=target, options={"num_warps": warps})
    print(kernel.__name__, done.metadata.shared, flush=True)


def main():
    width = int(sys.argv[1])
    tile = tiling(width, torch.bfloat16)
    senders = 4
    cut = {"H": width, "BI": tile.pairs // senders}
    shared = {
        **cut,
        "BJ": senders,
        "CK": tile.chunk,
        "SELF": False,
        "PRECISION": "ieee",
        "STAGES": tile.stages,
    }
    # The question enters in the middle, or at the last layer.
    for depth, late in ((3, 2), (3, 3), (4, 3)):
        options = {**shared, "DEPTH": depth, "LATE": late}
        compile_kernel(forward_kernel, tile.warps, **options)
        compile_kernel(backward_kernel, tile.warps, **options)
    compile_kernel(sum_tiles_kernel, 4, **cut, CHUNK=32)
    compile_kernel(
        sum_receivers_kernel, 4, **cut, BJ=senders, BN=8, CHUNK=32, SELF=False
    )


if __name__ == "__main__":
    main()
