import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(configs=[triton.Config({"BLOCK": 256}), triton.Config({"BLOCK": 512})], key=["n"])
@triton.jit
def double_kernel(x_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, 2 * tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.jit(do_not_specialize=["n"])
def halve_kernel(x_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(1)
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x_ptr += row * n
    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n) / 2, mask=offsets < n)


def row_grid(x, block):
    columns = x.shape[1]
    shape = (triton.cdiv(columns, block), x.shape[0])
    return shape


def blocks_of(n):
    return lambda meta: (triton.cdiv(n, meta["BLOCK"]),)


def double(x):
    def grid(META):
        BLOCK = META["BLOCK"]
        return (triton.cdiv(x.numel(), BLOCK),)

    double_kernel[grid](x, x.numel())
    double_kernel[blocks_of(x.numel())](x, x.numel())


def halve(x):
    grid = row_grid(x, 128)
    halve_kernel[grid](x, x.shape[1], BLOCK=128)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.clone()
        double(x)
        halve(x)
        return x
