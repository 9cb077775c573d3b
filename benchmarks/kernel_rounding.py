"""How far float32 on tensor cores is from float64, beside F.conv2d without TF32, on a GPU.

`python -m benchmarks.kernel_rounding` prints a Markdown table of errors as parts of the largest
output. One-sided is the mean of what they add to an output's magnitude.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F  # noqa: N812

from benchmarks.kernel_cases import BASE
from benchmarks.kernel_competitors import kernel, require_gpu, tensors

CASES = tuple(replace(BASE, k=k, same=True) for k in (15, 21, 31))
# Held against float64, of a batch that is large enough for tensor cores.
IMAGES = 2


def errors(y: torch.Tensor, exact: torch.Tensor) -> str:
    """Cells of the largest error, of the root mean square and of what is one-sided."""
    error = (y - exact) / exact.abs().max()
    parts = (error.abs().max(), error.square().mean().sqrt(), (error * exact.sign()).mean())
    return " | ".join(f"{float(each):.2g}" for each in parts)


def main() -> None:
    require_gpu()
    torch.backends.cudnn.allow_tf32 = False
    print("| workload | | largest | root mean square | one-sided |")
    print("| --- | --- | ---: | ---: | ---: |")
    for case in CASES:
        torch.manual_seed(0)
        x, weight, _ = tensors(case)
        sizes = {"stride": case.stride, "padding": case.padding, "dilation": case.dilation}
        with torch.no_grad():
            ours = kernel().depthwise_conv_h(x, weight, None, **sizes)[:IMAGES]
            x = x[:IMAGES]
            exact = F.conv2d(x.double(), weight.double(), groups=case.c, **sizes)
            theirs = F.conv2d(x, weight, groups=case.c, **sizes)
        for name, y in (("kernel", ours), ("F.conv2d", theirs)):
            print(f"| {case.name} | {name} | {errors(y.double(), exact)} |", flush=True)


if __name__ == "__main__":
    main()
