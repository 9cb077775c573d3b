"""Prints without end, and then fails."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


class ModelNew(nn.Module):
    def forward(self, x):
        for _ in range(20):
            print("x" * 1_000_000)
        raise RuntimeError("after 20 MB")
