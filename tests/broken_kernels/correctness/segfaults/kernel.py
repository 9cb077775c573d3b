"""Reads address zero."""

import torch
import torch.nn as nn
import triton
import triton.language as tl
import ctypes


class ModelNew(nn.Module):
    def forward(self, x):
        return ctypes.string_at(0)
