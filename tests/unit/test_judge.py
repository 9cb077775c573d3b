import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.compare import status_of
from gate.correctness_compare import CONSTANT_REFERENCE
from gate.correctness_run import blame_reference
from gate.documents import verdict_json
from gate.errors import ExitCode
from gate.model import (
    DRAM_THROUGHPUT,
    GATED_METRICS,
    RUNTIME,
    SM_THROUGHPUT,
    Canary,
    Contract,
    Correctness,
    NotMeasured,
    Violation,
)
from gate.schemas import schema_errors
from gate.verdict import Comparison, Status
from tests.factories import (
    FUNCTION,
    H100,
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
from tests.judging import RULES, codes, found, moved, times, verdict


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
        (moved((SM_THROUGHPUT, 0.8)), SM_THROUGHPUT, "lower", ExitCode.REGRESSED),
        (moved((DRAM_THROUGHPUT, 0.8)), DRAM_THROUGHPUT, "lower", ExitCode.REGRESSED),
        (moved((SM_THROUGHPUT, 1.5)), SM_THROUGHPUT, "improved", ExitCode.PASSED),
        (
            {**moved((SM_THROUGHPUT, 0.8)), "timing": times(1.2)},
            SM_THROUGHPUT,
            "lower",
            ExitCode.REGRESSED,
        ),
        (
            {"timing": timing((350_000.0, 380_000.0, 340_000.0))},
            RUNTIME,
            "too_noisy",
            ExitCode.INCONCLUSIVE,
        ),
        ({"timing": timing(method="held_queue")}, RUNTIME, "other_method", ExitCode.ENVIRONMENT),
        ({"timing": TEST_ONLY}, "result", "workload_changed", ExitCode.INVALID),
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
        ("compile_failed", ExitCode.INCORRECT),
        ("compiler_missing", ExitCode.ENVIRONMENT),
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


TESTED = result(
    workload="odd", signature=(), timing=TEST_ONLY, ncu=TEST_ONLY, static=TEST_ONLY, profile=None
)


@pytest.mark.parametrize("changed", [result(definition="e" * 64), TESTED])
def test_another_definition_is_another_workload(changed):
    other = replace(changed, definition="e" * 64)
    stored = baseline(result(), replace(changed, workload=other.workload, definition="d" * 64))
    if changed.workload == "flagship":
        stored = baseline()
    candidates = (other,) if changed.workload == "flagship" else (result(), other)
    answer = verdict(measurement(*candidates), stored)
    assert codes(answer) == {"workload_changed"}
    assert answer.exit_code is ExitCode.INVALID
    (said,) = (f.reason.message for f in answer.findings if f.exit_code)
    assert said == "its reference, sizes, dtype, seed or tolerances differ from the baseline's"


def test_what_changed_of_a_workload_is_told_apart():
    other = {"signature": ("float16[1]",)}
    (said,) = messages(verdict(measurement(result(**other)), baseline()))
    assert said == "its arguments are float16[1], the baseline's float32[64, 8, 512, 512], 8, 3"
    (both,) = messages(verdict(measurement(result(definition="e" * 64, **other)), baseline()))
    assert both.startswith("its arguments are float16[1]")
    assert both.endswith(
        "its reference, sizes, dtype, seed or tolerances differ from the baseline's"
    )


def messages(answer):
    return [f.reason.message for f in answer.findings if f.exit_code]


def test_a_workload_that_is_no_longer_benchmarked_has_changed():
    stored = baseline(result(), result(workload="odd"))
    (said,) = messages(verdict(measurement(result(), TESTED), stored))
    assert said == "it is only tested now, and its baseline has figures"


def test_a_workload_that_was_only_tested_has_no_baseline_of_its_figures():
    candidate = measurement(result(), result(workload="odd"))
    answer = verdict(candidate, baseline(result(), TESTED))
    assert codes(answer) == {"no_baseline"}
    assert answer.exit_code is ExitCode.INVALID


@pytest.mark.parametrize("gpu", [H100, None])
def test_a_benchmarked_workload_without_a_gate_is_not_green(gpu):
    one = result if gpu else static_result
    bare = one(gates=())
    answer = verdict(measurement(bare, gpu=gpu), baseline(bare, gpu=gpu))
    expected = {"nothing_gated"} if gpu else set()  # compiled code has gates of its own
    assert codes(answer) == expected
    assert answer.exit_code is (ExitCode.INVALID if gpu else ExitCode.PASSED)


def test_a_kernel_that_is_never_benchmarked_is_not_green():
    answer = verdict(measurement(TESTED), baseline(TESTED))
    assert codes(answer) == {"nothing_gated"}
    assert answer.exit_code is ExitCode.INVALID


@pytest.mark.parametrize(
    "change",
    [
        {"sm_count": 66},
        {"l2_bytes": 1},
        {"compute_capability": "9.1"},
        {"name": "NVIDIA H100-80GB"},
    ],
)
def test_a_part_of_a_card_or_another_make_of_it_is_another_gpu(change):
    answer = verdict(measurement(gpu=replace(H100, **change)), baseline())
    assert codes(answer) == {"other_gpu"}
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert next(iter(change)) in found(answer, "gpu").reason.message


def test_another_card_of_the_same_make_is_the_same_gpu():
    other = replace(H100, uuid="GPU-1", memory_bytes=85_000_000_000)
    assert verdict(measurement(gpu=other), baseline()).exit_code is ExitCode.PASSED


@pytest.mark.parametrize("tool", ["torch", "triton", "cuda", "driver", "ncu"])
def test_each_tool_decides_the_figures_of_a_gpu(tool):
    other = replace(TOOLCHAIN, **{tool: "0"})
    answer = verdict(measurement(toolchain=other), baseline())
    assert codes(answer) == {"other_toolchain"}
    assert f"{tool} {getattr(TOOLCHAIN, tool)} -> 0" in found(answer, "toolchain").reason.message


WITHOUT_NCU = {
    "ncu": NotMeasured(status="failed", reason="ncu_missing", message="ncu was not found"),
    "profile": None,
}


@pytest.mark.parametrize("gates", [GATED_METRICS, (RUNTIME,)])
def test_an_ncu_that_is_missing_is_told_as_that_and_is_never_green(gates):
    candidate = result(gates=gates, **WITHOUT_NCU)
    tools = replace(TOOLCHAIN, ncu=None)
    answer = verdict(measurement(candidate, toolchain=tools), baseline(result(gates=gates)))
    assert codes(answer) == {"ncu_missing"}
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert messages(answer) == ["ncu was not found"] * max(1, len(gates) - 1)
    assert {f.next_step for f in answer.findings if f.exit_code} == {"gate doctor"}
    assert found(answer, RUNTIME).status is Status.UNCHANGED


def test_without_ncu_a_slower_kernel_is_still_slower():
    candidate = result(timing=times(1.2), **WITHOUT_NCU)
    answer = verdict(measurement(candidate, toolchain=replace(TOOLCHAIN, ncu=None)), baseline())
    assert codes(answer) == {"slower", "ncu_missing"}


def test_figures_of_an_ncu_without_a_version_are_not_compared():
    answer = verdict(measurement(toolchain=replace(TOOLCHAIN, ncu=None)), baseline())
    assert codes(answer) == {"other_toolchain"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


@pytest.mark.parametrize("tool", ["torch", "triton", "cuda", "driver"])
@pytest.mark.parametrize("ncu", [TOOLCHAIN.ncu, None])
def test_any_other_tool_without_a_version_is_another_toolchain(tool, ncu):
    tools = replace(TOOLCHAIN, ncu=ncu, **{tool: None})
    one = result() if ncu else result(**WITHOUT_NCU)
    answer = verdict(measurement(one, toolchain=tools), baseline())
    assert codes(answer) == {"other_toolchain"}
    assert answer.exit_code is ExitCode.ENVIRONMENT
    told = found(answer, "toolchain").reason.message
    assert told.endswith(f": {tool} {getattr(TOOLCHAIN, tool)} -> None")


def test_another_python_does_not():
    other = replace(TOOLCHAIN, python="3.13.0")
    assert verdict(measurement(toolchain=other), baseline()).exit_code is ExitCode.PASSED


def test_another_compiler_counts_without_a_gpu_too():
    stored = baseline(static_result(), gpu=None)
    other = replace(TOOLCHAIN, triton="3.9.0")
    answer = verdict(measurement(static_result(), gpu=None, toolchain=other), stored)
    assert codes(answer) == {"other_toolchain"}
    assert "refresh conv --gpu skip --reason" in found(answer, "toolchain").next_step


@pytest.mark.parametrize("reason", ["crashed", "counter_permission"])
def test_a_baseline_without_a_runtime_is_not_green(reason):
    bare = baseline(result(timing=NotMeasured(status="failed", reason=reason)))
    assert codes(verdict(measurement(), bare)) == {reason}


def test_a_measurement_of_nothing_proves_nothing():
    nothing = replace(measurement(), results=(), scope=replace(measurement().scope, kernels=()))
    answer = verdict(nothing)
    assert answer.findings == ()
    assert answer.exit_code is ExitCode.INVALID


def test_a_required_kernel_has_to_be_in_the_scope_and_not_only_in_the_results():
    stowaway = measurement(result(), result(kernel="other"), kernels=("conv",))
    answer = verdict(stowaway, baseline(), required=("conv", "other"))
    assert {"kernel_missing", "outside_scope"} <= codes(answer)
    assert "kernel_missing" not in codes(verdict(measurement(), baseline(), required=("conv",)))


def test_a_note_of_a_passed_test_reaches_the_reader():
    noted = Correctness(status="passed", backend="cuda", message="large inputs were skipped")
    answer = verdict(measurement(result(correctness=noted)), baseline())
    said = found(answer, "correctness").reason.message
    assert said == "agrees with the reference on cuda: large inputs were skipped"


def test_a_tree_that_changed_is_one_finding_and_no_figure_counts():
    gap = NotMeasured(status="failed", reason="tree_changed", message="kernel.py changed")
    not_run = NotMeasured(status="not_run", reason="contract_broken")
    changed = result(
        contract=gap,
        correctness=Correctness(status="not_run", backend="none"),
        timing=not_run,
        ncu=not_run,
        static=not_run,
        signature=(),
    )
    answer = verdict(measurement(changed), baseline())
    assert codes(answer) == {"tree_changed"}
    assert len(answer.findings) == 1
    assert answer.exit_code is ExitCode.INVALID


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
    assert said.startswith("performance (runtime, SM throughput, DRAM throughput): ")
    assert said.endswith("this machine has no GPU")


def test_where_a_gpu_is_required_its_absence_is_the_environments_fault():
    stored = baseline(static_result(), gpu=None)
    rules = replace(RULES, require_gpu=True)
    answer = verdict(measurement(static_result(), gpu=None), stored, rules=rules)
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert found(answer, "gpu").reason.code == "no_gpu"


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
        {"timing": timing((1.0, 1e13, 1.0))},
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


@pytest.mark.parametrize(
    ("change", "half", "status"),
    [
        (-0.02, 0.005, Status.IMPROVED),
        (-0.02, 0.025, Status.UNCHANGED),  # beyond the tolerance, and not surely below nothing
        (-0.005, 0.001, Status.UNCHANGED),  # surely below nothing, and within the tolerance
        (-0.01, 0.001, Status.UNCHANGED),
        (0.02, 0.005, Status.REGRESSED),
        (0.011, 0.001, Status.INCONCLUSIVE),
        (0.009, 0.001, Status.UNCHANGED),
        (0.0, 0.02, Status.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("metric", [RUNTIME, SM_THROUGHPUT])
def test_a_status_needs_the_whole_interval(metric, change, half, status):
    sign = 1 if metric == RUNTIME else -1
    assert status_of(metric, comparison(sign * change, half)) is status


def test_nan_proves_nothing():
    nan = float("nan")
    assert status_of(RUNTIME, comparison(nan, nan)) is Status.INCONCLUSIVE


@pytest.mark.parametrize("factor", [1.0, 0.8])
def test_on_a_machine_that_moved_throughput_alone_proves_and_accuses_nothing(factor):
    """Also where runtime, which would say so, does not gate."""

    def on(seconds, document):
        canary = Canary(copy_ns=(seconds,) * 3, compute_ns=(seconds,) * 3)
        return replace(document, environment=replace(document.environment, canary=canary))

    gates = (SM_THROUGHPUT,)
    stored = on(100.0, baseline(result(gates=gates)))
    ours = result(gates=gates, **moved((SM_THROUGHPUT, factor)))
    answer = verdict(on(150.0, measurement(ours)), stored)
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert codes(answer) == {"environment_drift"}


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ("failed", CONSTANT_REFERENCE, "reference_at_fault"),
        ("crashed", blame_reference(ValueError("x")), "reference_broken"),
        ("timed_out", "the reference did not finish within 3 s", "reference_broken"),
    ],
)
def test_a_reference_that_proves_nothing_is_not_the_kernels_fault(status, message, code):
    tested = Correctness(status=status, backend="cuda", message=message)
    finding = found(verdict(measurement(result(correctness=tested)), baseline()), "correctness")
    assert (finding.status, finding.exit_code) == (Status.MISSING, ExitCode.INVALID)
    assert (finding.reason.code, finding.reason.message) == (code, message)
    assert finding.next_step.startswith("mend reference.py")


def test_every_broken_rule_of_the_contract_is_told():
    rules = tuple(Violation(code=f"rule_{n}", line=n, message=f"no {n}") for n in (3, 9))
    broken = result(contract=Contract(status="failed", violations=rules))
    finding = found(verdict(measurement(broken), baseline()), "contract")
    assert finding.reason.code == "rule_3"
    assert finding.reason.message == "kernel.py:3: no 3\nkernel.py:9: no 9"


def test_a_message_as_long_as_a_measurement_allows_is_still_a_verdict():
    rules = (Violation(code="rule", line=1, message="x" * 20_000),) * 1000
    broken = result(contract=Contract(status="failed", violations=rules))
    answer = verdict(measurement(broken), baseline())
    assert not list(schema_errors("verdict", json.loads(verdict_json(answer))))


def test_a_change_from_nothing_is_told_by_its_values():
    stored = baseline(static_result(), gpu=None)
    spills = measurement(static_result(static=static("sm_89", stack_bytes=16)), gpu=None)
    finding = found(verdict(spills, stored), "static.spill_bytes")
    assert finding.reason.message.startswith("register spills rose: 0 B -> 16 B, beyond its")


def test_compiled_code_that_nobody_looked_at_is_named_once():
    gap = NotMeasured(status="not_run", reason="unknown_gpu", message="no figures of sm_199")
    both = (result(static=gap), result(workload="other", static=gap))
    answer = verdict(measurement(*both), baseline(*both))
    assert answer.exit_code is ExitCode.PASSED
    assert answer.not_checked == ("no figures of sm_199",)


def test_a_kernel_that_is_timed_in_another_way_is_no_broken_machine():
    answer = verdict(measurement(result(timing=timing(method="held_queue"))), baseline())
    assert "gate doctor" not in found(answer, RUNTIME).next_step
    assert "--accept-regression" in found(answer, RUNTIME).next_step


def test_the_command_that_repeats_a_wrong_result_works_without_a_gpu_too():
    wrong = Correctness(status="failed", backend="interpreter", seed=7, message="1 differs")
    told = verdict(
        measurement(static_result(correctness=wrong), gpu=None),
        baseline(static_result(), gpu=None),
    )
    assert found(told, "correctness").next_step == "gate check conv --gpu skip --seed 7"
    on_gpu = verdict(measurement(result(correctness=replace(wrong, backend="cuda"))), baseline())
    assert found(on_gpu, "correctness").next_step == "gate check conv --seed 7"
