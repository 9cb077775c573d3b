import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 1024}, num_warps=warps, num_stages=stages)
        for warps, stages in [(4, 2), (8, 2), (8, 3)]
    ],
    key=["n"],
)
@triton.heuristics({"EVEN": lambda args: args["n"] % 1024 == 0})
@triton.jit
def copy_kernel(x_ptr, y_ptr, n, EVEN: tl.constexpr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = EVEN | (offsets < n)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=mask), mask=mask)


def copy(x):
    y = torch.empty_like(x)
    n = x.numel()
    copy_kernel[(triton.cdiv(n, 1024),)](x, y, n)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return copy(x)
