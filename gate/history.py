"""What became of each gated metric over the committed versions of one baseline. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from gate.compare import static_metrics
from gate.model import RUNTIME, Measurement, NotMeasured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.model import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One commit's baseline: `baseline` is None where `unreadable` says why not."""

    commit: str
    date: str
    baseline: Measurement | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One metric's value at one version.

    `change` is relative to the point before, None for the first; `redefined` says that the workload
    was another one then, so that there is no change to tell. `from_anchor` is relative to the best
    value that the version itself remembers.
    """

    version: Version
    value: float
    change: float | None
    redefined: bool
    from_anchor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric of one workload, the oldest point first."""

    workload: str
    metric: str
    unit: str
    points: tuple[Point, ...]


def series(versions: Sequence[Version]) -> tuple[Series, ...]:
    """Every metric that gated in some version that reads, in the order of the newest version."""
    found: dict[tuple[str, str, str], list[tuple[Version, Result, float]]] = {}
    for version in reversed(versions):
        for result in version.baseline.results if version.baseline else ():
            for metric, (unit, value) in _gated(result).items():
                key = result.workload, metric, unit
                found.setdefault(key, []).insert(0, (version, result, value))
    return tuple(
        Series(workload=workload, metric=metric, unit=unit, points=_points(metric, measured))
        for (workload, metric, unit), measured in found.items()
    )


def _points(metric: str, measured: Sequence[tuple[Version, Result, float]]) -> tuple[Point, ...]:
    points: list[Point] = []
    before: tuple[Result, float] | None = None
    for version, result, value in measured:
        redefined = before is not None and _identity(before[0]) != _identity(result)
        comparable = before is not None and not redefined
        points.append(
            Point(
                version=version,
                value=value,
                change=_change(before[1], value) if before and comparable else None,
                redefined=redefined,
                from_anchor=_from_anchor(version, result.workload, metric, value),
            )
        )
        before = result, value
    return tuple(points)


def _identity(result: Result) -> tuple[str, tuple[str, ...]]:
    return result.definition, result.signature


def _change(before: float, after: float) -> float | None:
    if before == after:
        return 0.0
    return after / before - 1 if before else None


def _from_anchor(version: Version, workload: str, metric: str, value: float) -> float | None:
    assert version.baseline
    assert version.baseline.baseline
    anchor = version.baseline.baseline.anchors.get(workload, {}).get(metric)
    return _change(anchor.value, value) if anchor else None


def _gated(result: Result) -> Mapping[str, tuple[str, float]]:
    """Metric -> (unit, value) of what gates here: what was measured, else what was compiled."""
    if isinstance(result.timing, NotMeasured):
        compiled = () if isinstance(result.static, NotMeasured) else result.static.launches
        return static_metrics(compiled) if compiled else {}
    runtime = {RUNTIME: ("ns", float(median(result.timing.process_medians_ns)))}
    functions = {} if isinstance(result.ncu, NotMeasured) else result.ncu
    # The lowest of the JIT functions: the one that uses the machine least.
    profiled = {
        metric: ("%", min(x[metric] for x in functions.values() if metric in x))
        for metric in result.gates
        if any(metric in x for x in functions.values())
    }
    return {m: v for m, v in {**runtime, **profiled}.items() if m in result.gates}
