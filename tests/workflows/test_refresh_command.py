"""The comment that starts a refresh: who may, what it says, and what is started."""

import json
import os
import subprocess
import sys

import pytest

from tests.workflows.running import SCRIPTS, step, workflow

COMMAND = workflow("refresh-command.yml")
START = COMMAND["jobs"]["start"]
BRANCH = "feature/faster"


def read(comment):
    command = [sys.executable, "-I", str(SCRIPTS / "comment_command.py"), BRANCH, "12"]
    env = {"COMMENT": comment, "DEFAULT_BRANCH": "main"}
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)


def inputs(comment):
    ended = read(comment)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said["ref"] == "main"
    assert (said["inputs"].pop("branch"), said["inputs"].pop("pull_request")) == (BRANCH, "12")
    return said["inputs"]


def test_a_command_names_a_kernel_and_a_reason():
    assert inputs("/gate refresh conv_h bounds are  checked now\r\n\r\nand thanks") == {
        "kernels": "conv_h",
        "reason": "bounds are checked now",
        "accept_regression": "false",
        "new_anchor": "false",
    }


def test_what_is_accepted_is_said_by_name():
    said = inputs("/gate refresh --new-anchor --accept-regression conv_h it is meant")
    assert (said["accept_regression"], said["new_anchor"]) == ("true", "true")
    assert inputs("/gate refresh conv_h see --accept-regression")["accept_regression"] == "false"


def test_a_reason_is_words_and_nothing_else():
    reason = '$(touch x) `id` "; rm -rf / # ${{ github.token }} \\ ::error::'
    assert inputs(f"/gate refresh conv_h {reason}")["reason"] == reason


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "/gate",
        "/gate refresh",
        "/gate refresh conv_h",
        "/gate refresh conv_h \nthe reason stands elsewhere",
        "/gate refresh --accept-regression",
        "/gate refresh --force conv_h because",
        "/gate refresh ../conv_h because",
        "/gate refresh $(id) because",
        "/gate refresh Conv because",
        f"/gate refresh {'a' * 65} because",
        f"/gate refresh conv_h {'a' * 2001}",
        "/gate refresh conv_h a\x1b[31mred",
        "/gate refresh conv_h hidden\u202ewords",
        "/gate merge conv_h because",
        "please /gate refresh conv_h because",
        "\n/gate refresh conv_h because",
    ],
)
def test_what_is_no_command_is_told_how_one_looks(comment):
    ended = read(comment)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "/gate refresh [--accept-regression] [--new-anchor] KERNEL REASON..." in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("permission", "passes"),
    [("admin", True), ("write", True), ("read", False), ("none", False), ("", False)],
)
def test_only_who_may_write_starts_a_refresh(bash, permission, passes):
    bash.github(["collaborators/ada/permission", {"permission": permission, "user": {}}])
    ended = bash(step(COMMAND, "start", "Refuse who may not write"), AUTHOR="ada")
    assert (ended.returncode == 0) is passes


def test_where_github_does_not_answer_nobody_may(bash):
    bash.github(["collaborators/ada/permission", None])
    assert bash(step(COMMAND, "start", "Refuse who may not write"), AUTHOR="ada").returncode != 0


@pytest.mark.parametrize(
    ("repository", "passes"),
    [({"full_name": "o/r"}, True), ({"full_name": "x/r"}, False), (None, False)],
)
def test_a_fork_is_not_measured_for_a_comment(bash, repository, passes):
    bash.github(["pulls/12", {"head": {"repo": repository, "ref": BRANCH}}])
    ended = bash(step(COMMAND, "start", "Refuse forks"), NUMBER="12")
    assert (ended.returncode == 0) is passes
    assert ("refused" in bash.outputs()) is not passes
    assert (bash.folder / "head").read_text().splitlines()[1] == BRANCH


def start(bash, comment):
    bash.checkout()
    bash.github(["dispatches", {}])
    (bash.folder / "head").write_text(f"o/r\n{BRANCH}\n")
    script = step(COMMAND, "start", "Start it")
    return bash(script, COMMENT=comment, DEFAULT_BRANCH="main", NUMBER="12")


def test_a_command_starts_the_refresh_of_the_default_branch(bash):
    assert start(bash, "/gate refresh conv_h $(touch x)").returncode == 0
    call = bash.call("actions/workflows/refresh.yml/dispatches")
    sent = json.loads((bash.folder / call[call.index("--input") + 1]).read_text())
    assert sent["ref"] == "main"
    assert sent["inputs"]["reason"] == "$(touch x)"
    assert set(sent["inputs"]) == set(workflow("refresh.yml")["on"]["workflow_dispatch"]["inputs"])
    assert not (bash.folder / "x").exists()


def test_what_is_no_command_starts_nothing(bash):
    assert start(bash, "/gate refresh").returncode == 1
    assert bash.calls() == []
    assert "/gate refresh [" in bash.outputs()["refused"]


@pytest.mark.parametrize(
    ("started", "refused", "said"),
    [
        ("success", "", "A refresh was started"),
        ("failure", "no kernel is named", "No refresh was started: `no kernel is named`"),
        ("skipped", "", "No refresh was started: `something went wrong`"),
    ],
)
def test_the_comment_is_answered(bash, started, refused, said):
    bash.github(["issues/12/comments", {}])
    script = step(COMMAND, "start", "Answer")
    assert bash(script, NUMBER="12", STARTED=started, REFUSED=refused).returncode == 0
    assert f"body={said}" in bash.call("issues/12/comments")[-1]


def test_nobody_without_rights_is_answered():
    """A refusal that is told would let anybody make the workflow write."""
    (answer,) = (s for s in START["steps"] if s.get("name") == "Answer")
    assert "steps.head.outcome != 'skipped'" in answer["if"]
