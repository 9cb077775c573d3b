"""The verdict on SM and DRAM throughput, JIT function by JIT function. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate import findings as say
from gate import gaps
from gate.compare import compare_throughput, status_of
from gate.consistency import launches_fault, spread_fault
from gate.metrics import DURATION
from gate.model import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.model import NcuBlock, Profile, Result
    from gate.verdict import Finding

# A helper launch below this share of the forward's profiled time has percentages that are noise,
# and no weight that runtime would not show ...
GATED_SHARE = 0.05
# ... but thirty of them may be all there is: this much of the time is gated whatever the shares.
GATED_TOTAL = 0.90


def judge_throughput(
    stored: Result, candidate: Result, gates: Sequence[str], *, floor: float
) -> Iterator[Finding]:
    """One finding a gate and function, or what keeps the two results from being compared."""
    theirs, ours = stored.ncu, candidate.ncu
    gap = theirs if isinstance(theirs, NotMeasured) else ours
    if isinstance(gap, NotMeasured):
        yield from (say.not_measured(candidate, metric, gap) for metric in gates)
        return
    assert not isinstance(theirs, NotMeasured)
    assert not isinstance(ours, NotMeasured)
    unfit = _unfit(stored, candidate)
    if unfit:
        yield unfit
        return
    for function in gated_functions(theirs, ours):
        for metric in gates:
            yield _judge_metric(metric, function, stored, candidate, floor)


def _unfit(stored: Result, candidate: Result) -> Finding | None:
    """Why none of the candidate's functions can be compared with the baseline's."""
    fault = launches_fault(candidate.profile)
    if fault:
        return gaps.too_few_launches(candidate, fault)
    before, after = _launches(stored), _launches(candidate)
    if before != after or _functions(stored) != _functions(candidate):
        return gaps.launches_changed(candidate, before, after)
    assert stored.profile is not None  # it has the same launches
    assert candidate.profile is not None
    other = _other_method(stored.profile, candidate.profile)
    return gaps.profiled_otherwise(candidate, other) if other else None


def _other_method(stored: Profile, ours: Profile) -> tuple[str, ...]:
    return tuple(
        f"{name} {getattr(stored, name)} -> {getattr(ours, name)}"
        for name in ("clock_control", "cache_control", "replay_mode")
        if getattr(stored, name) != getattr(ours, name)
    )


def _launches(result: Result) -> dict[str, int]:
    return dict(result.profile.launches) if result.profile else {}


def _functions(result: Result) -> set[str]:
    assert not isinstance(result.ncu, NotMeasured)
    return set(result.ncu)


def gated_functions(stored: NcuBlock, ours: NcuBlock) -> list[str]:
    """The functions that weigh on either side: one that grew, and one that shrank."""
    return sorted({*_heavy(stored), *_heavy(ours)})


def _heavy(block: NcuBlock) -> Iterator[str]:
    """The longest functions until they cover GATED_TOTAL, and every other above GATED_SHARE.

    All of them where no time is known.
    """
    durations = {name: figures.get(DURATION, 0.0) for name, figures in block.items()}
    total, covered = sum(durations.values()), 0.0
    for name in sorted(durations, key=lambda n: (-durations[n], n)):
        if covered < GATED_TOTAL * total or durations[name] >= GATED_SHARE * total:
            yield name
        covered += durations[name]


def _judge_metric(
    metric: str, function: str, stored: Result, candidate: Result, floor: float
) -> Finding:
    assert not isinstance(stored.ncu, NotMeasured)
    assert not isinstance(candidate.ncu, NotMeasured)
    assert candidate.profile is not None
    theirs, ours = stored.ncu[function], candidate.ncu[function]
    if metric not in theirs or metric not in ours:
        return gaps.metric_missing(candidate, metric, function)
    if not theirs[metric] or not ours[metric]:
        return gaps.zero_throughput(candidate, metric, function)
    fault = spread_fault(candidate.profile, function, metric, ours)
    if fault:
        return gaps.contradiction(candidate, metric, fault, function=function)
    comparison = compare_throughput(
        metric,
        function,
        baseline=(theirs, stored.profile),
        candidate=(ours, candidate.profile),
        floor=floor,
    )
    status = status_of(metric, comparison)
    return say.compared(candidate, metric, comparison, status, function=function)
