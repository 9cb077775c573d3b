"""The verdict: every gated thing of a measurement gets one status and one reason.

Pure: the measurement is hostile input that has passed its schema, the baselines are trusted, and
nothing here reads a file or a clock. Whatever cannot be compared is a failure of its own; nothing
is green that was not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gate import findings as say
from gate import gaps
from gate.compare import compare_exact, compare_throughput, static_metrics, status_of
from gate.errors import most_severe
from gate.model import (
    RUNTIME,
    Finding,
    Measurement,
    NcuBlock,
    NotMeasured,
    Result,
    Static,
    Status,
    Toolchain,
    Verdict,
)
from gate.runtime import judge_in_turn, judge_runtime, machine_moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DURATION = "gpu__time_duration.sum"
# A helper launch below this share of the forward's profiled time has percentages that are noise,
# and no weight that runtime would not show.
GATED_SHARE = 0.05


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
    measurement: Measurement, *, stored: Stored, required: Iterable[str], rules: Rules
) -> Verdict:
    """Compare every kernel of the measurement's scope with its baseline.

    `required` names kernels that must be in the measurement, as `--all` demands.
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
        yield gaps.result_missing(kernel, "*")
    basics = [f for result in results for f in say.basics(result, on_gpu=on_gpu)]
    yield from basics
    if rules.require_gpu and not on_gpu:
        yield gaps.gpu_required(kernel, results)
    baseline = stored.load(kernel)
    if baseline is None:
        yield gaps.no_baseline(kernel, "*", stored.folder, on_gpu=on_gpu)
        return
    changed = toolchain_changes(
        baseline.environment.toolchain, measurement.environment.toolchain, on_gpu=on_gpu
    )
    if changed:
        yield gaps.other_toolchain(kernel, changed)
        in_turn = (judge_in_turn(result, floor=rules.runtime_tolerance) for result in results)
        yield from (finding for finding in in_turn if finding)
        return
    workloads = {result.workload: result for result in results}
    absent = [r.workload for r in baseline.results if r.workload not in workloads]
    yield from (gaps.result_missing(kernel, workload) for workload in absent)
    if any(finding.status is Status.FAILED for finding in basics):
        return  # a wrong kernel was not timed, and its figures would mean nothing
    for new in sorted(workloads.keys() - {result.workload for result in baseline.results}):
        if not say.is_test_only(workloads[new]):
            yield gaps.no_baseline(kernel, new, stored.folder, on_gpu=on_gpu)
    moved = machine_moved(baseline.environment, measurement.environment) if on_gpu else ""
    for result in baseline.results:
        if result.workload in workloads:
            ours = workloads[result.workload]
            yield from _judge_workload(result, ours, rules, on_gpu=on_gpu, moved=moved)


def _judge_workload(
    stored: Result, candidate: Result, rules: Rules, *, on_gpu: bool, moved: str
) -> Iterator[Finding]:
    if candidate.signature != stored.signature:
        yield gaps.workload_changed(stored, candidate)
    elif say.is_test_only(stored):
        return
    elif on_gpu:
        yield from _judge_performance(stored, candidate, rules, moved)
    else:
        yield from _judge_static(stored, candidate, rules)


# --------------------------------------------------------------------- runtime and throughput


def _judge_performance(
    stored: Result, candidate: Result, rules: Rules, moved: str
) -> Iterator[Finding]:
    runtime = None
    if RUNTIME in stored.gates:
        runtime = judge_runtime(stored, candidate, floor=rules.runtime_tolerance, moved=moved)
        yield runtime
    metrics = [gate for gate in stored.gates if gate != RUNTIME]
    for finding in _judge_throughput(stored, candidate, metrics, rules):
        yield say.as_trade_off(finding, runtime, stored, candidate, rules.on_trade_off)


def _judge_throughput(
    stored: Result, candidate: Result, metrics: list[str], rules: Rules
) -> Iterator[Finding]:
    theirs, ours = stored.ncu, candidate.ncu
    if isinstance(theirs, NotMeasured) or isinstance(ours, NotMeasured):
        gap = theirs if isinstance(theirs, NotMeasured) else ours
        assert isinstance(gap, NotMeasured)
        for metric in metrics:
            yield say.not_measured(candidate, metric, gap)
    elif _launches(stored) != _launches(candidate) or theirs.keys() != ours.keys():
        yield gaps.launches_changed(candidate, _launches(stored), _launches(candidate))
    else:
        for function in _gated_functions(theirs):
            for metric in metrics:
                yield _judge_metric(metric, function, stored, candidate, rules)


def _judge_metric(
    metric: str, function: str, stored: Result, candidate: Result, rules: Rules
) -> Finding:
    assert not isinstance(stored.ncu, NotMeasured)
    assert not isinstance(candidate.ncu, NotMeasured)
    theirs, ours = stored.ncu[function], candidate.ncu[function]
    if metric not in theirs or metric not in ours:
        return gaps.metric_missing(candidate, metric, function)
    comparison = compare_throughput(
        metric,
        function,
        baseline=(theirs, stored.profile),
        candidate=(ours, candidate.profile),
        floor=rules.throughput_tolerance,
    )
    return say.compared(
        candidate, metric, comparison, status_of(metric, comparison), function=function
    )


def _launches(result: Result) -> dict[str, int]:
    return dict(result.profile.launches) if result.profile else {}


def _gated_functions(block: NcuBlock) -> list[str]:
    total = sum(metrics.get(DURATION, 0.0) for metrics in block.values())
    return [
        function
        for function, metrics in sorted(block.items())
        if total == 0 or metrics.get(DURATION, 0.0) >= GATED_SHARE * total
    ]


# ------------------------------------------------------------------------------------ static


def _judge_static(stored: Result, candidate: Result, rules: Rules) -> Iterator[Finding]:
    theirs, ours = stored.static, candidate.static
    if isinstance(theirs, NotMeasured):
        yield say.not_measured(candidate, "static", theirs)
    elif isinstance(ours, NotMeasured):
        yield say.not_measured(candidate, "static", ours)
    elif ours.target != theirs.target or ours.target != rules.target:
        yield gaps.other_target(candidate, theirs.target, ours.target)
    elif _functions(ours) != _functions(theirs):
        yield gaps.launches_changed(candidate, _functions(theirs), _functions(ours))
    else:
        after = static_metrics(ours.launches)
        for name, (unit, value) in static_metrics(theirs.launches).items():
            comparison = compare_exact(unit, value, after[name][1])
            yield say.compared(candidate, name, comparison, status_of(name, comparison))


def _functions(static: Static) -> dict[str, int]:
    counts: dict[str, int] = {}
    for launch in static.launches:
        counts[launch.function] = counts.get(launch.function, 0) + 1
    return counts


def toolchain_changes(stored: Toolchain, ours: Toolchain, *, on_gpu: bool) -> tuple[str, ...]:
    """What differs of what decides the figures: for compiled code alone, the compiler alone."""
    names = ("torch", "triton", "cuda", "driver", "ncu") if on_gpu else ("triton",)
    return tuple(
        f"{name} {getattr(stored, name)} -> {getattr(ours, name)}"
        for name in names
        if getattr(stored, name) != getattr(ours, name)
    )
