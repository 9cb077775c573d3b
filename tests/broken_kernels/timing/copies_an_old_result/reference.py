"""Doubles its input; every kernel here claims to do the same."""

import torch
import torch.nn as nn

SIZE = 1_000_000


class Model(nn.Module):
    def forward(self, x):
        return x * 2


def get_inputs():
    return [torch.rand(SIZE)]


def get_init_inputs():
    return []
