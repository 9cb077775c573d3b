"""A project that pushes to a bare repository through the gate's hook.

Most of its kernels break their contract: that needs no torch, and says which were checked.
"""

import re
import shutil
import subprocess
from pathlib import Path

from click.testing import CliRunner

from gate.cli import main

SMALL = Path(__file__).parent / "broken_kernels" / "correctness" / "good_kernelbench"
QUIET = "gate: this push changes no kernel\n"


class Pushing:
    """A project with two kernels on `main`, and an `origin` that has them; the hook is there."""

    def __init__(self, project, remote):
        self.project, self.root, self.git = project, project.root, project.git
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
        self.git("remote", "add", "origin", str(remote))
        for name in ("relu", "conv"):
            self.write(f"kernels/{name}/kernel.py", f"import os  # {name}\n")
            shutil.copy(SMALL / "reference.py", self.root / "kernels" / name)
        self.commit()
        self.git("push", "--quiet", "origin", "main")
        assert gate("install").exit_code == 0

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, **files):
        """Of `relu="text"` for a kernel."""
        for name, text in files.items():
            self.write(f"kernels/{name}/kernel.py", text)
        return self.project.commit("change")

    def push(self, *arguments, cwd=None):
        """The exit code, and what git and the hook said."""
        ended = subprocess.run(
            ["git", "push", "--quiet", *arguments],
            cwd=cwd or self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ended.returncode, ended.stdout

    def remote_has(self, commit, branch="main"):
        return self.git("ls-remote", "origin", f"refs/heads/{branch}").startswith(commit)


def gate(*arguments, **options):
    return CliRunner().invoke(main, ["hook", *arguments], **options)


def checked(said):
    """The kernels of each commit that was checked."""
    found = re.findall(r"(?m)^gate: checking (.+?) of [0-9a-f]{12}\b", said)
    return [names.split(", ") for names in found]


def refused(answer, *kernels):
    """Whether these alone were checked, and stopped the push."""
    code, said = answer
    assert "to push anyway: git push --no-verify" in said, said
    return code == 1 and checked(said) == [sorted(kernels)]
