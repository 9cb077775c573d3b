"""A kernel's folder as it was before its code ran: a private copy to run, and a look at both after.

A kernel may write wherever its user may: into its own file, its reference, another kernel's folder.
What was read, what ran and what is stored have to be the same text.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import InvalidConfiguration
from gate.kernels import KernelFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Bytecode: nothing that is run or read here comes from it.
IGNORED = "__pycache__"
MAX_LISTED = 5
MAX_NAME = 200

Digests = dict[str, "tuple[int, str]"]


class TreeChanged(Exception):
    """Files of a kernel are not what they were before its code ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One kernel's folder, the copy that runs, and what both held: size and SHA-256 by file.

    `definitions` are the workloads' (`KernelFolder.definition`), told before anything ran.
    """

    original: KernelFolder
    copy: KernelFolder
    original_files: Digests
    copied_files: Digests
    definitions: Mapping[str, str]

    @property
    def kernel_sha256(self) -> str:
        """Of the `kernel.py` that runs."""
        return self.copied_files[self.copy.kernel_file.name][1]

    def refuse_changes(self, what: str) -> None:
        """Raises TreeChanged where a file changed; `what` names the step that just ended.

        New files in the user's own folder (an editor's) are neither run nor read.
        """
        changed = _changed(self.copy.path, self.copied_files, new_too=True)
        changed |= _changed(self.original.path, self.original_files, new_too=False)
        if changed:
            listed = sorted(name[:MAX_NAME].encode(errors="replace").decode() for name in changed)
            more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
            raise TreeChanged(
                f"{', '.join(listed[:MAX_LISTED])}{more} changed while the gate was {what}: what "
                "was measured is not what was read"
            )

    def told(self, text: str) -> str:
        """A message of a step with the user's path in the place of the copy's."""
        return text.replace(str(self.copy.path), str(self.original.path.resolve()))


@contextmanager
def private_copies(folders: Sequence[KernelFolder]) -> Iterator[tuple[Tree, ...]]:
    """A copy of every folder under its own name, made before any kernel runs; removed at the end.

    Raises InvalidConfiguration for a folder that cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="gate-", ignore_cleanup_errors=True) as name:
        scratch = Path(name).resolve()
        yield tuple(_copied(folder, scratch / folder.name) for folder in folders)


def _copied(folder: KernelFolder, target: Path) -> Tree:
    try:
        shutil.copytree(folder.path, target, ignore=_ignored)
        copy = replace(folder, path=target)
        return Tree(
            original=folder,
            copy=copy,
            original_files={name: _digest(file) for name, file in _files(folder.path).items()},
            copied_files={name: _digest(file) for name, file in _files(target).items()},
            definitions={w.name: copy.definition(w) for w in folder.workloads},
        )
    except (OSError, shutil.Error) as error:
        raise InvalidConfiguration(f"{folder.path} cannot be copied: {error}") from error


def _ignored(folder: str, names: list[str]) -> set[str]:
    """Bytecode, and links but those to files: one to a folder may lead to a whole disk, or back."""
    paths = (Path(folder, name) for name in names)
    return {IGNORED} | {path.name for path in paths if path.is_symlink() and not path.is_file()}


def _files(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != IGNORED]
        paths = (Path(parent, name) for name in names)
        found |= {str(path.relative_to(root)): path for path in paths}
    return found


def _changed(root: Path, before: Digests, *, new_too: bool) -> set[str]:
    files = _files(root)
    new = files.keys() - before.keys() if new_too else set()
    gone = before.keys() - files.keys()
    kept = before.keys() & files.keys()
    return new | gone | {name for name in kept if not _is_still(files[name], before[name])}


def _is_still(file: Path, before: tuple[int, str]) -> bool:
    try:
        # A file may have grown beyond any memory, and what is no file may never end.
        size = _size(file)
        return size == before[0] and _digest(file) == before
    except OSError:
        return False


def _digest(file: Path) -> tuple[int, str]:
    """Size and SHA-256; a link that leads nowhere and what is no regular file have neither."""
    size = _size(file)
    return size, hashlib.sha256(file.read_bytes()).hexdigest() if size >= 0 else ""


def _size(file: Path) -> int:
    if not file.exists():
        return -1
    status = file.stat()
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
