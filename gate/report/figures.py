"""Numbers as people read them: the unit beside the figure, and no more digits than they carry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.report.text import unit

if TYPE_CHECKING:
    from gate.verdict import Comparison

_DURATIONS = (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0))
_ORIGINS = {
    "floor": "configured floor",
    "noise": "baseline's noise",
    "cap": "the most that noise buys",
    "exact": "exact",
}
# A change past this many per cent comes from a baseline near zero; its digits mean nothing.
_HUGE_PCT = 100_000
_LARGEST_COUNT = 10**12


def duration(ns: float) -> str:
    """Four significant digits in the largest unit that leaves something before the point."""
    name, scale = next((x for x in _DURATIONS if abs(ns) >= x[1]), _DURATIONS[-1])
    value = ns / scale
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:,.{digits}f} {name}" if abs(value) < _HUGE_PCT else f"{value:.3g} {name}"


def quantity(value: float, of_unit: str) -> str:
    """A baseline's or candidate's value, such as `356.5 us`, `89.8 %`, `16 B`."""
    if not math.isfinite(value):
        return "not a number"
    if of_unit == "ns":
        return duration(value)
    if of_unit == "%" and abs(value) < _HUGE_PCT:
        return f"{value:.{1 if abs(value) >= 10 else 2}f} %"
    whole = float(value).is_integer() and abs(value) < _LARGEST_COUNT
    return f"{value:,.0f} {unit(of_unit)}" if whole else f"{value:.6g} {unit(of_unit)}"


def change(ratio: float) -> str:
    """A relative change with its sign, such as `+20.1 %`, `-0.03 %`."""
    percent = ratio * 100
    if not math.isfinite(percent):
        return "not a number"
    if abs(percent) >= _HUGE_PCT:
        return f"{percent:+.2g} %"
    digits = 2 if abs(percent) < 10 else 1
    # Adding zero turns a negative zero, which rounding leaves, into a positive one.
    return f"{round(percent, digits) + 0.0:+,.{digits}f} %"


def moved(comparison: Comparison) -> str:
    """`+20.1 %`, or `0 B -> 16 B` where no ratio exists."""
    if comparison.baseline == 0 != comparison.candidate:
        return _both(comparison)
    return change(comparison.change)


def change_with_interval(comparison: Comparison) -> str:
    """`+20.1 % [+19.6 %, +20.6 %]`; what repeats exactly has no interval."""
    shown = moved(comparison)
    if comparison.tolerance_origin == "exact" or comparison.baseline == 0:
        return shown
    return f"{shown} [{change(comparison.low)}, {change(comparison.high)}]"


def sentence(comparison: Comparison) -> str:
    """`343.1 us -> 412.1 us, +20.1 % [+19.6 %, +20.6 %], tolerance 1.0 % (configured floor)`."""
    # From zero the change is told as both values already.
    both, by = _both(comparison), change_with_interval(comparison)
    figures = both if by == both else f"{both}, {by}"
    return f"{figures}, tolerance {tolerance_with_origin(comparison)}"


def _both(comparison: Comparison) -> str:
    before = quantity(comparison.baseline, comparison.unit)
    return f"{before} -> {quantity(comparison.candidate, comparison.unit)}"


def tolerance(comparison: Comparison) -> str:
    """`1.0 %`; a third digit is shown only where it is not zero."""
    percent = f"{comparison.tolerance * 100:.2f}"
    return f"{percent.removesuffix('0')} %"


def tolerance_with_origin(comparison: Comparison) -> str:
    """`1.0 % (configured floor)`."""
    return f"{tolerance(comparison)} ({origin(comparison)})"


def origin(comparison: Comparison) -> str:
    """Where its tolerance comes from."""
    return _ORIGINS[comparison.tolerance_origin]
