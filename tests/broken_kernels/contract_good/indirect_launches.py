import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.jit
def negate_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, -tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


@triton.jit
def fill_kernel(y_ptr, value):
    tl.store(y_ptr + tl.program_id(0), value)


def copy_or_negate(x, negate):
    y = torch.empty_like(x)
    n = x.numel()
    kernel = negate_kernel if negate else copy_kernel
    if n > 1024:
        block = 1024
        grid = (triton.cdiv(n, block), 1, 1)
    else:
        block = 64
        grid = (triton.cdiv(n, block), 1, 1)

    def launch():
        launcher = kernel[grid]
        launcher(x, y, n, BLOCK=block)

    launch()
    return y


class ModelNew(nn.Module):
    def __init__(self, negate=False):
        super().__init__()
        self._negate = negate

    @property
    def negate(self):
        return self._negate

    @negate.setter
    def negate(self, value):
        self._negate = value

    def forward(self, x):
        return self.run(x)

    def run(self, x):
        bias = torch.empty(self.size(x), device=x.device)
        fill_kernel[self.grid(x)](bias, 1.0)
        return copy_or_negate(x, self._negate) + bias

    def grid(self, x):
        return (self.size(x),)

    @staticmethod
    def size(x):
        return x.shape[-1]
