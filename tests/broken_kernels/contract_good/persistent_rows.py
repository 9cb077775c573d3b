import torch
import torch.nn as nn
import triton
import triton.language as tl


# BLOCK only sets the step of a loop inside a program, so the grid has no use for it.
@triton.autotune(
    configs=[triton.Config({"BLOCK": block}) for block in (128, 256, 512)], key=["columns"]
)
@triton.jit
def row_sum_kernel(x_ptr, y_ptr, rows, columns, BLOCK: tl.constexpr):
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        total = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, columns, BLOCK):
            offsets = start + tl.arange(0, BLOCK)
            total += tl.load(x_ptr + row * columns + offsets, mask=offsets < columns, other=0.0)
        tl.store(y_ptr + row, tl.sum(total))


def row_sum(x):
    rows, columns = x.shape
    y = torch.empty(rows, device=x.device)
    processors = torch.cuda.get_device_properties(x.device).multi_processor_count
    grid = lambda META: (min(rows, 4 * processors),)
    row_sum_kernel[grid](x, y, rows, columns)
    return y


class ModelNew(nn.Module):
    def forward(self, x):
        return row_sum(x)
