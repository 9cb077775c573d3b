# ruff: noqa: N803, PLR0917 - a Triton launch is positional, its constants are in capitals
"""Other forms of the first kernel, not taken: `kernel_tiles` times them beside its own.

What they gave is in RESULTS.md, "What was tried". They take contiguous inputs, steps of 1 and fewer
than 2^31 elements, and leave infinities and NaN where the tensor cores put them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

from benchmarks.kernel_cases import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.kernel_cases import Case

    Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]

# A narrow plane has at most so many columns.
NARROW = 32


@triton.jit
def load_bias(b_ptr, c):
    bias = 0.0
    if b_ptr is not None:
        bias += tl.load(b_ptr + c).to(tl.float32)
    return bias


@triton.jit
def gathered_kernel(
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
    USED: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """USED of ROWS whole rows on tensor cores, stored as one run of memory in aligned pairs.

    Padding shifts a row's outputs against their sectors; a gather through shared memory puts them
    where they lie in the output, the borders among them.
    """
    w_out: tl.constexpr = W + 2 * PADDING
    strips = tl.cdiv(H_OUT, USED)
    row = tl.program_id(0) % strips * USED
    plane = tl.program_id(0) // strips
    c = plane % C
    j = tl.arange(0, 2 * ROWS)
    in_h = row - PADDING + j
    in_w = tl.arange(0, BLOCK)[None, :]
    exists = ((in_h >= 0) & (in_h < H))[:, None] & (in_w < W)
    x = tl.load(x_ptr + plane * H * W + (in_h * W)[:, None] + in_w, mask=exists, other=0.0)
    tap = j[None, :] - tl.arange(0, ROWS)[:, None]
    band = tl.load(w_ptr + c * K + tap, mask=(tap >= 0) & (tap < K), other=0.0)
    bias = load_bias(b_ptr, c)
    total = tl.dot(band, x) + bias
    y = tl.reshape(total.to(y_ptr.dtype.element_ty), (ROWS * BLOCK,))

    i = tl.arange(0, ROWS * BLOCK)
    column = i % w_out - PADDING
    found = tl.gather(y, (i // w_out * BLOCK + column) & (ROWS * BLOCK - 1), 0)
    border = tl.cast(bias, tl.float32).to(y.dtype)
    found = tl.where((column >= 0) & (column < W), found, border)
    start = tl.multiple_of((plane * H_OUT + row) * w_out, 2)
    tl.store(y_ptr + start + i, found, mask=i < tl.minimum(H_OUT - row, USED) * w_out)


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
    """What `kernel` gives for each of `programs` a plane."""
    x = tensors[0]
    n, c, h_out, w_out = case.output_shape
    y = torch.empty(n, c, h_out, w_out, dtype=x.dtype, device=x.device)
    sizes = {"C": c, "W": case.w, "K": case.k, "PADDING": case.padding}
    kernel[n * c * programs,](*tensors, y, case.h, h_out, **sizes, **constants)
    return y


def variants(case: Case, tensors: Tensors) -> dict[str, Callable[[], Any]]:
    """Those that can compute the case, by name."""
    if case.stride > 1 or case.dilation > 1 or case.channels_last:
        return {}
    every = [*counted(case)]
    if ITEM_BYTES[case.dtype] == 2 and case.w % 2 == 0 and max(case.k - 1, case.padding) <= NARROW:
        every += gathered(case)
    return {
        name: partial(launched, kernel, case, tensors, **given) for name, kernel, given in every
    }


def counted(case: Case) -> Iterator[tuple[str, Any, dict[str, int]]]:
    _, _, h_out, w_out = case.output_shape
    for width in (4, 8) if case.w <= NARROW and case.k <= 15 else ():
        block = 1024 // width
        unit = math.gcd(width, h_out * w_out)
        given = {"WIDTH": width, "UNIT": unit, "BLOCK": block}
        given["programs"] = triton.cdiv(h_out * w_out, 1024)
        yield f"counted, {width}", counted_kernel, {**given, "num_warps": block // 32}


def gathered(case: Case) -> Iterator[tuple[str, Any, dict[str, int]]]:
    _, _, h_out, w_out = case.output_shape
    block = max(16, triton.next_power_of_2(case.w))
    if case.padding == 0 or block > 256:
        return
    for rows in (16, 32) if case.k <= 17 else (32,):
        used = min(rows, rows * block // w_out)
        given = {"USED": used, "ROWS": rows, "BLOCK": block, "programs": triton.cdiv(h_out, used)}
        for warps in (2, 4):
            yield f"gathered, {used}/{warps}", gathered_kernel, {**given, "num_warps": warps}
