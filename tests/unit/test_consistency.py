"""Figures that contradict one another, as the judge meets them."""

from dataclasses import replace

import pytest

from gate.errors import ExitCode
from gate.metrics import DURATION
from gate.model import GATED_METRICS, RUNTIME, NotMeasured
from gate.verdict import Status
from tests.factories import (
    MEDIANS,
    METRICS,
    baseline,
    measurement,
    profile,
    result,
    samples,
    timing,
)
from tests.judging import codes, found, moved, times, verdict

PROFILED = METRICS[DURATION]


def judged(**changes):
    return verdict(measurement(result(**changes)), baseline())


def of(*shares):
    """Timing of the baseline's medians with samples of these shares of them."""
    return replace(timing(), samples=tuple(samples(m * s) for m, s in zip(MEDIANS, shares)))  # noqa: B905


def test_what_agrees_with_itself_is_judged():
    assert judged(timing=timing()).exit_code is ExitCode.PASSED


@pytest.mark.parametrize(
    "point", [{"min_ns": 1e9}, {"q1_ns": 1e9}, {"q3_ns": 1.0}, {"max_ns": 1.0}, {"count": 0}]
)
def test_samples_that_are_no_distribution_are_a_contradiction(point):
    broken = (replace(samples(MEDIANS[0]), **point), *timing().samples[1:])
    answer = judged(timing=replace(timing(), samples=broken))
    assert codes(answer) == {"contradiction"}
    assert found(answer, RUNTIME).exit_code is ExitCode.INVALID


def test_medians_without_samples_of_their_own_are_a_contradiction():
    made = replace(timing(), samples=timing().samples[1:])
    assert codes(judged(timing=made)) == {"contradiction"}


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        ((1.2,) * 5, "contradiction"),
        ((1.0, 1.0, 1.0, 1.0, 1.5), "contradiction"),
        ((1.0,) * 5, None),
        ((0.5,) * 5, None),
    ],
)
def test_samples_slower_than_the_medians_they_came_to_have_to_pass_too(shares, code):
    answer = judged(timing=of(*shares))
    assert codes(answer) == ({code} if code else set())


def test_a_regression_stays_one_whatever_its_samples_say():
    for samples_of in (timing(), times(1.3)):
        slower = replace(times(1.2), samples=samples_of.samples)
        assert codes(judged(timing=slower)) == {"slower"}


@pytest.mark.parametrize(
    ("share", "code"),
    [(0.5, None), (0.42, None), (0.38, "times_disagree"), (0.3, "times_disagree")],
)
def test_a_kernel_that_is_fast_only_while_it_is_timed_is_not_believed(share, code):
    answer = judged(timing=times(share))
    assert codes(answer) == ({code} if code else set())
    assert answer.exit_code is (ExitCode.INVALID if code else ExitCode.PASSED)


def test_a_kernel_that_is_fast_under_both_clocks_is_believed():
    answer = judged(timing=times(0.1), **moved((DURATION, 0.1)))
    assert found(answer, RUNTIME).status is Status.IMPROVED


@pytest.mark.parametrize(("share", "passes"), [(0.36, True), (0.32, False)])
def test_no_baseline_makes_a_third_of_the_profiled_time_believable(share, passes):
    short = times(share * PROFILED / MEDIANS[0])
    answer = verdict(measurement(result(timing=short)), baseline(result(timing=short)))
    assert (answer.exit_code is ExitCode.PASSED) is passes


def test_a_profile_without_its_time_is_none():
    untimed = {"conv_kernel": {k: v for k, v in METRICS.items() if k != DURATION}}
    assert codes(judged(ncu=untimed)) == {"times_disagree"}
    stored = baseline(result(ncu=untimed))
    assert verdict(measurement(result(ncu=untimed)), stored).exit_code is ExitCode.PASSED


def test_a_runtime_alone_still_needs_the_profile_that_its_baseline_has():
    gap = NotMeasured(status="failed", reason="counter_permission")
    bare = result(ncu=gap, profile=None, gates=(RUNTIME,))
    answer = verdict(measurement(bare), baseline(result(gates=(RUNTIME,))))
    assert codes(answer) == {"counter_permission"}
    assert verdict(measurement(bare), baseline(bare)).exit_code is ExitCode.PASSED
    whole = measurement(result(gates=(RUNTIME,)))
    assert verdict(whole, baseline(result(gates=(RUNTIME,)))).exit_code is ExitCode.PASSED


def test_the_profiled_time_is_that_of_all_functions():
    block = {name: {**METRICS, DURATION: PROFILED / 2} for name in ("conv_kernel", "fill")}
    both = {"ncu": block, "profile": profile("conv_kernel", "fill")}
    stored = baseline(result(**both))
    assert verdict(measurement(result(**both)), stored).exit_code is ExitCode.PASSED
    short = measurement(result(timing=times(0.36), **both))
    assert codes(verdict(short, stored)) == {"times_disagree"}


def test_where_runtime_does_not_gate_its_clock_does_not_either():
    stored = baseline(result(gates=GATED_METRICS[1:]))
    assert verdict(measurement(result(timing=times(0.3))), stored).exit_code is ExitCode.PASSED


def test_another_flush_of_the_l2_is_another_method():
    answer = judged(timing=replace(timing(), l2_flush_bytes=0))
    assert codes(answer) == {"other_method"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


def test_another_size_of_the_batch_is_not():
    assert judged(timing=replace(timing(), batch=42)).exit_code is ExitCode.PASSED
