"""Rules by which other projects call a benchmark slower, on the same data as the gate's own.

Each is a reimplementation from the project's public description, with that project's defaults, and
only of the decision: what is drawn, how often and where is `judge_pool.py`'s affair. A rule gets
the baseline's and the candidate's processes, each a sequence of samples in nanoseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

Said = Literal["slower", "not slower", "undecided", "machine moved"]
Processes = Sequence[Sequence[float]]

BOOTSTRAP_DRAWS = 1000


@dataclass(frozen=True)
class Rule:
    """One project's rule, and how many processes a side its users run for one verdict."""

    name: str
    processes: int
    says: Callable[[Processes, Processes], Said]


def pooled(processes: Processes) -> np.ndarray:
    """All samples as if they were independent: what most rules do."""
    return np.concatenate([np.asarray(samples, float) for samples in processes])


def fixed_threshold(baseline: Processes, candidate: Processes, *, threshold: float) -> Said:
    """Slower if the median of all samples rose by more than a fixed share.

    5 %: pytest-benchmark's documentation of `--benchmark-compare-fail=mean:5%`. 3 %: medians of
    Triton's `triton.testing.do_bench(..., return_mode="median")`, one call each, held against each
    other as kernel projects do in CI; do_bench itself has no rule.
    """
    ratio = np.median(pooled(candidate)) / np.median(pooled(baseline))
    return "slower" if ratio > 1 + threshold else "not slower"


def nvbench_compare(baseline: Processes, candidate: Processes) -> Said:
    """Slower if the means differ by more than the smaller relative deviation of the two.

    NVIDIA/nvbench, `nvbench_compare.py` up to 2025, now `nvbench_compare_legacy.py`. It is told
    nothing of how precisely the means are known.
    """
    ours, theirs = pooled(candidate), pooled(baseline)
    noise = min(float(x.std(ddof=1) / x.mean()) for x in (ours, theirs))
    if noise == 0:
        return "undecided"
    return "slower" if ours.mean() / theirs.mean() - 1 > noise else "not slower"


# nvbench_compare_robust's preset "default".
CLEAR_GAP, CLOSE_CENTRES, OVERLAP, DISPERSION = 0.005, 0.005, 0.5, 0.02


def nvbench_compare_robust(baseline: Processes, candidate: Processes) -> Said:
    """Slower if the ranges from minimum to third quartile lie apart by 0.5 %.

    NVIDIA/nvbench, `nvbench_compare_robust.py`, preset "default": the same if the medians are
    within 0.5 %, the ranges share half of the smaller one and neither quartile range is wider than
    2 %; undecided else. Left out: its comparison of whole samples where these summaries do not
    decide, and its look at the SM clock.
    """
    ours, theirs = (np.percentile(pooled(x), (0, 25, 50, 75)) for x in (candidate, baseline))
    if ours[0] / theirs[3] - 1 >= CLEAR_GAP:
        return "slower"
    if theirs[0] / ours[3] - 1 >= CLEAR_GAP:
        return "not slower"
    shared = min(ours[3], theirs[3]) - max(ours[0], theirs[0])
    narrower = min(ours[3] - ours[0], theirs[3] - theirs[0])
    steady = all((x[3] - x[1]) / x[2] <= DISPERSION for x in (ours, theirs))
    close = max(ours[2], theirs[2]) / min(ours[2], theirs[2]) - 1 <= CLOSE_CENTRES
    same = close and steady and shared >= OVERLAP * narrower
    return "not slower" if same else "undecided"


def asv_continuous(baseline: Processes, candidate: Processes) -> Said:
    """Slower if the median rose by a factor of 1.1 and Mann-Whitney finds p < 0.002.

    airspeed velocity, `asv continuous` with its default `--factor 1.1`, and `is_different` in
    `asv/statistics.py`; two processes a side are its default.
    """
    ours, theirs = pooled(candidate), pooled(baseline)
    different = mann_whitney_p(theirs, ours) < 0.002
    larger = np.median(ours) > 1.1 * np.median(theirs)
    return "slower" if different and larger else "not slower"


def mann_whitney(baseline: Processes, candidate: Processes, *, level: float = 0.05) -> Said:
    """Slower if the median rose and Mann-Whitney's two-sided p is below 5 %.

    Go's `benchstat` (golang.org/x/perf) decides so, there with one figure for each run.
    """
    ours, theirs = pooled(candidate), pooled(baseline)
    larger = np.median(ours) > np.median(theirs)
    return "slower" if larger and mann_whitney_p(theirs, ours) < level else "not slower"


def mann_whitney_p(one: np.ndarray, other: np.ndarray) -> float:
    """The two-sided p by the normal approximation, ties counted half; good from 8 samples on.

    Source: Mann and Whitney, Ann. Math. Statist. 18 (1947).
    """
    ordered = np.sort(one)
    below = np.searchsorted(ordered, other, side="left").sum()
    up_to = np.searchsorted(ordered, other, side="right").sum()
    sizes = len(one), len(other)
    deviation = math.sqrt(sizes[0] * sizes[1] * (sum(sizes) + 1) / 12)
    z = ((below + up_to) / 2 - sizes[0] * sizes[1] / 2) / deviation
    return math.erfc(abs(z) / math.sqrt(2))


def criterion(baseline: Processes, candidate: Processes) -> Said:
    """Slower if a bootstrapped t test finds p < 0.05 and the mean's change lies beyond 1 %.

    Criterion.rs, "Analysis Process" in its book, with the defaults significance_level = 0.05,
    noise_threshold = 0.01 and confidence_level = 0.95, but 1,000 resamples for its 100,000.
    """
    ours, theirs = pooled(candidate), pooled(baseline)
    draw = np.random.default_rng(len(ours))
    if bootstrapped_p(theirs, ours, draw) >= 0.05:
        return "not slower"
    ratio = resampled(ours, draw).mean(axis=1) / resampled(theirs, draw).mean(axis=1) - 1
    return "slower" if np.quantile(ratio, 0.025) > 0.01 else "not slower"


def bootstrapped_p(one: np.ndarray, other: np.ndarray, draw: np.random.Generator) -> float:
    """How often samples of both together differ by as large a t as these two do, two-sided."""
    together = np.concatenate([one, other])
    picks = together[draw.integers(len(together), size=(BOOTSTRAP_DRAWS, len(together)))]
    by_chance = welch_t(picks[:, : len(one)], picks[:, len(one) :])
    seen = welch_t(one[None, :], other[None, :])[0]
    above = float((by_chance >= seen).mean())
    return 2 * min(above, 1 - above)


def welch_t(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Welch's t of each row of two matrices of samples."""
    variance = one.var(axis=1, ddof=1) / one.shape[1] + other.var(axis=1, ddof=1) / other.shape[1]
    return (other.mean(axis=1) - one.mean(axis=1)) / np.sqrt(np.maximum(variance, 1e-300))


def resampled(samples: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return samples[draw.integers(len(samples), size=(BOOTSTRAP_DRAWS, len(samples)))]


RIVALS = (
    Rule("one run, 5 %", 1, partial(fixed_threshold, threshold=0.05)),
    Rule("do_bench medians, 3 %", 1, partial(fixed_threshold, threshold=0.03)),
    Rule("nvbench_compare, legacy", 1, nvbench_compare),
    Rule("nvbench_compare_robust", 1, nvbench_compare_robust),
    Rule("asv continuous", 2, asv_continuous),
    Rule("Criterion, one process", 1, criterion),
    Rule("Criterion, five pooled", 5, criterion),
    Rule("Mann-Whitney 5 %, five pooled", 5, mann_whitney),
)
