"""The verdict on runtime: against stored figures, and in turn with the base revision."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.compare import MAX_RUNTIME_TOLERANCE
from gate.errors import ExitCode
from gate.model import BaseTiming, Canary, NotMeasured
from gate.runtime import (
    CANARY_TOLERANCE,
    NOISE_FACTOR,
    SESSION,
    compare_with_stored,
    judge_in_turn,
    judge_runtime,
    machine_moved,
)
from gate.sequential import CALIBRATION, CONFIDENCE, ERROR, LOOKS, next_look
from gate.stats import log_deviation
from gate.verdict import Status
from tests.factories import MEDIANS, environment, result, timing

STEADY = (100.0, 100.01, 99.99)
NOISY = (100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 100.2, 99.8, 100.1, 99.9, 100.3, 99.7)
ORDER = (Status.IMPROVED, Status.UNCHANGED, Status.INCONCLUSIVE, Status.REGRESSED)


def times(factor, medians=MEDIANS):
    return tuple(m * factor for m in medians)


def base(base_factor, candidate_factor):
    return BaseTiming(
        commit="a" * 40,
        kernel_sha256="b" * 64,
        process_medians_ns=times(base_factor),
        candidate_medians_ns=times(candidate_factor),
    )


def judged(factor, *, in_turn=None, moved="", clock=None, stored=MEDIANS):
    ours = timing(times(factor))
    if clock:
        ours = replace(ours, samples=tuple(replace(s, sm_clock_mhz=clock) for s in ours.samples))
    ours = replace(ours, base=base(*in_turn) if in_turn else None)
    return judge_runtime(
        result(timing=timing(stored)), result(timing=ours), floor=0.01, moved=moved
    )


def said(finding):
    return finding.status, finding.reason.code, finding.exit_code


REGRESSED = (Status.REGRESSED, "slower", ExitCode.REGRESSED)
DRIFT = (Status.MISSING, "environment_drift", ExitCode.ENVIRONMENT)
NOISE = (Status.INCONCLUSIVE, "too_noisy", ExitCode.INCONCLUSIVE)
SAME = (Status.UNCHANGED, "within_tolerance", ExitCode.PASSED)


@pytest.mark.parametrize(
    ("factor", "in_turn", "expected"),
    [
        (1.0, None, SAME),
        (1.0, (1.0, 1.0), SAME),
        (1.2, None, REGRESSED),
        (1.2, (1.0, 1.2), REGRESSED),
        (1.2, (1.2, 1.2), DRIFT),
        (1.2, (1.0, 1.01), DRIFT),
        (1.011, (1.0, 1.01), NOISE),
        (1.01, None, NOISE),
        (1.01, (1.0, 1.02), REGRESSED),
        (1.01, (1.01, 1.01), DRIFT),
        (1.01, (1.0, 1.01), NOISE),
    ],
)
def test_a_suspect_is_judged_by_what_was_measured_in_turn(factor, in_turn, expected):
    assert said(judged(factor, in_turn=in_turn)) == expected


def test_noise_in_turn_that_leaves_no_room_for_the_whole_change_is_the_machines():
    wild = BaseTiming(
        commit="a" * 40,
        kernel_sha256="b" * 64,
        process_medians_ns=times(1.4, (100.0, 104.0, 98.0, 101.0, 97.0)),
        candidate_medians_ns=times(1.4, (101.0, 97.0, 104.0, 98.0, 100.0)),
    )
    ours = replace(timing(times(1.4)), base=wild)
    finding = judge_runtime(result(), result(timing=ours), floor=0.01)
    assert said(finding) == DRIFT


def test_a_confirmed_regression_shows_both_figures():
    finding = judged(1.2, in_turn=(1.0, 1.19))
    assert finding.comparison.change == pytest.approx(0.2)
    assert (
        "in turn with the base revision aaaaaaaaaaaa it is +19.00 % [+18." in finding.reason.message
    )


@pytest.mark.parametrize(
    ("factor", "in_turn", "expected"),
    [
        (1.0, None, DRIFT),
        (1.2, None, DRIFT),
        (0.8, None, DRIFT),
        (1.0, (1.0, 1.0), DRIFT),
        (1.0, (1.0, 1.01), DRIFT),
        (1.0, (1.0, 1.2), REGRESSED),
        (1.2, (1.0, 1.2), REGRESSED),
    ],
)
def test_on_a_machine_that_moved_only_what_was_measured_in_turn_is_evidence(
    factor, in_turn, expected
):
    finding = judged(factor, in_turn=in_turn, moved="the canary's copy takes +4.0 %")
    assert said(finding) == expected
    assert expected is REGRESSED or "canary" in finding.reason.message


def test_a_lower_clock_explains_a_slower_kernel_until_the_base_revision_is_measured():
    assert said(judged(1.2, clock=1700)) == DRIFT
    assert "1700 MHz" in judged(1.2, clock=1700).reason.message
    assert said(judged(1.2, clock=1975)) == REGRESSED
    assert said(judged(1.2, clock=2100)) == REGRESSED
    assert said(judged(1.2, clock=1700, in_turn=(1.0, 1.2))) == REGRESSED
    assert said(judged(1.0, clock=1700)) == SAME


def test_without_proof_that_the_machine_moved_it_is_not_accused():
    undecided = replace(timing(times(3565.0, NOISY)), base=base(1.0, 1.0))
    finding = judge_runtime(result(timing=timing(MEDIANS)), result(timing=undecided), floor=0.005)
    assert said(finding) == SAME
    assert "in turn with the base revision" in finding.reason.message


# Spread over the baseline's: what is quieter is judged by the baseline's noise, else by its own.
@pytest.mark.parametrize("spread", [1.0, 0.8])
def test_what_is_open_says_how_many_processes_would_tell(spread):
    noisy = (-0.001, 0.0, 0.001, -0.0015, 0.0015)
    stored = [356_500.0 * (1 + x) for x in noisy * 4]
    ours = times(1.0075, [356_500.0 * (1 + spread * x) for x in noisy])
    finding = judge_runtime(result(timing=timing(stored)), result(timing=timing(ours)), floor=0.01)
    assert finding.reason.code == "too_noisy"
    needed = int(re.search(r"about (\d+) processes would tell", finding.reason.message)[1])
    assert finding.next_step == f"gate check conv --processes {needed}"
    many = times(1.0, ours * (needed // 5 + 1))
    assert (
        judge_runtime(result(timing=timing(stored)), result(timing=timing(many)), floor=0.01).status
        is Status.UNCHANGED
    )


def test_what_no_number_of_processes_would_tell_says_so():
    finding = judged(1.01)
    assert "more processes would not tell" in finding.reason.message
    assert "--processes" not in finding.next_step


def test_a_stale_baseline_is_named_and_passes():
    finding = judged(0.8)
    assert (finding.status, finding.exit_code) == (Status.IMPROVED, ExitCode.PASSED)
    assert "it would hide a slowdown of as much (20.0 %)" in finding.reason.message
    assert finding.next_step.startswith("gate baseline refresh conv")


def test_without_comparable_figures_code_is_judged_against_code():
    slower = result(timing=replace(timing(times(1.1)), base=base(1.0, 1.1)))
    assert said(judge_in_turn(slower, floor=0.01)) == REGRESSED
    same = result(timing=replace(timing(times(1.1)), base=base(1.1, 1.1)))
    assert said(judge_in_turn(same, floor=0.01)) == SAME
    assert judge_in_turn(result(), floor=0.01) is None
    gap = NotMeasured(status="failed", reason="crashed")
    assert judge_in_turn(result(timing=gap), floor=0.01) is None


@pytest.mark.parametrize(
    ("copy", "compute", "moved"),
    [
        (1.0, 1.0, ""),
        (1.01, 0.99, ""),
        (1.05, 1.0, "the canary's copy takes +5.0 %"),
        (1.0, 0.9, "the canary's arithmetic takes -10.0 %"),
    ],
)
def test_the_canary_says_whether_the_machine_moved(copy, compute, moved):
    before = replace(environment(), canary=Canary(copy_ns=STEADY, compute_ns=STEADY))
    after = Canary(copy_ns=times(copy, STEADY), compute_ns=times(compute, STEADY))
    assert machine_moved(before, replace(environment(), canary=after)) == moved


def test_a_noisy_canary_accuses_nobody():
    before = replace(environment(), canary=Canary(copy_ns=STEADY, compute_ns=STEADY))
    noisy = (100 * (1 + CANARY_TOLERANCE), 90.0, 118.0)
    after = replace(environment(), canary=Canary(copy_ns=noisy, compute_ns=noisy))
    assert machine_moved(before, after) == ""


def test_a_canary_that_is_gone_proves_nothing():
    with_canary = replace(environment(), canary=Canary(copy_ns=STEADY, compute_ns=STEADY))
    without = environment(canary=None)
    assert machine_moved(with_canary, without) == "the canary was not measured"
    assert machine_moved(without, with_canary) == ""


def test_a_steady_baseline_has_the_floor_for_tolerance_and_a_noisy_one_its_noise():
    steady = compare_with_stored(STEADY, STEADY, floor=0.01)
    assert (steady.tolerance, steady.tolerance_origin) == (0.01, "floor")
    assert steady.high >= SESSION
    noisy = compare_with_stored(NOISY, STEADY, floor=0.01)
    assert noisy.tolerance == pytest.approx(NOISE_FACTOR * log_deviation(NOISY) + SESSION)
    assert noisy.tolerance_origin == "noise"


@given(st.lists(st.floats(99.6, 100.4), min_size=3, max_size=20).map(tuple))
def test_a_baseline_that_is_not_wild_passes_by_itself(stored):
    assert status(stored, stored) is Status.UNCHANGED


def test_noise_buys_tolerance_up_to_a_cap_and_never_for_the_candidate():
    wild = compare_with_stored((100.0, 150.0, 70.0), STEADY, floor=0.01)
    assert (wild.tolerance, wild.tolerance_origin) == (MAX_RUNTIME_TOLERANCE, "cap")
    shaky = compare_with_stored(STEADY, NOISY[:5], floor=0.01)
    assert (shaky.tolerance, shaky.tolerance_origin) == (0.01, "floor")
    assert shaky.high - shaky.low > 2 * shaky.tolerance


def test_the_looks_share_the_error_and_end():
    assert [next_look(n) for n in (0, 3, 4, 12, 20, 21)] == [3, 5, 5, 20, None, None]
    assert (1 - CONFIDENCE) * len(LOOKS) == pytest.approx(ERROR)
    assert CALIBRATION in LOOKS


medians = st.lists(st.floats(90.0, 110.0), min_size=3, max_size=20).map(tuple)
factors = st.floats(0.5, 2.0)


def status(stored, candidate):
    return judge_runtime(
        result(timing=timing(stored)), result(timing=timing(candidate)), floor=0.01
    ).status


@given(medians, medians, st.floats(1e-2, 1e4))
def test_a_verdict_does_not_depend_on_the_unit(stored, candidate, unit):
    before = compare_with_stored(stored, candidate, floor=0.01)
    after = compare_with_stored(times(unit, stored), times(unit, candidate), floor=0.01)
    assert after.low == pytest.approx(before.low, abs=1e-9)
    assert after.high == pytest.approx(before.high, abs=1e-9)
    assert after.tolerance == pytest.approx(before.tolerance, abs=1e-9)


@given(medians, medians, st.randoms())
def test_a_verdict_does_not_depend_on_the_order_of_the_processes(stored, candidate, order):
    shuffled = [list(stored), list(candidate)]
    for values in shuffled:
        order.shuffle(values)
    after = compare_with_stored(*shuffled, floor=0.01)
    before = compare_with_stored(stored, candidate, floor=0.01)
    assert after.low == pytest.approx(before.low, abs=1e-12)
    assert after.high == pytest.approx(before.high, abs=1e-12)


@given(medians, medians, factors, factors)
def test_a_slower_candidate_never_gets_a_better_status(stored, candidate, one, other):
    faster, slower = sorted((one, other))
    better = status(stored, times(faster, candidate))
    worse = status(stored, times(slower, candidate))
    assert ORDER.index(worse) >= ORDER.index(better)


def test_a_wild_figure_far_from_its_baseline_is_not_excused_by_what_was_measured_in_turn():
    """A slow kernel that is noisy in the looks and steady in turn proves nothing of itself."""
    wild = replace(timing((356_000.0, 500_000.0, 900_000.0)), base=base(1.5, 1.5))
    finding = judge_runtime(result(timing=timing(MEDIANS)), result(timing=wild), floor=0.01)
    assert said(finding) == NOISE
