"""The first kernel in PyTorch's company; what it computes, its workloads say."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from gate import static  # noqa: E402
from gate.kernels import Workload, load_folder  # noqa: E402
from gate.problem import load_candidate  # noqa: E402

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "kernels" / "depthwise_conv_h"
INTERPRETED = Path(__file__).parent / "interpreted.py"
CASES = [
    node.name
    for node in ast.parse(INTERPRETED.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]


@pytest.fixture(scope="module")
def kernel():
    return load_candidate(FOLDER / "kernel.py")


@pytest.fixture(scope="module")
def interpreted():
    return subprocess.run(
        [sys.executable, "-m", "tests.kernels.interpreted"],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("name", CASES)
def test_in_the_interpreter(interpreted, name):
    assert name in interpreted.stdout.split(), (interpreted.returncode, interpreted.stderr)


def test_groups_leave_few_lanes_idle(kernel):
    for columns in (1, 2, 7, 8, 9, 28, 130, 510, 519, 2046):
        for padding in (0, 1, 3):
            width = kernel.fitting_width(8, columns, padding)
            skew = -padding % width
            covered = kernel.ceil_div(columns + skew, width) * width
            assert columns + skew <= covered < columns + skew + width
            assert width == 1 or covered <= columns / 0.9
    assert kernel.fitting_width(4, 510, 0, 512, 2**18) == 4
    assert kernel.fitting_width(4, 509, 0, 511, 511**2) == 1
    assert kernel.fitting_width(8, 54, 0, 56, 24) == 8


def test_no_tile_asks_for_more_sums_than_registers_hold(kernel):
    for k in range(1, 33):
        for vector in (4, 8):
            for padding in (0, 3):
                for w in (7, 14, 28, 60, 512):
                    sizes = (vector, False, w, w * 64)
                    width, rows, block, warps, _ = kernel.tile(k, 1, padding, 8, w, *sizes)
                    threads = 32 * warps
                    assert block % threads == 0
                    assert width * rows * block // threads <= 64
        width, rows, block, warps, _ = kernel.tile(k, 1, 0, 64, 512, 8, True)
        assert width * rows * block // (32 * warps) <= 64


def planned(kernel, size, k, padding, dilation, dtype):
    x, weight = (
        kernel.layout(torch.empty(each, dtype=dtype, device="meta"))
        for each in (size, (size[1], 1, k, 1))
    )
    return kernel.plan(x, weight, None, 1, padding, dilation)


@pytest.mark.parametrize(
    ("size", "k", "padding", "dilation", "block", "name"),
    [
        ((16, 64, 256, 256), 31, 15, 1, 256, "strips"),
        ((16, 64, 256, 256), 31, 0, 1, 128, "strips"),
        ((16, 64, 256, 256), 11, 0, 1, 256, "bands"),
        ((16, 64, 256, 256), 7, 3, 1, 256, "bands"),
        ((1, 1, 64, 120), 33, 32, 1, 128, "bands"),
        ((1, 1, 64, 32), 31, 0, 1, 32, "bands"),
        ((16, 64, 256, 256), 10, 0, 1, 0, "tiles"),  # at a copy's speed without
        ((16, 64, 256, 256), 5, 2, 1, 0, "tiles"),
        ((8, 8, 224, 224), 7, 3, 1, 0, "tiles"),  # too few programs
        ((16, 64, 256, 104), 7, 3, 1, 0, "tiles"),  # too few columns
        ((16, 64, 256, 256), 34, 0, 1, 0, "tiles"),  # no 32 rows of it share 64 of the input
        ((16, 64, 256, 260), 31, 15, 1, 0, "tiles"),  # no loads of 16 bytes
        ((16, 64, 256, 40), 31, 0, 1, 0, "tiles"),  # too many columns idle
        ((1, 1, 2**24, 256), 11, 0, 2**20, 0, "tiles"),  # rows too far apart
    ],
)
def test_which_halves_take_tensor_cores(kernel, size, k, padding, dilation, block, name):
    x = kernel.layout(torch.empty(size, dtype=torch.float16, device="meta"))
    h_out, w_out = kernel.output_size(*size[2:], k, 1, padding, dilation)
    assert kernel.banded_block(x, (*size[:2], h_out, w_out), k, padding, dilation) == block
    assert planned(kernel, size, k, padding, dilation, torch.float16)[5] == name


@pytest.mark.parametrize(
    ("size", "k", "padding", "dilation", "strips", "turned"),
    [
        ((16, 64, 256, 256), 31, 15, 1, 4, True),
        ((2, 64, 256, 256), 31, 0, 1, 4, False),
        ((4, 64, 254, 256), 31, 0, 1, 4, False),  # this one and the next four are run on a GPU
        ((4, 64, 254, 256), 31, 15, 1, 4, True),
        ((4, 64, 254, 240), 19, 9, 1, 4, True),
        ((4, 64, 250, 128), 22, 24, 3, 4, True),
        ((3, 40, 250, 264), 18, 9, 1, 4, False),
        ((16, 64, 256, 512), 31, 15, 1, 4, False),  # several blocks of columns
        ((16, 64, 33, 256), 31, 15, 1, 4, True),
        ((16, 64, 32, 256), 31, 15, 1, 1, None),  # one strip of rows
        ((16, 64, 96, 256), 31, 30, 3, 1, None),
        ((1, 63, 256, 256), 31, 15, 1, 1, None),  # too few programs
        ((16, 64, 256, 256), 17, 8, 1, 1, None),
        ((16, 64, 256, 256), 18, 8, 1, 4, True),
        ((16, 64, 256, 256), 18, 7, 1, 4, False),  # a sector has two rows' sums
        ((16, 64, 256, 32), 31, 15, 1, 4, False),  # borders wider than the block
    ],
)
def test_how_many_strips_a_program_goes_down(kernel, size, k, padding, dilation, strips, turned):
    y_size, _, programs, sizes, constants, name, _ = planned(
        kernel, size, k, padding, dilation, torch.float16
    )
    assert (name, constants.get("TURNED")) == ("bands" if strips == 1 else "strips", turned)
    assert strips == 1 or (sizes[4] == strips and not constants["RUN"])
    # So many rows at least share what a program multiplies.
    assert constants["ROWS"] * (3 if strips > 1 else 2) >= constants["ROWS"] + k - 1
    height, blocks = strips * constants["ROWS"], kernel.ceil_div(size[3], constants["BLOCK"])
    parts = programs / (size[0] * size[1] * blocks * dilation)
    assert (parts - 1) * height < y_size[2] / dilation <= parts * height


@pytest.mark.parametrize(
    ("size", "k", "padding", "dtype", "name", "strips"),
    [
        ((16, 64, 256, 256), 31, 15, torch.float32, "strips", 16),
        ((8, 64, 250, 256), 31, 15, torch.float32, "strips", 8),  # run on a GPU, as the next
        ((32, 64, 130, 120), 21, 10, torch.float32, "strips", 9),
        ((8, 63, 250, 256), 31, 15, torch.float32, "tiles", None),  # too few programs
        ((16, 64, 256, 256), 20, 10, torch.float32, "tiles", None),  # too few taps
        ((16, 64, 256, 256), 31, 3, torch.float32, "tiles", None),  # a sector has two rows' sums
        ((16, 64, 256, 256), 31, 0, torch.float32, "tiles", None),
        ((16, 64, 256, 512), 31, 15, torch.float32, "tiles", None),  # several blocks of columns
        ((16, 64, 256, 254), 31, 15, torch.float32, "tiles", None),  # no loads of 16 bytes
        ((32, 64, 112, 112), 7, 3, torch.float16, "strips", 7),
        ((32, 64, 110, 112), 7, 3, torch.bfloat16, "strips", 7),  # run on a GPU, as the next
        ((16, 64, 130, 224), 16, 8, torch.float16, "strips", 9),
        ((32, 64, 112, 112), 3, 1, torch.float16, "strips", 7),
        ((32, 64, 112, 112), 2, 1, torch.float16, "tiles", None),
        ((32, 64, 112, 112), 7, 0, torch.float16, "tiles", None),
        ((32, 64, 112, 120), 9, 4, torch.float16, "tiles", None),  # no column beyond is left
        ((32, 64, 32, 112), 7, 3, torch.float16, "tiles", None),
        ((15, 64, 112, 112), 7, 3, torch.float16, "tiles", None),  # too few programs
        ((64, 512, 28, 28), 7, 3, torch.float16, "planes", None),
        ((17, 512, 28, 28), 7, 3, torch.float16, "planes", None),  # run on a GPU, as the next
        ((16, 512, 27, 30), 3, 1, torch.bfloat16, "planes", None),
        ((8, 512, 28, 28), 7, 3, torch.float16, "tiles", None),  # too few programs
        ((64, 512, 28, 27), 7, 3, torch.float16, "tiles", None),  # no loads of 4 bytes
        ((64, 513, 26, 28), 7, 3, torch.float16, "tiles", None),  # no two planes begin alike
        ((64, 512, 20, 20), 7, 3, torch.float16, "tiles", None),  # too many places idle
        ((64, 512, 32, 30), 7, 3, torch.float16, "tiles", None),  # more than there are
        ((64, 512, 28, 28), 7, 0, torch.float16, "tiles", None),
        ((64, 512, 28, 28), 7, 3, torch.float32, "tiles", None),
    ],
)
def test_which_rows_are_stored_as_runs_of_memory(kernel, size, k, padding, dtype, name, strips):
    y_size, _, programs, sizes, constants, chosen, _ = planned(kernel, size, k, padding, 1, dtype)
    assert chosen == name
    if name == "planes":
        assert programs == -(-size[0] // 8) * size[1]
    if strips:
        assert constants["RUN"] == (dtype != torch.float32)
        _, _, h_out, blocks, most, parts, uncut, last_parts, *_ = sizes
        planes = size[0] * size[1]
        assert (h_out, blocks, most) == (y_size[2], 1, strips)
        # The last planes, and no others, are cut into programs of two strips.
        assert (uncut, parts) == (planes - planes // 16, -(-h_out // (16 * strips)))
        assert programs == uncut * parts + (planes - uncut) * -(-h_out // 32)
        assert last_parts == -(-h_out // 32)


@pytest.mark.parametrize(
    ("size", "k", "strides", "name", "instead"),
    [
        ((32, 64, 112, 112), 7, (2**37, 2**32, 2**27, 1), "strips", "tiles"),
        ((16, 64, 256, 256), 31, (2**37, 2**32, 2**27, 1), "strips", "bands"),
        ((64, 512, 28, 28), 7, (32, 32, 2**26, 1), "planes", "tiles"),
        ((64, 512, 28, 28), 7, (2**26, 32, 32, 1), "planes", "tiles"),
    ],
)
def test_rows_too_far_apart_for_32_bits_are_taken_otherwise(
    kernel, size, k, strides, name, instead
):
    c = size[1]
    weight = (torch.Size((c, 1, k, 1)), (k, k, 1, 1), torch.float16, "cpu")
    for given, expected in (((*(each // 2 for each in strides[:3]), 1), name), (strides, instead)):
        x = (torch.Size(size), given, torch.float16, "cpu")
        assert kernel.plan(x, weight, None, 1, k // 2, 1)[5] == expected


def test_a_workload_goes_down_a_plane_on_a_gpu(kernel):
    workloads = {each.name: each for each in load_folder(FOLDER).workloads}
    sizes = workloads["kernel_31_float16_tall"].constants
    size = [sizes[name] for name in ("batch_size", "in_channels", "height", "width")]
    given = sizes["kernel_size"], sizes["padding"], 1
    assert planned(kernel, size, *given, torch.float16)[5] == "strips"


def test_a_plan_is_made_once_and_only_for_ints(kernel, monkeypatch):
    made = []
    plan = kernel.plan
    monkeypatch.setattr(kernel, "PLANS", {})
    monkeypatch.setattr(kernel, "MOST_PLANS", 2)
    monkeypatch.setattr(kernel, "plan", lambda *given: made.append(given) or plan(*given))
    layouts = kernel.layout(torch.zeros(1, 8, 16, 16)), kernel.layout(torch.zeros(8, 1, 3, 1)), None
    first = [kernel.remembered_plan(*layouts, 1, 0, 1) for _ in range(3)]
    assert len(made) == 1
    assert first[0] is first[1] is first[2]
    assert kernel.remembered_plan(*layouts, 1, 1, 1) != first[0]
    for place, name in enumerate(("stride", "padding", "dilation")):
        for wrong in (1.0, "1", None, [1, 1]):
            steps = [1, 1, 1]
            steps[place] = wrong
            with pytest.raises(ValueError, match=f"{name} must be one int"):
                kernel.remembered_plan(*layouts, *steps)
    kernel.remembered_plan(*layouts, 1, 0, 2)
    assert len(kernel.PLANS) == 1


def test_groups_beyond_2_31_are_counted_in_64_bits(kernel):
    weight = (torch.Size((8, 1, 7, 1)), (7, 7, 1, 1), torch.float16, "cpu")
    for n, beyond in ((2**20, False), (2**23, True)):
        x = (torch.Size((n, 8, 16, 24)), (8 * 384, 384, 24, 1), torch.float16, "cpu")
        *_, constants, _, _ = kernel.plan(x, weight, None, 1, 3, 1)
        assert constants["STACKED"]
        assert constants["BEYOND_INT32"] == beyond


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [
        ((1, 1, 1, 2**31 + 8), 1, 0),
        ((1, 1, 1, 2**31 - 2), 1, 0),  # its last group of columns ends beyond
        ((1, 1, 1, 2**31 - 2), 2, 0),
        ((1, 2**16, 1, 2**16), 1, 0),
        ((1, 1, 2**31 - 3, 1), 1, 1),
        ((1, 1, 2**31 - 2, 1), 8, 1),
    ],
)
def test_rows_and_columns_that_an_int32_does_not_count_are_refused(kernel, size, stride, padding):
    _, c, h, w = size
    strides = (c * h * w, 1, w * c, c) if c > 1 else (h * w, h * w, w, 1)
    weight = torch.zeros(c, 1, 3 if padding else 1, 1)
    x = (torch.Size(size), strides, weight.dtype, weight.device)
    with pytest.raises(ValueError, match="more than one launch can cover"):
        kernel.plan(x, kernel.layout(weight), None, stride, padding, 1)


@pytest.mark.parametrize(
    ("sizes", "unit"),
    [((32, 64), 1), ((28, 784), 4), ((24, 48), 8), ((14, 196), 2), ((7, 49), 1), ((8, 16), 8)],
)
def test_sizes_are_counted_in_what_triton_cannot_see(kernel, sizes, unit):
    assert kernel.hidden_unit(8, *sizes) == unit


@pytest.mark.parametrize("wanting", ["x", "weight", "bias"])
def test_a_gradient_is_refused_before_anything_runs(kernel, wanting):
    shapes = {"x": (2, 3, 5, 7), "weight": (3, 1, 3, 1), "bias": (3,)}
    given = {
        name: torch.ones(shape, requires_grad=name == wanting) for name, shape in shapes.items()
    }
    with torch.enable_grad(), pytest.raises(RuntimeError, match="no backward pass: call it under"):
        kernel.depthwise_conv_h(**given, stride=1, padding=0, dilation=1)


def test_more_planes_than_a_grid_holds_are_refused(kernel, monkeypatch):
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)  # knows no meta tensors
    x = torch.empty(1, 1, 1, 1, device="meta").expand(2**40, 1, 1, 1)
    weight = torch.empty(1, 1, 1, 1, device="meta")
    with pytest.raises(ValueError, match="split the batch or the rows"):
        kernel.depthwise_conv_h(x, weight, None, stride=1, padding=0, dilation=1)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("k", [3, 31])
def test_dynamo_traces_a_whole_call_into_one_graph(kernel, monkeypatch, dynamic, autocast, k):
    """Without a GPU: what would be compiled is looked at, and not run."""
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: True)
    graphs = []

    def keep(graph, _inputs):
        graphs.append(graph)
        return lambda *_: (torch.zeros(1),)

    torch.compiler.reset()
    model = torch.compile(
        kernel.ModelNew(8, k, padding=k // 2, bias=True),
        fullgraph=True,
        backend=keep,
        dynamic=dynamic,
    )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for shape in ((2, 8, 16, 16), (2, 8, 33, 47), (3, 8, 65, 128)):
            model(torch.zeros(shape))
    assert graphs
    for graph in graphs:
        calls = [node for node in graph.graph.nodes if "triton_kernel" in str(node.target)]
        assert len(calls) == 1


WIDEST = (128, 128)
# What a launch fixes at compile time: sizes of 1, sizes that 16 divides, layouts, dtypes. Widest
# global load and store in bits; None where nothing is aligned.
COMPILED = {
    "flagship": ({}, "float32", WIDEST),
    "one_value": ({"batch_size": 1, "in_channels": 1, "height": 3, "width": 1}, "float32", None),
    "one_column": ({"width": 1}, "float32", None),
    "kernel_15": ({"kernel_size": 15}, "float32", (64, 64)),  # more rows, so fewer columns
    "half": ({}, "float16", WIDEST),
    "bias_and_dilation": ({"bias": True, "dilation": 4}, "bfloat16", WIDEST),
    "channels_last": ({"in_channels": 64, "padding": 1}, "float32", WIDEST),
    "channels_last_31": (
        {"in_channels": 64, "kernel_size": 31, "padding": 15, "stride": 2, "bias": True},
        "float16",
        WIDEST,
    ),
    "padded": ({"kernel_size": 7, "padding": 3}, "float32", (128, 32)),
    "padded_by_4": ({"kernel_size": 9, "padding": 4}, "float32", WIDEST),
    "width_28": ({"width": 28}, "float32", WIDEST),
    "half_width_56": ({"width": 56}, "float16", WIDEST),
    "padded_width_28": ({"width": 28, "padding": 2}, "float32", (64, 64)),
    "padded_to_260": ({"width": 252, "stride": 2, "padding": 2}, "float32", (32, 64)),
    "strided": ({"stride": 2}, "float32", (32, 64)),
    "padded_31": ({"kernel_size": 31, "padding": 15}, "float32", (32, 64)),
    "half_padded_width_28": ({"kernel_size": 7, "padding": 3, "width": 28}, "float16", (16, 32)),
    "half_padded_10": ({"kernel_size": 10, "padding": 5, "width": 116}, "float16", (32, 16)),
    "half_padded_18": ({"kernel_size": 18, "padding": 9, "width": 250}, "float16", None),
    "half_padded_24": ({"kernel_size": 24, "padding": 12, "width": 28}, "float16", (16, 32)),
    "tensor_cores": ({"kernel_size": 31}, "float16", WIDEST),
    "tensor_cores_padded": (
        {"kernel_size": 31, "padding": 15, "bias": True},
        "bfloat16",
        (128, 16),
    ),
    "tensor_cores_short": ({"kernel_size": 7, "padding": 3}, "float16", (128, 16)),
    "tensor_cores_float32": (
        {"batch_size": 128, "height": 256, "width": 256, "kernel_size": 31, "padding": 15},
        "float32",
        (128, 64),
    ),
    "run_of_rows": (
        {"batch_size": 256, "height": 112, "width": 112, "kernel_size": 7, "padding": 3},
        "float16",
        (128, 32),
    ),
    "whole_planes": (
        {"batch_size": 1024, "height": 28, "width": 28, "kernel_size": 7, "padding": 3},
        "bfloat16",
        (64, 32),
    ),
}
FULL = ("flagship", "one_value", "one_column", "strided")
SHARED = ("tensor_cores", "tensor_cores_padded", "tensor_cores_float32")


@pytest.fixture(scope="module")
def compiled():
    workloads = [
        Workload(
            name=name,
            constants=constants,
            dtype=dtype,
            memory_format="channels_last" if name.startswith("channels_last") else "contiguous",
        )
        for name, (constants, dtype, _) in COMPILED.items()
    ]
    return static.analyse(load_folder(FOLDER), workloads, target="sm_89", timeout_s=120.0)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_for_an_rtx_4090(compiled, name):
    (launch,) = compiled[name].static.launches
    bits = COMPILED[name][2]
    assert launch.stack_bytes == launch.local_bytes == 0
    # Rows that share what they load keep sums in registers, which is what limits occupancy; rows of
    # the input in shared memory, which are loaded ahead, limit it further.
    least = 80 if name in FULL else 8 if name in SHARED else 24
    assert launch.theoretical_occupancy_pct > least
    if bits:
        assert (launch.widest_global_load_bits, launch.widest_global_store_bits) == bits
