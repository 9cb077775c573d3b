from dataclasses import replace

import pytest

from gate.baselines import Baselines
from gate.check import baselines_for, verdict_of
from gate.errors import ExitCode, InvalidConfiguration, RefusedBaseline
from gate.kernels import KernelFolder, Workload
from gate.model import RUNTIME, SM_THROUGHPUT, BaseTiming, Correctness, NotMeasured
from gate.refresh import propose, refuse_dirty_tree, require_reason
from gate.verdict import Status
from tests.factories import (
    H100,
    MEDIANS,
    METRICS,
    TEST_ONLY,
    TOOLCHAIN,
    measurement,
    profile,
    result,
    timing,
)
from tests.judging import moved

COMMIT = "c" * 40


@pytest.fixture
def folder(project):
    path = project.root / "kernels" / "conv"
    path.mkdir(parents=True)
    (path / "kernel.py").write_text("# a kernel\n")
    (path / "reference.py").write_text("# a reference\n")
    project.commit("a kernel")
    return KernelFolder(name="conv", path=path, workloads=(Workload(name="flagship"),))


def proposed(project, folder, candidate, *, accept=False, new_anchor=False):
    (proposal,) = propose(
        candidate,
        [folder],
        project.config,
        stored(project).snapshot(["conv"]),
        commit=COMMIT,
        reason="because",
        accept_regression=accept,
        new_anchor=new_anchor,
    )
    return proposal


def stored(project):
    return baselines_for(H100, project.config)


def store(project, folder, candidate):
    proposal = proposed(project, folder, candidate)
    assert stored(project).write(proposal.baseline) == proposal.file


def slower(factor):
    return measurement(result(timing=timing(tuple(m * factor for m in MEDIANS))))


def test_a_first_baseline_says_who_measured_what(project, folder):
    proposal = proposed(project, folder, measurement())
    info = proposal.baseline.baseline
    assert (info.commit, info.reason, len(info.kernel_sha256)) == (COMMIT, "because", 64)
    assert info.anchors["flagship"][RUNTIME].value == 356_500.0
    assert proposal.before is None
    file = "baselines/nvidia-h100-80gb-hbm3/conv.json"
    assert proposal.diff().startswith(f"--- /dev/null\n+++ b/{file}\n")


def test_a_baseline_without_its_canary_could_not_tell_the_machine_from_the_code(project, folder):
    candidate = measurement()
    blind = replace(candidate, environment=replace(candidate.environment, canary=None))
    with pytest.raises(RefusedBaseline, match="canary") as refusal:
        proposed(project, folder, blind, accept=True)
    assert refusal.value.exit_code is ExitCode.ENVIRONMENT


def test_a_baseline_keeps_no_base_arm_which_would_excuse_whatever_is_held_against_it(
    project, folder
):
    in_turn = BaseTiming(
        commit=COMMIT,
        kernel_sha256="d" * 64,
        process_medians_ns=MEDIANS,
        candidate_medians_ns=MEDIANS,
    )
    suspect = replace(timing(), base=in_turn)
    made = proposed(project, folder, measurement(result(timing=suspect)))
    (kept,) = made.baseline.results
    assert kept.timing == timing()


def test_a_baseline_lists_its_workloads_in_one_order_whatever_was_asked(project, folder):
    candidate = measurement(result(workload="b"), result(workload="a"))
    proposal = proposed(project, folder, candidate)
    assert [r.workload for r in proposal.baseline.results] == ["a", "b"]


def test_git_applies_the_diff(project, folder):
    (project.root / "new.diff").write_text(proposed(project, folder, measurement()).diff())
    project.git("apply", "new.diff")
    store(project, folder, measurement())
    changed = proposed(project, folder, slower(1.05), accept=True)
    (project.root / "changed.diff").write_text(f"{changed.diff()}\nJudged against it:\n")
    project.git("apply", "changed.diff")
    assert stored(project).load("conv") == changed.baseline


def test_a_worse_result_needs_to_be_accepted(project, folder):
    store(project, folder, measurement())
    with pytest.raises(RefusedBaseline, match=r"runtime rose by 20\.0 %") as refusal:
        proposed(project, folder, slower(1.2))
    assert refusal.value.exit_code is ExitCode.REGRESSED
    assert "--accept-regression" in refusal.value.hint
    accepted = proposed(project, folder, slower(1.2), accept=True, new_anchor=True)
    assert '-          "process_medians_ns"' not in accepted.diff()
    assert "427800.0" in accepted.diff()


def test_a_throughput_that_fell_needs_to_be_accepted_too(project, folder):
    store(project, folder, measurement())
    lower = measurement(result(**moved((SM_THROUGHPUT, 0.64))))
    with pytest.raises(RefusedBaseline, match="SM throughput fell"):
        proposed(project, folder, lower)


HIDDEN = {
    "a workload of another name": (measurement(result(workload="other")), "no result for this"),
    "another method": (
        measurement(result(timing=timing([m * 2 for m in MEDIANS], method="held_queue"))),
        "timed by held_queue",
    ),
    "other arguments": (measurement(result(signature=("float32[1]",))), r"float32\[1\]"),
    "another test": (measurement(result(definition="e" * 64)), "tolerances differ"),
    "a renamed function": (
        measurement(result(ncu={"renamed": METRICS}, profile=profile("renamed"))),
        "1 x renamed",
    ),
    "a workload that is only tested now": (
        measurement(
            result(timing=TEST_ONLY, ncu=TEST_ONLY, static=TEST_ONLY, profile=None),
            result(workload="other"),
        ),
        "only tested now",
    ),
    "noise": (
        measurement(result(timing=timing((356_500.0, 359_000.0, 354_000.0)))),
        "neither within nor beyond",
    ),
}
CODES = {"another method": ExitCode.ENVIRONMENT, "noise": ExitCode.INCONCLUSIVE}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_may_hide_a_slowdown_needs_to_be_accepted(project, folder, case):
    store(project, folder, measurement())
    candidate, said = HIDDEN[case]
    with pytest.raises(RefusedBaseline, match=said) as refusal:
        proposed(project, folder, candidate)
    assert refusal.value.exit_code is CODES.get(case, ExitCode.INVALID)
    assert "--accept-regression" in refusal.value.hint
    accepted = proposed(project, folder, candidate, accept=True).verdict
    assert accepted.exit_code is ExitCode.PASSED
    assert Status.ACCEPTED in {f.status for f in accepted.findings}
    assert not [f for f in accepted.findings if f.exit_code or f.next_step]


def test_a_removed_test_needs_to_be_accepted(project, folder):
    odd = result(workload="odd", timing=TEST_ONLY, ncu=TEST_ONLY, static=TEST_ONLY, profile=None)
    store(project, folder, measurement(result(), odd))
    with pytest.raises(RefusedBaseline, match="conv/odd"):
        proposed(project, folder, measurement())


def test_a_new_workload_needs_no_word_and_hides_nothing(project, folder):
    store(project, folder, measurement())
    new = result(workload="new")
    verdict = proposed(project, folder, measurement(result(), new)).verdict
    assert verdict.exit_code is ExitCode.PASSED
    accepted = [f.workload for f in verdict.findings if f.status is Status.ACCEPTED]
    assert accepted == ["new"]
    worse = measurement(result(timing=slower(1.2).results[0].timing), new)
    with pytest.raises(RefusedBaseline, match="runtime rose"):
        proposed(project, folder, worse)


def test_the_most_severe_of_several_is_what_is_refused(project, folder):
    store(project, folder, measurement(result(), result(workload="b")))
    with pytest.raises(RefusedBaseline, match="conv/b") as refusal:
        proposed(project, folder, slower(1.2))
    assert refusal.value.exit_code is ExitCode.INVALID


def test_an_accepted_regression_is_printed_as_accepted(project, folder):
    store(project, folder, measurement())
    verdict = proposed(project, folder, slower(1.2), accept=True, new_anchor=True).verdict
    runtime = next(f for f in verdict.findings if f.subject == RUNTIME)
    assert (verdict.exit_code, runtime.status) == (ExitCode.PASSED, Status.ACCEPTED)
    assert "runtime rose by 20.0 %" in runtime.reason.message


def test_an_upgraded_toolchain_is_no_reason_to_refuse_and_none_to_hide(project, folder):
    store(project, folder, measurement())
    upgraded = replace(TOOLCHAIN, triton="3.7.1")
    same = proposed(project, folder, measurement(toolchain=upgraded))
    assert same.baseline.environment.toolchain.triton == "3.7.1"
    worse = replace(slower(1.2), environment=same.baseline.environment)
    with pytest.raises(RefusedBaseline, match="runtime rose"):
        proposed(project, folder, worse)


def test_the_anchor_stays_at_the_best(project, folder):
    store(project, folder, measurement())
    creeping = proposed(project, folder, slower(1.005))
    assert creeping.baseline.baseline.anchors["flagship"][RUNTIME].value == 356_500.0
    faster = proposed(project, folder, slower(0.9))
    assert faster.baseline.baseline.anchors["flagship"][RUNTIME].value == pytest.approx(320_850.0)


def anchor(proposal):
    return proposal.baseline.baseline.anchors["flagship"][RUNTIME].value


def test_many_small_steps_are_one_large_one(project, folder):
    """Each refresh is accepted as it stands; the sum of them needs a word of its own."""
    store(project, folder, measurement())
    for factor in (1.04, 1.08):
        assert anchor(proposed(project, folder, slower(factor), accept=True)) == 356_500.0
        stored(project).write(proposed(project, folder, slower(factor), accept=True).baseline)
    with pytest.raises(RefusedBaseline, match=r"crept \+12.0% from its best") as refusal:
        proposed(project, folder, slower(1.12), accept=True)
    assert "--new-anchor" in refusal.value.hint
    assert refusal.value.exit_code is ExitCode.REGRESSED
    meant = proposed(project, folder, slower(1.12), accept=True, new_anchor=True)
    assert anchor(meant) == pytest.approx(356_500.0 * 1.12)


def test_a_new_anchor_is_set_for_what_crept_alone(project, folder):
    store(project, folder, measurement())
    assert anchor(proposed(project, folder, slower(1.005), new_anchor=True)) == 356_500.0


def test_the_cap_is_the_projects_to_choose(project, folder):
    (project.root / "pyproject.toml").write_text("[tool.gate]\ncreep_cap = 0.03\n")
    store(project, folder, measurement())
    with pytest.raises(RefusedBaseline, match="3% is the cap"):
        proposed(project, folder, slower(1.04), accept=True)


@pytest.mark.parametrize(
    "changes",
    [{"definition": "e" * 64}, {"signature": ("float32[1]",)}, {"timing": timing(method="events")}],
)
def test_what_was_another_workload_leaves_no_anchor(project, folder, changes):
    store(project, folder, measurement(result(**changes)))
    assert anchor(proposed(project, folder, slower(1.5), accept=True)) == pytest.approx(534_750.0)


@pytest.mark.parametrize(
    ("changes", "said", "exit_code"),
    [
        (
            {"correctness": Correctness(status="failed", backend="cuda", message="off by one")},
            "off by one",
            ExitCode.INCORRECT,
        ),
        (
            {"correctness": Correctness(status="not_run", backend="none", message="no test")},
            "no test",
            ExitCode.ENVIRONMENT,
        ),
    ],
)
def test_what_does_not_pass_by_itself_cannot_be_a_baseline(
    project, folder, changes, said, exit_code
):
    with pytest.raises(RefusedBaseline, match=said) as refusal:
        proposed(project, folder, measurement(result(**changes)), accept=True)
    assert refusal.value.exit_code is exit_code


@pytest.mark.parametrize("step", ["timing", "ncu"])
def test_a_step_without_figures_cannot_be_a_baseline(project, folder, step):
    gap = NotMeasured(status="failed", reason="counter_permission", message="no counters")
    with pytest.raises(RefusedBaseline, match="no counters") as refusal:
        proposed(project, folder, measurement(result(**{step: gap})))
    assert refusal.value.exit_code is ExitCode.ENVIRONMENT


def test_what_is_too_noisy_to_protect_anything_cannot_be_a_baseline(project, folder):
    noisy = (
        {"timing": timing((352_000.0, 360_000.0, 356_000.0))},
        {"profile": profile(spread=0.05)},
    )
    for changes in noisy:
        with pytest.raises(RefusedBaseline, match="too noisy") as refusal:
            proposed(project, folder, measurement(result(**changes)), accept=True)
        assert refusal.value.exit_code is ExitCode.INCONCLUSIVE
        # More processes narrow a runtime; ncu's launches are always as many.
        assert ("--processes" in refusal.value.hint) == ("timing" in changes)


def test_a_dirty_tree_is_refused_but_for_the_baselines(project, folder):
    head = project.git("rev-parse", "HEAD")
    baselines = project.root / "baselines"
    baselines.mkdir()
    (baselines / "new.json").write_text("{}")
    assert refuse_dirty_tree(project.config) == head
    (folder.path / "kernel.py").write_text("# another\n")
    (project.root / "untracked").write_text("")
    with pytest.raises(RefusedBaseline, match=r"kernels/conv/kernel.py, untracked"):
        refuse_dirty_tree(project.config)


@pytest.mark.parametrize("where", [".", "kernels", "kernels/conv"])
def test_a_folder_with_kernels_in_it_is_none_of_baselines(project, folder, where):
    (folder.path / "kernel.py").write_text("# another\n")
    config = replace(project.config, baselines=project.root / where)
    with pytest.raises(InvalidConfiguration, match="no folder of baselines"):
        refuse_dirty_tree(config)


def test_outside_of_a_repository_there_is_no_commit_to_name(tmp_path, project):
    (project.root / ".git").rename(project.root / "not-git")
    with pytest.raises(InvalidConfiguration, match="is in no git repository"):
        refuse_dirty_tree(project.config)


@pytest.mark.parametrize("reason", ["", "   ", "\n", "x" * 2001])
def test_a_reason_is_words(reason):
    with pytest.raises(InvalidConfiguration, match="reason"):
        require_reason(reason)


@pytest.mark.parametrize(("factor", "new_anchor"), [(1.05, False), (1.3, True), (0.8, False)])
def test_what_a_refresh_proposes_is_verified_and_accepted(
    project, folder, tmp_path_factory, factor, new_anchor
):
    store(project, folder, measurement())
    trusted, candidate = stored(project).snapshot(["conv"]), slower(factor)
    refreshed = proposed(project, folder, candidate, accept=True, new_anchor=new_anchor)
    head = tmp_path_factory.mktemp("head")
    Baselines(head / refreshed.file.parent.name, "sm_89").write(refreshed.baseline)
    how = {"require_gpu": True, "whole": True, "proposed": head}
    known = replace(candidate, sources={"conv": folder.sha256()})
    assert verdict_of(known, project.config, trusted, **how).exit_code is ExitCode.PASSED
    other = replace(candidate, sources={"conv": "0" * 64})
    assert verdict_of(other, project.config, trusted, **how).exit_code is ExitCode.INVALID
