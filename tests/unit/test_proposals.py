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


def test_the_machine_is_never_accepted():
    other = measurement(gpu=AMPERE)
    answer = judged(other, signed(other, TRUSTED))
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert codes(answer) == {"other_gpu"}
    unmeasured = measurement(static_result(), gpu=None)
    strict = replace(RULES, require_gpu=True)
    answer = judged(unmeasured, signed(unmeasured), None, rules=strict)
    assert codes(answer) == {"no_gpu"}
    assert answer.exit_code is ExitCode.ENVIRONMENT


TWO = signed(measurement(result(), result(workload="small")))


def test_a_workload_that_its_baseline_drops_too_is_removed():
    assert codes(judged(measurement(), None, TWO)) == {"result_missing"}
    answer = judged(measurement(), signed(measurement(), TWO), TWO)
    assert answer.exit_code is ExitCode.PASSED
    assert accepted(answer) == {"result_missing"}


def test_a_workload_that_only_the_measurement_or_only_its_baseline_drops_is_not():
    kept = signed(measurement(result(timing=times(1.001)), result(workload="small")), TWO)
    answer = judged(measurement(), kept, TWO)
    assert codes(answer) == {"result_missing", "proposal_disagrees"}
    answer = judged(measurement(*TWO.results), signed(measurement(), TWO), TWO)
    assert codes(answer) == {"proposal_disagrees"}


def test_a_kernel_keeps_a_workload_that_is_benchmarked():
    untimed = result(
        workload="small", timing=TEST_ONLY, static=TEST_ONLY, ncu=TEST_ONLY, profile=None
    )
    trusted, rest = signed(measurement(result(), untimed)), measurement(untimed)
    answer = judged(rest, signed(rest, trusted), trusted)
    assert "proposal_disagrees" in codes(answer)
    empty = replace(measurement(), results=())
    assert "proposal_disagrees" in codes(judged(empty, signed(empty, TWO), TWO))


# ------------------------------------------------------------------------- another toolchain


UPGRADED = replace(TOOLCHAIN, triton="3.7.0", driver="590.1")


def upgraded(factor=1.0, *, base=1.0, ours=None, **changes):
    """A run under new tools: `factor` of what is stored, and in turn `ours` against `base`."""
    in_turn = replace(
        OF_BASE,
        process_medians_ns=tuple(m * base for m in MEDIANS),
        candidate_medians_ns=tuple(m * (ours or factor) for m in MEDIANS),
    )
    timed = replace(times(factor), base=in_turn)
    return measurement(result(timing=timed, **changes), toolchain=UPGRADED)


def without_base(document):
    (*others, last) = document.results
    last = replace(last, timing=replace(last.timing, base=None))
    return replace(document, results=(*others, last))


@pytest.mark.parametrize("tool", ["torch", "triton", "cuda", "driver", "ncu"])
def test_a_proposal_accepts_another_toolchain_that_left_the_code_alone(tool):
    candidate = upgraded(1.03, base=1.03).under(replace(TOOLCHAIN, **{tool: "9.9"}))
    without = judged(candidate, None)
    assert (codes(without), without.exit_code) == ({"other_toolchain"}, ExitCode.ENVIRONMENT)
    answer = judged(candidate, signed(candidate, TRUSTED))
    assert answer.exit_code is ExitCode.PASSED, codes(answer)
    assert accepted(answer) == {"other_toolchain"}
    runtime = next(f for f in answer.proposals[0].figures if f.metric == RUNTIME)
    assert runtime.proposed / runtime.stored == pytest.approx(1.03)


def test_a_slowdown_beside_it_is_accepted_by_name():
    slower = upgraded(1.05)
    assert codes(judged(slower, None)) == {"other_toolchain", "slower"}
    answer = judged(slower, signed(slower, TRUSTED))
    assert answer.exit_code is ExitCode.PASSED
    assert accepted(answer) == {"other_toolchain", "slower"}


IN_TURN = "in turn with the base revision's kernel"
UNSHOWN = {
    "no base revision": (
        without_base(upgraded()),
        TRUSTED,
        f"flagship was not timed {IN_TURN}",
    ),
    "one workload of two": (
        measurement(*upgraded().results, result(workload="small"), toolchain=UPGRADED),
        TWO,
        f"small was not timed {IN_TURN}",
    ),
    "compiled code": (
        measurement(static_result(), gpu=None, toolchain=UPGRADED),
        signed(measurement(static_result(), gpu=None)),
        f"flagship was not timed {IN_TURN}",
    ),
    "faster in turn": (
        upgraded(1.05, ours=1.0),
        TRUSTED,
        f"flagship was faster {IN_TURN} than by itself",
    ),
}


@pytest.mark.parametrize(("candidate", "trusted", "said"), UNSHOWN.values(), ids=UNSHOWN)
def test_another_toolchain_is_not_accepted_where_the_code_is_not_shown_to_be_as_it_was(
    candidate, trusted, said
):
    answer = judged(candidate, signed(candidate, trusted), trusted)
    assert answer.exit_code is ExitCode.ENVIRONMENT
    assert codes(answer) == {"other_toolchain"}
    (told,) = (f for f in answer.findings if f.reason.code == "other_toolchain")
    assert told.reason.message.endswith(f"; not accepted by the proposed baseline: {said}")


def test_what_is_too_noisy_in_turn_stays_open():
    candidate = upgraded(1.01)
    answer = judged(candidate, signed(candidate, TRUSTED))
    assert answer.exit_code is ExitCode.INCONCLUSIVE
    assert codes(answer) == {"too_noisy"}


def test_new_tools_hide_nothing_else():
    """What the stored figures need not be compared for is judged as ever, and accepted as ever."""
    small = replace(upgraded().results[0], workload="small")
    for changes, code in [
        ({"definition": "e" * 64}, "workload_changed"),
        ({"signature": ("float32[1]",)}, "workload_changed"),
    ]:
        candidate = upgraded(**changes)
        assert codes(judged(candidate, None)) == {"other_toolchain", code}
        assert accepted(judged(candidate, signed(candidate, TRUSTED))) == {"other_toolchain", code}
    assert codes(judged(upgraded(), None, TWO)) == {"other_toolchain", "result_missing"}
    elsewhere = measurement(gpu=AMPERE)
    assert codes(judged(elsewhere, None, TWO)) == {"other_gpu", "result_missing"}
    more = measurement(*upgraded().results, small, toolchain=UPGRADED)
    assert codes(judged(more, None)) == {"other_toolchain", "no_baseline"}


OF_UPGRADE = {
    "of the old toolchain": signed(measurement(), TRUSTED, reason="forged"),
    "of a third one": signed(upgraded(), TRUSTED).under(replace(UPGRADED, triton="3.8.0")),
    "slower than measured": signed(upgraded(1.05), TRUSTED),
    "faster than measured": signed(upgraded(0.95), TRUSTED),
    "fewer gates": edited(signed(upgraded(), TRUSTED), gates=(RUNTIME,)),
    "no reason": replace(
        signed(upgraded(), TRUSTED), baseline=replace(TRUSTED.baseline, reason=" ")
    ),
    "no anchor": replace(
        signed(upgraded(), TRUSTED), baseline=replace(TRUSTED.baseline, anchors={})
    ),
}


@pytest.mark.parametrize("proposal", OF_UPGRADE.values(), ids=OF_UPGRADE)
def test_a_proposal_that_disagrees_accepts_no_toolchain(proposal):
    assert judged(upgraded(), signed(upgraded(), TRUSTED)).exit_code is ExitCode.PASSED
    answer = judged(upgraded(), proposal)
    assert codes(answer) == {"other_toolchain", "proposal_disagrees"}
    assert answer.exit_code is ExitCode.INVALID
    assert not accepted(answer)


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
