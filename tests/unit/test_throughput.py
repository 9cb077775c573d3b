from dataclasses import replace

import pytest

from gate.errors import ExitCode
from gate.metrics import DURATION
from gate.model import DRAM_THROUGHPUT, GATED_METRICS, RUNTIME, SM_THROUGHPUT, NotMeasured
from gate.throughput import GATED_SHARE, GATED_TOTAL, gated_functions
from gate.verdict import Status
from tests.factories import (
    FUNCTION,
    METRICS,
    baseline,
    measurement,
    profile,
    result,
    spread_of,
)
from tests.judging import codes, found, moved, verdict


def block(**durations):
    return {name: {**METRICS, DURATION: duration} for name, duration in durations.items()}


def gated(**durations):
    return gated_functions(block(**durations), block(**durations))


def test_a_helper_launch_too_short_to_matter_does_not_gate():
    assert gated(conv=951.0, fill=49.0) == ["conv"]
    assert gated(conv=950.0, fill=50.0) == ["conv", "fill"]
    assert (GATED_SHARE, GATED_TOTAL) == (0.05, 0.90)


def test_many_small_functions_are_gated_until_they_cover_the_time():
    many = {f"part{i:02}": 10.0 for i in range(30)}
    assert gated(**many) == sorted(many)[:27]
    assert gated(conv=80.0, **{f"part{i}": 4.0 for i in range(5)}) == [
        *("conv", "part0", "part1", "part2")
    ]
    assert gated(only=0.5) == ["only"]


def test_a_function_gates_where_it_weighs_on_either_side():
    before, after = block(conv=990.0, fill=10.0), block(conv=10.0, fill=990.0)
    assert gated_functions(before, after) == ["conv", "fill"]
    assert gated_functions(after, before) == ["conv", "fill"]


def test_without_times_every_function_gates():
    assert gated(conv=0.0, fill=0.0) == ["conv", "fill"]
    unknown = {name: {SM_THROUGHPUT: 1.0} for name in ("conv", "fill")}
    assert gated_functions(unknown, unknown) == ["conv", "fill"]
    assert gated_functions(block(conv=99.0, fill=1.0), unknown) == ["conv", "fill"]


def two(fill):
    """Two functions of which the second fills as long as the first convolves."""
    figures = {FUNCTION: METRICS, "fill": {**METRICS, SM_THROUGHPUT: fill}}
    made = profile(FUNCTION, "fill")
    spread = {**made.spread, "fill": spread_of(figures["fill"])}
    return result(ncu=figures, profile=replace(made, spread=spread))


def test_each_gated_function_has_findings_of_its_own():
    answer = verdict(measurement(two(15.0)), baseline(two(30.0)))
    lower = [f.function for f in answer.findings if f.exit_code]
    assert lower == ["fill"]
    pairs = {(f.subject, f.function) for f in answer.findings if f.function}
    assert pairs == {(m, f) for m in (SM_THROUGHPUT, DRAM_THROUGHPUT) for f in (FUNCTION, "fill")}


def test_the_stored_gates_decide_which_throughput_is_compared():
    candidate = measurement(result(gates=GATED_METRICS, **moved((SM_THROUGHPUT, 0.5))))
    stored = baseline(result(gates=(RUNTIME, DRAM_THROUGHPUT)))
    answer = verdict(candidate, stored)
    assert answer.exit_code is ExitCode.PASSED
    assert SM_THROUGHPUT not in {f.subject for f in answer.findings}
    candidate = measurement(result(gates=(RUNTIME,), **moved((SM_THROUGHPUT, 0.5))))
    assert verdict(candidate, baseline()).exit_code is ExitCode.REGRESSED


@pytest.mark.parametrize("side", ["stored", "candidate"])
def test_a_metric_that_either_side_lacks_is_not_green(side):
    figures = {FUNCTION: {k: v for k, v in METRICS.items() if k != SM_THROUGHPUT}}
    lacking, whole = result(ncu=figures), result()
    pair = (lacking, whole) if side == "stored" else (whole, lacking)
    answer = verdict(measurement(pair[1]), baseline(pair[0]))
    assert found(answer, SM_THROUGHPUT).reason.code == "metric_missing"
    assert found(answer, DRAM_THROUGHPUT).status is Status.UNCHANGED
    assert answer.exit_code is ExitCode.INVALID


@pytest.mark.parametrize("factors", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_a_throughput_of_zero_proves_nothing(factors):
    before, after = (result(**moved((DRAM_THROUGHPUT, f))) for f in factors)
    finding = found(verdict(measurement(after), baseline(before)), DRAM_THROUGHPUT)
    assert (finding.reason.code, finding.function) == ("zero_throughput", FUNCTION)
    assert finding.exit_code is ExitCode.INVALID
    assert "`gates`" in finding.reason.message


@pytest.mark.parametrize(
    ("stored", "ours"),
    [
        ({"launches": {FUNCTION: 1}}, {"launches": {FUNCTION: 2}}),
        ({"launches": {FUNCTION: 2}}, {"launches": {FUNCTION: 1}}),
        ({"launches": {FUNCTION: 1}}, {"launches": {"renamed": 1}}),
    ],
)
def test_other_launches_do_not_compare(stored, ours):
    answer = verdict(
        measurement(result(profile=profile(**ours))), baseline(result(profile=profile(**stored)))
    )
    assert codes(answer) == {"launches_changed"}
    assert answer.exit_code is ExitCode.INVALID


def test_a_renamed_function_does_not_compare_whatever_its_launches_are_called():
    answer = verdict(measurement(result(ncu={"renamed": METRICS})), baseline())
    assert codes(answer) == {"launches_changed"}


@pytest.mark.parametrize(
    "change", [{"clock_control": "base"}, {"cache_control": "none"}, {"replay_mode": "application"}]
)
def test_what_was_profiled_in_another_way_does_not_compare(change):
    answer = verdict(measurement(result(profile=replace(profile(), **change))), baseline())
    assert codes(answer) == {"other_method"}
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert next(iter(change)) in found(answer, "result").reason.message


@pytest.mark.parametrize("made", [replace(profile(), processes=1), replace(profile(), forwards=5)])
def test_fewer_launches_than_the_gate_profiles_prove_nothing(made):
    answer = verdict(measurement(result(profile=made)), baseline())
    assert codes(answer) == {"too_few_launches"}
    assert answer.exit_code is ExitCode.INVALID


def test_figures_without_a_profile_prove_nothing():
    bare = result(profile=None)
    assert codes(verdict(measurement(bare), baseline(bare))) == {"too_few_launches"}
    assert codes(verdict(measurement(), baseline(bare))) == {"launches_changed"}


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {SM_THROUGHPUT: (20.0, 30.0)},
        {SM_THROUGHPUT: (32.0, 30.0)},
        {SM_THROUGHPUT: (40.0, 39.0)},
    ],
)
def test_a_value_that_was_never_seen_is_a_contradiction(seen):
    spread = {FUNCTION: {**spread_of(METRICS), SM_THROUGHPUT: None, **seen}}
    spread = {FUNCTION: {m: s for m, s in spread[FUNCTION].items() if s}}
    answer = verdict(measurement(result(profile=replace(profile(), spread=spread))), baseline())
    assert codes(answer) == {"contradiction"}
    assert found(answer, SM_THROUGHPUT).function == FUNCTION
    assert answer.exit_code is ExitCode.INVALID


@pytest.mark.parametrize("side", ["stored", "candidate"])
def test_a_side_without_figures_is_not_green(side):
    bare = result(ncu=NotMeasured(status="failed", reason="counter_permission"), profile=None)
    pair = (bare, result()) if side == "stored" else (result(), bare)
    answer = verdict(measurement(pair[1]), baseline(pair[0]))
    assert codes(answer) == {"counter_permission"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


def test_noise_of_a_throughput_asks_for_quiet_and_not_for_processes():
    unsure = result(ncu={FUNCTION: {**METRICS, SM_THROUGHPUT: METRICS[SM_THROUGHPUT] * 0.98}})
    finding = found(verdict(measurement(unsure), baseline()), SM_THROUGHPUT)
    assert finding.reason.code == "too_noisy"
    assert "--processes" not in finding.next_step
    assert "gate check conv" in finding.next_step


def test_a_baseline_noisier_than_noise_may_buy_is_told_where_it_decides():
    noisy = baseline(result(profile=profile(spread=0.05)))
    assert verdict(measurement(), noisy).exit_code is ExitCode.PASSED
    answer = verdict(measurement(result(**moved((SM_THROUGHPUT, 0.92)))), noisy)
    finding = found(answer, SM_THROUGHPUT)
    assert finding.reason.code == "too_noisy_baseline"
    assert answer.exit_code is ExitCode.INCONCLUSIVE
    assert "gate baseline refresh conv" in finding.next_step
    assert verdict(measurement(result(**moved((SM_THROUGHPUT, 0.8)))), noisy).exit_code == 3


@pytest.mark.parametrize("value", [31.1, 1000.0, 1e-300])
def test_launches_as_noisy_as_the_schema_allows_end_without_a_verdict(value):
    wild = replace(profile(), deviation={FUNCTION: dict.fromkeys(GATED_METRICS[1:], 1000.0)})
    low = {SM_THROUGHPUT: (value, value)}
    wild = replace(wild, spread={FUNCTION: {**wild.spread[FUNCTION], **low}})
    metrics = {FUNCTION: {**METRICS, SM_THROUGHPUT: value}}
    answer = verdict(measurement(result(ncu=metrics, profile=wild)), baseline())
    assert found(answer, SM_THROUGHPUT).status is Status.INCONCLUSIVE
