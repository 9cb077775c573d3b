import math
from dataclasses import replace

import pytest

from gate.compare import (
    MAX_THROUGHPUT_TOLERANCE,
    MEDIAN_PENALTY,
    NOISE_FACTOR,
    SESSION_THROUGHPUT,
    STANDARD_ERRORS,
    compare_exact,
    compare_throughput,
    static_metrics,
)
from gate.model import SM_THROUGHPUT
from tests.factories import FUNCTION, METRICS, launch, profile


def throughput(candidate, *, spread=0.0, own=0.0, floor=0.02):
    return compare_throughput(
        SM_THROUGHPUT,
        FUNCTION,
        baseline=(METRICS, profile(spread=spread)),
        candidate=({**METRICS, SM_THROUGHPUT: candidate}, profile(spread=own)),
        floor=floor,
    )


def test_a_noisy_candidate_does_not_widen_its_own_tolerance():
    assert throughput(31.1, own=0.2).tolerance == 0.02


def test_a_throughputs_interval_is_that_of_two_medians_of_launches():
    comparison = throughput(31.1, spread=0.01, own=0.02)
    assert comparison.change == 0.0
    errors = STANDARD_ERRORS * MEDIAN_PENALTY
    half = errors * math.sqrt((0.01**2 + 0.02**2) / 12)
    assert comparison.high == pytest.approx(half + SESSION_THROUGHPUT, rel=0.05)
    noise = NOISE_FACTOR * errors * 0.01 * math.sqrt(2 / 12)
    assert comparison.tolerance == pytest.approx(noise + SESSION_THROUGHPUT, rel=1e-3)
    assert comparison.tolerance_origin == "noise"


def test_more_launches_let_noise_buy_less():
    few, many = (replace(profile(spread=0.02), forwards=n) for n in (12, 40))
    tolerances = [
        compare_throughput(
            SM_THROUGHPUT, FUNCTION, baseline=(METRICS, p), candidate=(METRICS, p), floor=0.02
        ).tolerance
        for p in (few, many)
    ]
    assert tolerances == [MAX_THROUGHPUT_TOLERANCE, pytest.approx(0.057, abs=0.001)]


def test_many_launches_that_a_document_claims_narrow_nothing_beyond_what_is_known():
    few, many = (replace(profile(spread=0.01), forwards=n) for n in (40, 10**9))
    intervals = {
        compare_throughput(
            SM_THROUGHPUT, FUNCTION, baseline=(METRICS, p), candidate=(METRICS, p), floor=0.02
        ).high
        for p in (few, many)
    }
    assert len(intervals) == 1


def test_one_session_may_differ_from_another_by_so_much():
    assert SESSION_THROUGHPUT == 0.002
    comparison = throughput(31.1)
    assert comparison.high == pytest.approx(0.002, rel=1e-2)
    assert comparison.low == pytest.approx(-0.002, rel=1e-2)


def test_static_metrics_are_those_of_the_worst_launch():
    launches = (
        launch(stack_bytes=8, theoretical_occupancy_pct=100.0, widest_global_load_bits=32),
        launch(local_bytes=16, theoretical_occupancy_pct=50.0, widest_global_load_bits=128),
    )
    for order in (launches, launches[::-1]):
        assert static_metrics(order) == {
            "static.spill_bytes": ("B", 16),
            "static.theoretical_occupancy": ("%", 50.0),
            "static.global_load_bits": ("bit", 32),
        }
    both = (launch(stack_bytes=8, local_bytes=16),)
    assert static_metrics(both)["static.spill_bytes"] == ("B", 24)


@pytest.mark.parametrize(
    ("baseline", "candidate", "change"), [(0, 0, 0.0), (0, 8, 1.0), (8, 0, -1.0), (100, 50, -0.5)]
)
def test_what_repeats_exactly_has_no_tolerance(baseline, candidate, change):
    comparison = compare_exact("B", baseline, candidate)
    assert comparison.change == comparison.low == comparison.high == change
    assert (comparison.tolerance, comparison.tolerance_origin) == (0.0, "exact")
