"""A push as git sees it: which commits it brings, which kernels they change, and their files.

Nothing here touches the index or the working tree of the repository, and nothing is read from them.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gate import git
from gate.config import FILE, Config, config_of
from gate.errors import InvalidConfiguration
from gate.kernels import NAME_PATTERN
from gate.pushed import LINK, UnreadablePush, is_nothing, read_listing, touched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.pushed import Listing, Update

# Git runs these and looks at these on behalf of the user's own tree; the copy is not that.
_PLAIN = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.sparseCheckout=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "submodule.recurse=false"),
)
# What is pushed are the objects themselves and not what `git replace` shows in their place, and a
# folder's name is no pattern.
_LITERAL = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_LITERAL_PATHSPECS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Where git's own files are: of this working tree, and of all that share its commits."""

    git_dir: Path
    common_dir: Path

    def git(self, *arguments: str) -> str:
        return git.git(*arguments, cwd=self.git_dir, GIT_DIR=str(self.git_dir), **_LITERAL)

    def entries(self, command: str, *arguments: str) -> tuple[str, ...]:
        """What a command lists, whatever the names in it."""
        return tuple(filter(None, self.git(command, "-z", *arguments).split("\0")))

    def commit(self, revision: str) -> str | None:
        """Its full SHA; None where it is not known here, or is no commit."""
        with suppress(InvalidConfiguration):
            return self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
        return None

    def text(self, commit: str, path: str) -> str:
        """What the file held then; empty where it was not there.

        Raises InvalidConfiguration for a link, which holds where it leads.
        """
        entry = self.git("ls-tree", "--full-tree", commit, "--", path)
        if entry.startswith(LINK):
            raise InvalidConfiguration(f"{path} is a link in {_named(commit)}, and not read")
        if not entry:
            return ""
        return self.git("cat-file", "blob", f"{commit}:{path}")


def find_repository(start: Path) -> Repository:
    """The one around `start`, or the one that git's variables name, as it sets them for a hook."""
    named = {n: os.environ[n] for n in ("GIT_DIR", "GIT_WORK_TREE") if n in os.environ}
    git_dir = Path(git.git("rev-parse", "--absolute-git-dir", cwd=start, **named).strip())
    common = git.git("rev-parse", "--git-common-dir", cwd=git_dir, GIT_DIR=str(git_dir)).strip()
    return Repository(git_dir=git_dir, common_dir=(git_dir / common).resolve())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit of a push and the kernels to check in it: `whole` where that is all of them.

    `base` is what it is compared with, None where nothing is known of what the remote has;
    `project` the folder of the configuration; `files` what a check reads, from the top.
    """

    commit: str
    base: str | None
    kernels: frozenset[str]
    whole: bool
    project: str
    files: tuple[str, ...]


def changes(
    repository: Repository, updates: Sequence[Update], *, remote: str, project: str
) -> tuple[Change, ...]:
    """What to check of a push to `remote`, one entry for each commit that changes a kernel.

    Raises InvalidConfiguration and UnreadablePush for a push that cannot be judged.
    """
    found: dict[str, Change] = {}
    for update in (update for update in updates if update.is_judged):
        commit = repository.commit(update.revision)
        if commit is None:
            raise UnreadablePush(f"{update.revision}, for {update.remote_ref}, is no commit")
        base = _base(repository, update, commit, remote)
        change = _change(repository, commit, base, project)
        found[commit] = _united(found.get(commit, change), change)
    return tuple(change for change in found.values() if change.kernels)


def between(repository: Repository, base: str, head: str, *, project: str) -> Change:
    """What `head` changes since it left the branch of `base`: all kernels where one is gone.

    So it is where a baseline is written whose kernel is not there, which nothing else would judge,
    and where the two have several last common commits: a merge may bring back what one of them had.
    Raises InvalidConfiguration for what is no commit here, for commits that share none and for a
    project without kernels, and UnreadablePush for kernels whose names are none.
    """
    target, commit = _commit_here(repository, base), _commit_here(repository, head)
    fork_point = git.merge_base(repository.git_dir, target, commit)
    several = len(repository.git("merge-base", "--all", target, commit).split()) > 1
    change = _change(repository, commit, fork_point, project)
    config = _config(repository, commit, project)
    folder, baselines = (_from_top(path, commit) for path in (config.kernels, config.baselines))
    before, now = (_listing(repository, each, folder).kernels for each in (fork_point, commit))
    if not before | now:  # a wrong folder, a link or a submodule would look like no change
        raise InvalidConfiguration(f"{_named(commit)} holds no kernel in {folder}")
    for name in sorted(now):
        if not NAME_PATTERN.fullmatch(name):
            raise UnreadablePush(f"{name!r} in {folder} is no name of a kernel")
    written = _changed(repository, fork_point, commit, baselines, letters="d")
    alone = touched(written, kernels=folder, baselines=baselines) - now
    whole = several or alone or before - now
    return replace(change, kernels=now, whole=True) if whole else change


def _commit_here(repository: Repository, revision: str) -> str:
    commit = repository.commit(revision)
    if commit is None:
        hint = f"git fetch origin {revision}"
        raise InvalidConfiguration(f"{revision} is no commit here", hint=hint)
    return commit


def _united(one: Change, other: Change) -> Change:
    """The same commit for two refs, which may have different bases."""
    more = max(one, other, key=lambda change: change.whole)
    return replace(more, kernels=one.kernels | other.kernels)


def _base(repository: Repository, update: Update, commit: str, remote: str) -> str | None:
    """What the remote has: the ref's own commit, else the last one shared with its branches."""
    if not is_nothing(update.remote_revision):
        known = repository.commit(update.remote_revision)
        if known:
            return known
    listed = repository.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/remotes")
    refs = (line.split(maxsplit=1) for line in listed.splitlines())
    tips = sorted({oid for oid, ref in refs if ref.startswith(f"refs/remotes/{remote}/")})
    with suppress(InvalidConfiguration):  # they have nothing in common
        return repository.git("merge-base", commit, *tips).strip() if tips else None
    return None


def _change(repository: Repository, commit: str, base: str | None, project: str) -> Change:
    config = _config(repository, commit, project)
    kernels, baselines = (_from_top(path, commit) for path in (config.kernels, config.baselines))
    listing = _listing(repository, commit, kernels)
    whole = (
        base is None
        or _is_configured_otherwise(repository, base, commit, project)
        or _is_left(repository, base, commit, kernels, baselines)
    )
    names = frozenset() if base == commit else listing.linked
    if base and not whole:
        paths = _changed(repository, base, commit, kernels, baselines)
        names |= touched(paths, kernels=kernels, baselines=baselines)
    stored = repository.entries("ls-tree", "--full-tree", commit, "--", baselines)
    return Change(
        commit=commit,
        base=base,
        kernels=listing.kernels if whole else listing.kernels & names,
        whole=whole,
        project=project,
        files=(".",) if listing.linked else (kernels, *((baselines,) if stored else ())),
    )


def _is_left(repository: Repository, base: str, commit: str, kernels: str, baselines: str) -> bool:
    """Whether the commit deletes a kernel and leaves its baseline: only a whole check sees it."""
    gone = {
        path.split("/")[-2]
        for path in _changed(repository, base, commit, kernels, letters="D")
        if path.endswith("/kernel.py")
    }
    if not gone:
        return False
    stored = repository.entries(
        "ls-tree", "-r", "--name-only", "--full-tree", commit, "--", baselines
    )
    return not gone.isdisjoint(Path(path).stem for path in stored)


def _listing(repository: Repository, commit: str, kernels: str) -> Listing:
    entries = repository.entries("ls-tree", "-r", "--full-tree", commit, "--", kernels)
    return read_listing(entries, kernels)


def _config(repository: Repository, commit: str, project: str) -> Config:
    """What the commit configures, with paths below a folder that is named for it."""
    file = Path(_named(commit), project, FILE)
    return config_of(repository.text(commit, Path(project, FILE).as_posix()), file)


def _named(commit: str) -> str:
    return f"commit {commit[:12]}"


def _from_top(path: Path, commit: str) -> str:
    """From the top of the repository. Raises InvalidConfiguration for what no push can bring."""
    plain = Path(os.path.normpath(path))
    if not plain.is_relative_to(_named(commit)):
        raise InvalidConfiguration(f"{path} lies outside of the repository, so no push brings it")
    return plain.relative_to(_named(commit)).as_posix()


def _is_configured_otherwise(repository: Repository, base: str, commit: str, project: str) -> bool:
    name = Path(project, FILE).as_posix()
    file, now = Path(project, FILE), repository.text(commit, name)
    try:
        before = repository.text(base, name)
        return before != now and config_of(before, file) != config_of(now, file)
    except InvalidConfiguration:  # the base's: this commit's was read already
        return True


def _changed(
    repository: Repository, base: str, commit: str, *below: str, letters: str = ""
) -> tuple[str, ...]:
    """Paths `below` folders; `letters` are git's for the changes that count, or as `d` do not."""
    options = ["-r", "--name-only", "--no-renames", "--ignore-submodules=none"]
    options += [f"--diff-filter={letters}"] if letters else []
    return repository.entries("diff-tree", *options, base, commit, "--", *below)


@contextmanager
def exported(repository: Repository, change: Change) -> Iterator[Config]:
    """The commit's files in a folder of their own, configured as that commit says; removed after.

    It is a working tree that the repository does not know of, with a HEAD and an index of its own.
    """
    with tempfile.TemporaryDirectory(prefix="gate-push-", ignore_cleanup_errors=True) as name:
        top = Path(name).resolve()
        own = top / ".git"
        own.mkdir()
        (own / "HEAD").write_text(f"{change.commit}\n")
        (own / "commondir").write_text(f"{repository.common_dir}\n")
        checkout = ("checkout", "--quiet", change.commit, "--", *change.files)
        git.git(*_PLAIN, *checkout, cwd=top, **_LITERAL)
        text = repository.text(change.commit, Path(change.project, FILE).as_posix())
        yield config_of(text, top / change.project / FILE)
