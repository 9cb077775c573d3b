"""Figures of one result that cannot all be true: each check returns what contradicts, or nothing.

Pure. A measurement is hostile input: a figure is believed only where what surrounds it allows it.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from gate import metrics
from gate.model import NotMeasured, Profile, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.model import Result, SampleSummary

# ncu's clock counts what the events do, with a few microseconds' difference at a few percent: 0.85
# to 1.32 of it on an H100. A forward that skips work only while it is timed falls far below.
LEAST_TIMED_SHARE = 0.33
# The same, of the baseline's own share: twice as fast by the events alone is still believed.
LEAST_OF_BASELINES_SHARE = 0.4
# Of fewer profiled calls nobody can say how far they spread.
LEAST_FORWARDS = 6


def timing_fault(timing: Timing) -> str:
    """Samples that are no distribution, or not as many as there are medians."""
    if len(timing.samples) != len(timing.process_medians_ns):
        return f"{len(timing.process_medians_ns)} process medians come from {len(timing.samples)}"
    if not all(map(_ordered, timing.samples)):
        return "the quartiles of its samples are not in order"
    return ""


def sample_medians(timing: Timing) -> tuple[float, ...]:
    return tuple(summary.median_ns for summary in timing.samples)


def _ordered(summary: SampleSummary) -> bool:
    s = summary
    return s.count >= 1 and s.min_ns <= s.q1_ns <= s.median_ns <= s.q3_ns <= s.max_ns


def times_disagree(stored: Result, candidate: Result) -> str:
    """A forward that took far less time while it was timed than while it was profiled.

    The two clocks differ by a constant and by what replay does to caches, so the baseline's own
    share of the two is the measure.
    """
    ours, theirs = _timed_share(candidate), _timed_share(stored)
    if ours is None:
        profiled = theirs and not isinstance(candidate.ncu, NotMeasured)
        return "its profiled launches have no time, and the baseline's have" if profiled else ""
    if ours < LEAST_TIMED_SHARE or (theirs and ours < LEAST_OF_BASELINES_SHARE * theirs):
        beside = f", the baseline {theirs:.0%}" if theirs else ""
        return f"it took {ours:.0%} of the time that its profiled launches take{beside}"
    return ""


def _timed_share(result: Result) -> float | None:
    if isinstance(result.timing, NotMeasured) or isinstance(result.ncu, NotMeasured):
        return None
    profiled = sum(function.get(metrics.DURATION, 0.0) for function in result.ncu.values())
    return median(result.timing.process_medians_ns) / profiled if profiled > 0 else None


def launches_fault(profile: Profile | None) -> str:
    """Fewer profiled calls than the gate itself makes: too few to know how far they spread."""
    if profile is None:
        return "the measurement does not say how its launches were profiled"
    if profile.processes < metrics.PROCESSES or profile.forwards < LEAST_FORWARDS:
        return (
            f"{profile.forwards} forward calls in {profile.processes} processes were profiled, "
            f"which is less than {LEAST_FORWARDS} in {metrics.PROCESSES}"
        )
    return ""


def spread_fault(
    profile: Profile, function: str, metric: str, measured: Mapping[str, float]
) -> str:
    """A value above all that was seen of it, or one without what was seen.

    Below the lowest it only looks worse than it was, which gains nothing.
    """
    seen = profile.spread.get(function, {}).get(metric)
    if seen is None or metric not in profile.deviation.get(function, {}):
        return f"nothing says how far {metric} of {function} spread"
    low, high = seen
    if low > high or measured[metric] > high:
        return (
            f"{metric} of {function} is {measured[metric]:g}, and was seen from {low:g} to {high:g}"
        )
    return ""
