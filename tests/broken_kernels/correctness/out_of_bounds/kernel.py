"""Writes what does not fill the last block beside its output: no mask."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scaled_relu_kernel(x_ptr, y_ptr, count, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < count)
    tl.store(y_ptr + offsets, tl.maximum(x, 0.0) * 3.0)


def scaled_relu(x):
    y = torch.empty_like(x)
    scaled_relu_kernel[(triton.cdiv(x.numel(), 8),)](x, y, x.numel(), BLOCK=8)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return scaled_relu(x)
