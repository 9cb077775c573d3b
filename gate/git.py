"""The repository around the kernels: which commit this is, and whether it is that commit alone."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gate import processes
from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 60.0
# What a branch is usually merged into, in the order that is looked for.
DEFAULT_BASES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
# As much as the largest document that would be read.
OUTPUT_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """One commit that wrote a file, and where the file was then, from the top of the repository."""

    commit: str
    date: str
    path: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseKernel:
    """A kernel file as it is in the base revision: the full SHA of its commit, and its bytes."""

    commit: str
    source: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source).hexdigest()


def git(*arguments: str, cwd: Path, **variables: str) -> str:
    """What one git command prints, of the repository around `cwd` or of what `variables` name.

    Raises InvalidConfiguration in plain or git's own words.
    """
    try:
        inherited = {k: v for k, v in os.environ.items() if k not in _repository_variables()}
        ended = processes.run(
            ["git", *arguments],
            timeout_s=TIMEOUT_SECONDS,
            env={**inherited, **variables, "LC_ALL": "C"},  # what git says is read here
            cwd=cwd,
            stdout_bytes=OUTPUT_BYTES,
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


@cache
def _repository_variables() -> frozenset[str]:
    """What names a repository, an index or a folder inside a hook, whichever is asked about."""
    listed = processes.run(["git", "rev-parse", "--local-env-vars"], timeout_s=TIMEOUT_SECONDS)
    return frozenset(listed.stdout.split())


def head_commit(root: Path) -> str:
    """The full SHA of HEAD. Raises InvalidConfiguration before the first commit."""
    return git("rev-parse", "--verify", "HEAD", cwd=root).strip()


def changed_files(root: Path, *, ignoring: Path) -> tuple[str, ...]:
    """Files below `root` that differ from HEAD or are untracked, but for those in `ignoring`."""
    paths = ["."]
    if ignoring.is_relative_to(root):
        paths.append(f":(exclude,literal){ignoring.relative_to(root)}")
    listed = git("status", "--porcelain", "-z", "--untracked-files=all", "--", *paths, cwd=root)
    return tuple(entry[3:] for entry in listed.split("\0") if entry)


def base_commit(root: Path, ref: str | None) -> str | None:
    """The merge base of HEAD and `ref`; without one, of HEAD and the branch it will go to.

    None outside of a repository, or where no such branch is known. Raises InvalidConfiguration for
    a `ref` that has no common ancestor with HEAD.
    """
    if ref is not None:
        return merge_base(root, "HEAD", ref)
    for known in DEFAULT_BASES:
        with suppress(InvalidConfiguration):
            return merge_base(root, "HEAD", known)
    return None


def merge_base(root: Path, one: str, other: str) -> str:
    """The last commit that both have. Raises InvalidConfiguration where there is none."""
    try:
        return git("merge-base", one, other, cwd=root).strip()
    except InvalidConfiguration as error:
        if not str(error).endswith("exited with 1"):  # then git says nothing itself
            error.hint = error.hint or f"name a commit that is here, or: git fetch origin {other}"
            raise
        raise InvalidConfiguration(
            f"{one} and {other} have no common commit in {root}",
            hint="in a shallow clone: git fetch --unshallow (in a workflow: fetch-depth: 0)",
        ) from error


def base_kernel(root: Path, commit: str, file: Path) -> BaseKernel | None:
    """`file` as it is in `commit`, read without touching index or working tree; None if absent."""
    if not file.is_relative_to(root):
        return None
    blob = f"{commit}:./{file.relative_to(root).as_posix()}"
    with suppress(InvalidConfiguration):
        text = git("cat-file", "blob", blob, cwd=root)
        return BaseKernel(commit=commit, source=text.encode())
    return None


def file_versions(file: Path) -> tuple[FileVersion, ...]:
    """Every commit of HEAD's history that wrote `file`, the oldest first; followed over renames."""
    log = git(
        "log",
        "--follow",
        "--diff-filter=d",  # not the commits that delete it
        "--name-only",
        "-z",
        "--format=%x1e%H %cI",
        "--",
        file.name,
        cwd=file.parent,
    )
    return tuple(_file_version(entry) for entry in reversed(log.split("\x1e")[1:]))


def _file_version(entry: str) -> FileVersion:
    head, path, *_ = entry.split("\0")
    commit, date = head.split()
    return FileVersion(commit=commit, date=date, path=path.lstrip("\n"))


def file_at(version: FileVersion, *, cwd: Path) -> str:
    """What the file held at that commit."""
    return git("show", f"{version.commit}:{version.path}", cwd=cwd)
