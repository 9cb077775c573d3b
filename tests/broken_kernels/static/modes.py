"""One `ModelNew` for every way in which the static step can end; `mode` chooses."""

import os
import signal
import sys
import time

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.jit
def scale_kernel(x_ptr, y_ptr, n, factor, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n) * factor, mask=offsets < n)


@triton.jit
def hungry_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    values = tl.load(x_ptr + offsets)
    total = values
    for i in range(n):
        total = total * values + tl.load(x_ptr + offsets * n + i)
        values = values + total
    tl.store(y_ptr + offsets, values + total)


@triton.jit
def dot_kernel(x_ptr, y_ptr, steps, BLOCK: tl.constexpr):
    rows = tl.arange(0, BLOCK)
    tile = rows[:, None] * BLOCK + rows[None, :]
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for i in range(steps):
        a = tl.load(x_ptr + i * BLOCK * BLOCK + tile)
        b = tl.load(x_ptr + (i + 1) * BLOCK * BLOCK + tile)
        total = tl.dot(a, b, total)
    tl.store(y_ptr + tile, total)


@triton.jit
def static_shared_kernel(x_ptr, y_ptr):
    value = tl.inline_asm_elementwise(
        "{ .shared .align 4 .b8 hoard[200000]; st.shared.b32 [hoard], $1; ld.shared.b32 $0, [hoard+4]; }",
        "=r,r",
        [tl.load(x_ptr)],
        dtype=tl.float32,
        is_pure=False,
        pack=1,
    )
    tl.store(y_ptr, value)


@triton.jit
def wrong_assembly_kernel(x_ptr, y_ptr):
    value = tl.inline_asm_elementwise(
        "no_such_instruction $0, $1;",
        "=r,r",
        [tl.load(x_ptr)],
        dtype=tl.float32,
        is_pure=False,
        pack=1,
    )
    tl.store(y_ptr, value)


@triton.jit
def wrong_kernel(x_ptr, y_ptr):
    tl.store(y_ptr, tl.load(x_ptr) + no_such_name)


@triton.heuristics({"BLOCK": lambda arguments: triton.next_power_of_2(arguments["n"]) // 4})
@triton.jit
def heuristic_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 4096}, num_warps=64),  # too many threads for any GPU
        triton.Config({"BLOCK": 1024}, num_warps=8),
        triton.Config({"BLOCK": 256}, num_warps=2),
    ],
    key=["n"],
)
@triton.jit
def tuned_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.autotune(
    configs=[triton.Config({}, num_warps=64), triton.Config({}, num_warps=128)], key=["n"]
)
@triton.jit
def untunable_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


class ModelNew(nn.Module):
    def __init__(self, mode: str):
        super().__init__()
        self.mode = mode
        if mode == "broken_constructor":
            raise ValueError("cannot be built")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.empty_like(x)
        getattr(self, self.mode)(x, y, x.numel())
        return y

    def plain(self, x, y, n):
        copy_kernel[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)

    again = plain

    def unaligned(self, x, y, n):
        copy_kernel[(triton.cdiv(n, 1024),)](x.view(-1)[1:], y, n - 1, BLOCK=1024)

    def grid_of_meta(self, x, y, n):
        copy_kernel[lambda meta: (triton.cdiv(n, meta["BLOCK"]), 2, 3)](x, y, n, BLOCK=256)

    def two_launches(self, x, y, n):
        copy_kernel[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)
        scale_kernel[(triton.cdiv(n, 512),)](y, y, n, 2.0, BLOCK=512)
        copy_kernel[(triton.cdiv(n, 1024),)](y, y, n, BLOCK=1024)

    def two_grids(self, x, y, n):
        copy_kernel[(1,)](x, y, n, BLOCK=1024)
        copy_kernel[(2,)](x, y, n, BLOCK=1024)

    def spills(self, x, y, n):
        hungry_kernel[(1,)](x, y, 10, BLOCK=4096, num_warps=4, maxnreg=24)

    def many_registers(self, x, y, n):
        hungry_kernel[(1,)](x, y, 10, BLOCK=32768, num_warps=32, maxnreg=128)

    def many_warps(self, x, y, n):
        copy_kernel[(1,)](x, y, n, BLOCK=2048, num_warps=64)

    def small_tiles(self, x, y, n):
        dot_kernel[(1,)](x, y, 4, BLOCK=32, num_stages=3)

    def large_tiles(self, x, y, n):
        dot_kernel[(1,)](x, y, 4, BLOCK=128, num_stages=3)

    def smaller_tiles_on_refusal(self, x, y, n):
        try:
            self.large_tiles(x, y, n)
        except triton.runtime.errors.OutOfResources:
            self.small_tiles(x, y, n)

    def large_grid(self, x, y, n):
        copy_kernel[(1, 70_000)](x, y, n, BLOCK=256)

    def static_shared(self, x, y, n):
        static_shared_kernel[(1,)](x, y)

    def does_not_assemble(self, x, y, n):
        wrong_assembly_kernel[(1,)](x, y)

    def does_not_compile(self, x, y, n):
        wrong_kernel[(1,)](x, y)

    def heuristics(self, x, y, n):
        heuristic_kernel[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](x, y, n)

    def autotune(self, x, y, n):
        tuned_kernel[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](x, y, n)

    def autotune_nothing_fits(self, x, y, n):
        untunable_kernel[(1,)](x, y, n, BLOCK=1024)

    def no_launch(self, x, y, n):
        y.copy_(x)

    def empty_grid(self, x, y, n):
        copy_kernel[(0,)](x, y, n, BLOCK=1024)

    def no_gpu(self, x, y, n):
        torch.cuda.current_device()

    def refuses_cpu(self, x, y, n):
        assert x.is_cuda, "x must be on the GPU"

    def exits(self, x, y, n):
        sys.exit(3)

    def crashes(self, x, y, n):
        os.kill(os.getpid(), signal.SIGSEGV)

    def leaves_silently(self, x, y, n):
        os._exit(0)

    def hangs(self, x, y, n):
        time.sleep(3600)
