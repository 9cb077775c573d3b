import time
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from report_samples import (
    FOLDER,
    KERNEL,
    REFRESH,
    SAMPLES,
    agrees,
    environment,
    figures,
    finding,
    incorrect,
    regressed,
    verdict,
)
from rich.console import Console

from gate.errors import ExitCode
from gate.report.table import MAX_GREEN_ROWS, MAX_OPEN_ROWS
from gate.report.terminal import MAX_CAUSES, render
from gate.verdict import Status


def rendered(given, width=120, **options):
    console = Console(file=StringIO(), width=width, **options)
    render(given, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


PASSED = """\
PASSED: 15 workloads correct, 6 gated metrics unchanged or improved against \
baselines/nvidia-h100-80gb-hbm3
On NVIDIA H100 80GB HBM3

workload                   correct          runtime         SM %       DRAM %  status
depthwise_conv_h/k31       yes      301.9 us -12.0%  31.1 +0.00%  98.1 +9.24%  improved
depthwise_conv_h/flagship  yes      343.1 us +0.00%  31.1 +0.00%  89.8 +0.00%  unchanged
13 more workloads: correct
tolerances: runtime 1.0 % (configured floor), SM throughput 2.0 % (configured floor), \
DRAM throughput 2.15 % (baseline's noise)"""

REGRESSED = """\
FAILED regressed (exit 3): depthwise_conv_h/flagship runtime +20.1 % (tolerance 1.0 %); \
and 2 more findings
On NVIDIA H100 80GB HBM3, against baselines/nvidia-h100-80gb-hbm3

workload           correct          runtime         SM %       DRAM %  status
depthwise_conv_h/  yes      412.1 us +20.1%  25.9 -16.7%  74.8 -16.7%  regressed
flagship
depthwise_conv_h/  yes      343.1 us +0.00%  31.1 +0.00%  89.8 +0.00%  unchanged
k31
13 more workloads: correct

depthwise_conv_h/flagship: runtime regressed (slower)
  343.1 us -> 412.1 us, +20.1 % [+19.6 %, +20.6 %], tolerance 1.0 % (configured floor)
  | beyond its tolerance

depthwise_conv_h/flagship: SM throughput regressed (lower)
  sm__throughput.avg.pct_of_peak_sustained_elapsed of depthwise_conv_h_kernel
  31.1 % -> 25.9 %, -16.7 % [-17.2 %, -16.2 %], tolerance 2.0 % (configured floor)
  | beyond its tolerance

depthwise_conv_h/flagship: DRAM throughput regressed (lower)
  dram__throughput.avg.pct_of_peak_sustained_elapsed of depthwise_conv_h_kernel
  89.8 % -> 74.8 %, -16.7 % [-17.2 %, -16.2 %], tolerance 2.15 % (baseline's noise)
  | beyond its tolerance

next: if it is meant: gate baseline refresh depthwise_conv_h --accept-regression --reason "why\""""

INCORRECT = """\
FAILED incorrect (exit 4): depthwise_conv_h/flagship: correctness: 4 of 131,072 elements differ \
from the reference (seed 20240607)
On NVIDIA H100 80GB HBM3, against baselines/nvidia-h100-80gb-hbm3

workload                   correct  status
depthwise_conv_h/flagship  NO       failed
depthwise_conv_h/k31       yes      passed

depthwise_conv_h/flagship: correctness failed (wrong_result)
  | 4 of 131,072 elements differ from the reference (seed 20240607)
  |   at (0, 3, 17, 128): 0.0 instead of 1.25
  |   largest absolute error 1.25, allowed 1e-05

next: gate check depthwise_conv_h --seed 20240607"""

ENVIRONMENT = """\
FAILED environment (exit 6): depthwise_conv_h and 1 more: gpu: a measurement on a GPU is \
required: no NVIDIA driver is loaded
Without a GPU, tested in Triton's interpreter, against baselines/sm_89

workload                   correct  status
depthwise_conv_h           -        missing
softmax                    -        missing
depthwise_conv_h/flagship  yes      passed
softmax/default            yes      passed

depthwise_conv_h and 1 more: gpu missing (no_gpu)
  | a measurement on a GPU is required: no NVIDIA driver is loaded

next: gate doctor

not checked: performance (runtime, SM throughput, DRAM throughput): this machine has no GPU"""

NOT_CHECKED = """\
PASSED: 14 workloads correct, 1 gated metric of compiled code unchanged against baselines/sm_89; \
not everything was checked, see below
Without a GPU, tested in Triton's interpreter

1 workload: correctness not checked
1 workload: correct, 1 metric of compiled code unchanged
13 workloads: correct

not checked: performance (runtime, SM throughput, DRAM throughput): this machine has no GPU
not checked: correctness of depthwise_conv_h/k31: \
Triton's interpreter cannot run libdevice functions"""

ACCEPTED = """\
PASSED: 1 workload correct, 1 change accepted, 2 gated metrics unchanged against \
baselines/nvidia-h100-80gb-hbm3
On NVIDIA H100 80GB HBM3

workload           correct          runtime         SM %       DRAM %  status
depthwise_conv_h/  yes      343.1 us +0.00%  31.1 -62.9%  89.8 +0.00%  accepted
flagship
tolerances: runtime 1.0 % (configured floor), SM throughput 2.0 % (configured floor), \
DRAM throughput 2.15 % (baseline's noise)

depthwise_conv_h/flagship: SM throughput accepted (trade_off)
  sm__throughput.avg.pct_of_peak_sustained_elapsed of depthwise_conv_h_kernel
  83.8 % -> 31.1 %, -62.9 % [-63.4 %, -62.4 %], tolerance 2.0 % (configured floor)
  | SM throughput fell by 62.9%, beyond its tolerance of 2.0%, while runtime did
  | not rise: the kernel now does less work (instructions -78.0%, DRAM bytes
  | -0.2%)"""


@pytest.mark.parametrize(
    ("sample", "width", "expected"),
    [
        ("passed", 120, PASSED),
        ("regressed", 80, REGRESSED),
        ("incorrect", 80, INCORRECT),
        ("environment", 80, ENVIRONMENT),
        ("not_checked", 80, NOT_CHECKED),
        ("accepted", 80, ACCEPTED),
    ],
)
def test_what_people_see(sample, width, expected):
    assert rendered(SAMPLES[sample](), width) == expected


@pytest.mark.parametrize("width", [1, 10, 40, 60, 80])
def test_a_narrow_console_hides_no_figure(width):
    shown = rendered(regressed(), width)
    for figure in ("412.1 us +20.1%", "25.9 -16.7%", "74.8 -16.7%"):
        assert figure in shown


@pytest.mark.parametrize("width", range(20, 82, 2))
def test_a_name_is_never_broken_but_at_its_slash(width):
    shown = rendered(regressed(), width)
    table = shown[shown.index("baselines/nvidia") : shown.index("runtime regressed")]
    assert table.count(KERNEL) >= 2
    for name in ("flagship", "k31"):
        assert f"{KERNEL}/{name}: " in table or f"\n{name}" in table


def test_a_command_is_never_broken_over_lines():
    assert f"next: {REFRESH}" in rendered(regressed(), 20).splitlines()


def test_colours_are_for_terminals_and_not_with_no_color(monkeypatch):
    assert "\x1b" not in rendered(regressed())
    assert "\x1b[1;31m" in rendered(regressed(), force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    without = rendered(regressed(), force_terminal=True, color_system="standard")
    assert "31m" not in without


@pytest.mark.parametrize(
    ("status", "mark"),
    [(Status.PASSED, "yes"), (Status.FAILED, "NO"), (Status.NOT_CHECKED, "?")],
)
def test_only_a_compared_output_is_marked_correct(status, mark):
    figures_too = figures()
    given = verdict(
        ExitCode.PASSED, finding("correctness", status, "code", "message"), *figures_too
    )
    (line,) = (x for x in rendered(given).splitlines() if x.startswith(f"{KERNEL}/flagship "))
    assert line.split()[1] == mark


def test_a_broken_contract_is_not_hidden_by_a_correct_output():
    broken = finding("contract", Status.FAILED, "imports", "no", exit_code=ExitCode.INCORRECT)
    shown = rendered(verdict(ExitCode.INCORRECT, broken, agrees()[1]))
    assert f"{KERNEL}/flagship  contract  failed" in shown


def test_a_thousand_green_workloads_are_a_few_lines():
    findings = [f for i in range(1000) for f in (*agrees(f"w{i}"), *figures(f"w{i}"))]
    tests = [f for i in range(1000) for f in agrees(f"t{i}")]
    shown = rendered(verdict(ExitCode.PASSED, *findings, *tests))
    assert f"{1000 - MAX_GREEN_ROWS} more workloads: correct, 3 metrics unchanged" in shown
    assert "1,000 more workloads: correct\n" in f"{shown}\n"
    assert len(shown.splitlines()) < 20


def test_a_thousand_broken_workloads_stay_readable_and_are_counted():
    findings = [
        f
        for i in range(1000)
        for f in figures(f"w{i}", runtime=400_000.0 + i, status=Status.REGRESSED)
    ]
    started = time.perf_counter()
    shown = rendered(verdict(ExitCode.REGRESSED, *findings))
    assert time.perf_counter() - started < 2
    assert f"{1000 - MAX_OPEN_ROWS} more workloads: regressed" in shown
    assert f"... and {1000 - MAX_CAUSES} more findings, all in --json" in shown
    assert len(shown.splitlines()) < 200
    assert shown.splitlines()[4].startswith(f"{KERNEL}/w999 ")


def test_a_long_message_is_cut_and_says_so():
    long = finding("correctness", Status.FAILED, "crashed", "line\n" * 100)
    shown = rendered(verdict(ExitCode.INCORRECT, long))
    assert shown.count("  | line") == 12
    assert "  | ... and 88 more lines, all in --json" in shown


def test_the_same_reason_of_many_workloads_is_said_once():
    shown = rendered(environment())
    assert shown.count("| a measurement on a GPU is required") == 1


def test_an_empty_verdict_claims_nothing():
    assert rendered(verdict(ExitCode.PASSED)) == (
        f"PASSED: nothing was proven\nOn NVIDIA H100 80GB HBM3, against {FOLDER}"
    )


def test_a_stream_without_unicode_is_no_reason_to_crash():
    stream = TextIOWrapper(BytesIO(), encoding="ascii")
    message = "größer als 1 µs \U0001f525"
    given = verdict(ExitCode.INCORRECT, finding("correctness", Status.FAILED, "x", message))
    render(given, Console(file=stream, width=80))
    stream.flush()
    assert b"gr\\xf6\\xdfer als 1 \\xb5s \\U0001f525" in stream.buffer.getvalue()


def test_rendering_twice_gives_the_same():
    assert rendered(incorrect()) == rendered(incorrect())
