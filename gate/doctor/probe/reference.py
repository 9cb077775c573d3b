# ruff: noqa: ANN001, ANN201, INP001, PLR0402
# mypy: ignore-errors
import torch
import torch.nn as nn

count = 4 * 1024 * 1024


class Model(nn.Module):
    def forward(self, x):
        return 2.0 * x + 1.0


def get_inputs():
    return [torch.randn(count)]


def get_init_inputs():
    return []
