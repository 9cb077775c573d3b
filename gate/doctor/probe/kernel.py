# ruff: noqa: ANN001, ANN201, E731, INP001, N803, PLR0402
# mypy: ignore-errors
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def gate_probe_kernel(x_ptr, y_ptr, count, BLOCK: tl.constexpr):
    """One block of y = 2 x + 1."""
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < count
    x = tl.load(x_ptr + offsets, mask=inside)
    tl.store(y_ptr + offsets, 2.0 * x + 1.0, mask=inside)


def gate_probe(x):
    y = torch.empty_like(x)
    grid = lambda META: (triton.cdiv(x.numel(), META["BLOCK"]),)
    gate_probe_kernel[grid](x, y, x.numel(), BLOCK=1024)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return gate_probe(x)
