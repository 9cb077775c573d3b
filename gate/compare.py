"""Baseline against candidate, metric by metric: numbers only, no opinion on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from gate.stats import Interval
from gate.verdict import Comparison, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.model import Profile, StaticLaunch

# A baseline noisier than the floor gets so many times as tolerance what an interval of its launches
# against as many is wide on either side: the deviation is itself known to a third only.
NOISE_FACTOR = 2.8
# Standard errors on either side of a difference of medians: 99.9 % of twelve launches' against
# twelve (Student's t with 22 degrees of freedom is 3.5 one-sided).
STANDARD_ERRORS = 3.5
# More launches than this narrow nothing: those of one process share its luck.
MOST_LAUNCHES = 40
# The median's standard error over the mean's, for normal noise: sqrt(pi / 2).
MEDIAN_PENALTY = 1.2533
# What one session may differ from another with the same card and code: ncu's figures moved by up to
# 0.3 % (benchmarks/RESULTS.md).
SESSION_THROUGHPUT = 0.002
# The widest tolerance that a baseline's noise may buy: past it, a change that everybody would call
# one passes. What is still proven within it passes; a noisier baseline is not stored at all.
MAX_RUNTIME_TOLERANCE = 0.05
MAX_THROUGHPUT_TOLERANCE = 0.10
# ln of a change that no honest pair of percentages reaches: keeps every figure finite. An interval
# twice as wide leaves nothing proven, wherever its centre lies.
_LARGEST = 30.0


def compare_throughput(
    metric: str,
    function: str,
    *,
    baseline: tuple[Mapping[str, float], Profile | None],
    candidate: tuple[Mapping[str, float], Profile | None],
    floor: float,
) -> Comparison:
    """A percentage of peak of one JIT function; the interval is that of two medians of launches.

    `baseline` and `candidate` are that function's metrics with the profile they came from; neither
    value is zero.
    """
    base, cand = baseline[0][metric], candidate[0][metric]
    (own, launches), (theirs, their_launches) = (
        _deviation(profile, function, metric) for _, profile in (baseline, candidate)
    )
    error = math.sqrt(own**2 / launches + theirs**2 / their_launches)
    half = min(STANDARD_ERRORS * MEDIAN_PENALTY * error + SESSION_THROUGHPUT, 2 * _LARGEST)
    # A quotient of two floats can leave their range, a difference of logarithms cannot.
    change = math.log(cand) - math.log(base)
    centre = max(-_LARGEST, min(_LARGEST, change))
    interval = Interval(centre, centre - half, centre + half)
    own_half = STANDARD_ERRORS * MEDIAN_PENALTY * own * math.sqrt(2 / launches)
    noise = NOISE_FACTOR * own_half + SESSION_THROUGHPUT
    tolerance, origin = tolerance_of(noise, floor=floor, most=MAX_THROUGHPUT_TOLERANCE)
    return Comparison(
        unit="%",
        baseline=base,
        candidate=cand,
        change=math.expm1(interval.centre),
        low=math.expm1(interval.low),
        high=math.expm1(interval.high),
        tolerance=tolerance,
        tolerance_origin=origin,
    )


def compare_exact(unit: str, baseline: float, candidate: float) -> Comparison:
    """What a compiler decided: it repeats exactly, so any difference is one."""
    change = candidate / baseline - 1 if baseline else float(candidate != baseline)
    return Comparison(
        unit=unit,
        baseline=baseline,
        candidate=candidate,
        change=change,
        low=change,
        high=change,
        tolerance=0.0,
        tolerance_origin="exact",
    )


def static_metrics(launches: Sequence[StaticLaunch]) -> dict[str, tuple[str, float]]:
    """The gated static metrics of one forward, as name -> (unit, value), the worst of its launches.

    Spills count as bytes of stack and local memory a thread.
    """
    return {
        "static.spill_bytes": ("B", max(x.stack_bytes + x.local_bytes for x in launches)),
        "static.theoretical_occupancy": ("%", min(x.theoretical_occupancy_pct for x in launches)),
        "static.global_load_bits": ("bit", min(x.widest_global_load_bits for x in launches)),
    }


LOWER_IS_BETTER = frozenset({"runtime", "static.spill_bytes"})


def status_of(metric: str, comparison: Comparison) -> Status:
    """Regressed only if the interval lies wholly beyond the tolerance, fine only if wholly within.

    Written so that a NaN, were one to get here, would end as inconclusive.
    """
    lower_is_better = metric in LOWER_IS_BETTER
    worse = comparison.change if lower_is_better else -comparison.change
    least_worse = comparison.low if lower_is_better else -comparison.high
    most_worse = comparison.high if lower_is_better else -comparison.low
    if least_worse > comparison.tolerance:
        return Status.REGRESSED
    if most_worse <= comparison.tolerance:
        better = most_worse < 0 and worse < -comparison.tolerance
        return Status.IMPROVED if better else Status.UNCHANGED
    return Status.INCONCLUSIVE


def tolerance_of(
    noise: float, *, floor: float, most: float
) -> tuple[float, Literal["floor", "noise", "cap"]]:
    """The tolerance that a baseline's noise and the configured floor give, and its origin."""
    if noise <= floor:
        return floor, "floor"
    return max(min(noise, most), floor), "cap" if noise > most else "noise"


def _deviation(profile: Profile | None, function: str, metric: str) -> tuple[float, int]:
    """The relative deviation between launches, and as how many of them it counts."""
    if profile is None:
        return 0.0, 1
    known = profile.deviation.get(function, {}).get(metric, 0.0)
    return known, max(1, min(profile.forwards, MOST_LAUNCHES))
