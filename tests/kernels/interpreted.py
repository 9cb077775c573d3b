"""What the first kernel computes in Triton's CPU interpreter, beyond its workloads.

Run by `test_depthwise_conv_h.py` with TRITON_INTERPRET=1, which Triton reads when it is imported,
in a process of its own: an offset that wraps around ends in a segmentation fault. Writes the name
of each case once it has passed.
"""

import contextlib
import mmap
import sys
import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812
from triton.runtime.errors import InterpreterError

from benchmarks.planted import busier, slower
from gate import interpreter
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


def planned(x, weight, bias=None, padding=0, dilation=1):
    layouts = [KERNEL.layout(tensor) for tensor in (x, weight, bias)]
    return KERNEL.plan(*layouts, 1, padding, dilation)


def constants(x, weight, bias=None, padding=0, dilation=1):
    return planned(x, weight, bias, padding, dilation)[4]


def chosen_kernel(x, weight, bias=None, padding=0, dilation=1):
    return planned(x, weight, bias, padding, dilation)[5]


def holds_beyond_2_31(shape, strides, k=3):
    x, weight = sparse(shape, strides), torch.randn(shape[1], 1, k, 1).half()
    x.copy_(torch.randn(shape))
    for padding in (0, 1):
        assert (chosen_kernel(x, weight, padding=padding) == "bands") == (k > 10)
        torch.testing.assert_close(
            convolution(x, weight, padding=padding), expected(x, weight, padding)
        )


def case_an_input_beyond_2_31_elements():
    # Each stride by itself passes 2^31; what is added keeps the rows apart.
    holds_beyond_2_31((2, 3, 5, 17), (2**31 + 2**16, 2**30 + 2**12, 2**29 + 2**8, 1))


def case_an_input_beyond_2_31_elements_counted_in_vectors():
    # 16 does not divide the width, so that sizes are handed over in units of 8: below 2^31 again.
    holds_beyond_2_31((2, 2, 4, 24), (2**31 + 2**16, 2**31 + 2**12, 2**29 + 2**8, 1))


def case_an_input_beyond_2_31_elements_of_stacked_rows():
    # A strip begins 14 rows and more below the first one.
    size, strides = (2, 2, 40, 24), (2**34 + 2**16, 2**33 + 2**12, 2**28 + 2**8, 1)
    x, weight = torch.empty(1).half().expand(size), torch.empty(2, 1, 7, 1).half()
    assert constants(x.contiguous(), weight, padding=1)["STACKED"]
    holds_beyond_2_31(size, strides, k=7)


def case_an_input_beyond_2_31_elements_on_tensor_cores():
    holds_beyond_2_31((2, 2, 13, 32), (2**31 + 2**16, 2**31 + 2**12, 2**28 + 2**8, 1), k=11)


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
    # One program's rows, 2^25 apart, of two planes: what lies between them is other programs'.
    apart, rows, columns = 2**25, 8, 16
    h_out = rows * apart
    y = sparse((2, h_out, columns), (h_out * columns, columns, 1))
    x = torch.randn(2, columns).half()
    sizes = (h_out, columns, h_out, columns, 4, 8, columns, columns, 0)  # all rows of x are one
    KERNEL.depthwise_conv_h_kernel[(1,)](
        x,
        torch.ones(1).half(),
        None,
        y,
        *sizes,
        X_STRIDE_W=1,
        C=1,
        K=1,
        STRIDE=1,
        PADDING=0,
        DILATION=apart,
        ROW_STEP=apart,
        TAP_STEP=1,
        CHANNELS_LAST=False,
        BEYOND_INT32=False,
        STACKED=False,
        SKEW=0,
        X_UNIT=1,
        Y_UNIT=1,
        WIDTH=4,
        ROWS=rows,
        BLOCK=8,
    )
    assert y[:, ::apart].equal(x[:, None].expand(2, rows, columns))


def case_long_kernels_and_steps_of_every_kind():
    # A loop of taps, rows that share taps 1, 2 or 3 steps apart, and rows that share none.
    for k, stride, dilation in ((33, 1, 2), (9, 1, 3), (9, 2, 2), (9, 3, 1), (7, 2, 3), (2, 3, 1)):
        x, weight = torch.randn(2, 3, 81, 9), torch.randn(3, 1, k, 1)
        given = {"stride": stride, "padding": 4, "dilation": dilation}
        torch.testing.assert_close(
            convolution(x, weight, **given), F.conv2d(x, weight, groups=3, **given)
        )


def case_programs_that_go_on_with_the_next_rows_of_a_plane():
    for dtype, k, padding, dilation, size in (
        (torch.float32, 3, 1, 1, (3, 3, 37, 7)),
        (torch.float32, 15, 7, 2, (1, 2, 50, 24)),
        (torch.float16, 7, 3, 1, (2, 3, 14, 14)),
        (torch.float16, 7, 3, 3, (2, 2, 45, 28)),
        (torch.float16, 8, 4, 1, (2, 3, 33, 56)),
    ):
        x, weight = torch.randn(size).to(dtype), torch.randn(size[1], 1, k, 1).to(dtype)
        given = {"padding": padding, "dilation": dilation}
        assert constants(x, weight, **given)["STACKED"]
        theirs = F.conv2d(x.float(), weight.float(), groups=size[1], **given).to(dtype)
        torch.testing.assert_close(convolution(x, weight, **given), theirs)


def case_a_dilation_beyond_the_output_takes_no_more_programs():
    # Of a kernel of 1 any dilation will do, and none of these rows shares what it loads.
    x = torch.randn(1, 2, 4, 4)
    for k, dilation in ((1, 10**10), (2, 3)):
        weight, given = torch.randn(2, 1, k, 1), {"dilation": dilation}
        size, _, programs, *_ = planned(x, weight, **given)
        assert programs == size[2]
        theirs = F.conv2d(x, weight, groups=2, dilation=min(dilation, 3))
        torch.testing.assert_close(convolution(x, weight, **given), theirs)


def case_a_value_that_is_not_finite_stays_within_its_window():
    x, weight = torch.randn(1, 2, 40, 8), torch.zeros(2, 1, 7, 1)
    weight[:, :, 3] = 1.0
    for value in (float("inf"), float("nan")):
        x[0, 0, 20, 3] = value
        theirs = F.conv2d(x, weight, padding=3, groups=2)
        torch.testing.assert_close(convolution(x, weight, padding=3), theirs, equal_nan=True)


def case_long_kernels_of_halves_on_tensor_cores():
    shapes = ((11, 0, 1, 64), (15, 7, 1, 56), (17, 17, 2, 120), (18, 0, 3, 32), (33, 32, 1, 240))
    for dtype in (torch.float16, torch.bfloat16):
        for k, padding, dilation, width in shapes:
            x, weight = torch.randn(2, 3, 100, width).to(dtype), torch.randn(3, 1, k, 1).to(dtype)
            bias = torch.randn(3).to(dtype)
            crop = F.pad(x, (8, 16, 1, 2))[:, :, 1:-2, 8:-16]
            given = {"padding": padding, "dilation": dilation}
            theirs = F.conv2d(x.double(), weight.double(), bias.double(), groups=3, **given)
            for each in (x, crop):
                assert chosen_kernel(each, weight, bias, **given) == "bands"
                ours = convolution(each, weight, bias, **given)
                torch.testing.assert_close(ours, theirs.to(dtype), rtol=1e-2, atol=1e-2)


@contextlib.contextmanager
def few_programs(number):
    own = KERNEL.FEW_PROGRAMS, KERNEL.MANY_PROGRAMS
    KERNEL.FEW_PROGRAMS = KERNEL.MANY_PROGRAMS = number
    KERNEL.PLANS.clear()
    try:
        yield
    finally:
        KERNEL.FEW_PROGRAMS, KERNEL.MANY_PROGRAMS = own
        KERNEL.PLANS.clear()


EVERY = ("nothing", "x", "weight")


def holds_on_tensor_cores(
    dtype, size, k, padding, name, dilation=1, where_infinite=EVERY, **constants
):
    """What a kernel gives for a crop, infinities in it or in one row, and an infinite weight."""
    weight = torch.randn(size[1], 1, k, 1).to(dtype)
    bias = torch.randn(size[1]).to(dtype)
    given = {"padding": padding, "dilation": dilation}
    close = {"rtol": 1e-5, "atol": 2e-5} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 1e-2}
    for infinite in where_infinite:
        x = torch.randn(size).to(dtype)
        if infinite == "x":
            x[0, 0, size[2] // 3, 3] = x[-1, -1, -1, -1] = float("inf")
            x[-1, 0, size[2] // 2, size[3] - 2] = float("nan")
        elif infinite == "weight":  # zero times infinity: the padding itself is NaN then
            weight[-1, 0, 0] = float("-inf")
        elif infinite != "nothing":
            x[0, 1, infinite, -1] = float("inf")
        crop = F.pad(x, (8, 16, 1, 2))[:, :, 1:-2, 8:-16]
        *_, taken, chosen, _ = planned(crop, weight, bias, **given)
        assert (chosen, taken) == (name, taken | constants)
        sums = F.conv2d(x.double(), weight.double(), bias.double(), groups=size[1], **given)
        ours = convolution(crop, weight, bias, **given)
        assert ours.isnan().equal(sums.isnan())
        torch.testing.assert_close(ours, sums.to(dtype), **close, equal_nan=True)


@few_programs(1)
def case_programs_that_go_down_a_plane_on_tensor_cores():
    # The last one of a plane has fewer rows, and the last block of a row fewer columns. Of those
    # that store whole sectors the borders are longer than what a sector has before a plane, or not.
    for k, padding, dilation, size, turned in (
        (31, 0, 1, (1, 2, 190, 32), False),
        (18, 9, 1, (1, 2, 165, 264), False),
        (33, 32, 2, (2, 2, 200, 56), False),
        (31, 15, 1, (1, 2, 131, 256), True),
        (18, 8, 1, (2, 2, 71, 120), True),
        (19, 9, 1, (1, 3, 65, 128), True),
        (22, 24, 3, (1, 2, 130, 240), True),
        (33, 16, 1, (1, 2, 33, 64), True),
        (18, 8, 1, (1, 2, 70, 32), True),
    ):
        given = {"dilation": dilation, "where_infinite": EVERY[:1], "TURNED": turned}
        holds_on_tensor_cores(torch.float16, size, k, padding, "strips", **given)


@few_programs(1)
def case_float32_of_many_taps_on_tensor_cores():
    # Of 17 planes and more the last ones are cut into programs of two strips.
    for k, padding, size in (
        (31, 15, (1, 2, 70, 256)),
        (21, 4, (1, 2, 66, 128)),
        (23, 11, (1, 17, 55, 60)),
    ):
        holds_on_tensor_cores(torch.float32, size, k, padding, "strips", TURNED=True)


@few_programs(1)
def case_rows_that_are_one_run_of_memory():
    for dtype, k, padding, size in (
        (torch.float16, 7, 3, (1, 2, 112, 112)),
        (torch.float16, 3, 7, (1, 17, 39, 112)),
        (torch.bfloat16, 16, 8, (2, 2, 50, 224)),
        (torch.float16, 17, 2, (1, 3, 60, 120)),
    ):
        holds_on_tensor_cores(dtype, size, k, padding, "strips", RUN=True)


@few_programs(1)
def case_whole_planes_of_several_images():
    for dtype, k, padding, size in (
        (torch.float16, 7, 3, (9, 16, 28, 28)),
        (torch.bfloat16, 3, 1, (8, 2, 32, 28)),
        (torch.float16, 17, 5, (3, 8, 31, 22)),
        (torch.float16, 17, 17, (3, 8, 1, 8)),  # the upper half does not see the first taps
        (torch.float16, 4, 2, (2, 16, 27, 26)),
    ):
        holds_on_tensor_cores(dtype, size, k, padding, "planes")


@few_programs(1)
def case_a_value_that_is_not_finite_spreads_no_further_on_tensor_cores():
    # Of the second and third each program goes down a plane, padded in whole sectors; of the third
    # neighbouring rows are other programs'.
    for k, dilation, size in (
        (11, 1, (1, 2, 60, 32)),
        (31, 1, (1, 2, 140, 64)),
        (19, 2, (1, 2, 236, 64)),
    ):
        # Row 0 is seen by the first strip alone where there is padding, 85 by the last where not.
        places = ("x", 0, min(85, size[2] - 1), size[2] - 1, "weight")
        for padding in (0, k // 2):
            given = {"TURNED": padding > 0} if k > 17 else {}
            given |= {"dilation": dilation, "where_infinite": places}
            name = "strips" if k > 17 else "bands"
            holds_on_tensor_cores(torch.float16, size, k, padding, name, **given)


@few_programs(1)
def case_a_sum_that_overflows_is_not_passed_on():
    # One row alone of a strip: 2e38 times 4, and rows of the next strips are NaN if it is not seen.
    for dtype, size, k, padding, row, tap, small in (
        (torch.bfloat16, (1, 2, 64, 112), 17, 1, 0, 5, 0.5),  # of no row of the output
        (torch.float32, (1, 2, 80, 64), 21, 10, 0, 14, 0.25),
        (torch.bfloat16, (1, 2, 80, 64), 31, 10, 0, 14, 0.25),
        (torch.bfloat16, (1, 2, 128, 64), 31, 0, 30, 1, 0.25),
    ):
        for first in (0, tap):
            x, weight = torch.randn(size).to(dtype), torch.randn(2, 1, k, 1).clamp(-small, small)
            x[0, 0, row, 5], weight[0, 0, first] = 2e38, 4.0
            weight = weight.to(dtype)
            assert chosen_kernel(x, weight, padding=padding) == "strips"
            sums = F.conv2d(x.double(), weight.double(), padding=padding, groups=2).to(dtype)
            ours = convolution(x, weight, padding=padding)
            assert ours.isfinite().equal(sums.isfinite())


def case_a_negation_that_is_left_to_be_done():
    x, weight = torch.randn(1, 2, 5, 8), torch.randn(2, 1, 3, 1)
    negated = torch.complex(x, x).conj().imag
    assert negated.is_neg()
    torch.testing.assert_close(convolution(negated, weight), F.conv2d(-x, weight, groups=2))
    crop = torch._neg_view(x)[:, :, 1:, :-3]
    torch.testing.assert_close(convolution(crop, weight), F.conv2d(crop, weight, groups=2))
    given = torch.complex(weight, weight).conj().imag
    torch.testing.assert_close(convolution(x, given), F.conv2d(x, -weight, groups=2))
    # The output's memory format is what the weight suggests once it is negated.
    strided = torch._neg_view(torch.randn(4, 6, 2, 2).permute(0, 2, 1, 3)[:2, :1, :3, :1])
    ours, theirs = convolution(x, strided), F.conv2d(x, strided, groups=2)
    torch.testing.assert_close(ours, theirs)
    assert ours.stride() == theirs.stride()


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


def case_planted_slowdowns_compute_the_same():
    source = Path(KERNEL.__file__).read_text()
    for planted in (slower(source, 3), busier(source, 5)):
        assert planted != source
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "kernel.py"
            file.write_text(planted)
            slow = load_candidate(file)
            for k, width in ((3, 32), (7, 24), (15, 32)):  # the second goes on with the next rows
                x, weight = torch.randn(2, 3, 37, width).half(), torch.randn(3, 1, k, 1).half()
                given = {"stride": 1, "padding": 1, "dilation": 1}
                theirs = slow.depthwise_conv_h(x, weight, None, **given)
                torch.testing.assert_close(theirs, convolution(x, weight, padding=1))


def case_an_empty_batch_has_the_strides_that_conv2d_gives_it():
    x, weight = torch.randn(0, 3, 6, 7), torch.randn(3, 1, 3, 1)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        theirs = F.conv2d(given, weight, groups=3)
        assert convolution(given, weight).stride() == theirs.stride()


CASES = {name: case for name, case in globals().items() if name.startswith("case_")}


def main():
    interpreter.prepare()  # as for workloads: bfloat16 is noise in Triton's own
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
