"""The repository around the kernels: which commit this is, and whether it is that commit alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate import processes
from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 60.0
# As much as the largest document that would be read.
OUTPUT_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """One commit that wrote a file, and where the file was then, from the top of the repository."""

    commit: str
    date: str
    path: str


def git(*arguments: str, cwd: Path) -> str:
    """What one git command prints. Raises InvalidConfiguration with git's own words."""
    try:
        ended = processes.run(
            ["git", *arguments], timeout_s=TIMEOUT_SECONDS, cwd=cwd, stdout_bytes=OUTPUT_BYTES
        )
    except FileNotFoundError as error:
        raise InvalidConfiguration("git is not installed", hint="apt-get install git") from error
    if not ended.ok:
        said = ended.stderr.strip() or ended.describe_end()
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
