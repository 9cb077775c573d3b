"""What cannot be compared, each with its reason code, its sentence and its next step. Pure.

None of these is green: a comparison that could not be made proves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.errors import ExitCode
from gate.findings import (
    TEST_ONLY,
    UNKNOWN_GPU,
    finding_of,
    is_test_only,
    missing,
    of_kernel,
    refresh_command,
)
from gate.model import RUNTIME, NotMeasured, Result
from gate.verdict import Finding, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.model import Measurement


def metric_missing(result: Result, metric: str, function: str) -> Finding:
    message = f"{metric} of {function} is not in the measurement or not in the baseline"
    return missing(result, metric, "metric_missing", message, ExitCode.INVALID, function=function)


def launches_changed(
    result: Result, stored: Mapping[str, int], ours: Mapping[str, int], *, on_gpu: bool = True
) -> Finding:
    message = (
        f"one forward call launches {_counts(ours)}, the baseline's {_counts(stored)}: "
        "what was renamed, split, repeated or left out cannot be compared"
    )
    return missing(
        result,
        "result",
        "launches_changed",
        message,
        ExitCode.INVALID,
        next_step=f"if it is meant: {refresh_command(result.kernel, on_gpu=on_gpu, accept=True)}",
    )


def _counts(launches: Mapping[str, int]) -> str:
    return ", ".join(f"{n} x {name}" for name, n in sorted(launches.items())) or "nothing"


def workload_changed(stored: Result, candidate: Result, *, on_gpu: bool) -> Finding:
    refresh = refresh_command(candidate.kernel, on_gpu=on_gpu, accept=True)
    return missing(
        candidate,
        "result",
        "workload_changed",
        "; ".join(_changes(stored, candidate)),
        ExitCode.INVALID,
        next_step=f"if it is meant: {refresh}",
    )


def _changes(stored: Result, candidate: Result) -> Iterator[str]:
    if is_test_only(candidate) and not is_test_only(stored):
        yield "it is only tested now, and its baseline has figures"
    elif candidate.signature != stored.signature and not is_test_only(stored):
        ours, theirs = _joined(candidate.signature), _joined(stored.signature)
        yield f"its arguments are {ours}, the baseline's {theirs}"
    if candidate.definition != stored.definition:
        yield "its reference, sizes, dtype, seed or tolerances differ from the baseline's"


def _joined(signature: tuple[str, ...]) -> str:
    return ", ".join(signature) or "unknown"


def other_method(result: Result, stored: str, ours: str) -> Finding:
    message = f"timed by {ours}, the baseline by {stored}: the two differ by a constant"
    return _otherwise(result, RUNTIME, message)


def timed_otherwise(result: Result, stored: int, ours: int) -> Finding:
    message = f"{ours} bytes of L2 were flushed before each call, {stored} for the baseline"
    return _otherwise(result, RUNTIME, message)


def profiled_otherwise(result: Result, changes: tuple[str, ...]) -> Finding:
    message = f"it was profiled in another way than the baseline: {', '.join(changes)}"
    return _otherwise(result, "result", message)


def _otherwise(result: Result, subject: str, message: str) -> Finding:
    """No machine mends it: what can be captured, say, is decided by the kernel."""
    step = f"if it is meant: {refresh_command(result.kernel, accept=True)}"
    return missing(result, subject, "other_method", message, ExitCode.ENVIRONMENT, next_step=step)


def contradiction(
    result: Result, subject: str, fault: str, *, function: str | None = None
) -> Finding:
    """Figures of one result that cannot all be true."""
    message = f"the measurement contradicts itself: {fault}"
    return missing(
        result,
        subject,
        "contradiction",
        message,
        ExitCode.INVALID,
        function=function,
        next_step=f"gate check {result.kernel}",
    )


def times_disagree(result: Result, fault: str) -> Finding:
    message = f"the timed figure is not believed: {fault}; does it skip work while it is timed?"
    return missing(result, RUNTIME, "times_disagree", message, ExitCode.INVALID)


def too_few_launches(result: Result, fault: str) -> Finding:
    return missing(result, "result", "too_few_launches", fault, ExitCode.INVALID)


def zero_throughput(result: Result, metric: str, function: str) -> Finding:
    message = (
        f"{metric} of {function} is 0 % in the measurement or in the baseline, which proves "
        "nothing; where that is right, leave it out of the workload's `gates`"
    )
    return missing(result, metric, "zero_throughput", message, ExitCode.INVALID, function=function)


def nothing_gated(result: Result) -> Finding:
    message = "it is benchmarked, and none of its figures gates"
    step = "name its `gates` in workloads.toml, or say `benchmark = false` there"
    return missing(result, "result", "nothing_gated", message, ExitCode.INVALID, next_step=step)


def nothing_benchmarked(kernel: str) -> Finding:
    return of_kernel(
        kernel,
        "result",
        Reason(code="nothing_gated", message="none of its workloads is benchmarked"),
        ExitCode.INVALID,
        next_step="say `benchmark = true` for one in its workloads.toml",
    )


def shape_changed(result: Result, function: str, stored: str, ours: str) -> Finding:
    """No regression in itself: said, so that whoever reads the rest knows of it."""
    message = f"{function} is launched as {ours}, the baseline's as {stored}"
    return finding_of(
        result,
        "static.launch_shape",
        Status.NOT_CHECKED,
        "launch_shape_changed",
        message,
        function=function,
    )


def other_gpu(kernel: str, changes: tuple[str, ...]) -> Finding:
    return of_kernel(
        kernel,
        "gpu",
        Reason(
            code="other_gpu",
            message=f"the baseline was measured on another GPU: {', '.join(changes)}",
        ),
        ExitCode.ENVIRONMENT,
        next_step="measure on the baseline's card, whole and not a part of it",
    )


def other_target(result: Result, stored: str, ours: str) -> Finding:
    message = f"compiled for {ours}, the baseline for {stored}"
    return missing(result, "static", "other_target", message, ExitCode.ENVIRONMENT)


def other_toolchain(kernel: str, changes: tuple[str, ...], *, on_gpu: bool) -> Finding:
    refresh = refresh_command(kernel, on_gpu=on_gpu)
    return of_kernel(
        kernel,
        "toolchain",
        Reason(
            code="other_toolchain",
            message=f"the baseline was made with another toolchain: {', '.join(changes)}",
        ),
        ExitCode.ENVIRONMENT,
        next_step=f"install the baseline's versions, or: {refresh}",
    )


def gpu_required(kernel: str, results: list[Result]) -> Finding:
    gaps = (r.timing for r in results if isinstance(r.timing, NotMeasured) and r.timing.message)
    why = next((gap.message for gap in gaps if gap.reason != TEST_ONLY), "it names no GPU")
    return of_kernel(
        kernel,
        "gpu",
        Reason(code="no_gpu", message=f"a measurement on a GPU is required: {why}"),
        ExitCode.ENVIRONMENT,
        next_step="gate doctor",
    )


def no_baseline(kernel: str, workload: str, folder: str, *, on_gpu: bool) -> Finding:
    finding = of_kernel(
        kernel,
        "result",
        Reason(code="no_baseline", message=f"there is no baseline for it in {folder}"),
        ExitCode.INVALID,
        next_step=refresh_command(kernel, on_gpu=on_gpu),
    )
    return replace(finding, workload=workload)


def result_missing(kernel: str, workload: str, *, on_gpu: bool) -> Finding:
    what, step = "any workload", f"gate check {kernel}"
    if workload != "*":
        refresh = refresh_command(kernel, on_gpu=on_gpu, accept=True)
        what, step = "this workload", f"if it was removed on purpose: {refresh}"
    finding = of_kernel(
        kernel,
        "result",
        Reason(code="result_missing", message=f"the measurement holds no result for {what}"),
        ExitCode.INVALID,
        next_step=step,
    )
    return replace(finding, workload=workload)


def kernel_missing(kernel: str) -> Finding:
    return of_kernel(
        kernel,
        "result",
        Reason(code="kernel_missing", message="it is demanded and not in the measurement's scope"),
        ExitCode.INVALID,
        next_step=f"measure {kernel} too; if it is gone, remove its baseline in an earlier change",
    )


def outside_scope(kernel: str) -> Finding:
    return of_kernel(
        kernel,
        "result",
        Reason(
            code="outside_scope",
            message="the measurement holds a result that its scope does not name",
        ),
        ExitCode.INVALID,
        next_step=f"gate check {kernel}",
    )


def not_checked(measurement: Measurement) -> tuple[str, ...]:
    """What this measurement proves nothing about, in so many words."""
    if measurement.environment.gpu is not None:
        compiled = (r.static for r in measurement.results if isinstance(r.static, NotMeasured))
        unseen = (gap.message for gap in compiled if gap.reason == UNKNOWN_GPU)
        return tuple(dict.fromkeys(unseen))
    gaps = (r.timing for r in measurement.results if isinstance(r.timing, NotMeasured))
    why = next((gap.message for gap in gaps if gap.reason != TEST_ONLY), "")
    because = f": {why}" if why else ""
    return (f"performance (runtime, SM throughput, DRAM throughput){because}",)
