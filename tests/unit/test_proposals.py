"""A baseline that the judged change brings along: what it accepts, and what it cannot."""

from dataclasses import replace

import pytest

from gate.anchors import steps_from
from gate.errors import ExitCode
from gate.judge import Stored, judge
from gate.model import (
    DRAM_THROUGHPUT,
    RUNTIME,
    SM_THROUGHPUT,
    Anchor,
    BaseTiming,
    Contract,
    Correctness,
    Violation,
)
from gate.proposals import settle
from gate.verdict import Status
from tests.factories import (
    FUNCTION,
    H100,
    MEDIANS,
    METRICS,
    NO_GPU,
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
from tests.judging import RULES, codes, moved, times

CAP = 0.10


def signed(document, before=None, **changes):
    """The baseline that a refresh would make of `document`."""
    made = baseline(*document.results, gpu=document.environment.gpu)
    info = replace(made.baseline, commit="e" * 40, reason="wanted")
    steps = steps_from(before, document, info)
    anchors = {workload: {RUNTIME: step.anchor(CAP)} for workload, step in steps.items()}
    info = replace(info, anchors=anchors)
    return replace(document, baseline=replace(info, **changes))


TRUSTED = signed(measurement(), commit="a" * 40, reason="first")
SLOWER = measurement(result(timing=times(1.05)))


def judged(candidate, proposal, trusted=TRUSTED, *, rules=RULES, kernel="conv"):
    stored = Stored(load={"conv": trusted}.get, folder="baselines/x")
    verdict = judge(candidate, stored=stored, required=(), rules=rules)
    proposals = {} if proposal is None else {kernel: proposal}
    return settle(verdict, candidate, proposals, stored=stored, rules=rules, creep_cap=CAP)


def accepted(answer):
    return {f.reason.code for f in answer.findings if f.status is Status.ACCEPTED}


def edited(document, **changes):
    """The same document with its one result changed."""
    (only,) = document.results
    return replace(document, results=(replace(only, **changes),))


# ------------------------------------------------------------------------ what is accepted


FASTER_BY_LESS_WORK = {
    **METRICS,
    SM_THROUGHPUT: METRICS[SM_THROUGHPUT] * 0.8,
    "smsp__inst_executed.sum": METRICS["smsp__inst_executed.sum"] * 0.7,
}
OTHER = {"other_kernel": dict(METRICS)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timing": times(1.05)}, "slower"),
        (moved((SM_THROUGHPUT, 0.8)), "lower"),
        (moved((DRAM_THROUGHPUT, 0.8)), "lower"),
        (
            {
                "ncu": {FUNCTION: FASTER_BY_LESS_WORK},
                "profile": profile(metrics=FASTER_BY_LESS_WORK),
            },
            "trade_off",
        ),
        ({"ncu": OTHER, "profile": profile("other_kernel")}, "launches_changed"),
        ({"definition": "e" * 64}, "workload_changed"),
        ({"signature": ("float32[1]",)}, "workload_changed"),
    ],
)
def test_what_the_measurement_agrees_with_is_accepted(changes, code):
    candidate = measurement(result(**changes))
    without = judged(candidate, None)
    assert code in codes(without)
    answer = judged(candidate, signed(candidate, TRUSTED))
    assert answer.exit_code is ExitCode.PASSED, codes(answer)
    assert accepted(answer) == {code}
    (told,) = answer.proposals
    assert told.reason == "wanted"
    assert {f.metric for f in told.figures} == {RUNTIME, SM_THROUGHPUT, DRAM_THROUGHPUT}


def test_a_first_baseline_is_accepted_too():
    answer = judged(measurement(), signed(measurement()), None)
    assert answer.exit_code is ExitCode.PASSED
    assert accepted(answer) == {"no_baseline"}
    assert all(f.stored is None for f in answer.proposals[0].figures)


def test_compiled_code_is_accepted_likewise():
    trusted = signed(measurement(static_result(), gpu=None))
    spilt = measurement(static_result(static=static("sm_89", stack_bytes=64)), gpu=None)
    assert judged(spilt, None, trusted).exit_code is ExitCode.REGRESSED
    assert judged(spilt, signed(spilt, trusted), trusted).exit_code is ExitCode.PASSED
    worse = measurement(static_result(static=static("sm_89", stack_bytes=128)), gpu=None)
    answer = judged(spilt, signed(worse, trusted), trusted)
    assert "proposal_disagrees" in codes(answer)
    reshaped = measurement(
        static_result(static=static("sm_89", stack_bytes=64, threads=64)), gpu=None
    )
    answer = judged(spilt, signed(reshaped, trusted), trusted)
    assert "proposal_disagrees" in codes(answer)


def test_the_owners_are_told_what_was_stored_proposed_and_measured():
    proposal = signed(measurement(result(timing=times(1.051))), TRUSTED)
    (told,) = judged(SLOWER, proposal).proposals
    runtime = next(f for f in told.figures if f.metric == RUNTIME)
    stored = sum(MEDIANS) / len(MEDIANS)
    assert runtime.stored == pytest.approx(stored, rel=1e-4)
    assert runtime.proposed == pytest.approx(1.051 * stored, rel=1e-4)
    assert runtime.measured == pytest.approx(1.05 * stored, rel=1e-4)
    assert runtime.tolerance == 0.01


def test_an_improvement_may_bring_its_baseline():
    faster = measurement(result(timing=times(0.8)))
    answer = judged(faster, signed(faster, TRUSTED))
    assert answer.exit_code is ExitCode.PASSED
    assert [p.kernel for p in answer.proposals] == ["conv"]


def test_what_is_stored_already_proposes_nothing():
    answer = judged(SLOWER, TRUSTED)
    assert answer.exit_code is ExitCode.REGRESSED
    assert answer.proposals == ()
    assert codes(answer) == {"slower"}


def test_no_proposal_accepts_nothing():
    assert judged(SLOWER, None).exit_code is ExitCode.REGRESSED


# ---------------------------------------------------------------------- what is not believed


def noisy(share):
    medians = tuple(
        m * (1 + sign * share) for m, sign in zip(MEDIANS, (-1, 1, 0, -1, 1), strict=True)
    )
    return times(1.05, medians)


def unsteady(factor, share):
    signs = (-1, 1, 0, -1, 1, 0.5, -0.5, 0, 1, -1)
    pairs = zip(MEDIANS * 2, signs, strict=True)
    return timing(tuple(factor * median * (1 + sign * share) for median, sign in pairs))


MORE = {**METRICS, SM_THROUGHPUT: METRICS[SM_THROUGHPUT] * 1.03}
HONEST = signed(SLOWER, TRUSTED)
AMPERE = replace(H100, name="NVIDIA A100")
OF_BASE = BaseTiming(
    commit="f" * 40,
    kernel_sha256="f" * 64,
    process_medians_ns=MEDIANS,
    candidate_medians_ns=MEDIANS,
)


def anchored(value):
    anchor = Anchor(value=value, commit="f" * 40, date="2026-11-22T08:00:00Z")
    return {"flagship": {RUNTIME: anchor}}


def info(**changes):
    return replace(HONEST, baseline=replace(HONEST.baseline, **changes))


def environment(**changes):
    return replace(HONEST, environment=replace(HONEST.environment, **changes))


HOSTILE = {
    "unreadable": "it is reached by a link",
    "a mere measurement": replace(HONEST, baseline=None),
    "no reason": info(reason="  "),
    "slower than measured": signed(measurement(result(timing=times(1.08))), TRUSTED),
    "a little slower than measured": signed(measurement(result(timing=times(1.065))), TRUSTED),
    "faster than measured": signed(measurement(result(timing=times(1.02))), TRUSTED),
    "slower by samples that say otherwise": edited(
        HONEST, timing=replace(times(1.08), samples=times(1.05).samples)
    ),
    "slower, by noise within the cap": signed(
        measurement(result(timing=times(1.04, noisy(0.015).process_medians_ns))), TRUSTED
    ),
    "more throughput, by noise within the cap": edited(
        HONEST, ncu={FUNCTION: MORE}, profile=profile(metrics=MORE, spread=0.008)
    ),
    "noise beyond the cap": signed(measurement(result(timing=noisy(0.05))), TRUSTED),
    "noisy launches": edited(HONEST, profile=profile(spread=0.05)),
    "excused by a base revision": signed(
        measurement(result(timing=replace(unsteady(1.055, 0.006), base=OF_BASE))), TRUSTED
    ),
    "less throughput": edited(HONEST, **moved((SM_THROUGHPUT, 0.9))),
    "more throughput": edited(HONEST, **moved((DRAM_THROUGHPUT, 1.09))),
    "no throughput": edited(HONEST, ncu=NO_GPU, profile=None),
    "no figures": edited(HONEST, timing=TEST_ONLY),
    "another method": edited(HONEST, timing=replace(times(1.05), method="events")),
    "other launches": edited(HONEST, ncu=OTHER, profile=profile("other_kernel")),
    "another definition": edited(HONEST, definition="e" * 64),
    "another signature": edited(HONEST, signature=()),
    "fewer gates": edited(HONEST, gates=(RUNTIME,)),
    "no gates": edited(HONEST, gates=()),
    "another workload": edited(HONEST, workload="small"),
    "no results": replace(HONEST, results=()),
    "another card": environment(gpu=AMPERE),
    "no card": environment(gpu=None),
    "another toolchain": environment(toolchain=replace(TOOLCHAIN, triton="3.7.0")),
    "another driver": environment(toolchain=replace(TOOLCHAIN, driver="1")),
    "two digests": replace(HONEST, sources={"conv": "c" * 64}),
    "incorrect": edited(HONEST, correctness=Correctness(status="failed", backend="cuda")),
    "broken contract": edited(
        HONEST,
        contract=Contract(status="failed", violations=(Violation(code="x", line=1, message="x"),)),
    ),
    "no anchor": info(anchors={}),
    "a later anchor": info(anchors=anchored(HONEST.results[0].timing.process_medians_ns[0])),
    "an invented anchor": info(anchors=anchored(1e9)),
    "another commit's anchor": info(anchors=anchored(356_500.0)),
    "an anchor of nothing": info(anchors={**HONEST.baseline.anchors, "small": {}}),
    "an anchor of another metric": info(
        anchors={"flagship": {SM_THROUGHPUT: HONEST.baseline.anchors["flagship"][RUNTIME]}}
    ),
}


def test_the_honest_one_is_accepted():
    assert judged(SLOWER, HONEST).exit_code is ExitCode.PASSED


@pytest.mark.parametrize("proposal", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_proposal_accepts_nothing_and_is_said_to_disagree(proposal):
    answer = judged(SLOWER, proposal)
    assert codes(answer) == {"slower", "proposal_disagrees"}
    assert answer.exit_code is ExitCode.INVALID
    assert answer.proposals == ()
    assert not accepted(answer)


@pytest.mark.parametrize("proposal", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_proposal_fails_also_what_would_pass_without_it(proposal):
    assert judged(measurement(), proposal).exit_code is ExitCode.INVALID


def test_an_unsteady_measurement_believes_no_more():
    candidate = measurement(result(timing=unsteady(1.05, 0.006)))
    assert judged(candidate, signed(candidate, TRUSTED)).exit_code is ExitCode.PASSED
    for factor in (1.04, 1.06):
        proposal = signed(measurement(result(timing=times(factor))), TRUSTED)
        assert codes(judged(candidate, proposal)) == {"slower", "proposal_disagrees"}


def test_what_nobody_could_prove_a_drop_against_is_not_stored():
    noisy_launches = measurement(result(profile=profile(spread=0.03)))
    answer = judged(noisy_launches, signed(noisy_launches, TRUSTED))
    found = next(f for f in answer.findings if f.reason.code == "proposal_disagrees")
    assert "flagship SM throughput is too noisy to be stored" in found.reason.message


def test_what_was_not_measured_cannot_be_proposed():
    answer = judged(measurement(), HONEST, kernel="other")
    assert answer.exit_code is ExitCode.INVALID
    assert codes(answer) == {"proposal_disagrees"}


def test_it_must_be_of_the_kernel_that_was_measured_where_that_is_known():
    known = replace(SLOWER, sources={"conv": HONEST.baseline.kernel_sha256})
    assert judged(known, HONEST).exit_code is ExitCode.PASSED
    other = replace(SLOWER, sources={"conv": "c" * 64})
    answer = judged(other, HONEST)
    assert codes(answer) == {"slower", "proposal_disagrees"}


def test_a_proposal_without_the_canary_of_the_run_is_not_believed():
    assert SLOWER.environment.canary
    assert judged(SLOWER, HONEST).exit_code is ExitCode.PASSED
    assert "proposal_disagrees" in codes(judged(SLOWER, environment(canary=None)))


# -------------------------------------------------------------------------- what never passes


@pytest.mark.parametrize(
    ("changes", "exit_code"),
    [
        ({"correctness": Correctness(status="failed", backend="cuda")}, ExitCode.INVALID),
        ({"correctness": Correctness(status="crashed", backend="cuda")}, ExitCode.INVALID),
        ({"timing": NO_GPU}, ExitCode.INVALID),
        ({"timing": replace(times(1.05), samples=())}, ExitCode.INVALID),
        ({"timing": times(0.1)}, ExitCode.INVALID),
    ],
)
def test_what_is_wrong_or_contradicts_itself_is_never_accepted(changes, exit_code):
    candidate = measurement(result(**changes))
    answer = judged(candidate, signed(candidate, TRUSTED))
    assert answer.exit_code is exit_code
    assert not accepted(answer)


def test_the_environment_is_never_accepted():
    other = measurement(toolchain=replace(TOOLCHAIN, driver="1"))
    answer = judged(other, signed(other, TRUSTED))
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert codes(answer) == {"other_toolchain"}
    unmeasured = measurement(static_result(), gpu=None)
    strict = replace(RULES, require_gpu=True)
    answer = judged(unmeasured, signed(unmeasured), None, rules=strict)
    assert codes(answer) == {"no_gpu"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


def test_a_workload_that_vanished_is_not_accepted_with_it():
    trusted = signed(measurement(result(), result(workload="small")))
    answer = judged(measurement(), signed(measurement(), trusted), trusted)
    assert codes(answer) == {"result_missing"}


def test_a_workload_cannot_stop_being_timed():
    untimed = measurement(result(timing=TEST_ONLY, static=TEST_ONLY, ncu=TEST_ONLY, profile=None))
    answer = judged(untimed, signed(untimed, TRUSTED))
    assert {"workload_changed", "proposal_disagrees"} <= codes(answer)


def test_a_workload_cannot_lose_a_gate():
    lax = measurement(result(gates=(RUNTIME,), timing=times(1.05)))
    assert codes(judged(lax, signed(lax, TRUSTED))) == {"slower", "proposal_disagrees"}


# --------------------------------------------------------------------------------- anchors


def test_beyond_the_cap_a_new_anchor_is_needed_and_told():
    crept = measurement(result(timing=times(1.2)))
    answer = judged(crept, signed(crept, TRUSTED))
    assert answer.exit_code is ExitCode.PASSED
    assert answer.proposals[0].new_anchors == ("flagship",)
    kept = signed(crept, TRUSTED, anchors=TRUSTED.baseline.anchors)
    assert codes(judged(crept, kept)) == {"slower", "proposal_disagrees"}


def test_within_the_cap_the_anchor_stays():
    assert judged(SLOWER, HONEST).proposals[0].new_anchors == ()
    assert HONEST.baseline.anchors == TRUSTED.baseline.anchors


def test_two_refreshes_of_one_change_leave_the_better_anchor():
    between = signed(measurement(result(timing=times(0.98))), TRUSTED)
    twice = signed(SLOWER, between)
    assert judged(SLOWER, twice).exit_code is ExitCode.PASSED
