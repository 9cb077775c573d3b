"""Takes memory until there is none."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


class ModelNew(nn.Module):
    def forward(self, x):
        held = []
        while True:
            held.append(bytearray(2**36))
