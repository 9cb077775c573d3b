"""What the tests of steps share: a step's script by its name, and a `gh` that answers as told."""

import json
import os
import shutil
import subprocess
import sys

from tests.workflows.policy import WORKFLOWS, parsed

ROOT = WORKFLOWS.parents[1]
SCRIPTS = WORKFLOWS.parent / "scripts"
HEAD, BASE, MOVED = "a" * 40, "b" * 40, "c" * 40

# Answers by the first part of a call that it knows, filtered as gh filters; null is an error.
GH = """\
import json, sys
given = sys.argv[1:]
with open("calls", "a") as calls:
    calls.write(json.dumps(given) + "\\n")
for part, answer in json.load(open("answers.json")):
    if part in " ".join(given):
        break
else:
    sys.exit("nobody expected " + " ".join(given))
if answer is None:
    sys.exit("HTTP 404")
if isinstance(answer, str):
    sys.stdout.buffer.write(open(answer, "rb").read())
elif "--jq" in given:
    wanted = given[given.index("--jq") + 1]
    import jq
    for found in jq.compile(wanted).input_value(answer):
        print(found if isinstance(found, str) else json.dumps(found))
elif "--silent" not in given:
    print(json.dumps(answer))
"""


def workflow(name):
    return parsed((WORKFLOWS / name).read_text())


def step(of, job, name):
    (found,) = (s for s in of["jobs"][job]["steps"] if s.get("name") == name)
    return found["run"]


class Machine:
    """An empty workspace where a script runs as GitHub runs it, beside programs of a test."""

    def __init__(self, folder):
        self.folder = folder
        self.tools = folder / "bin"
        self.tools.mkdir()

    def program(self, name, text):
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def python(self, text):
        """A stand-in for the Python that install.sh makes."""
        file = self.folder / "gate" / "venv" / "bin" / "python"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def real_python(self):
        self.python(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def github(self, *answers):
        """`gh` answers each call with the first answer whose words are part of it."""
        (self.folder / "answers.json").write_text(json.dumps(answers))
        (self.folder / "gh.py").write_text(GH)
        self.program("gh", f'#!/bin/sh\nexec "{sys.executable}" -I gh.py "$@"\n')

    def calls(self):
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def call(self, part):
        (found,) = (call for call in self.calls() if part in " ".join(call))
        return found

    def checkout(self):
        """The scripts where a checkout puts them."""
        shutil.copytree(SCRIPTS, self.folder / ".github" / "scripts", dirs_exist_ok=True)

    def outputs(self):
        file = self.folder / "GITHUB_OUTPUT"
        lines = file.read_text().splitlines() if file.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def summary(self):
        return (self.folder / "GITHUB_STEP_SUMMARY").read_text()

    def __call__(self, script, *, cwd=".", **env):
        github = {
            name: str(self.folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        github |= {
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SERVER_URL": "https://h",
            "GITHUB_RUN_ID": "7",
            "GITHUB_RUN_ATTEMPT": "2",
            "GITHUB_SHA": HEAD,
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(self.folder),
        }
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder / cwd,
            env={"PATH": f"{self.tools}:{os.environ['PATH']}", **github, **env},
            capture_output=True,
            text=True,
        )
