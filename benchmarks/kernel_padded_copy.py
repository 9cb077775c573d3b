# ruff: noqa: N803, PLR0917 - a Triton launch is positional, its constants are in capitals
"""What padding by itself costs: rows copied into wider ones, against a copy and the kernel.

`python -m benchmarks.kernel_padded_copy OUT.md [--only TEXT]` times the padded cases of
`kernel_cases` that keep their rows and move more than 64 MB, by the gate's own method with a cold
L2, interleaved. The rows are as many as a convolution that keeps them reads and gives.
"""

from __future__ import annotations

import argparse
import random
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch.nn import functional as F  # noqa: N812

from benchmarks.kernel import interleaved, prepare
from benchmarks.kernel_cases import grid
from benchmarks.kernel_competitors import DEVICE, kernel, require_gpu, stream, tensors
from benchmarks.kernel_table import COPIES, LARGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.kernel_cases import Case

BLOCK = 2048


@triton.jit
def padded_copy_kernel(
    x_ptr, y_ptr, size, W: tl.constexpr, PADDING: tl.constexpr, BLOCK: tl.constexpr
):
    """The output as it lies in memory, 16 bytes a store; each element is loaded by itself."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = i % (W + 2 * PADDING) - PADDING
    exists = (i < size) & (column >= 0) & (column < W)
    x = tl.load(x_ptr + i // (W + 2 * PADDING) * W + column, mask=exists, other=0.0)
    tl.store(y_ptr + i, x, mask=i < size)


def padded_copy(x: torch.Tensor, y: torch.Tensor, padding: int) -> torch.Tensor:
    """Rows of x into the middle of the wider rows of y, zeros beside them."""
    programs = triton.cdiv(y.numel(), BLOCK)
    padded_copy_kernel[programs,](x, y, y.numel(), W=x.shape[3], PADDING=padding, BLOCK=BLOCK)
    return y


def timed(case: Case, order: random.Random) -> dict[str, float]:
    """Median nanoseconds of two copies of as many bytes, the padded copy and the kernel."""
    x, weight, bias = tensors(case)
    y = torch.empty(case.output_shape, dtype=x.dtype, device=DEVICE)
    if not padded_copy(x, y, case.padding).equal(F.pad(x, (case.padding, case.padding))):
        raise ValueError("the padded copy is no copy")
    source = torch.zeros(case.bytes // 8, dtype=torch.int32, device=DEVICE)
    target = torch.empty_like(source)
    sizes = {"stride": 1, "padding": case.padding, "dilation": case.dilation}
    calls = {
        "copy": partial(target.copy_, source),
        "stream": partial(stream, source, target),
        "padded": partial(padded_copy, x, y, case.padding),
        "kernel": partial(kernel().depthwise_conv_h, x, weight, bias, **sizes),
    }
    size = torch.cuda.get_device_properties(0).L2_cache_size
    flush = torch.empty(size, dtype=torch.int8, device=DEVICE).zero_
    ready = {name: prepare(call, flush) for name, call in calls.items()}
    return {name: median(taken) for name, taken in interleaved(ready, order).items()}


def padded_cases(cases: Sequence[Case]) -> list[Case]:
    """Those whose output has the input's rows, wider."""
    return [
        case
        for case in cases
        if case.padding > 0 and case.stride == 1 and not case.channels_last and case.bytes > LARGE
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel_padded_copy")
    parser.add_argument("out", type=Path, help="Markdown")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    arguments = parser.parse_args(argv)
    require_gpu()
    lines = ["| workload | copy | padded copy | kernel |", "|---|---|---|---|"]
    order = random.Random(0)
    for case in padded_cases(grid()):
        if arguments.only in case.name:
            with torch.no_grad():
                ns = timed(case, order)
            torch.cuda.empty_cache()
            copy = min(ns[name] for name in COPIES)
            times = (copy, ns["padded"], ns["kernel"])
            figures = (f"{each / 1e3:.1f} us ({copy / each:.0%})" for each in times)
            lines.append(f"| {case.name} | {' | '.join(figures)} |")
            print(lines[-1], flush=True)
    arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
