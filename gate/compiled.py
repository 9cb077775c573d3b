"""The verdict on what the compiler made, where there is no GPU to measure on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate import findings as say
from gate import gaps
from gate.compare import LOWER_IS_BETTER, compare_exact, static_metrics, status_of
from gate.model import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.model import Result, Static, StaticLaunch
    from gate.verdict import Comparison, Finding

Launches = dict[str, list["StaticLaunch"]]


def judge_compiled(stored: Result, candidate: Result, *, target: str) -> Iterator[Finding]:
    """One finding a metric and JIT function, and one for each function whose grid or block moved.

    `target` is what the trusted side compiles for, such as `sm_89`.
    """
    theirs, ours = stored.static, candidate.static
    if isinstance(theirs, NotMeasured):
        yield say.not_measured(candidate, "static", theirs)
    elif isinstance(ours, NotMeasured):
        yield say.not_measured(candidate, "static", ours)
    elif ours.target != theirs.target or ours.target != target:
        yield gaps.other_target(candidate, theirs.target, ours.target)
    else:
        yield from _judge_launches(_by_function(theirs), _by_function(ours), candidate)


def _judge_launches(before: Launches, after: Launches, candidate: Result) -> Iterator[Finding]:
    counts = [{name: len(found) for name, found in side.items()} for side in (before, after)]
    if counts[0] != counts[1]:
        yield gaps.launches_changed(candidate, *counts, on_gpu=False)
        return
    for function in sorted(before):
        pairs = list(zip(before[function], after[function], strict=True))
        recounted = next((pair for pair in pairs if pair[0].times != pair[1].times), None)
        if recounted:
            times = ({function: launch.times} for launch in recounted)
            yield gaps.launches_changed(candidate, *times, on_gpu=False)
        for name in static_metrics(before[function]):
            worst = _worst(name, pairs)
            status = status_of(name, worst)
            yield say.compared(candidate, name, worst, status, function=function)
        moved = [pair for pair in pairs if _shape(pair[0]) != _shape(pair[1])]
        if moved:
            yield gaps.shape_changed(candidate, function, *map(_shape, moved[0]))


def _worst(name: str, pairs: Sequence[tuple[StaticLaunch, StaticLaunch]]) -> Comparison:
    """Launch by launch: a bad launch in the baseline must not hide one that became as bad."""
    compared = []
    for launch, ours in pairs:
        unit, value = static_metrics((launch,))[name]
        compared.append(compare_exact(unit, value, static_metrics((ours,))[name][1]))
    sign = 1 if name in LOWER_IS_BETTER else -1
    return max(compared, key=lambda comparison: sign * comparison.change)


def _shape(launch: StaticLaunch) -> str:
    x, y, z = launch.grid
    return f"{x} x {y} x {z} blocks of {launch.threads} threads"


def _by_function(static: Static) -> Launches:
    found: Launches = {}
    for launch in static.launches:
        found.setdefault(launch.function, []).append(launch)
    return found
