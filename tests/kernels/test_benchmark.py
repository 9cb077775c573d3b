"""The benchmark of the first kernel, as far as it goes without a GPU."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import torch
from torch.nn import functional as F  # noqa: N812

from benchmarks import kernel, kernel_rounding
from benchmarks.acceptance import HIDDEN_WORK, PLANTS
from benchmarks.kernel_cases import BASE, FLAGSHIP, Case, grid
from benchmarks.kernel_competitors import SEGMENT
from benchmarks.kernel_compiled import lines
from benchmarks.kernel_overhead import FUNCTION, recorded_launch
from benchmarks.kernel_plot import main as plot
from benchmarks.kernel_plot import picture
from benchmarks.kernel_table import Row, markdown
from benchmarks.kernel_tiles import tiles
from benchmarks.rtx_4090 import predict, seed_style
from gate.gpus import table_for_name

ROOT = Path(__file__).parents[2]
RTX_4090 = table_for_name("NVIDIA GeForce RTX 4090")
MAX_BYTES = 2e9


def test_the_grid_is_wide_and_fits():
    cases = grid()
    assert len(cases) >= 60
    assert len({case.name for case in cases}) == len(cases)
    for values, name in (
        ({1, 3, 5, 7, 15, 31}, "k"),
        ({1, 2}, "stride"),
        ({1, 2, 4}, "dilation"),
        ({1, 8, 64, 512}, "c"),
        ({"float32", "float16", "bfloat16"}, "dtype"),
        ({False, True}, "bias"),
        ({False, True}, "same"),
    ):
        assert {getattr(case, name) for case in cases} >= values
    assert {7, 2048} <= {case.h for case in cases} & {case.w for case in cases}
    assert {1, 256} <= {case.n for case in cases}
    for case in cases:
        n, c, h_out, w_out = case.output_shape
        assert min(n, c, h_out, w_out) >= 1
        assert case.bytes < MAX_BYTES
        assert max(h_out, w_out / SEGMENT) <= 65_535  # the seed-style kernel's grid


@pytest.mark.parametrize("case", grid()[::5], ids=lambda case: case.name)
def test_a_case_knows_its_output_and_its_bytes(case):
    x = torch.empty(case.n, case.c, case.h, case.w, device="meta")
    weight = torch.empty(case.c, 1, case.k, 1, device="meta")
    y = F.conv2d(
        x,
        weight,
        stride=case.stride,
        padding=case.padding,
        dilation=case.dilation,
        groups=case.c,
    )
    assert case.output_shape == tuple(y.shape)
    elements = x.numel() + y.numel() + weight.numel() + (case.c if case.bias else 0)
    assert case.bytes == elements * getattr(torch, case.dtype).itemsize


def test_the_flagship_moves_what_the_seed_moves():
    assert FLAGSHIP.bytes == pytest.approx(1.0716e9, rel=1e-4)


# ------------------------------------------------------------------------------------- dry run


def dry_run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.kernels.dry_run", *arguments],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def dry(tmp_path_factory):
    """A run without torch.compile, one that goes on with it, one that only reports."""
    out = tmp_path_factory.mktemp("dry") / "out.jsonl"
    runs = [
        dry_run(str(out), *arguments) for arguments in ((), ("--compile", "1"), ("--seconds", "0"))
    ]
    for made in runs:
        assert made.returncode == 0, made.stderr
    return out, runs


def test_every_competitor_is_timed_and_agrees(dry):
    rows = [json.loads(line) for line in dry[0].read_text().splitlines()]
    assert len(rows) == 5
    for row in rows:
        assert row["failed"] == {}
        assert {"kernel", "conv2d", "seed", "copy", "stream"} <= set(row["ns"])
        assert all(ns > 0 for ns in row["ns"].values())


def test_a_run_goes_on_where_it_was_left(dry):
    out, (first, second, third) = dry
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [sum("compile" in row["ns"] for row in rows), "compile" in rows[-1]["ns"]] == [1, True]
    assert [run.stdout.count(" us\n") for run in (first, second, third)] == [4, 1, 0]
    assert "4 of 4 workloads on made up" in third.stdout
    assert out.with_suffix(".md").read_text() in third.stdout


def test_the_overhead_is_told(dry):
    assert "| its bare Triton launch |" in dry[1][0].stdout


def test_no_case_begins_when_the_time_is_over(dry, tmp_path):
    made = dry_run(str(tmp_path / "out.jsonl"), "--seconds", "1e-9")
    assert "4 cases are left" in made.stdout, made.stderr


def test_every_tile_is_held_against_conv2d_and_timed(tmp_path):
    out = tmp_path / "tiles.jsonl"
    made = dry_run("tiles", str(out), "--tiles", "3")
    assert made.returncode == 0, made.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    # As planned and with three tiles; counted and on tensor cores where they fit.
    assert [len(row["ns"]) for row in rows] == [4 + 2, 4, 4, 4 + 2 + 4], made.stdout
    assert made.stdout.count(": planned ") == 4


def test_a_padded_copy_is_timed_where_an_output_has_the_rows_of_its_input(tmp_path):
    out = tmp_path / "padded.md"
    made = dry_run("padded", str(out))
    assert made.returncode == 0, made.stderr
    case, copy, padded, ours = out.read_text().splitlines()[2].strip("| ").split(" | ")
    assert case == "4x2x20x16 k11 same bias float16"
    assert all(" us (" in each for each in (copy, padded, ours))
    assert made.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "script", ["kernel", "kernel_padded_copy", "kernel_rounding", "kernel_tiles"]
)
def test_without_a_gpu_they_say_so(tmp_path, script):
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    made = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", str(tmp_path / "out.jsonl")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (made.returncode, made.stderr) == (1, "no GPU here\n")


def test_tiles_are_what_registers_hold():
    for case in grid():
        drawn = tiles(case, 24)
        assert drawn == tiles(case, 24)
        assert len(set(drawn)) == len(drawn) > 4
        for width, rows, block, warps, _ in drawn:
            assert width * rows * (block // (32 * warps)) <= 64
            assert (case.c if case.channels_last else case.w) % width == 0


@pytest.mark.parametrize("plant", [*PLANTS, HIDDEN_WORK], ids=lambda plant: plant.name)
def test_what_the_acceptance_plants_has_its_place(plant):
    kernel_file = ROOT / "kernels" / "depthwise_conv_h" / "kernel.py"
    assert kernel_file.read_text().count(plant.old) == 1


# --------------------------------------------------------------------------------------- parts


def test_what_computes_something_else_has_no_time():
    right = torch.ones(2, 2)
    case = replace(BASE, dtype="float16")
    kernel.agree(case, lambda: right + 1e-3, right)
    for wrong in (right + 1e-2, right * float("nan"), torch.ones(2, 3)):
        failed = {}
        kernel.attempt(
            failed, "kernel", lambda wrong=wrong: kernel.agree(case, lambda: wrong, right)
        )
        assert failed["kernel"].startswith("ValueError: its output ")


def test_rounding_is_told_as_parts_of_the_largest_output():
    exact = torch.tensor([-2.0, 4.0, 0.5, 1.0], dtype=torch.float64)
    off = torch.tensor([0.4, -0.4, 0.0, 0.0], dtype=torch.float64)  # both towards zero
    assert kernel_rounding.errors(exact + off, exact) == "0.1 | 0.071 | -0.05"


def test_a_failure_is_told_in_one_line():
    def broken():
        raise RuntimeError("out of memory\nand much more")

    failed = {}
    assert kernel.attempt(failed, "conv2d", broken) is None
    assert failed == {"conv2d": "RuntimeError: out of memory"}


def test_what_cannot_be_compiled_beforehand_is_left_to_the_timing(capsys):
    # Rows are the seed-style grid's y dimension: with a GPU these are beyond it.
    kernel.precompile([Case(n=1, c=1, h=70_000, w=1)], workers=1)
    assert "compiled 1 cases, 1 failed" in capsys.readouterr().out


def test_a_launch_is_recorded_and_the_function_put_back():
    class Function:
        def __getitem__(self, grid):
            return lambda *args, **kwargs: (grid, args, kwargs)

    function = Function()
    module = type("Module", (), {FUNCTION: function})
    launch = recorded_launch(module, lambda: getattr(module, FUNCTION)[(3, 2)](1, K=2))
    assert launch() == ((3, 2), (1,), {"K": 2})
    assert getattr(module, FUNCTION) is function


def test_the_table():
    cases = [FLAGSHIP, BASE, replace(BASE, k=5)]
    rows = [
        Row(
            case=FLAGSHIP.name,
            device="H100",
            ns={"kernel": 400e3, "conv2d": 1600e3, "seed": 800e3, "copy": 380e3, "stream": 360e3},
        ),
        Row(
            case=BASE.name,
            device="H100",
            ns={"kernel": 200e3, "conv2d": 100e3, "copy": 180e3},
            failed={"seed": "it fell"},
        ),
    ]
    text = markdown(cases, rows)
    assert "2 of 3 workloads on H100" in text
    assert f"| {FLAGSHIP.name} | 400.00 us | 2679 | 90.0% | 4.00x | 2.00x |  |" in text
    assert "- 1.41 times as fast as F.conv2d over 2 (least 0.50)" in text
    assert f"- {BASE.name}: 2.00 times the time of F.conv2d" in text
    assert f"- {BASE.name}, seed: it fell" in text
    assert f"below 93% of a copy:\n\n- {FLAGSHIP.name}: 90.0%" in text


def test_a_table_of_failures_alone():
    row = Row(case=FLAGSHIP.name, device="H100", ns={}, failed={"kernel": "it fell"})
    assert f"| {FLAGSHIP.name} | failed |" in markdown([FLAGSHIP], [row])
    assert "Nothing was timed." in markdown([FLAGSHIP], [])


# ----------------------------------------------------------------------------- without a GPU


def test_the_model_of_a_4090_agrees_with_what_is_published():
    seed = seed_style(FLAGSHIP, RTX_4090)
    published_ns = FLAGSHIP.bytes / (0.9188 * RTX_4090.memory_bandwidth_gb_s)
    assert seed.ns == pytest.approx(published_ns, rel=0.1)
    assert 100 * seed.l2_hit_rate == pytest.approx(74.76, abs=1)


def test_the_model_knows_when_rows_are_fetched_anew():
    wide = Case(n=256, c=512, h=64, w=128, k=3, dilation=4)
    anew, best = seed_style(wide, RTX_4090), predict(wide, RTX_4090)
    assert anew.dram_bytes == best.dram_bytes + 2 * wide.input_bytes
    assert anew.ns > 1.9 * best.ns
    assert anew.l2_hit_rate == pytest.approx(0.25)


def test_compiled_figures_of_a_case():
    (line,) = lines([FLAGSHIP], "sm_89")
    assert line.startswith(f"| {FLAGSHIP.name} | 64 | ")
    assert " | 0 | 128 / 128 | " in line


def test_a_picture_shows_every_case_that_was_timed(tmp_path):
    cases = grid()[:3]
    rows = [
        Row(case=case.name, device="a card", ns={"kernel": 10.0, "conv2d": 30.0, "copy": 9.0})
        for case in cases[:2]
    ]
    made = picture(cases, rows)
    shares, times = (axes.collections[0].get_offsets() for axes in made.axes)
    assert shares.tolist() == [[case.bytes / 1e6, 0.9] for case in cases[:2]]
    assert times.tolist() == [[case.bytes / 1e6, 3.0] for case in cases[:2]]
    results = tmp_path / "out.jsonl"
    results.write_text("\n".join(json.dumps(asdict(row)) for row in rows))
    plot(results, tmp_path / "out.svg")
    assert "a card, 2 workloads" in (tmp_path / "out.svg").read_text()
