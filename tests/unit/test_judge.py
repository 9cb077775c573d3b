from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.compare import status_of
from gate.documents import verdict_json
from gate.errors import ExitCode
from gate.judge import Rules, Stored, judge
from gate.model import (
    DRAM_THROUGHPUT,
    GATED_METRICS,
    RUNTIME,
    SM_THROUGHPUT,
    Comparison,
    Contract,
    Correctness,
    NotMeasured,
    Status,
    Violation,
)
from tests.factories import (
    FUNCTION,
    MEDIANS,
    METRICS,
    TEST_ONLY,
    TOOLCHAIN,
    baseline,
    measurement,
    profile,
    result,
    static,
    static_result,
    timing,
)

RULES = Rules(require_gpu=False, target="sm_89")


def verdict(candidate, stored=None, *, rules=RULES, required=()):
    documents = dict.fromkeys(stored.scope.kernels if stored else (), stored)
    return judge(
        candidate,
        stored=Stored(load=documents.get, folder="baselines/x"),
        required=required,
        rules=rules,
    )


def found(answer, subject):
    return next(f for f in answer.findings if f.subject == subject)


def times(factor, medians=MEDIANS):
    return timing(tuple(m * factor for m in medians))


def with_metric(metric, factor):
    return {FUNCTION: {**METRICS, metric: METRICS[metric] * factor}}


def test_a_baseline_judged_by_itself_is_unchanged():
    stored = baseline()
    answer = verdict(stored, stored)
    assert answer.exit_code is ExitCode.PASSED
    assert {found(answer, m).status for m in GATED_METRICS} == {Status.UNCHANGED}


@pytest.mark.parametrize(
    ("changes", "subject", "code", "exit_code"),
    [
        ({"timing": times(1.2)}, RUNTIME, "slower", ExitCode.REGRESSED),
        ({"timing": times(1.02)}, RUNTIME, "slower", ExitCode.REGRESSED),
        ({"timing": times(1.003)}, RUNTIME, "within_tolerance", ExitCode.PASSED),
        ({"timing": times(0.5)}, RUNTIME, "improved", ExitCode.PASSED),
        ({"ncu": with_metric(SM_THROUGHPUT, 0.8)}, SM_THROUGHPUT, "trade_off", ExitCode.REGRESSED),
        (
            {"ncu": with_metric(DRAM_THROUGHPUT, 0.8)},
            DRAM_THROUGHPUT,
            "trade_off",
            ExitCode.REGRESSED,
        ),
        ({"ncu": with_metric(SM_THROUGHPUT, 1.5)}, SM_THROUGHPUT, "improved", ExitCode.PASSED),
        (
            {"ncu": with_metric(SM_THROUGHPUT, 0.8), "timing": times(1.2)},
            SM_THROUGHPUT,
            "lower",
            ExitCode.REGRESSED,
        ),
        ({"ncu": with_metric(SM_THROUGHPUT, 0.0)}, SM_THROUGHPUT, "trade_off", ExitCode.REGRESSED),
        (
            {"timing": timing((350_000.0, 380_000.0, 340_000.0))},
            RUNTIME,
            "too_noisy",
            ExitCode.INCONCLUSIVE,
        ),
        ({"timing": timing(method="held_queue")}, RUNTIME, "other_method", ExitCode.ENVIRONMENT),
        ({"timing": TEST_ONLY}, RUNTIME, "test_only", ExitCode.ENVIRONMENT),
        (
            {"timing": NotMeasured(status="failed", reason="crashed", message="SIGSEGV")},
            RUNTIME,
            "crashed",
            ExitCode.INCORRECT,
        ),
        (
            {"ncu": NotMeasured(status="failed", reason="counter_permission")},
            DRAM_THROUGHPUT,
            "counter_permission",
            ExitCode.ENVIRONMENT,
        ),
        (
            {"ncu": NotMeasured(status="failed", reason="metric_missing")},
            SM_THROUGHPUT,
            "metric_missing",
            ExitCode.INVALID,
        ),
        (
            {"profile": profile(launches={FUNCTION: 2})},
            "result",
            "launches_changed",
            ExitCode.INVALID,
        ),
        ({"ncu": {"renamed": METRICS}}, "result", "launches_changed", ExitCode.INVALID),
        (
            {"ncu": {FUNCTION: {k: v for k, v in METRICS.items() if k != SM_THROUGHPUT}}},
            SM_THROUGHPUT,
            "metric_missing",
            ExitCode.INVALID,
        ),
        (
            {"signature": ("float32[1, 8, 512, 512]", "8", "3")},
            "result",
            "workload_changed",
            ExitCode.INVALID,
        ),
        (
            {"correctness": Correctness(status="failed", backend="cuda", seed=7)},
            "correctness",
            "wrong_result",
            ExitCode.INCORRECT,
        ),
        (
            {"correctness": Correctness(status="crashed", backend="cuda")},
            "correctness",
            "crashed",
            ExitCode.INCORRECT,
        ),
        (
            {"correctness": Correctness(status="unsupported", backend="cuda")},
            "correctness",
            "unsupported",
            ExitCode.ENVIRONMENT,
        ),
        (
            {"correctness": Correctness(status="passed", backend="interpreter")},
            "correctness",
            "other_backend",
            ExitCode.ENVIRONMENT,
        ),
        (
            {
                "contract": Contract(
                    status="failed",
                    violations=(Violation(code="main_block", line=3, message="no"),),
                )
            },
            "contract",
            "main_block",
            ExitCode.INCORRECT,
        ),
        (
            {"contract": NotMeasured(status="not_run", reason="unread")},
            "contract",
            "unread",
            ExitCode.ENVIRONMENT,
        ),
    ],
)
def test_each_outcome_has_its_reason_and_exit_code(changes, subject, code, exit_code):
    answer = verdict(measurement(result(**changes)), baseline())
    assert found(answer, subject).reason.code == code
    assert answer.exit_code is exit_code


def test_a_trade_off_gives_the_decomposition_and_the_command_that_accepts_it():
    ncu = {FUNCTION: {**METRICS, SM_THROUGHPUT: 20.0, "smsp__inst_executed.sum": 20_000_000.0}}
    finding = found(verdict(measurement(result(ncu=ncu)), baseline()), SM_THROUGHPUT)
    assert "instructions -50.0 %, DRAM bytes +0.0 %, profiled time +0.0 %" in finding.reason.message
    assert "gate baseline refresh conv --accept-regression" in finding.next_step


def test_only_a_throughput_that_surely_fell_beside_a_sure_runtime_is_a_trade_off():
    noisy = timing((350_000.0, 380_000.0, 340_000.0))
    lower = with_metric(SM_THROUGHPUT, 0.8)
    answer = verdict(measurement(result(timing=noisy, ncu=lower)), baseline())
    assert found(answer, SM_THROUGHPUT).reason.code == "lower"
    unsure = measurement(result(ncu=with_metric(SM_THROUGHPUT, 0.98)))
    assert found(verdict(unsure, baseline()), SM_THROUGHPUT).reason.code == "too_noisy"


@pytest.mark.parametrize(
    ("reason", "exit_code"),
    [
        ("crashed", ExitCode.INCORRECT),
        ("timed_out", ExitCode.INCORRECT),
        ("worker_failed", ExitCode.INCORRECT),
        ("launches_differ", ExitCode.INCORRECT),
        ("triton_kernel_not_launched", ExitCode.INCORRECT),
        ("hardware_limit", ExitCode.INCORRECT),
        ("no_launch", ExitCode.INCORRECT),
        ("metric_missing", ExitCode.INVALID),
        ("metric_not_a_number", ExitCode.INVALID),
        ("report_unreadable", ExitCode.INVALID),
        ("no_kernels_profiled", ExitCode.INVALID),
        ("counter_permission", ExitCode.ENVIRONMENT),
        ("profiler_busy", ExitCode.ENVIRONMENT),
        ("ncu_missing", ExitCode.ENVIRONMENT),
        ("throttled", ExitCode.ENVIRONMENT),
        ("never_heard_of", ExitCode.ENVIRONMENT),
    ],
)
def test_a_step_without_figures_fails_by_whose_fault_it_was(reason, exit_code):
    gap = NotMeasured(status="failed", reason=reason)
    assert verdict(measurement(result(ncu=gap, profile=None)), baseline()).exit_code is exit_code


def test_a_trade_off_passes_with_a_note_where_the_project_says_so():
    rules = replace(RULES, on_trade_off="warn")
    candidate = measurement(result(ncu=with_metric(SM_THROUGHPUT, 0.8)))
    answer = verdict(candidate, baseline(), rules=rules)
    assert answer.exit_code is ExitCode.PASSED
    assert found(answer, SM_THROUGHPUT).status is Status.ACCEPTED


def test_a_helper_launch_too_short_to_matter_does_not_gate():
    helper = {**METRICS, "gpu__time_duration.sum": 3_000.0, SM_THROUGHPUT: 1.0}
    two = {FUNCTION: METRICS, "fill": helper}
    slower = {FUNCTION: METRICS, "fill": {**helper, SM_THROUGHPUT: 0.5}}
    both = profile(launches={FUNCTION: 1, "fill": 1})
    stored = baseline(result(ncu=two, profile=both))
    assert verdict(measurement(result(ncu=slower, profile=both)), stored).exit_code == 0


def test_gates_are_the_baselines_and_not_the_candidates():
    candidate = measurement(result(timing=times(1.2), gates=()))
    assert verdict(candidate, baseline()).exit_code is ExitCode.REGRESSED


@pytest.mark.parametrize(
    ("candidate", "stored", "code", "exit_code"),
    [
        (measurement(), None, "no_baseline", ExitCode.INVALID),
        (
            measurement(result(), result(workload="new")),
            baseline(),
            "no_baseline",
            ExitCode.INVALID,
        ),
        (
            measurement(),
            baseline(result(), result(workload="gone")),
            "result_missing",
            ExitCode.INVALID,
        ),
        (
            measurement(kernels=("conv", "absent")),
            baseline(),
            "result_missing",
            ExitCode.INVALID,
        ),
        (
            measurement(result(), result(kernel="stowaway"), kernels=("conv",)),
            baseline(),
            "outside_scope",
            ExitCode.INVALID,
        ),
        (
            measurement(toolchain=replace(TOOLCHAIN, triton="3.7.1")),
            baseline(),
            "other_toolchain",
            ExitCode.ENVIRONMENT,
        ),
        (
            measurement(toolchain=replace(TOOLCHAIN, driver="590.1")),
            baseline(),
            "other_toolchain",
            ExitCode.ENVIRONMENT,
        ),
    ],
)
def test_what_cannot_be_compared_is_not_green(candidate, stored, code, exit_code):
    answer = verdict(candidate, stored)
    assert code in {f.reason.code for f in answer.findings}
    assert answer.exit_code is exit_code


def test_a_new_workload_that_is_only_tested_needs_no_baseline():
    new = result(workload="odd", timing=TEST_ONLY, ncu=TEST_ONLY, static=TEST_ONLY, profile=None)
    assert verdict(measurement(result(), new), baseline()).exit_code is ExitCode.PASSED


def test_all_demands_every_kernel_that_has_a_baseline():
    answer = verdict(measurement(), baseline(), required=("conv", "vanished"))
    assert found(answer, "result").reason.code == "kernel_missing"
    assert answer.exit_code is ExitCode.INVALID


@pytest.mark.parametrize(
    "fault",
    [
        {"correctness": Correctness(status="failed", backend="cuda")},
        {
            "contract": Contract(
                status="failed", violations=(Violation(code="x", line=1, message="x"),)
            ),
            "signature": (),
        },
    ],
)
def test_a_broken_kernel_is_told_once_and_its_missing_figures_are_not(fault):
    gap = NotMeasured(status="not_run", reason="incorrect")
    broken = result(**fault, timing=gap, ncu=gap, static=gap, profile=None)
    answer = verdict(
        measurement(broken, result(workload="b")), baseline(result(), result(workload="b"))
    )
    assert answer.exit_code is ExitCode.INCORRECT
    assert {f.subject for f in answer.findings} <= {"contract", "correctness"}


def test_precedence_is_invalid_incorrect_environment_regressed_inconclusive():
    wrong = Correctness(status="failed", backend="cuda")
    slow_and_wrong = measurement(result(timing=times(1.2), correctness=wrong))
    assert verdict(slow_and_wrong, baseline()).exit_code is ExitCode.INCORRECT
    and_incomplete = verdict(slow_and_wrong, baseline(result(), result(workload="gone")))
    assert and_incomplete.exit_code is ExitCode.INVALID


# ------------------------------------------------------------------- without a GPU


def test_without_a_gpu_what_was_not_measured_is_said_and_not_failed():
    stored = baseline(static_result(), gpu=None)
    answer = verdict(measurement(static_result(), gpu=None), stored)
    assert answer.exit_code is ExitCode.PASSED
    (said,) = answer.not_checked
    assert said.startswith("runtime, SM throughput and DRAM throughput were not measured here")
    assert said.endswith("this machine has no GPU")


def test_where_a_gpu_is_required_its_absence_is_the_environments_fault():
    stored = baseline(static_result(), gpu=None)
    rules = replace(RULES, require_gpu=True)
    answer = verdict(measurement(static_result(), gpu=None), stored, rules=rules)
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert found(answer, "gpu").reason.code == "no_gpu"


@pytest.mark.parametrize(
    ("changes", "subject", "exit_code"),
    [
        ({"stack_bytes": 8}, "static.spill_bytes", ExitCode.REGRESSED),
        (
            {"theoretical_occupancy_pct": 66.7},
            "static.theoretical_occupancy",
            ExitCode.REGRESSED,
        ),
        ({"widest_global_load_bits": 32}, "static.global_load_bits", ExitCode.REGRESSED),
        ({"registers": 60}, None, ExitCode.PASSED),
        ({"function": "renamed"}, "result", ExitCode.INVALID),
    ],
)
def test_static_metrics_gate_where_there_is_no_gpu(changes, subject, exit_code):
    stored = baseline(static_result(), gpu=None)
    candidate = static_result(static=static("sm_89", **changes))
    answer = verdict(measurement(candidate, gpu=None), stored)
    assert answer.exit_code is exit_code
    assert not subject or found(answer, subject).exit_code is exit_code


def test_static_figures_for_another_target_do_not_compare():
    stored = baseline(static_result(), gpu=None)
    answer = verdict(measurement(static_result(static=static("sm_90")), gpu=None), stored)
    assert found(answer, "static").reason.code == "other_target"
    assert answer.exit_code is ExitCode.ENVIRONMENT


def test_a_failed_compilation_is_not_green():
    broken = NotMeasured(status="failed", reason="crashed", message="ptxas died")
    stored = baseline(static_result(), gpu=None)
    answer = verdict(measurement(static_result(static=broken), gpu=None), stored)
    assert answer.exit_code is ExitCode.INCORRECT


def test_an_interpreter_that_cannot_run_the_kernel_is_neither_pass_nor_wrong():
    unsupported = Correctness(status="unsupported", backend="interpreter", message="no libdevice")
    stored = baseline(static_result(), gpu=None)
    answer = verdict(measurement(static_result(correctness=unsupported), gpu=None), stored)
    assert found(answer, "correctness").status is Status.NOT_CHECKED


def test_only_the_compiler_counts_for_compiled_code():
    stored = baseline(static_result(), gpu=None)
    other = replace(TOOLCHAIN, torch="2.12.0", driver=None, ncu=None)
    answer = verdict(measurement(static_result(), gpu=None, toolchain=other), stored)
    assert answer.exit_code is ExitCode.PASSED


# ------------------------------------------------------------------------- statuses


def comparison(change, half, tolerance=0.01):
    return Comparison(
        unit="ns",
        baseline=1.0,
        candidate=1.0 + change,
        change=change,
        low=change - half,
        high=change + half,
        tolerance=tolerance,
        tolerance_origin="floor",
    )


BADNESS = {
    Status.IMPROVED: 0,
    Status.UNCHANGED: 1,
    Status.INCONCLUSIVE: 2,
    Status.REGRESSED: 3,
}


@given(st.floats(-0.5, 0.5), st.floats(0, 0.2), st.floats(0, 0.5), st.sampled_from(GATED_METRICS))
def test_a_worse_candidate_never_gets_a_better_status(change, half, further, metric):
    direction = 1 if metric == RUNTIME else -1
    before = status_of(metric, comparison(direction * change, half))
    after = status_of(metric, comparison(direction * (change + further), half))
    assert BADNESS[after] >= BADNESS[before]


@pytest.mark.parametrize(
    "changes",
    [
        {"timing": timing((0.001, 1e13, 0.001))},
        {"timing": timing((1e13, 1e13, 1e13))},
        {"ncu": {FUNCTION: {**METRICS, SM_THROUGHPUT: 5e-324}}},
        {"profile": replace(profile(), spread={FUNCTION: {SM_THROUGHPUT: (0.0, 1e18)}})},
    ],
)
def test_extreme_figures_are_judged_and_stay_finite(changes):
    answer = verdict(measurement(result(**changes)), baseline())
    assert answer.exit_code is not ExitCode.PASSED
    verdict_json(answer)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"correctness": Correctness(status="passed", backend="none")}, "other_backend"),
        (
            {
                "contract": Contract(
                    status="passed", violations=(Violation(code="x_y", line=1, message="x"),)
                )
            },
            "x_y",
        ),
    ],
)
def test_a_pass_that_contradicts_itself_is_none(changes, code):
    stored = baseline(static_result(), gpu=None)
    answer = verdict(measurement(static_result(**changes), gpu=None), stored)
    assert code in {f.reason.code for f in answer.findings}
    assert answer.exit_code is not ExitCode.PASSED


def test_nan_proves_nothing():
    nan = float("nan")
    assert status_of(RUNTIME, comparison(nan, nan)) is Status.INCONCLUSIVE
