"""A command, a refresh and a night, run for real by act."""

from dataclasses import replace

import pytest

from gate.documents import load_measurement
from tests.workflows.acting import digest, git
from tests.workflows.github_api import REPOSITORY
from tests.workflows.recorded import AS_BEFORE, CARD, SLOWER, SOURCE, kernel, slower

BASELINE = f"baselines/{CARD}/depthwise_conv_h.json"
ASKED = {
    "kernels": "depthwise_conv_h",
    "reason": "bounds `are` checked; $(touch x)",
    "branch": "change",
    "accept_regression": "true",
    "new_anchor": "false",
    "pull_request": "7",
}


def run(change, name, event):
    workflow = change.project.workflow_at(change.project.main, f".github/workflows/{name}.yml")
    return change.run(*event, workflow)


def refresh(change, **asked):
    """The exit code of a refresh of the branch `change`."""
    change.push(kernel(SLOWER))
    where = f"{change.head}:refs/heads/change"
    git("push", "--quiet", "--force", "origin", where, cwd=change.project.tree)
    event = {"inputs": ASKED | asked, "ref": "refs/heads/main"}
    return run(change, "refresh", ("workflow_dispatch", event))


def test_a_refreshed_baseline_comes_as_a_pull_request_that_the_gate_accepts(change, tmp_path):
    assert refresh(change) == 0
    (opened,) = change.api.opened
    assert (opened["base"], opened["title"]) == (
        *("change", "Refresh the baselines of depthwise_conv_h"),
    )
    commit = git("rev-parse", f"refs/heads/{opened['head']}", cwd=change.project.origin)
    assert git("rev-parse", f"{commit}^", cwd=change.project.origin) == change.head
    changed = git("diff", "--name-only", change.head, commit, cwd=change.project.origin)
    assert changed == BASELINE
    file = tmp_path / "stored.json"
    file.write_text(git("show", f"{commit}:{BASELINE}", cwd=change.project.origin) + "\n")
    stored = load_measurement(file).baseline
    assert (stored.commit, stored.reason) == (change.head, ASKED["reason"])
    assert f"    {ASKED['reason']}\n" in opened["body"]
    assert "Proposed baseline changes to approve by the owners of" in opened["body"]
    assert change.commented() == "Refreshed baselines to merge into this branch: #31"

    change.head = change.api.pull_requests[7] = commit
    assert change.gate() == 0
    assert change.told()[0] == "success"


@pytest.mark.parametrize(
    "asked",
    [{"accept_regression": "false"}, {"kernels": "relu"}, {"branch": "gone"}, {"kernels": "x; id"}],
)
def test_a_refresh_that_is_refused_is_red_and_writes_but_an_answer(change, asked):
    assert refresh(change, **asked) == 1
    assert change.api.opened == []
    assert change.api.written() == [("POST", "issues/7/comments")]
    assert change.commented().startswith("No baseline was refreshed: [the run](")


# ---------------------------------------------------------------------------------- the command


def comment(change, body, author="ada"):
    """The exit code of the answer to a comment on pull request 7."""
    change.push(kernel(SLOWER))
    event = {
        "action": "created",
        "issue": {"number": 7, "pull_request": {"url": "https://x"}, "user": {"login": "ada"}},
        "comment": {"body": body, "user": {"login": author}, "author_association": "MEMBER"},
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
    }
    change.api.permissions["ada"] = "write"
    return run(change, "refresh-command", ("issue_comment", event))


def test_a_comment_of_who_may_write_starts_a_refresh_with_its_words_as_data(change, tmp_path):
    trap = tmp_path / "trap"
    reason = f'"; touch {trap}; $(touch {trap}) ${{{{ github.token }}}} #'
    assert comment(change, f"/gate refresh depthwise_conv_h {reason}\nthanks") == 0
    ((workflow, given),) = change.api.started
    assert (workflow, given["ref"]) == ("refresh.yml", "main")
    assert given["inputs"] == ASKED | {"reason": reason, "accept_regression": "false"}
    assert not trap.exists()
    assert change.commented().startswith("A refresh was started: ")


def test_a_comment_of_who_may_only_read_does_nothing(change):
    assert comment(change, "/gate refresh depthwise_conv_h because", author="stranger") == 1
    assert change.api.written() == []


def test_a_comment_on_a_fork_s_pull_request_is_refused(change):
    change.api.head_of = "stranger/kernels"
    assert comment(change, "/gate refresh depthwise_conv_h because") == 1
    assert change.api.started == []
    assert "a fork's kernels are not measured for a comment" in change.commented()


def test_a_comment_that_is_no_command_starts_nothing(change):
    assert comment(change, "/gate please") == 1
    assert change.api.started == []
    assert "KERNEL REASON..." in change.commented()
    change.api.calls.clear()
    assert comment(change, "Nice work, /gate refresh depthwise_conv_h it") == 0
    assert change.api.calls == []


# ------------------------------------------------------------------------------------ the night


@pytest.fixture
def night(change):
    """Every night of `main`, where the card finds what is given, or nothing."""
    known = change.project.card / f"{digest(SOURCE)}.json"

    def nightly(document):
        known.unlink()
        if document:
            change.project.remember(SOURCE, document)
        return run(change, "nightly", ("schedule", {"schedule": "23 2 * * *"}))

    yield nightly
    change.project.remember(SOURCE, AS_BEFORE)


def test_a_night_that_drifted_opens_an_issue_which_a_good_one_closes(change, night):
    assert night(slower(1.05)) == 1
    (issue,) = change.api.issues
    assert issue["title"] == "The nightly check of main is red"
    assert "### FAILED regressed (exit 3): `depthwise_conv_h/flagship`" in issue["body"]
    assert "0 of 6 runtimes are more than 10% above their best." in issue["body"]

    assert night(slower(1.2)) == 1
    (issue,) = change.api.issues
    assert "6 of 6 runtimes are more than 10% above their best." in issue["body"]

    assert night(AS_BEFORE) == 0
    assert issue["state"] == "closed"
    (comment,) = change.api.comments
    assert (comment["issue"], comment["body"][:11]) == (issue["number"], "Green again")


def test_a_good_night_writes_nothing(change, night):
    assert night(AS_BEFORE) == 0
    assert change.api.written() == []


def test_a_night_on_another_card_is_red(change, night):
    h200 = replace(AS_BEFORE.environment.gpu, name="NVIDIA H200")
    other = replace(AS_BEFORE, environment=replace(AS_BEFORE.environment, gpu=h200))
    assert night(other) == 1
    assert "other_gpu" in change.api.issues[0]["body"]


def test_a_night_that_could_not_measure_is_red_and_says_so(change, night):
    assert night(None) == 1
    assert "**Nothing was measured**: the job ended with failure." in change.api.issues[0]["body"]
