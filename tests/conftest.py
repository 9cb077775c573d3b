"""A small project in a temporary folder, as the tool meets it: a git repository with kernels."""

import os
import subprocess

import pytest

from gate.config import load_config


class Project:
    """A git repository whose working tree a test can edit, commit and measure."""

    def __init__(self, root):
        self.root = root
        (root / "pyproject.toml").write_text("[tool.gate]\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("start")

    def git(self, *arguments):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def configure(self, text):
        (self.root / "pyproject.toml").write_text(f"[tool.gate]\n{text}\n")

    @property
    def config(self):
        return load_config(self.root)


def pytest_collection_modifyitems(items):
    """One GPU, one worker: beside another program on it a timing is no figure."""
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.xdist_group("gpu"))


@pytest.fixture(autouse=True)
def anywhere(monkeypatch):
    """The tests say by themselves where they run: GitHub's Actions run them too."""
    for variable in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)
