# ruff: noqa: N803, PLR0917 - a Triton launch is positional, its constants are in capitals
"""Another form of the first kernel, not taken: `kernel_tiles` times it beside its own.

What it gave is in RESULTS.md, "What was tried". It takes contiguous inputs, steps of 1 and fewer
than 2^31 elements.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

from kernels.depthwise_conv_h.kernel import load_bias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.kernel_cases import Case

    Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]

# A narrow plane has at most so many columns.
NARROW = 32


@triton.jit
def counted_kernel(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    H,
    H_OUT,
    C: tl.constexpr,
    W: tl.constexpr,
    K: tl.constexpr,
    PADDING: tl.constexpr,
    WIDTH: tl.constexpr,
    UNIT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """BLOCK times WIDTH outputs of a plane as they lie in memory, each by its own loads.

    UNIT divides the outputs of a plane.
    """
    w_out: tl.constexpr = W + 2 * PADDING
    parts = tl.cdiv(H_OUT * w_out, BLOCK * WIDTH)
    plane = tl.program_id(0) // parts
    c = plane % C
    first = tl.program_id(0) % parts * BLOCK + tl.arange(0, BLOCK)
    i = first[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    column = i % w_out - PADDING
    in_h = i // w_out - PADDING
    inside = (column >= 0) & (column < W)
    total = tl.zeros((BLOCK, WIDTH), dtype=tl.float32) + load_bias(b_ptr, c)
    for k in tl.static_range(K):
        exists = inside & (in_h + k >= 0) & (in_h + k < H)
        x_tap = x_ptr + plane * H * W + (in_h + k) * W + column
        x = tl.load(x_tap, mask=exists, other=0.0).to(tl.float32)
        total += x * tl.load(w_ptr + c * K + k).to(tl.float32)
    y = y_ptr + tl.multiple_of(plane * H_OUT * w_out, UNIT) + i
    tl.store(y, total.to(y_ptr.dtype.element_ty), mask=i < H_OUT * w_out)


def launched(kernel: Any, case: Case, tensors: Tensors, programs: int, **constants: Any) -> Any:
    """What `programs` of `kernel` give."""
    x = tensors[0]
    n, c, h_out, w_out = case.output_shape
    y = torch.empty(n, c, h_out, w_out, dtype=x.dtype, device=x.device)
    sizes = {"C": c, "W": case.w, "K": case.k, "PADDING": case.padding}
    kernel[programs,](*tensors, y, case.h, h_out, **sizes, **constants)
    return y


def variants(case: Case, tensors: Tensors) -> dict[str, Callable[[], Any]]:
    """Those that can compute the case, by name."""
    if case.stride > 1 or case.dilation > 1 or case.channels_last:
        return {}
    return {
        name: partial(launched, kernel, case, tensors, **given)
        for name, kernel, given in counted(case)
    }


def counted(case: Case) -> Iterator[tuple[str, Any, dict[str, int]]]:
    n, c, h_out, w_out = case.output_shape
    for width in (4, 8) if case.w <= NARROW and case.k <= 15 else ():
        block = 1024 // width
        unit = math.gcd(width, h_out * w_out)
        given = {"WIDTH": width, "UNIT": unit, "BLOCK": block}
        given["programs"] = n * c * triton.cdiv(h_out * w_out, 1024)
        yield f"counted, {width}", counted_kernel, {**given, "num_warps": block // 32}
