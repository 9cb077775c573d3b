"""Misspells a Triton function, two calls below its wrapper."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scaled(x):
    return tl.maxium(x, 0.0) * 3.0


@triton.jit
def scaled_relu_kernel(x_ptr, y_ptr, count, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < count
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(y_ptr + offsets, scaled(x), mask=mask)


def scaled_relu(x):
    y = torch.empty_like(x)
    scaled_relu_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return scaled_relu(x)
