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
from kernels.depthwise_conv_h.kernel import load_bias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.kernel_cases import Case

    Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]

# A narrow plane has at most so many columns.
NARROW = 32


@triton.jit
def planes_kernel(
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
    IMAGES: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """One channel's planes of IMAGES images, of up to 32 rows and columns, in one product.

    Each plane is stored as one run of memory, in aligned pairs: gathered through shared memory as
    the kernel gathers its rows, the borders among them. SLOTS hold a plane of the output wherever
    in a sector it begins; all of one program begin at the same place of one.
    """
    c = tl.program_id(0) % C
    n = tl.program_id(0) // C * IMAGES
    j = tl.arange(0, 32)
    image = tl.arange(0, 32 * IMAGES) // 32
    in_w = tl.arange(0, 32 * IMAGES) % 32
    x_plane = ((n + image).to(tl.int64) * C + c) * (H * W)
    exists = (j < H)[:, None] & (in_w < W)[None, :]
    x = tl.load(x_ptr + (x_plane + in_w)[None, :] + (j * W)[:, None], mask=exists, other=0.0)
    tap = j[None, :] - j[:, None] + PADDING
    band = tl.load(w_ptr + c * K + tap, mask=(tap >= 0) & (tap < K), other=0.0)
    bias = load_bias(b_ptr, c)
    total = tl.dot(band, x) + bias
    y = tl.reshape(total.to(y_ptr.dtype.element_ty), (32, 2 * IMAGES, 16))
    y = tl.reshape(tl.permute(y, (1, 0, 2)), (1024 * IMAGES,))

    columns: tl.constexpr = W + 2 * PADDING
    sectors: tl.constexpr = SLOTS // 16
    m = tl.arange(0, IMAGES * sectors)[:, None]
    slot = m % sectors * 16 + tl.arange(0, 16)[None, :]
    size = H_OUT * columns
    start = (n.to(tl.int64) * C + c) * size
    phase = tl.multiple_of((start & 15).to(tl.int32), 2)
    column = (slot - phase) % columns - PADDING
    source = (slot - phase) // columns * 16 + (column & 15) + (column >> 4) * 512
    source = (source + m // sectors * 1024) & (1024 * IMAGES - 1)
    y = tl.gather(y, tl.reshape(source, (IMAGES * SLOTS,)), 0)
    y = tl.reshape(y, (IMAGES * sectors, 16))
    border = (tl.zeros(y.shape, dtype=tl.float32) + bias).to(y.dtype)
    y = tl.where((column >= 0) & (column < W), y, border)
    y_plane = y_ptr + tl.multiple_of(start - phase, 2) + (m // sectors).to(tl.int64) * (C * size)
    mask = (slot >= phase) & (slot < phase + tl.multiple_of(size, 2))
    tl.store(y_plane + slot, y, mask=mask)


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
        for name, kernel, given in (*counted(case), *planes(case))
    }


def counted(case: Case) -> Iterator[tuple[str, Any, dict[str, int]]]:
    n, c, h_out, w_out = case.output_shape
    for width in (4, 8) if case.w <= NARROW and case.k <= 15 else ():
        block = 1024 // width
        unit = math.gcd(width, h_out * w_out)
        given = {"WIDTH": width, "UNIT": unit, "BLOCK": block}
        given["programs"] = n * c * triton.cdiv(h_out * w_out, 1024)
        yield f"counted, {width}", counted_kernel, {**given, "num_warps": block // 32}


def planes(case: Case) -> Iterator[tuple[str, Any, dict[str, int]]]:
    n, c, h_out, w_out = case.output_shape
    for images, warps in ((4, 4), (8, 4), (16, 8)):
        if (
            ITEM_BYTES[case.dtype] == 2
            and max(case.h, case.w, h_out) <= NARROW
            and case.w % 2 == 0
            and n % images == 0
            and c * h_out * w_out % 16 == 0
        ):
            given = {"IMAGES": images, "SLOTS": triton.next_power_of_2(h_out * w_out + 14)}
            given["programs"] = n // images * c
            yield f"planes, {images}/{warps}", planes_kernel, {**given, "num_warps": warps}
