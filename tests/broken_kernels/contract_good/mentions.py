"""get_inputs and get_init_inputs are in reference.py; if __name__ == "__main__" is nowhere.

import os
"""

from __future__ import annotations

import torch
import torch.nn as nn
import triton
import triton.language as tl

# from math import ceil
# def test_copy(): assert copy(torch.ones(3)).sum() == 3
ADVICE = "call get_inputs() under if __name__ == '__main__': tl.program_id(2), triton.jit"


@triton.jit
def latest_test_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    """Never reads tl.program_id(1) or tl.program_id(axis=2)."""
    tl.static_assert(BLOCK > 0)
    # BLOCK = 128
    offsets = tl.program_id(axis=0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + offsets, tl.load(x_ptr + offsets, mask=offsets < n), mask=offsets < n)


def contest_get_inputs(x):
    assert x.is_cuda, "this assert guards a wrapper and tests nothing; see get_inputs"
    y = torch.empty_like(x)
    latest_test_kernel[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y


class ModelNew(torch.nn.Module):
    """Not class TestModel(unittest.TestCase)."""

    def forward(self, x):
        return contest_get_inputs(x)
