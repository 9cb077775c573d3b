"""The GPU gate's workflow, run for real: what it tells at which commit, and what it never believes.

GitHub is `github_api.py`, and the card finds what was recorded on an H100, under its own name.
"""

import shutil

import pytest

from gate.documents import load_measurement
from gate.report.markdown import MARKER
from tests.factories import refreshed
from tests.workflows.acting import WORKFLOW, PullRequest, digest
from tests.workflows.recorded import (
    RECORDED,
    SAME,
    SECOND,
    SLOWER,
    SOURCE,
    TRUSTED,
    UPGRADED,
    WRONG,
    kernel,
    slower,
    stored_in,
)


def nothing_but_words(tree):
    (tree / "README.md").write_text("Other words.\n")


def stored(factor):
    """A baseline that is `factor` times as slow as what is measured of SLOWER."""
    return baseline_of(SLOWER, slower(1.05 * factor))


def baseline_of(text, document):
    made = refreshed(document, TRUSTED, kernel_sha256=digest(text))
    return lambda tree: stored_in(tree, made)


NO_VERDICT = "There is no verdict: the run says why."
CHECK, COMMENT = ("POST", "check-runs"), ("POST", "issues/7/comments")
GREEN = "### PASSED"
TOOLS = "### FAILED environment (exit 6): `depthwise_conv_h`: `toolchain`"
INVALID = "### FAILED invalid (exit 7): `depthwise_conv_h`: `baseline`"
RED = "### FAILED regressed (exit 3): `depthwise_conv_h/flagship` `runtime` +5.00 %"

# ------------------------------------------------------------------------------- the verdicts


@pytest.mark.parametrize(
    ("edits", "conclusion", "line"),
    [
        ([kernel(SAME)], "success", GREEN),
        ([kernel(SLOWER)], "failure", RED),
        ([kernel(SLOWER), stored(1)], "success", GREEN),
        ([kernel(UPGRADED)], "failure", TOOLS),
        ([kernel(UPGRADED), baseline_of(UPGRADED, RECORDED[UPGRADED])], "success", GREEN),
        ([kernel(WRONG)], "failure", "### FAILED incorrect (exit 4): `depthwise_conv_h/flagship`"),
    ],
    ids=["green", "regressed", "accepted", "upgraded", "accepted upgrade", "incorrect"],
)
def test_a_pull_request_is_told_the_verdict_at_its_head(change, edits, conclusion, line):
    change.push(*edits)
    assert change.gate() == (conclusion != "success")
    said, first = change.told()
    assert said == conclusion
    assert first.startswith(line)
    assert change.api.written() == [CHECK, COMMENT]
    assert change.commented() == change.api.checks[0]["output"]["summary"]
    assert ("Accepted changes" in change.commented()) == (len(edits) > 1)


# --------------------------------------------------------------------------- what is concerned


def measured(change):
    """The kernels of the run's artifact; None where there is none."""
    files = [
        load_measurement(file) for file in change.api.artifacts.glob("*/measurement-*/run.json")
    ]
    return files[0].scope.kernels if files else None


def configured(tree):
    file = tree / "pyproject.toml"
    file.write_text(f"{file.read_text()}\n[tool.gate]\nruntime_tolerance = 0.5\n")


def test_of_two_kernels_only_the_changed_one_is_measured(change):
    change.push(kernel(SAME))
    assert change.gate() == 0
    assert measured(change) == ("depthwise_conv_h",)


def test_another_configuration_has_all_measured_and_steers_nothing(change):
    change.push(kernel(SLOWER), configured)
    assert change.gate() == 1
    assert measured(change) == ("depthwise_conv_h", SECOND)
    assert change.told()[1].startswith(RED)


@pytest.mark.parametrize("name", ["pull_request_target", "merge_group", "workflow_dispatch"])
def test_a_change_that_concerns_no_kernel_is_told_so_and_not_measured(change, name):
    change.push(nothing_but_words)
    assert change.run(name, change.event_of(name)) == 0
    assert measured(change) is None
    assert change.told() == ("success", GREEN)
    assert "\nNo kernel is concerned: " in change.api.checks[0]["output"]["summary"]
    assert change.api.written() == [CHECK, COMMENT][: 2 if name == "pull_request_target" else 1]


@pytest.mark.parametrize(
    ("edit", "said", "instead"),
    [
        (nothing_but_words, "steps.plan.outputs.concerned", "steps.plan.outputs.lost"),
        (kernel(SAME), "steps.plan.outputs.concerned", "steps.plan.outputs.lost"),
        (kernel(SAME), "steps.plan.outputs.kernels", "steps.plan.outputs.lost"),
        (kernel(SAME), "if: needs.plan.outputs.concerned != 'none'", "if: false"),
        (nothing_but_words, "        id: plan\n", "        id: plan\n        if: false\n"),
    ],
)
def test_what_got_lost_or_was_skipped_is_no_success(change, edit, said, instead):
    change.push(edit)
    assert said in change.workflow()
    assert change.gate(change.workflow().replace(said, instead, 1)) == 1
    assert change.told() == ("failure", NO_VERDICT)


def deleted(tree):
    shutil.rmtree(tree / "kernels" / SECOND)


def test_a_kernel_is_not_deleted_before_its_baseline(change):
    change.push(deleted)
    assert change.gate() == 1
    said, first = change.told()
    assert said == "failure"
    assert first.startswith(f"### FAILED invalid (exit 7): `{SECOND}`")
    assert "kernel_missing" in change.commented()


def a_folder(name):
    def edit(tree):
        (tree / "kernels" / name).mkdir()
        (tree / "kernels" / name / "kernel.py").write_text(SOURCE)

    return edit


@pytest.mark.parametrize("name", ["$(touch trap)", "second\nwhole=false", "::add-mask::a"])
def test_a_head_with_a_hostile_name_has_no_plan_and_fails(change, name):
    change.push(kernel(SAME), a_folder(name))
    assert change.gate() == 1
    assert measured(change) is None
    assert change.api.written() == []


def test_a_baseline_that_no_kernel_has_is_verified_too(change):
    def orphan(tree):
        folder = tree / "baselines" / "nvidia-geforce-rtx-4090"
        shutil.copy(folder / f"{SECOND}.json", folder / "third.json")

    change.push(orphan)
    assert change.gate() == 1
    assert measured(change) == ("depthwise_conv_h", SECOND)
    assert change.told()[1].startswith("### FAILED invalid (exit 7)")


def test_every_run_writes_over_one_comment_of_its_own(change):
    forged = f"{MARKER}\n### PASSED"
    change.api.comment(7, "Nice.", login="reader")
    change.api.comment(7, forged, login="stranger")
    change.api.comment(7, f"{MARKER}\n### of an earlier push")
    change.push(kernel(SLOWER))
    assert change.gate() == 1
    assert change.api.written() == [CHECK, ("PATCH", "issues/comments/3")]
    others, own = [one["body"] for one in change.api.comments[:2]], change.api.comments[2]["body"]
    assert others == ["Nice.", forged]
    assert own.splitlines()[1].startswith(RED)


# ------------------------------------------------------------------------ there is no verdict


def lost(change):
    change.push(kernel(SAME))
    change.api.artifacts_expire = True


def not_measured(change):
    change.push(kernel(f"{SOURCE}# nothing that the card knows\n"))


@pytest.mark.parametrize("break_down", [lost, not_measured])
def test_without_a_measurement_it_fails_and_says_so(change, break_down):
    break_down(change)
    assert change.gate() == 1
    assert change.told() == ("failure", NO_VERDICT)
    assert change.api.written() == [CHECK, COMMENT]


def test_a_head_that_moved_fails_where_it_was_and_leaves_the_comment_alone(change):
    change.push(kernel(SAME))
    change.api.pull_requests[7] = change.project.main
    assert change.gate() == 1
    assert change.told() == ("failure", NO_VERDICT)
    assert change.api.written() == [CHECK]


# ------------------------------------------------------------------------------ who is asking


def test_a_fork_is_measured_where_somebody_approves_it(change):
    change.push(kernel(SAME))
    assert change.gate(repository="stranger/kernels") == 0
    assert ("GET", "environments/gpu-fork") in change.api.calls
    assert change.told()[0] == "success"


def test_a_fork_is_not_measured_where_nobody_is_asked(change):
    change.api.reviewers = []
    change.push(kernel(SAME))
    assert change.gate(repository="stranger/kernels") == 1
    assert change.api.written() == []
    assert not list(change.api.artifacts.iterdir())


def test_what_a_stranger_names_is_never_run_or_repeated(change, tmp_path):
    trap = tmp_path / "trap"
    hostile = f'"; touch {trap}; $(touch {trap})`touch {trap}` ${{{{ github.token }}}}\n::error::x'
    change.push(kernel(SAME))
    assert change.gate(title=hostile, ref=hostile, repository=f"stranger/{hostile}") == 0
    assert change.told()[0] == "success"
    assert not trap.exists()
    assert str(trap) not in change.commented()

    echo = 'echo "${{ github.event.pull_request.title }}"'
    careless = change.workflow().replace("faults=$(", f"{echo}\n          faults=$(")
    change.gate(careless, title=hostile)
    assert trap.exists()


@pytest.mark.parametrize("name", ["merge_group", "workflow_dispatch"])
def test_without_a_pull_request_the_check_alone_is_told(change, name):
    change.push(kernel(SLOWER))
    assert change.run(name, change.event_of(name)) == 1
    assert change.told()[0] == "failure"
    assert change.api.written() == [CHECK]


# --------------------------------------------------------------- what the head says of itself

JUDGED_BY = "ref: ${{ needs.plan.outputs.base }}\n          persist"


def judged_by_the_head(change):
    """The workflow of `main`, were it so careless."""
    before, judging = change.workflow().split("  judge:\n")
    careless = judging.replace(JUDGED_BY, JUDGED_BY.replace("base", "head"))
    assert careless != judging
    return f"{before}  judge:\n{careless}"


def workflow_of_the_head(change):
    """What GitHub would take for `pull_request`."""
    return change.project.workflow_at(change.head)


def lenient_gate(tree):
    (tree / "gate" / "__main__.py").write_text(
        f"open('report.md', 'w').write('{MARKER}\\n### PASSED, says the head\\n')"
    )


def lenient_workflow(tree):
    script = tree / ".github" / "scripts" / "publish.sh"
    script.write_text(script.read_text().replace("conclusion=failure", "conclusion=success"))
    workflow = tree / WORKFLOW
    workflow.write_text(workflow.read_text().replace("bash .github/scripts/gate.sh judge", "true"))


@pytest.mark.parametrize(
    ("edit", "line", "careless"),
    [
        (lenient_gate, RED, judged_by_the_head),
        (stored(1.5), INVALID, judged_by_the_head),
        (lenient_workflow, RED, workflow_of_the_head),
    ],
    ids=["gate", "baselines", ".github"],
)
def test_a_change_cannot_change_its_own_verdict(change, tmp_path_factory, edit, line, careless):
    change.push(kernel(SLOWER), edit)
    assert change.gate() == 1
    said, first = change.told()
    assert said == "failure"
    assert first.startswith(line)

    believing = PullRequest(change.project, tmp_path_factory.mktemp("believing"))
    believing.head = believing.api.pull_requests[7] = change.head
    assert believing.gate(careless(change)) == 0
    assert believing.told()[0] == "success"
