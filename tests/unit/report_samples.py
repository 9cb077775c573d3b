"""Verdicts as the judge writes them, for the tests of every renderer."""

from dataclasses import replace

from gate.errors import ExitCode
from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT
from gate.verdict import (
    Comparison,
    Finding,
    ProposedBaseline,
    ProposedFigure,
    Reason,
    Status,
    Verdict,
)

KERNEL = "depthwise_conv_h"
FUNCTION = "depthwise_conv_h_kernel"
FOLDER = "baselines/nvidia-h100-80gb-hbm3"
GPU = "NVIDIA H100 80GB HBM3"
REFRESH = f'if it is meant: gate baseline refresh {KERNEL} --accept-regression --reason "why"'


def comparison(unit, baseline, candidate, *, half=0.005, tolerance=0.01, origin="floor"):
    change = candidate / baseline - 1
    return Comparison(
        unit=unit,
        baseline=baseline,
        candidate=candidate,
        change=change,
        low=change - half,
        high=change + half,
        tolerance=tolerance,
        tolerance_origin=origin,
    )


def finding(subject, status, code, message, *, workload="flagship", kernel=KERNEL, **more):
    reason = Reason(code=code, message=message)
    return Finding(
        kernel=kernel, workload=workload, subject=subject, status=status, reason=reason, **more
    )


def agrees(workload="flagship", kernel=KERNEL, backend="cuda"):
    message = f"agrees with the reference on {backend}"
    return (
        finding(
            "contract",
            Status.PASSED,
            "contract_kept",
            "every rule is kept",
            workload=workload,
            kernel=kernel,
        ),
        finding("correctness", Status.PASSED, "agrees", message, workload=workload, kernel=kernel),
    )


_CODES = {
    (Status.REGRESSED, RUNTIME): "slower",
    (Status.REGRESSED, SM_THROUGHPUT): "lower",
    (Status.REGRESSED, DRAM_THROUGHPUT): "lower",
}


def figures(
    workload="flagship", kernel=KERNEL, *, runtime=343_100.0, sm=31.1, dram=89.8, status=None
):
    """The three gated metrics against 343.1 us, 31.1 % and 89.8 %, `status` where they differ."""
    values = (
        (RUNTIME, None, comparison("ns", 343_100.0, runtime)),
        (SM_THROUGHPUT, FUNCTION, comparison("%", 31.1, sm, tolerance=0.02)),
        (DRAM_THROUGHPUT, FUNCTION, comparison("%", 89.8, dram, tolerance=0.0215, origin="noise")),
    )
    for subject, function, compared in values:
        same = compared.change == 0
        regressed = not same and status is Status.REGRESSED
        yield finding(
            subject,
            Status.UNCHANGED if same else status,
            "within_tolerance" if same else _CODES.get((status, subject), status.value),
            "within its tolerance" if same else "beyond its tolerance",
            workload=workload,
            kernel=kernel,
            function=function,
            comparison=compared,
            exit_code=ExitCode.REGRESSED if regressed else ExitCode.PASSED,
            next_step=REFRESH if regressed else "",
        )


def proposal(reason="bounds are checked now", *, new_anchors=()):
    figures = (
        (RUNTIME, None, "ns", 343_100.0, 412_000.0, 412_063.0, 0.01),
        (SM_THROUGHPUT, FUNCTION, "%", None, 25.8, 25.9, 0.02),
    )
    names = ("metric", "function", "unit", "stored", "proposed", "measured", "tolerance")
    return ProposedBaseline(
        kernel=KERNEL,
        reason=reason,
        new_anchors=new_anchors,
        figures=tuple(
            ProposedFigure(workload="flagship", **dict(zip(names, figure, strict=True)))
            for figure in figures
        ),
    )


def verdict(exit_code, *findings, gpu=GPU, folder=FOLDER, not_checked=(), proposals=()):
    return Verdict(
        exit_code=exit_code,
        baseline_folder=folder,
        gpu=gpu,
        findings=findings,
        not_checked=not_checked,
        proposals=proposals,
    )


def tested_alone(number):
    return tuple(f for i in range(number) for f in agrees(f"odd-{i}"))


def passed():
    return verdict(
        ExitCode.PASSED,
        *agrees(),
        *figures(),
        *agrees("k31"),
        *figures("k31", runtime=301_928.0, dram=98.1, status=Status.IMPROVED),
        *tested_alone(13),
    )


def regressed():
    """Runtime, SM throughput and DRAM throughput of the flagship, everything else unchanged."""
    return verdict(
        ExitCode.REGRESSED,
        *agrees(),
        *figures(runtime=412_063.0, sm=25.9, dram=74.8, status=Status.REGRESSED),
        *agrees("k31"),
        *figures("k31"),
        *tested_alone(13),
    )


WRONG = """\
4 of 131,072 elements differ from the reference (seed 20240607)
  at (0, 3, 17, 128): 0.0 instead of 1.25
  largest absolute error 1.25, allowed 1e-05"""


def incorrect():
    return verdict(
        ExitCode.INCORRECT,
        *agrees()[:1],
        finding(
            "correctness",
            Status.FAILED,
            "wrong_result",
            WRONG,
            exit_code=ExitCode.INCORRECT,
            next_step=f"gate check {KERNEL} --seed 20240607",
        ),
        *agrees("k31"),
    )


def environment():
    """A GPU was required and there is none: one finding a kernel, and nothing was compared."""
    message = "a measurement on a GPU is required: no NVIDIA driver is loaded"
    gaps = (
        finding(
            "gpu",
            Status.MISSING,
            "no_gpu",
            message,
            workload="*",
            kernel=kernel,
            exit_code=ExitCode.ENVIRONMENT,
            next_step="gate doctor",
        )
        for kernel in (KERNEL, "softmax")
    )
    return verdict(
        ExitCode.ENVIRONMENT,
        *agrees(backend="interpreter"),
        *agrees("default", "softmax", backend="interpreter"),
        *gaps,
        gpu=None,
        folder="baselines/sm_89",
        not_checked=(NO_GPU,),
    )


NO_GPU = "performance (runtime, SM throughput, DRAM throughput): this machine has no GPU"


def not_checked():
    """A run without a GPU that nobody required one of: static metrics hold, one result is open."""
    spills = replace(
        comparison("B", 16.0, 16.0, half=0.0, tolerance=0.0, origin="exact"),
    )
    static = finding(
        "static.spill_bytes",
        Status.UNCHANGED,
        "within_tolerance",
        "register spills is within 0.0%",
        comparison=spills,
    )
    unsupported = finding(
        "correctness",
        Status.NOT_CHECKED,
        "unsupported_in_interpreter",
        "Triton's interpreter cannot run libdevice functions",
        workload="k31",
    )
    return verdict(
        ExitCode.PASSED,
        *agrees(backend="interpreter"),
        static,
        agrees("k31")[0],
        unsupported,
        *tested_alone(13),
        gpu=None,
        folder="baselines/sm_89",
        not_checked=(NO_GPU,),
    )


def accepted():
    compared = comparison("%", 83.8, 31.1, tolerance=0.02)
    traded = finding(
        SM_THROUGHPUT,
        Status.ACCEPTED,
        "trade_off",
        "SM throughput fell by 62.9%, beyond its tolerance of 2.0%, while runtime did not rise: "
        "the kernel now does less work (instructions -78.0%, DRAM bytes -0.2%)",
        function=FUNCTION,
        comparison=compared,
    )
    runtime, _, dram = figures()
    return verdict(ExitCode.PASSED, *agrees(), runtime, traded, dram)


SAMPLES = {
    "passed": passed,
    "regressed": regressed,
    "incorrect": incorrect,
    "environment": environment,
    "not_checked": not_checked,
    "accepted": accepted,
}
