"""The statistics of a verdict: pure arithmetic on process medians and spreads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# As many as `--processes` takes.
MOST_PROCESSES = 100
# A candidate's processes are few up to so many, where the baseline has more than three times as
# many; more of them know their noise well enough by themselves.
FEW, LARGER = 6, 3
# They pass for as steady as the baseline up to so many times its deviation; of sessions that are,
# one in thirty shows more in its first three processes.
STEADY = 2.0
# Bisection halves an interval of width 2^10 until it is below double precision.
_BISECTIONS = 80
_WIDEST_QUANTILE = 1024.0
_CONTINUED_FRACTION_TERMS = 60
_TINY = 1e-300
# The quartiles of the normal distribution are so many deviations apart.
_NORMAL_QUARTILES = 1.349
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Interval:
    """A log ratio ln(candidate / baseline) with its confidence bounds."""

    centre: float
    low: float
    high: float

    def widened(self, half: float) -> Interval:
        return Interval(self.centre, self.low - half, self.high + half)


def log_ratio(
    baseline: Sequence[float], candidate: Sequence[float], *, confidence: float
) -> Interval:
    """Welch's two-sided interval of the difference of mean logarithms, variances unequal.

    Each element is one fresh process's median, at least two on either side; all are positive.
    Source: Welch 1947; e.g. NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.3.
    """
    variances, counts = _spreads(baseline, candidate)
    half = _welch(variances, counts, confidence)
    return _around(baseline, candidate, half)


def log_ratio_to_stored(
    baseline: Sequence[float], candidate: Sequence[float], *, confidence: float
) -> Interval:
    """The same, where few processes may borrow the noise that a larger baseline knows.

    Few that are about as steady as the baseline have its variance, with its degrees of freedom;
    for all others Welch's interval stays. It would be 8 deviations wide for three processes, since
    these know so little of their noise; and were they pooled with the baseline's, noisy ones would
    pass for as steady as these.
    """
    variances, counts = _spreads(baseline, candidate)
    half = _half_to_stored(variances, counts, confidence)
    return _around(baseline, candidate, half)


def processes_needed(
    baseline: Sequence[float], candidate: Sequence[float], *, half: float, confidence: float
) -> int | None:
    """How many processes make `log_ratio_to_stored`'s interval so narrow; None if too many.

    That is where they go on spreading as they did. Beyond a hundred the baseline's own error is
    what is left.
    """
    variances, (stored, so_far) = _spreads(baseline, candidate)
    for count in range(so_far + 1, MOST_PROCESSES + 1):
        if _half_to_stored(variances, (stored, count), confidence) <= half:
            return count
    return None


def _around(baseline: Sequence[float], candidate: Sequence[float], half: float) -> Interval:
    base, cand = (fmean(map(math.log, values)) for values in (baseline, candidate))
    centre = cand - base
    return Interval(centre, centre - half, centre + half)


def _spreads(
    baseline: Sequence[float], candidate: Sequence[float]
) -> tuple[tuple[float, float], tuple[int, int]]:
    """The variances of the logarithms of both, and how many there are."""
    variances = log_deviation(baseline) ** 2, log_deviation(candidate) ** 2
    return variances, (len(baseline), len(candidate))


def _half_to_stored(
    variances: tuple[float, float], counts: tuple[int, int], confidence: float
) -> float:
    """The half-width by the baseline's variance alone, or Welch's."""
    (base, cand), (stored, count) = variances, counts
    # Without room for rounding, what spreads just so much would be judged by its unit.
    few = count <= FEW and count * LARGER < stored
    if not few or cand > STEADY**2 * base * (1 + _ROUNDING):
        return _welch(variances, counts, confidence)
    error = math.sqrt(base / stored + base / count)
    return student_quantile(0.5 + confidence / 2, stored - 1) * error


def _welch(variances: tuple[float, float], counts: tuple[int, int], confidence: float) -> float:
    """The half-width where each side's variance is known by its own processes alone."""
    squared = [v / n for v, n in zip(variances, counts, strict=True)]
    freedom = _freedom(squared, [n - 1 for n in counts])
    return student_quantile(0.5 + confidence / 2, freedom) * math.sqrt(sum(squared))


def _freedom(squared: Sequence[float], each: Sequence[int]) -> float:
    """Welch's and Satterthwaite's degrees of freedom for squared standard errors, to a tenth."""
    if not any(squared):
        return float(sum(each))
    freedom = sum(squared) ** 2 / sum(s * s / n for s, n in zip(squared, each, strict=True))
    # Downwards, but for what rounding took; tenths, so that a thousand verdicts share quantiles.
    return math.floor(10 * freedom + _ROUNDING) / 10


def log_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation of the logarithms: a relative deviation for small ones."""
    return math.sqrt(_squares([math.log(v) for v in values]) / (len(values) - 1))


def _squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean."""
    mean = fmean(values)
    return math.fsum((v - mean) ** 2 for v in values)


def robust_deviation(values: Sequence[float]) -> float:
    """The relative deviation of positive values that a few outliers do not move.

    The distance of the quartiles over 1.349, which is what it is for normal noise of deviation 1,
    relative to the median; 0 for a median of 0, and for one value alone.
    """
    if len(values) == 1:
        return 0.0
    low, middle, high = quantiles(values, n=4)
    return (high - low) / _NORMAL_QUARTILES / middle if middle > 0 else 0.0


@cache
def student_quantile(probability: float, freedom: float) -> float:
    """The `probability` (above 0.5) quantile of Student's t with `freedom` degrees of freedom."""
    low, high = 0.0, _WIDEST_QUANTILE
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if student_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for t >= 0. Source: Abramowitz and Stegun 26.5.27 and 26.7.1."""
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised I_x(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(log_front) / (a * _beta_fraction(x, a, b))


def _beta_fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), evaluated from its last kept term."""
    value = 1.0
    for term in range(_CONTINUED_FRACTION_TERMS, 0, -1):
        m, odd = divmod(term, 2)
        if odd:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / (value or _TINY)
    return value
