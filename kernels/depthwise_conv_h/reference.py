"""A depthwise 2-D convolution with a kernel of height `kernel_size` and width 1.

KernelBench level 1, number 83, in this project's words: each channel is convolved with a column of
its own weights, so no value travels between channels or along the width.
"""

import torch
from torch import nn

batch_size = 64
in_channels = 8
kernel_size = 3
height = 512
width = 512
stride = 1
padding = 0
dilation = 1
bias = False


class Model(nn.Module):
    """An int stride, padding or dilation applies to both dimensions, as nn.Conv2d has it."""

    def __init__(  # noqa: PLR0917 - KernelBench gives these by position
        self,
        in_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        self.conv2d = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size=(kernel_size, 1),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            bias=bias,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return self.conv2d(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, in_channels, height, width)]


def get_init_inputs() -> list[object]:
    return [in_channels, kernel_size, stride, padding, dilation, bias]
