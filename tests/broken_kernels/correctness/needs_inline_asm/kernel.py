"""Right, and beyond the interpreter: inline assembly."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scaled_relu_kernel(x_ptr, y_ptr, count, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < count
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(
        y_ptr + offsets,
        tl.inline_asm_elementwise("max.f32 $0, $1, 0f00000000;", "=f,f", [x], tl.float32, True, 1)
        * 3.0,
        mask=mask,
    )


def scaled_relu(x):
    y = torch.empty_like(x)
    scaled_relu_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return scaled_relu(x)
