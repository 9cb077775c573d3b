"""What a push brings, and which kernels that concerns. Pure: git is asked in `gate.hook`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import GateError
from gate.kernels import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOTHING = "0" * 40
# How git's trees write that there is a link, or the commit of another repository, and no file.
LINK, _REPOSITORY = "120000", "160000"


class UnreadablePush(GateError):
    """A push that is not described in git's words, or that holds what cannot be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One ref of a push: the revision that goes to `remote_ref`, and what the remote has there."""

    revision: str
    remote_ref: str
    remote_revision: str = NOTHING

    @property
    def is_judged(self) -> bool:
        """A deleted ref brings nothing, and a tag names what branches brought."""
        return not is_nothing(self.revision) and not self.remote_ref.startswith("refs/tags/")


def is_nothing(revision: str) -> bool:
    """Git's word for a ref that is not there: zeros, as many as its hashes have digits."""
    return not revision.strip("0")


def read_updates(text: str) -> tuple[Update, ...]:
    """The lines that git gives a pre-push hook: `local_ref local_oid remote_ref remote_oid`."""
    return tuple(_update(line) for line in text.splitlines())


def _update(line: str) -> Update:
    # The first word is as the user typed it, and `main@{1 day ago}` has spaces.
    words = line.rsplit(maxsplit=3)
    if len(words) != 4:
        raise UnreadablePush(f"{line!r} does not describe a ref of a push")
    return Update(revision=words[1], remote_ref=words[2], remote_revision=words[3])


def update_from_pre_commit(environ: Mapping[str, str]) -> tuple[Update, ...]:
    """The same from the variables of pre-commit, which keeps the lines to itself.

    It names no revisions where all files are meant: a first push, or `--all-files`.
    """
    if "PRE_COMMIT" not in environ:
        return ()
    local = environ.get("PRE_COMMIT_LOCAL_BRANCH", "HEAD")
    return (
        Update(
            revision=environ.get("PRE_COMMIT_TO_REF", local),
            remote_ref=environ.get("PRE_COMMIT_REMOTE_BRANCH", local),
            remote_revision=environ.get("PRE_COMMIT_FROM_REF", NOTHING),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The kernels of one commit; `linked` are those whose files may change elsewhere in it."""

    kernels: frozenset[str]
    linked: frozenset[str]


def read_listing(entries: Iterable[str], folder: str) -> Listing:
    """What `git ls-tree -r` lists of `folder`, each entry as `mode type oid<TAB>path`.

    A folder that looks like a kernel's and lacks `kernel.py` counts: the check will refuse it.
    """
    kernels, linked = set(), set()
    for entry in entries:
        head, _, path = entry.partition("\t")
        mode, parts = head.split()[0], _below(path, folder)
        if not parts:
            raise UnreadablePush(f"{path} is no folder in this push, so its kernels are not in it")
        if mode == LINK and NAME_PATTERN.fullmatch(parts[0]):
            linked.add(parts[0])
        if (mode == _REPOSITORY and len(parts) == 1) or _is_kernels(parts):
            kernels.add(parts[0])
    return Listing(kernels=frozenset(kernels | linked), linked=frozenset(linked))


def _is_kernels(parts: tuple[str, ...]) -> bool:
    if len(parts) != 2:
        return False
    if parts[0].startswith((".", "_")):
        return parts[1] == "kernel.py"
    return parts[1].endswith(".py") or parts[1] == "workloads.toml"


def touched(paths: Iterable[str], *, kernels: str, baselines: str) -> frozenset[str]:
    """The names of what changed: `kernels/NAME/...` and `baselines/GPU/NAME.json`."""
    names = set()
    for path in paths:
        in_kernels, in_baselines = _below(path, kernels), _below(path, baselines)
        if in_kernels:
            names.add(in_kernels[0])
        if len(in_baselines) == 2:
            names.add(in_baselines[1].removesuffix(".json"))
    return frozenset(names)


def _below(path: str, folder: str) -> tuple[str, ...]:
    parts, above = path.split("/"), [] if folder == "." else folder.split("/")
    return tuple(parts[len(above) :]) if parts[: len(above)] == above else ()
