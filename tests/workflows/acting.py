"""The workflows run by act on this machine, in place of GitHub, its runners and the card.

act 0.2.89 takes no account of permissions, concurrency, run names, and environments with their
approvals: no run waits for one here. `policy.py` reads what the workflow says of these. Conditions
such as `always()` and the results of needed jobs it treats as GitHub does.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

from gate.documents import measurement_json
from gate.report.markdown import MARKER
from tests.workflows.github_api import BOT, REPOSITORY, TOKEN, Api, serving

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ACT = Path(sysconfig.get_path("scripts"), "act")
TIMEOUT_SECONDS = 300
FOLDER = "kernels/depthwise_conv_h"
KERNEL = f"{FOLDER}/kernel.py"
WORKFLOW = ".github/workflows/gpu-gate.yml"
# What the gate's jobs take from the base, and the first kernel.
PROJECT = (".github", ".gitignore", "constraints.txt", "gate", FOLDER, "pyproject.toml")
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


def git(*arguments, cwd):
    command = ["git", *arguments]
    env = os.environ | IDENTITY
    ended = subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Project:
    """This project in a repository of the test's own, and a card that knows some kernel files.

    `main` is one commit further than where changes begin, as it mostly is.
    """

    def __init__(self, root, write_baselines):
        self.tree, self.origin, self.card = root / "tree", root / "origin.git", root / "card"
        self.card.mkdir(parents=True)
        shutil.copy(HERE / "stand_ins" / "card.py", self.card)
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin), cwd=root)
        git("clone", "--quiet", str(self.origin), str(self.tree), cwd=root)
        for name in PROJECT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.tree / name)
        write_baselines(self.tree)
        self.fork_point = self.commit("a project with a baseline")
        (self.tree / "NEWS").write_text("main moved on\n")
        self.main = self.commit("news")
        git("push", "--quiet", "origin", "HEAD:main", cwd=self.tree)

    def commit(self, message):
        git("add", "--all", cwd=self.tree)
        git("commit", "--quiet", "--message", message, cwd=self.tree)
        return git("rev-parse", "HEAD", cwd=self.tree)

    def propose(self, edits):
        """The head of pull request 7, after each of `edits` was called with its tree."""
        git("switch", "--quiet", "--detach", self.fork_point, cwd=self.tree)
        for edit in edits:
            edit(self.tree)
        head = self.commit("a change")
        git("push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/head", cwd=self.tree)
        git("switch", "--quiet", "main", cwd=self.tree)
        return head

    def remember(self, kernel, document):
        """Have the card find a kernel file of the text `kernel` to be `document`."""
        said = replace(document, sources=dict.fromkeys(document.scope.kernels, digest(kernel)))
        (self.card / f"{digest(kernel)}.json").write_text(measurement_json(said))

    def workflow_at(self, commit, file=WORKFLOW):
        return git("show", f"{commit}:{file}", cwd=self.origin)


class Act:
    """Where the workflow runs; `api` is the GitHub that it asks and tells."""

    def __init__(self, project, folder):
        self.project, self.folder = project, folder
        self.api = Api(project.origin, folder / "artifacts")
        self.tools = folder / "bin"
        for name in ("artifacts", "bin", "home", "workflows"):
            (folder / name).mkdir()
        for name in ("gh", "python3"):
            script = HERE / "stand_ins" / f"{name}.py"
            tool = self.tools / name
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{script}" "$@"\n')
            tool.chmod(0o755)

    def run(self, event_name, event, workflow):
        """What act ended with; `workflow` is the file's text."""
        file, payload = self.folder / "workflows" / "workflow.yml", self.folder / "event.json"
        # act refuses what it does not know of: this key of a concurrency group, and this prefix.
        known = re.sub(r"(?m)^ *queue: max\n", "", workflow).replace("uses: $/", "uses: ./")
        file.write_text(known)
        payload.write_text(json.dumps(event))
        with serving(self.api) as address:
            return subprocess.run(
                [*self.command(workflow), event_name, "-W", str(file), "-e", str(payload)],
                cwd=self.project.tree,
                env=self.environment(address),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_SECONDS,
            )

    def command(self, workflow):
        return [
            str(ACT),
            *("--action-cache-path", str(self.folder / "cache"), "--no-cache-server"),
            *("--container-daemon-socket", "-"),
            *("--env", f"GITHUB_REPOSITORY={REPOSITORY}", "--secret", f"GITHUB_TOKEN={TOKEN}"),
            *("-P", "ubuntu-24.04=-self-hosted", "-P", "rtx-4090=-self-hosted"),
            *itertools.chain.from_iterable(
                ("--local-repository", f"{name}@{sha}={HERE / 'actions' / name.split('/')[1]}")
                for name, sha in re.findall(r"uses: (actions/[\w-]+)@(\w+)", workflow)
            ),
        ]

    def environment(self, address):
        """Of the steps too: what the stand-ins need, and nothing else of who runs the tests."""
        return {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "ORIGIN": self.project.origin.as_uri(),
            "ARTIFACTS": str(self.api.artifacts),
            "CARD_FOLDER": str(self.project.card),
            "LOOPBACK_API": address,
        }


class PullRequest:
    """Number 7 of `octo/kernels`, and what its author is told."""

    def __init__(self, project, folder):
        self.project, self.act = project, Act(project, folder)
        self.api, self.head = self.act.api, None

    def push(self, *edits):
        """Each is called with the tree of the head to be."""
        self.head = self.api.pull_requests[7] = self.project.propose(edits)

    def workflow(self):
        """That of `main`, which GitHub takes for `pull_request_target`."""
        return self.project.workflow_at(self.project.main)

    def gate(self, workflow=None, **event):
        """The exit code."""
        return self.run("pull_request_target", self.event(**event), workflow)

    def run(self, name, event, workflow=None):
        ended = self.act.run(name, event, workflow or self.workflow())
        sys.stdout.write(ended.stdout)
        return ended.returncode

    def event(self, *, title="A change", ref="change", repository=REPOSITORY):
        head = {"sha": self.head, "ref": ref, "repo": {"full_name": repository}}
        base = {"sha": self.project.main, "ref": "main", "repo": {"full_name": REPOSITORY}}
        return {
            "number": 7,
            "pull_request": {"number": 7, "title": title, "head": head, "base": base},
            "repository": {"full_name": REPOSITORY, "default_branch": "main"},
        }

    def event_of(self, name):
        group = {"head_sha": self.head, "base_sha": self.project.main}
        others = {"merge_group": group, "inputs": {"sha": self.head}}
        return self.event() if name == "pull_request_target" else others

    def told(self):
        """The conclusion of the check at the head, and the report's first visible line."""
        (check,) = self.api.checks
        assert (check["name"], check["head_sha"]) == ("GPU verdict", self.head)
        assert check["status"] == "completed"
        assert check["output"]["title"] == f"GPU gate: {check['conclusion']}"
        marker, line = check["output"]["summary"].splitlines()[:2]
        assert marker == MARKER
        return check["conclusion"], line

    def commented(self):
        """The text of its only comment, which is the bot's."""
        (comment,) = self.api.comments
        assert (comment["issue"], comment["user"]["login"]) == (7, BOT)
        return comment["body"]
