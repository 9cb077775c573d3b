import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x_ptr, y_ptr, m, n, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr = 64):
    # Three dimensions; an axis by keyword; the same axis twice; num_programs is not a read.
    batch = tl.program_id(axis=2)
    last = tl.program_id(0) == tl.num_programs(0) - 1
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    columns = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    offsets = (batch * m + rows) * n + columns
    mask = ((rows < m) | (last == 0)) & (columns < n)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=mask), mask=mask)


def copy(x, BLOCK_M=32):
    batches, m, n = x.shape
    y = torch.empty_like(x)
    grid = (triton.cdiv(m, BLOCK_M), triton.cdiv(n, 64), batches)
    with torch.cuda.device(x.device):
        copy_kernel[grid](x, y, m, n, BLOCK_M, num_warps=8)
    return y


class ModelNew(nn.Module):
    layers = ()

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return copy(x)
