import torch  # <- violation
import torch.nn as nn
import triton
import triton.language as tl


def scale(x, factor):
    return x * factor


class ModelNew(nn.Module):
    def forward(self, x):
        return scale(x, 2.0)
