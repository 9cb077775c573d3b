"""Fixed work of the gate's own that is timed beside the kernels: if it moved, the machine did.

Runs in a fork of the timing worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from collections.abc import Callable

# Larger than any L2, so that the copy is one of DRAM: 0.18 ms on an H100.
COPY_BYTES = 2**28
# Dependent multiply-adds of 4 cycles each: about 0.07 ms at 1.9 GHz.
ROUNDS = 32_768
THREADS = 256
PROGRAMS_PER_SM = 4


@triton.jit  # type: ignore[untyped-decorator]
def multiply_add_kernel(out_ptr: Any, rounds: tl.constexpr, block: tl.constexpr) -> None:
    """`rounds` multiply-adds, each on the result of the last: as long as the clock makes them."""
    lane = tl.program_id(0) * block + tl.arange(0, block)
    value = lane.to(tl.float32)
    for _ in range(rounds):
        value = value * 0.999 + 1.0
    tl.store(out_ptr + lane, value)


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
