"""The first kernel and what it is held against, each as a call without arguments."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch.nn import functional as F  # noqa: N812

from gate.problem import load_candidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.kernel_cases import Case

KERNEL_FILE = Path(__file__).parents[1] / "kernels" / "depthwise_conv_h" / "kernel.py"
DEVICE = "cuda"
SEGMENT = 128
STREAMED = 2048
COMPILE_MODE = "max-autotune-no-cudagraphs"  # its calls are captured in a graph by the timer


@triton.jit
def row_segment_kernel(  # noqa: PLR0917 - a Triton launch is positional
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    planes,
    channels,
    h,
    w,
    h_out,
    w_out,
    taps,
    stride,
    padding,
    dilation,
    x_stride_n,
    x_stride_c,
    x_stride_h,
    w_stride_c,
    w_stride_k,
    y_stride_n,
    y_stride_c,
    y_stride_h,
    BLOCK: tl.constexpr,  # noqa: N803
):
    """One segment of one output row a program, each tap loaded where it lies.

    What makes it seed-style: programs count planes first, then rows, then segments, so that rows
    that share their taps are as many programs apart as there are planes; a program asks first
    whether it has an output; sizes and all strides but those between neighbours come at run time,
    in 32 bits; a row outside of the input is another one, masked.
    """
    plane, row = tl.program_id(0), tl.program_id(1)
    if (plane >= planes) | (row >= h_out):
        return
    image, channel = plane // channels, plane % channels
    column = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    across = column * stride - padding
    inside = (column < w_out) & (across >= 0) & (across < w)
    source = x_ptr + image * x_stride_n + channel * x_stride_c
    weights = w_ptr + channel * w_stride_c
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    if b_ptr is not None:
        total += tl.load(b_ptr + channel).to(tl.float32)
    for tap in range(taps):
        down = row * stride - padding + tap * dilation
        exists = (down >= 0) & (down < h)
        x_row = source + tl.where(exists, down, 0) * x_stride_h
        x = tl.load(x_row + across, mask=inside & exists, other=0.0)
        total += x.to(tl.float32) * tl.load(weights + tap * w_stride_k).to(tl.float32)
    target = y_ptr + image * y_stride_n + channel * y_stride_c + row * y_stride_h
    tl.store(target + column, total.to(y_ptr.dtype.element_ty), mask=column < w_out)


@triton.jit
def stream_kernel(source, target, size, BLOCK: tl.constexpr):  # noqa: N803
    """Copy `size` elements, 16 bytes a thread and load."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + index, tl.load(source + index, mask=index < size), mask=index < size)


def stream(source: torch.Tensor, target: torch.Tensor) -> None:
    """Copy as a Triton kernel does it that does nothing else."""
    size = source.numel()
    stream_kernel[triton.cdiv(size, STREAMED),](source, target, size, BLOCK=STREAMED, num_warps=8)


def row_segments(
    case: Case, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """The seed-style convolution; like the seed's it copies what is not contiguous."""
    n, c, h_out, w_out = case.output_shape
    x, y = x.contiguous(), torch.empty((n, c, h_out, w_out), dtype=x.dtype, device=x.device)
    sizes = (n * c, c, case.h, case.w, h_out, w_out, case.k, case.stride, case.padding)
    strides = (*x.stride()[:3], weight.stride(0), weight.stride(2), *y.stride()[:3])
    grid = (n * c, h_out, triton.cdiv(w_out, SEGMENT))
    pointers = (x, weight, bias, y)
    row_segment_kernel[grid](*pointers, *sizes, case.dilation, *strides, BLOCK=SEGMENT)
    return y


def require_gpu() -> None:
    if DEVICE == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here")


@cache
def kernel() -> Any:
    """The module of the first kernel."""
    return load_candidate(KERNEL_FILE)


def tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Input, weight and bias on the GPU."""
    made: dict[str, Any] = {"dtype": getattr(torch, case.dtype), "device": DEVICE}
    x = torch.randn(case.n, case.c, case.h, case.w, **made)
    if case.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(case.c, 1, case.k, 1, **made)
    return x, weight, torch.randn(case.c, **made) if case.bias else None


def competitors(case: Case, *, compiled: bool) -> dict[str, Callable[[], Any]]:
    """`kernel`, `conv2d`, `seed`; `copy`, `stream` of as many bytes; `compile` where asked for."""
    x, weight, bias = tensors(case)
    sizes = {"stride": case.stride, "padding": case.padding, "dilation": case.dilation}

    def conv2d(*given: torch.Tensor | None) -> torch.Tensor:
        return F.conv2d(*given, groups=case.c, **sizes)

    source = torch.zeros(case.bytes // 8, dtype=torch.int32, device=DEVICE)
    target = torch.empty_like(source)
    calls: dict[str, Callable[[], Any]] = {
        "kernel": partial(kernel().depthwise_conv_h, x, weight, bias, **sizes),
        "conv2d": partial(conv2d, x, weight, bias),
        "seed": partial(row_segments, case, x, weight, bias),
        "copy": partial(target.copy_, source),
        "stream": partial(stream, source, target),
    }
    if compiled:
        torch.compiler.reset()
        calls["compile"] = partial(
            torch.compile(conv2d, mode=COMPILE_MODE, dynamic=False), x, weight, bias
        )
    return calls


def compile_kernels(case: Case) -> str:
    """Leave all Triton kernels in Triton's cache; the batch is no part of what is compiled."""
    calls = competitors(replace(case, n=1), compiled=False)
    with torch.no_grad():
        calls["kernel"]()
        calls["seed"]()
        calls["stream"]()
    return case.name
