"""The verdict: every gated thing of a measurement gets one status and one reason.

Pure: the measurement is hostile input that has passed its schema, the baselines are trusted, and
nothing here reads a file or a clock. Whatever cannot be compared is a failure of its own; nothing
is green that was not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gate import findings as say
from gate import gaps
from gate.compiled import judge_compiled
from gate.consistency import sample_medians, times_disagree, timing_fault
from gate.errors import ExitCode, most_severe
from gate.expectations import NOTHING, unexpected
from gate.metrics import DURATION
from gate.model import RUNTIME, Environment, Measurement, NotMeasured, Result
from gate.runtime import drifted, judge_in_turn, judge_runtime, machine_moved
from gate.throughput import judge_throughput
from gate.trade_off import explained
from gate.verdict import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.expectations import Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the trusted side decided. Tolerances are relative floors; `target` such as `sm_89`."""

    require_gpu: bool
    target: str
    runtime_tolerance: float = 0.01
    throughput_tolerance: float = 0.02
    on_trade_off: Literal["fail", "warn"] = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The trusted baselines: `load` gives a kernel's or None, `folder` says where they lie."""

    load: Callable[[str], Measurement | None]
    folder: str


def judge(
    measurement: Measurement,
    *,
    stored: Stored,
    required: Iterable[str],
    rules: Rules,
    expected: Expected = NOTHING,
) -> Verdict:
    """Compare every kernel of the measurement's scope with its baseline.

    `required` names kernels that must be in the measurement, as `--all` and `--require` demand.
    """
    scope = measurement.scope.kernels
    findings = [gaps.kernel_missing(kernel) for kernel in sorted(set(required) - set(scope))]
    by_kernel: dict[str, list[Result]] = {name: [] for name in scope}
    for result in measurement.results:
        by_kernel.setdefault(result.kernel, []).append(result)
    for kernel, results in by_kernel.items():
        if kernel not in scope:
            findings.append(gaps.outside_scope(kernel))
        findings.extend(_judge_kernel(kernel, results, measurement, stored, rules))
    findings.extend(unexpected(measurement, expected))
    gpu = measurement.environment.gpu
    return Verdict(
        exit_code=most_severe(f.exit_code for f in findings),
        baseline_folder=stored.folder,
        gpu=gpu.name if gpu else None,
        findings=tuple(findings),
        not_checked=gaps.not_checked(measurement),
    )


def _judge_kernel(
    kernel: str,
    results: list[Result],
    measurement: Measurement,
    stored: Stored,
    rules: Rules,
) -> Iterator[Finding]:
    on_gpu = measurement.environment.gpu is not None
    if not results:
        yield gaps.result_missing(kernel, "*", on_gpu=on_gpu)
    basics = [f for result in results for f in say.basics(result, on_gpu=on_gpu)]
    yield from basics
    if rules.require_gpu and not on_gpu:
        yield gaps.gpu_required(kernel, results)
    baseline = stored.load(kernel)
    if baseline is None:
        yield gaps.no_baseline(kernel, "*", stored.folder, on_gpu=on_gpu)
        return
    yield from _judge_completeness(kernel, results, baseline, on_gpu=on_gpu)
    elsewhere = _elsewhere(kernel, baseline.environment, measurement.environment, results)
    if elsewhere:
        yield elsewhere
    # What is wrong was not timed, and the figures of what cannot be trusted would mean nothing.
    if any(f.exit_code in (ExitCode.INCORRECT, ExitCode.INVALID) for f in basics):
        return
    theirs = {result.workload: result for result in baseline.results}
    moved = machine_moved(baseline.environment, measurement.environment) if on_gpu else ""
    for result in results:
        if _lacks_baseline(theirs.get(result.workload), result):
            yield gaps.no_baseline(kernel, result.workload, stored.folder, on_gpu=on_gpu)
        elif result.workload in theirs and elsewhere:
            yield from _judge_elsewhere(theirs[result.workload], result, rules, on_gpu=on_gpu)
        elif result.workload in theirs:
            yield from _judge_workload(
                theirs[result.workload], result, rules, on_gpu=on_gpu, moved=moved
            )


def _judge_completeness(
    kernel: str, results: Iterable[Result], baseline: Measurement, *, on_gpu: bool
) -> Iterator[Finding]:
    ours = {result.workload for result in results}
    absent = [r.workload for r in baseline.results if r.workload not in ours]
    yield from (gaps.result_missing(kernel, workload, on_gpu=on_gpu) for workload in absent)
    if all(say.is_test_only(result) for result in baseline.results):
        yield gaps.nothing_benchmarked(kernel)


def _lacks_baseline(stored: Result | None, candidate: Result) -> bool:
    """It is benchmarked, and its baseline knows it as only tested or not at all."""
    return not say.is_test_only(candidate) and (stored is None or say.is_test_only(stored))


def _judge_workload(
    stored: Result, candidate: Result, rules: Rules, *, on_gpu: bool, moved: str
) -> Iterator[Finding]:
    if _identity(stored) != _identity(candidate):
        yield gaps.workload_changed(stored, candidate, on_gpu=on_gpu)
        return
    if say.is_test_only(stored):
        return
    if on_gpu:
        found = list(_judge_performance(stored, candidate, rules, moved))
    else:
        found = list(judge_compiled(stored, candidate, target=rules.target))
    yield from found
    if not any(f.comparison or f.exit_code for f in found):
        yield gaps.nothing_gated(candidate)


def _judge_elsewhere(
    stored: Result, candidate: Result, rules: Rules, *, on_gpu: bool
) -> Iterator[Finding]:
    """What can be told where the stored figures do not compare."""
    if _identity(stored) != _identity(candidate):
        yield gaps.workload_changed(stored, candidate, on_gpu=on_gpu)
    in_turn = judge_in_turn(candidate, floor=rules.runtime_tolerance)
    if in_turn:
        yield in_turn


def _identity(result: Result) -> tuple[object, ...]:
    return result.definition, result.signature, say.is_test_only(result)


# --------------------------------------------------------------------- runtime and throughput


def _judge_performance(
    stored: Result, candidate: Result, rules: Rules, moved: str
) -> Iterator[Finding]:
    runtime = None
    if RUNTIME in stored.gates:
        runtime = _judge_runtime(stored, candidate, floor=rules.runtime_tolerance, moved=moved)
        yield runtime
    gates = [gate for gate in stored.gates if gate != RUNTIME]
    unseen = isinstance(candidate.ncu, NotMeasured) and not isinstance(stored.ncu, NotMeasured)
    if unseen and not gates:
        # What is timed alone could do its work only while nobody times it.
        gates = [DURATION]
    for finding in judge_throughput(stored, candidate, gates, floor=rules.throughput_tolerance):
        told = explained(finding, runtime, stored, candidate, rules.on_trade_off)
        yield drifted(told, runtime, moved)


def _judge_runtime(stored: Result, candidate: Result, *, floor: float, moved: str) -> Finding:
    """The verdict on runtime, or why the candidate's figure is not believed."""
    theirs, ours = stored.timing, candidate.timing
    finding = judge_runtime(stored, candidate, floor=floor, moved=moved)
    if isinstance(theirs, NotMeasured) or isinstance(ours, NotMeasured) or not finding.comparison:
        return finding
    fault = timing_fault(ours)
    if fault:
        return gaps.contradiction(candidate, RUNTIME, fault)
    if ours.l2_flush_bytes != theirs.l2_flush_bytes:
        return gaps.timed_otherwise(candidate, theirs.l2_flush_bytes, ours.l2_flush_bytes)
    fault = times_disagree(stored, candidate)
    if fault:
        return gaps.times_disagree(candidate, fault)
    if sample_medians(ours) == ours.process_medians_ns or finding.exit_code:
        return finding
    # Both figures have to pass where they differ.
    by_samples = replace(ours, process_medians_ns=sample_medians(ours))
    sampled = replace(candidate, timing=by_samples)
    other = judge_runtime(stored, sampled, floor=floor, moved=moved)
    fault = "its process medians are not those of its samples, which do not pass"
    return gaps.contradiction(candidate, RUNTIME, fault) if other.exit_code else finding


# ------------------------------------------------------------------------------ environment


def _elsewhere(
    kernel: str, stored: Environment, ours: Environment, results: Iterable[Result]
) -> Finding | None:
    """The finding that the two environments' figures do not compare, None where they do."""
    cards = _differences(_CARD, stored.gpu, ours.gpu)
    if cards:
        return gaps.other_gpu(kernel, cards)
    tools = other_tools(stored, ours, results)
    return gaps.other_toolchain(kernel, tools, on_gpu=ours.gpu is not None) if tools else None


# What makes two cards of one name different: a part of one (MIG), or another make of it.
_CARD = ("name", "compute_capability", "sm_count", "l2_bytes")
# What decides the figures: for compiled code alone, the compiler alone.
_TIMED_BY = ("torch", "triton", "cuda", "driver")
_COMPILED_BY = ("triton",)


def other_tools(
    stored: Environment, ours: Environment, results: Iterable[Result]
) -> tuple[str, ...]:
    """The versions that decide figures of `ours` and are not those of `stored`.

    An ncu that is missing decides none: each figure that lacks for it says so itself.
    """
    names: tuple[str, ...] = _TIMED_BY if ours.gpu else _COMPILED_BY
    if ours.gpu and (ours.toolchain.ncu or any(map(_is_profiled, results))):
        names += ("ncu",)
    return _differences(names, stored.toolchain, ours.toolchain)


def _is_profiled(result: Result) -> bool:
    return not isinstance(result.ncu, NotMeasured)


def _differences(names: tuple[str, ...], stored: object, ours: object) -> tuple[str, ...]:
    pairs = ((name, getattr(stored, name, None), getattr(ours, name, None)) for name in names)
    return tuple(f"{name} {theirs} -> {mine}" for name, theirs, mine in pairs if theirs != mine)
