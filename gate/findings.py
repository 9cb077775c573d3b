"""What a finding says: the reason code, the sentence and the next step for each outcome. Pure."""

from __future__ import annotations

from dataclasses import replace

from gate.errors import ExitCode
from gate.model import (
    DRAM_THROUGHPUT,
    RUNTIME,
    SM_THROUGHPUT,
    Contract,
    NotMeasured,
    Result,
)
from gate.verdict import Comparison, Finding, Reason, Status

TEST_ONLY = "test_only"
# Compiled code of a card that the gate has no figures of, which is measured all the same.
UNKNOWN_GPU = "unknown_gpu"

# The kernel's own fault: it broke where it was compiled, timed or profiled, or did not run at all.
KERNEL_FAULTS = frozenset(
    {
        "crashed",
        "timed_out",
        "worker_failed",
        "hardware_limit",
        "kernel_not_built",
        "compile_failed",
        "no_launch",
        "launches_differ",
        "triton_kernel_not_launched",
        "wrong_timed_output",
    }
)
# Figures that came out unusable, whoever's fault that is.
DATA_FAULTS = frozenset(
    {
        "metric_missing",
        "metric_not_a_number",
        "report_unreadable",
        "no_kernels_profiled",
        "tree_changed",
    }
)

# What correctness says of a reference that proves nothing, or that fails by itself, begins so.
REFERENCE_AT_FAULT = "the reference is at fault"
REFERENCE_BROKEN = "the reference "
# As much as the verdict's schema takes.
MAX_MESSAGE = 20_000

NAMES = {RUNTIME: "runtime", SM_THROUGHPUT: "SM throughput", DRAM_THROUGHPUT: "DRAM throughput"}
STATIC_NAMES = {
    "static.spill_bytes": "register spills",
    "static.theoretical_occupancy": "theoretical occupancy",
    "static.global_load_bits": "width of global loads",
    "static.launch_shape": "grid and block",
}


def metric_name(subject: str) -> str:
    """What people call a gated metric."""
    return NAMES.get(subject) or STATIC_NAMES.get(subject) or subject


def refresh_command(kernel: str, *, on_gpu: bool = True, accept: bool = False) -> str:
    skip = "" if on_gpu else " --gpu skip"
    accepting = " --accept-regression" if accept else ""
    return f'gate baseline refresh {kernel}{skip}{accepting} --reason "why"'


def is_test_only(result: Result) -> bool:
    """A workload that is run for correctness and never timed."""
    return isinstance(result.timing, NotMeasured) and result.timing.reason == TEST_ONLY


# ------------------------------------------------------------- contract and correctness


def basics(result: Result, *, on_gpu: bool) -> tuple[Finding, ...]:
    """Contract and correctness; code that breaks its contract is not run, so it has no second."""
    kept = contract(result)
    if kept.status is not Status.PASSED:
        return (kept,)
    return (kept, correctness(result, on_gpu=on_gpu))


def contract(result: Result) -> Finding:
    checked = result.contract
    if isinstance(checked, Contract) and checked.status == "passed" and not checked.violations:
        return finding_of(result, "contract", Status.PASSED, "contract_kept", "every rule is kept")
    if isinstance(checked, NotMeasured):
        return not_measured(result, "contract", checked)
    broken = checked.violations
    message = "\n".join(f"kernel.py:{rule.line}: {rule.message}" for rule in broken)
    return finding_of(
        result,
        "contract",
        Status.FAILED,
        broken[0].code if broken else "contract_broken",
        message or "no violation was given",
        exit_code=ExitCode.INCORRECT,
        next_step=f"mend kernel.py of {result.kernel}, then: gate check {result.kernel}",
    )


def correctness(result: Result, *, on_gpu: bool) -> Finding:
    checked = result.correctness
    expected = "cuda" if on_gpu else "interpreter"
    if checked.status == "passed" and checked.backend != expected:
        message = f"it was tested on {checked.backend} and not on {expected}"
        return missing(result, "correctness", "other_backend", message, ExitCode.ENVIRONMENT)
    if checked.status == "passed":
        note = f": {checked.message}" if checked.message else ""
        message = f"agrees with the reference on {checked.backend}{note}"
        return finding_of(result, "correctness", Status.PASSED, "agrees", message)
    if checked.status == "unsupported" and not on_gpu:
        return finding_of(
            result, "correctness", Status.NOT_CHECKED, "unsupported_in_interpreter", checked.message
        )
    if checked.status in ("not_run", "unsupported"):
        return missing(result, "correctness", checked.status, checked.message, ExitCode.ENVIRONMENT)
    if checked.message.startswith(REFERENCE_BROKEN):
        return _reference_fault(result, checked.message)
    code = {"failed": "wrong_result"}.get(checked.status, checked.status)
    seed = "" if checked.seed is None else f" --seed {checked.seed}"
    where = "" if on_gpu else " --gpu skip"  # under CI a GPU would be required
    return finding_of(
        result,
        "correctness",
        Status.FAILED,
        code,
        checked.message or code.replace("_", " "),
        exit_code=ExitCode.INCORRECT,
        next_step=f"gate check {result.kernel}{where}{seed}",
    )


def _reference_fault(result: Result, message: str) -> Finding:
    """No kernel can be tested against it, so none is blamed."""
    at_fault = message.startswith(REFERENCE_AT_FAULT)
    return missing(
        result,
        "correctness",
        "reference_at_fault" if at_fault else "reference_broken",
        message,
        ExitCode.INVALID,
        next_step=f"mend reference.py or workloads.toml of {result.kernel}, "
        f"then: gate check {result.kernel}",
    )


def not_measured(result: Result, subject: str, gap: NotMeasured) -> Finding:
    message = gap.message or f"{metric_name(subject)} was not measured ({gap.reason})"
    return missing(result, subject, gap.reason, message, exit_code_of(gap.reason))


def exit_code_of(reason: str) -> ExitCode:
    """A step without figures fails by whose fault it was; the machine's, where nobody knows."""
    if reason in KERNEL_FAULTS:
        return ExitCode.INCORRECT
    return ExitCode.INVALID if reason in DATA_FAULTS else ExitCode.ENVIRONMENT


# -------------------------------------------------------------------------- comparisons


def compared(
    result: Result,
    metric: str,
    comparison: Comparison,
    status: Status,
    *,
    function: str | None = None,
) -> Finding:
    name, tolerance = metric_name(metric), _percent(comparison.tolerance)
    moved = _moved(comparison)
    finding = finding_of(
        result,
        metric,
        status,
        "within_tolerance",
        f"{name} is within {tolerance}",
        function=function,
        comparison=comparison,
    )
    if status is Status.IMPROVED:
        return replace(finding, reason=Reason(code="improved", message=f"{name} {moved}"))
    if status is Status.REGRESSED:
        code = {"runtime": "slower"}.get(metric, "lower" if comparison.change < 0 else "higher")
        message = f"{name} {moved}, beyond its tolerance of {tolerance}"
        return replace(
            finding,
            reason=Reason(code=code, message=message),
            exit_code=ExitCode.REGRESSED,
            next_step=_if_meant(result, on_gpu=not metric.startswith("static.")),
        )
    if status is Status.INCONCLUSIVE:
        return _too_noisy(finding, comparison)
    return finding


def _moved(comparison: Comparison) -> str:
    """`rose by 20.1 %`, or both values where there is no ratio to nothing."""
    before, after, unit = comparison.baseline, comparison.candidate, comparison.unit
    verb = "rose" if comparison.change > 0 else "fell"
    if before == 0:
        return f"{verb}: {before:g} {unit} -> {after:g} {unit}"
    return f"{verb} by {_percent(abs(comparison.change))}"


def _too_noisy(finding: Finding, comparison: Comparison) -> Finding:
    """No verdict, by the noise of this run or, where the tolerance is capped, the baseline's."""
    low, high = signed(comparison.low), signed(comparison.high)
    code, kernel = "too_noisy", finding.kernel
    message = (
        f"{metric_name(finding.subject)} lies between {low} and {high}: "
        f"neither within nor beyond {_percent(comparison.tolerance)}"
    )
    # More processes narrow the interval of a median, never the range that ncu's launches spread.
    step = f"on a GPU that nothing else uses: gate check {kernel}"
    if comparison.tolerance_origin == "cap":
        code, step = "too_noisy_baseline", f"store a steadier baseline: {refresh_command(kernel)}"
        message += ", the most that the noise of its baseline may buy"
    return replace(
        finding,
        reason=Reason(code=code, message=message),
        exit_code=ExitCode.INCONCLUSIVE,
        next_step=step,
    )


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.1f} %"


def signed(ratio: float) -> str:
    return f"{ratio * 100:+.1f} %"


def _if_meant(result: Result, *, on_gpu: bool) -> str:
    return f"if it is meant: {refresh_command(result.kernel, on_gpu=on_gpu, accept=True)}"


# ------------------------------------------------------------------------------ builders


def finding_of(
    result: Result,
    subject: str,
    status: Status,
    code: str,
    message: str,
    *,
    exit_code: ExitCode = ExitCode.PASSED,
    function: str | None = None,
    comparison: Comparison | None = None,
    next_step: str = "",
) -> Finding:
    return Finding(
        kernel=result.kernel,
        workload=result.workload,
        subject=subject,
        status=status,
        reason=Reason(code=code, message=message[:MAX_MESSAGE]),
        exit_code=exit_code,
        function=function,
        comparison=comparison,
        next_step=next_step,
    )


def missing(
    result: Result,
    subject: str,
    code: str,
    message: str,
    exit_code: ExitCode,
    *,
    function: str | None = None,
    next_step: str = "",
) -> Finding:
    step = next_step or ("gate doctor" if exit_code is ExitCode.ENVIRONMENT else "")
    return finding_of(
        result,
        subject,
        Status.MISSING,
        code,
        message,
        exit_code=exit_code,
        function=function,
        next_step=step,
    )


def of_kernel(
    kernel: str, subject: str, reason: Reason, exit_code: ExitCode, *, next_step: str
) -> Finding:
    return Finding(
        kernel=kernel,
        workload="*",
        subject=subject,
        status=Status.MISSING,
        reason=reason,
        exit_code=exit_code,
        next_step=next_step,
    )
