import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def column_tile(BLOCK: tl.constexpr):
    return tl.program_id(axis=1) * BLOCK + tl.arange(0, BLOCK)


@triton.jit
def squared(x):
    return x * x


@triton.jit
def row_and_columns(BLOCK: tl.constexpr):
    return tl.program_id(0), column_tile(BLOCK)


@triton.jit
def row_maximum_kernel(x_ptr, y_ptr, n, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr):
    row, columns = row_and_columns(BLOCK)
    x = tl.load(x_ptr + row * n + columns, mask=columns < n, other=float("-inf"))
    result = tl.reduce(ACTIVATION(x), 0, larger)
    tl.atomic_max(y_ptr + row, result)


def row_maximum(x):
    m, n = x.shape
    y = x.new_full((m,), float("-inf"))
    grid = (m, triton.cdiv(n, 256))
    row_maximum_kernel[grid](x, y, n, ACTIVATION=squared, BLOCK=256)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return row_maximum(x)
