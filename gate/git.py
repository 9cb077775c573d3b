"""The repository around the kernels: which commit this is, and whether it is that commit alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gate import processes
from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 60.0


# What git says, what that means here, and what to do about it.
_KNOWN = (
    (
        "not a git repository",
        "{cwd} is in no git repository, and a baseline names the commit it was measured at",
        "git init && git add -A && git commit -m 'first commit'",
    ),
    (
        "Needed a single revision",
        "the repository at {cwd} has no commit yet, and a baseline names its own",
        "git add -A && git commit -m 'first commit'",
    ),
    (
        "dubious ownership",
        "the repository at {cwd} belongs to another user, so git does not read it",
        "git config --global --add safe.directory {cwd}",
    ),
)


def git(*arguments: str, cwd: Path) -> str:
    """What one git command prints. Raises InvalidConfiguration in plain or git's own words."""
    try:
        ended = processes.run(
            ["git", *arguments],
            timeout_s=TIMEOUT_SECONDS,
            env={**os.environ, "LC_ALL": "C"},  # what git says is read here
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise InvalidConfiguration("git is not installed", hint="apt-get install git") from error
    if not ended.ok:
        said = ended.stderr.strip() or ended.describe_end()
        for words, meaning, hint in _KNOWN:
            if words in said:
                raise InvalidConfiguration(meaning.format(cwd=cwd), hint=hint.format(cwd=cwd))
        raise InvalidConfiguration(f"git {arguments[0]} in {cwd}: {said}")
    return ended.stdout


def head_commit(root: Path) -> str:
    """The full SHA of HEAD. Raises InvalidConfiguration before the first commit."""
    return git("rev-parse", "--verify", "HEAD", cwd=root).strip()


def changed_files(root: Path, *, ignoring: Path) -> tuple[str, ...]:
    """Files below `root` that differ from HEAD or are untracked, but for those in `ignoring`."""
    exclude = f":(exclude){ignoring.relative_to(root)}" if ignoring.is_relative_to(root) else None
    paths = [".", exclude] if exclude else ["."]
    listed = git("status", "--porcelain", "-z", "--untracked-files=all", "--", *paths, cwd=root)
    return tuple(entry[3:] for entry in listed.split("\0") if entry)
