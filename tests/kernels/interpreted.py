"""What the first kernel computes in Triton's CPU interpreter, beyond its workloads.

Run by `test_depthwise_conv_h.py` with TRITON_INTERPRET=1, which Triton reads when it is imported,
in a process of its own: an offset that wraps around ends in a segmentation fault. Writes the name
of each case once it has passed.
"""

import mmap
import sys
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812
from triton.runtime.errors import InterpreterError

from gate.problem import load_candidate

KERNEL = load_candidate(Path(__file__).parents[2] / "kernels/depthwise_conv_h/kernel.py")
# Linux's MAP_NORESERVE, which Python does not name: a page takes memory once it is written.
LAZY_PAGES = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000


def sparse(shape, strides):
    """A float16 tensor with elements that far apart in memory."""
    size = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    flat = torch.frombuffer(mmap.mmap(-1, 2 * size, flags=LAZY_PAGES), dtype=torch.float16)
    return flat.as_strided(shape, strides)


def convolution(x, weight, bias=None, stride=1, padding=0, dilation=1):
    given = {"stride": stride, "padding": padding, "dilation": dilation}
    return KERNEL.depthwise_conv_h(x, weight, bias, **given)


def expected(x, weight, padding):
    return F.conv2d(x.float(), weight.float(), padding=padding, groups=x.shape[1]).half()


def holds_beyond_2_31(shape, strides):
    x, weight = sparse(shape, strides), torch.randn(shape[1], 1, 3, 1).half()
    x.copy_(torch.randn(shape))
    for padding in (0, 1):
        torch.testing.assert_close(
            convolution(x, weight, padding=padding), expected(x, weight, padding)
        )


def case_an_input_beyond_2_31_elements():
    # Each stride by itself passes 2^31; what is added keeps the rows apart.
    holds_beyond_2_31((2, 3, 5, 17), (2**31 + 2**16, 2**30 + 2**12, 2**29 + 2**8, 1))


def case_an_input_beyond_2_31_elements_counted_in_vectors():
    # 16 does not divide the width, so that sizes are handed over in units of 8: below 2^31 again.
    holds_beyond_2_31((2, 2, 4, 24), (2**31 + 2**16, 2**31 + 2**12, 2**29 + 2**8, 1))


def case_widths_of_every_alignment():
    for dtype in (torch.float32, torch.float16):
        for width in (4, 6, 8, 12, 20, 24, 28):
            x, weight = torch.randn(1, 2, 5, width).to(dtype), torch.randn(2, 1, 3, 1).to(dtype)
            for stride, padding in ((1, 0), (1, 1), (1, 2), (2, 1), (2, 4)):
                given = {"stride": stride, "padding": padding}
                theirs = F.conv2d(x.float(), weight.float(), groups=2, **given).to(dtype)
                torch.testing.assert_close(convolution(x, weight, **given), theirs)


def case_a_channels_last_input_beyond_2_31_elements():
    holds_beyond_2_31((1, 3, 4, 17), (2**34, 1, 2**32, 2**27 + 2**8))


def case_an_output_beyond_2_31_elements():
    # The corners of 3 planes of 32 rows of 2^26 columns: all else lies beyond the grid.
    columns, block = 2**26, 16
    x, y = torch.randn(3, 1, 32, block).half(), sparse((3, 32, columns), (32 * columns, columns, 1))
    constants = {"X_STRIDE_W": 1, "C": 1, "K": 1, "STRIDE": 1, "PADDING": 0, "DILATION": 1}
    tile = {"CHANNELS_LAST": False, "SKEW": 0, "BLOCK_H": 32, "BLOCK_W": block}
    tile |= {"X_UNIT": 1, "Y_UNIT": 8}
    sizes, strides = (32, block, 32, columns // 8), x.stride()[:3]
    KERNEL.depthwise_conv_h_kernel[(3, 1)](
        x, torch.ones(1).half(), None, y, *sizes, *strides, **constants, **tile
    )
    assert y[:, :, :block].equal(x[:, 0])


def case_without_gradients_parameters_may_want_them():
    model, x = KERNEL.ModelNew(3, 3, bias=True), torch.randn(2, 3, 5, 7)
    parameters = {"weight": model.conv2d.weight, "bias": model.conv2d.bias}
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            torch.testing.assert_close(model(x), F.conv2d(x, **parameters, groups=3))


def case_a_frozen_module_needs_no_context():
    model = KERNEL.ModelNew(3, 3).requires_grad_(requires_grad=False)
    assert model(torch.randn(2, 3, 5, 7)).shape == (2, 3, 3, 7)


def case_autocast_gives_what_conv2d_gives():
    for dtype in (torch.bfloat16, torch.float16):
        for given in (torch.float32, torch.float16, torch.bfloat16):
            x = torch.randn(2, 3, 6, 7, dtype=given)
            weight, bias = torch.randn(3, 1, 3, 1), torch.randn(3)
            with torch.autocast("cpu", dtype):
                theirs, ours = F.conv2d(x, weight, bias, groups=3), convolution(x, weight, bias)
            assert ours.dtype == theirs.dtype == dtype
            torch.testing.assert_close(ours, theirs)


def case_autocast_of_an_empty_batch():
    with torch.autocast("cpu", torch.bfloat16):
        y = convolution(torch.randn(0, 3, 6, 7), torch.randn(3, 1, 3, 1))
    assert (y.dtype, y.shape) == (torch.bfloat16, (0, 3, 4, 7))


CASES = {name: case for name, case in globals().items() if name.startswith("case_")}


def main():
    torch.manual_seed(0)
    for name, case in CASES.items():
        try:
            case()
        except (AssertionError, TypeError, InterpreterError, RuntimeError) as error:
            sys.stderr.write(f"{name}: {error}\n")
        else:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
