from dataclasses import replace

import pytest
from report_samples import (
    FOLDER,
    KERNEL,
    SAMPLES,
    accepted,
    agrees,
    comparison,
    environment,
    figures,
    finding,
    not_checked,
    passed,
    regressed,
    verdict,
)

from gate.compare import compare_exact
from gate.errors import PRECEDENCE, ExitCode
from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT
from gate.report.headline import context, headline, row_words, tolerances
from gate.report.ordering import (
    attention,
    causes,
    needs_attention,
    next_steps,
    rows,
    unproven,
    with_status,
)
from gate.verdict import Finding, Reason, Status


def broken(code, workload, status=Status.MISSING):
    return finding("result", status, "why", "because", workload=workload, exit_code=code)


def test_rows_come_in_the_order_of_precedence_of_exit_codes():
    codes = [code for code in PRECEDENCE if code is not ExitCode.PASSED]
    findings = [broken(code, f"w{code.value}") for code in sorted(codes)]
    ordered = rows(verdict(ExitCode.INVALID, *findings, *agrees("fine")))
    assert [row.place for row in ordered] == [
        f"{KERNEL}/{w}" for w in ("w7", "w4", "w6", "w3", "w5", "fine")
    ]


def test_among_equals_the_largest_change_comes_first():
    slow = figures("slow", runtime=400_000.0, status=Status.REGRESSED)
    slower = figures("slower", runtime=500_000.0, status=Status.REGRESSED)
    ordered = rows(verdict(ExitCode.REGRESSED, *slow, *slower))
    assert [row.place for row in ordered] == [f"{KERNEL}/slower", f"{KERNEL}/slow"]


def test_within_a_workload_runtime_comes_before_throughput():
    (worst, *_rest) = rows(regressed())
    assert [f.subject for f in worst.findings] == [
        RUNTIME,
        SM_THROUGHPUT,
        DRAM_THROUGHPUT,
        "correctness",
        "contract",
    ]


def test_of_several_functions_a_row_finds_the_worst():
    mild, worse = (
        next(figures(runtime=runtime, status=Status.REGRESSED)) for runtime in (350_000, 450_000)
    )
    worse = replace(worse, function="worse")
    (row,) = rows(verdict(ExitCode.REGRESSED, mild, worse))
    assert row.find(RUNTIME) is worse
    assert row.find("absent") is None


@pytest.mark.parametrize("status", list(Status))
def test_an_exit_code_always_calls_for_attention(status):
    assert needs_attention(broken(ExitCode.REGRESSED, "w", status))
    quiet = ("passed", "unchanged", "improved", "accepted", "not_checked")
    assert needs_attention(broken(ExitCode.PASSED, "w", status)) == (status not in quiet)


def test_no_finding_is_lost_between_the_sections():
    for sample in SAMPLES.values():
        of_rows = rows(sample())
        shown = (
            *attention(of_rows),
            *with_status(of_rows, *Status),
        )
        assert sorted(map(id, shown)) == sorted(id(f) for row in of_rows for f in row.findings)


def test_what_is_alike_is_one_cause():
    alike = [broken(ExitCode.INVALID, f"w{i}") for i in range(14)]
    (cause,) = causes(alike)
    assert cause.elsewhere == " and 13 more"
    elsewhere = replace(alike[0], kernel="softmax")
    assert len(causes([*alike, elsewhere])) == 1
    assert len(causes([*alike, elsewhere], by_kernel=True)) == 2


def test_what_has_figures_stands_for_itself():
    assert len(causes([*figures("a"), *figures("b")])) == 6


def test_a_step_is_named_once():
    assert next_steps(attention(rows(regressed()))) == (
        f'if it is meant: gate baseline refresh {KERNEL} --accept-regression --reason "why"',
    )
    assert next_steps(attention(rows(environment()))) == ("gate doctor",)


def test_what_was_not_checked_is_said_of_the_run_and_of_each_workload():
    sample = not_checked()
    assert unproven(sample, rows(sample)) == (
        "performance (runtime, SM throughput, DRAM throughput): this machine has no GPU",
        "correctness of depthwise_conv_h/k31: Triton's interpreter cannot run libdevice functions",
    )


# ----------------------------------------------------------------------------------- headline


@pytest.mark.parametrize(
    ("sample", "line"),
    [
        (
            "passed",
            (
                "PASSED: 15 workloads correct, 6 gated metrics unchanged or improved "
                "against baselines/nvidia-h100-80gb-hbm3"
            ),
        ),
        (
            "regressed",
            (
                "FAILED regressed (exit 3): depthwise_conv_h/flagship runtime +20.1 % "
                "(tolerance 1.0 %); and 2 more findings"
            ),
        ),
        (
            "incorrect",
            (
                "FAILED incorrect (exit 4): depthwise_conv_h/flagship: correctness: "
                "4 of 131,072 elements differ from the reference (seed 20240607)"
            ),
        ),
        (
            "environment",
            (
                "FAILED environment (exit 6): depthwise_conv_h and 1 more: gpu: "
                "a measurement on a GPU is required: no NVIDIA driver is loaded"
            ),
        ),
        (
            "not_checked",
            (
                "PASSED: 14 workloads correct, 1 gated metric of compiled code unchanged "
                "against baselines/sm_89; not everything was checked, see below"
            ),
        ),
        (
            "accepted",
            (
                "PASSED: 1 workload correct, 1 change accepted, 2 gated metrics unchanged "
                "against baselines/nvidia-h100-80gb-hbm3"
            ),
        ),
    ],
)
def test_headlines(sample, line):
    assert headline(SAMPLES[sample]()).plain() == line


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (verdict(ExitCode.PASSED), "PASSED: nothing was proven"),
        (
            verdict(ExitCode.PASSED, not_checked=("all of it",)),
            "PASSED: nothing was proven; not everything was checked, see below",
        ),
        (verdict(ExitCode.INVALID), "FAILED invalid (exit 7): no finding says why"),
        (
            verdict(ExitCode.ENVIRONMENT, not_checked=("the GPU is busy",)),
            "FAILED environment (exit 6): the GPU is busy",
        ),
        (
            verdict(ExitCode.PASSED, broken(ExitCode.PASSED, "w")),
            "PASSED: 1 warning",
        ),
    ],
)
def test_a_headline_claims_no_more_than_was_proven(given, line):
    assert headline(given).plain() == line


def test_a_headline_calls_a_machine_that_moved_no_regression():
    slower = next(f for f in regressed().findings if f.subject == RUNTIME)
    drift = Reason(code="environment_drift", message="the machine moved, and not this change")
    moved = replace(slower, status=Status.MISSING, reason=drift, exit_code=ExitCode.ENVIRONMENT)
    assert headline(verdict(ExitCode.ENVIRONMENT, moved)).plain() == (
        "FAILED environment (exit 6): depthwise_conv_h/flagship runtime +20.1 % (environment_drift)"
    )


def test_a_headline_tells_a_change_from_zero_by_its_values():
    spilled = Finding(
        kernel=KERNEL,
        workload="flagship",
        subject="static.spill_bytes",
        status=Status.REGRESSED,
        reason=Reason(code="higher", message="it spills"),
        exit_code=ExitCode.REGRESSED,
        comparison=compare_exact("B", 0.0, 16.0),
    )
    assert headline(verdict(ExitCode.REGRESSED, spilled)).plain() == (
        f"FAILED regressed (exit 3): {KERNEL}/flagship register spills 0 B -> 16 B "
        "(tolerance 0.0 %)"
    )


def test_the_widest_tolerance_is_named():
    def said(*findings):
        return "".join(s.text for s in tolerances(verdict(ExitCode.PASSED, *findings)))

    wide = comparison("ns", 4_700.0, 4_700.0, tolerance=0.0247, origin="noise")
    small = [replace(f, comparison=wide) for f in figures("small") if f.subject == "runtime"]
    assert said(*figures(), *small).startswith(
        "tolerances: runtime 1.0 to 2.47 % (small, baseline's noise), SM throughput 2.0 % ("
    )
    other = replace(small[0], kernel="softmax")
    assert "2.47 % (softmax/small, baseline's noise)" in said(*figures(), other)
    assert said(*agrees()) == ""
    assert tolerances(regressed()) == ()


def test_the_context_names_the_baselines_where_the_headline_does_not():
    def shown(sample):
        return "".join(span.text for span in context(sample, headline(sample)))

    assert shown(passed()) == "On NVIDIA H100 80GB HBM3"
    assert shown(regressed()) == f"On NVIDIA H100 80GB HBM3, against {FOLDER}"
    assert (
        shown(environment())
        == "Without a GPU, tested in Triton's interpreter, against baselines/sm_89"
    )


def test_without_a_gpu_the_context_says_where_tests_ran_if_any_did():
    def shown(*findings):
        given = verdict(ExitCode.INCORRECT, *findings, gpu=None)
        return context(given, headline(given))[0].text

    wrong = finding("correctness", Status.FAILED, "wrong_result", "4 values differ")
    unsupported = finding("correctness", Status.NOT_CHECKED, "unsupported", "libdevice")
    assert shown(wrong) == "Without a GPU, tested in Triton's interpreter"
    assert shown(unsupported) == shown(broken(ExitCode.INCORRECT, "w")) == "Without a GPU"


def test_the_headline_holds_what_is_said_of_a_wrong_output():
    said = (
        "the output is wrong: 18,766 of 20,736 values differ, most at [0, 0, 22, 126]: "
        "got -0.578125, expected -0.00152468681, allowed error 0.00639; "
        "max abs error 0.697, max rel error 4.82e+03"
    )
    wrong = finding("correctness", Status.FAILED, "wrong_result", said)
    assert headline(verdict(ExitCode.INCORRECT, wrong)).plain().endswith(said)


def test_a_workload_in_words():
    words = {row.place: row_words(row) for row in rows(not_checked())}
    assert words[f"{KERNEL}/k31"] == "correctness not checked"
    assert words[f"{KERNEL}/flagship"] == "correct, 1 metric of compiled code unchanged"
    assert words[f"{KERNEL}/odd-0"] == "correct"
    (row,) = rows(accepted())
    assert row_words(row) == "correct, 2 metrics unchanged, 1 change accepted"
    (row,) = rows(verdict(ExitCode.PASSED, agrees()[0]))
    assert row_words(row) == "passed"
