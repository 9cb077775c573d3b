import torch
import torch.nn as nn
import triton
import triton.language as tl

BLOCK_WIDTH: tl.constexpr = 128
LOG2_E = tl.constexpr(1.4426950408889634)
ROW_AXIS = tl.constexpr(0)
COLUMN_AXIS = 1
LOWEST = float("-inf")
BYTES = {torch.float16: 2, torch.float32: 4}
LIMIT, HALF_LIMIT = 1 << 16, -(1 << 15)
SMALL = [triton.Config({"TILE": tile}) for tile in (16, 32)]
LARGE = [triton.Config({"TILE": tile}, num_warps=4) for tile in range(64, 66)]
CONFIGS = SMALL + LARGE


@triton.autotune(CONFIGS, key=["n"])
@triton.jit
def exponential_kernel(x_ptr, y_ptr, n, TILE: tl.constexpr):
    columns = tl.program_id(COLUMN_AXIS) * BLOCK_WIDTH + tl.arange(0, BLOCK_WIDTH)
    offsets = tl.program_id(axis=ROW_AXIS) * n + columns
    x = tl.load(x_ptr + offsets, mask=columns < n)
    tl.store(y_ptr + offsets, tl.exp2(x * LOG2_E), mask=columns < n)


"""Wrappers."""

ROWS_LAST = False


def exponential(x):
    y = torch.empty_like(x)
    grid = (x.shape[0], triton.cdiv(x.shape[1], 128))
    exponential_kernel[grid](x, y, x.shape[1])
    return y


SCALE: float = 1.0


class ModelNew(nn.Module):
    def forward(self, x):
        return exponential(x * SCALE)
