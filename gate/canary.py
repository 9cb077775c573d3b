"""Fixed work of the gate's own that is timed beside the kernels: if it moved, the machine did.

Runs in a fork of the timing worker.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

if TYPE_CHECKING:
    from collections.abc import Callable

# Larger than any L2, so that the copy is one of DRAM: 0.18 ms on an H100.
COPY_BYTES = 2**28
# Dependent multiply-adds of 4 cycles each: about 0.07 ms at 1.9 GHz.
ROUNDS = 32_768
THREADS = 256
PROGRAMS_PER_SM = 4


# Triton reads a kernel's annotations as code, hence none but its own.
@triton.jit  # type: ignore[untyped-decorator]
def multiply_add_kernel(out_ptr, rounds: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """`rounds` multiply-adds, each on the result of the last: as long as the clock makes them."""
    lane = tl.program_id(0) * block + tl.arange(0, block)
    value = lane.to(tl.float32)
    for _ in range(rounds):
        value = value * 0.999 + 1.0
    tl.store(out_ptr + lane, value)


@cache
def compiled_for(compute_capability: str) -> Any:
    """Compile the arithmetic for such a GPU (`8.9`) without touching one.

    Triton hashes itself and asks for its assembler's version at a process's first compilation,
    which takes half a second; done before a fork, it is done for all of them.
    """
    target = GPUTarget("cuda", int(compute_capability.replace(".", "")), 32)
    constants = {"rounds": ROUNDS, "block": THREADS}
    signature = {"out_ptr": "*fp32", "rounds": "constexpr", "block": "constexpr"}
    source = ASTSource(fn=multiply_add_kernel, signature=signature, constexprs=constants)
    return triton.compile(source, target=target, options={"num_warps": THREADS // 32})


def canary_calls(sm_count: int) -> dict[str, Callable[[], Any]]:
    """The two calls by name, on the current GPU."""
    source = torch.zeros(COPY_BYTES, dtype=torch.int8, device="cuda")
    target = torch.empty_like(source)
    programs = sm_count * PROGRAMS_PER_SM
    out = torch.empty(programs * THREADS, device="cuda")

    def compute() -> Any:
        return multiply_add_kernel[(programs,)](
            out, rounds=ROUNDS, block=THREADS, num_warps=THREADS // 32
        )

    return {"copy": lambda: target.copy_(source), "compute": compute}
