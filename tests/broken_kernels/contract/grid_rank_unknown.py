import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scale_kernel(x_ptr, y_ptr, n, factor, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=mask) * factor, mask=mask)


def scale(x, factor):
    y = torch.empty_like(x)
    n = x.numel()
    grid = tuple(triton.cdiv(size, 256) for size in x.shape)
    scale_kernel[grid](x, y, n, factor, BLOCK=256)  # <- violation
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return scale(x, 2.0)
