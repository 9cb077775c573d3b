"""The stored baselines: one folder a GPU (or an architecture), one file a kernel."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gate.documents import load_measurement, measurement_json, write_atomically
from gate.errors import InvalidDocument, UnknownKernel
from gate.git import file_at, file_versions
from gate.history import Version
from gate.kernels import NAME_PATTERN
from gate.model import Measurement, slug_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.model import Gpu


def folder_name(gpu: Gpu | None, target: str) -> str:
    """`nvidia-h100-80gb-hbm3` for what was measured on a GPU, else the architecture `target`."""
    return slug_of(gpu.name) if gpu else target


def load_all(root: Path, target: str, kernels: Sequence[str]) -> list[tuple[str, Measurement]]:
    """Every stored baseline, or those of `kernels`, each with its folder's name.

    Raises UnknownKernel for a name without a baseline anywhere.
    """
    stored = ((b.folder.name, b.load(name)) for b, name in _files(root, target, kernels))
    return [(folder, baseline) for folder, baseline in stored if baseline]


def load_histories(
    root: Path, target: str, kernels: Sequence[str]
) -> list[tuple[str, tuple[Version, ...]]]:
    """The committed versions of the same files, each with `folder/kernel` as its name."""
    return [
        (f"{baselines.folder.name}/{name}", baselines.versions(name))
        for baselines, name in _files(root, target, kernels)
    ]


def _files(root: Path, target: str, kernels: Sequence[str]) -> list[tuple[Baselines, str]]:
    folders = [Baselines(f, target) for f in sorted(root.glob("*")) if f.is_dir()]
    stored = [(folder, name) for folder in folders for name in folder.names()]
    known = {name for _, name in stored}
    unknown = set(kernels) - known
    if unknown:
        there = f"baselines are stored of {', '.join(sorted(known))}; to store another: "
        raise UnknownKernel(
            f"no baseline of {', '.join(sorted(unknown))} in {root}",
            hint=f'{there if known else ""}gate baseline refresh KERNEL --reason "why"',
        )
    return [(folder, name) for folder, name in stored if not kernels or name in kernels]


def load_proposed(root: Path, folder: str, target: str) -> dict[str, Measurement | str]:
    """Every baseline of `root`/`folder`, which nobody trusts, or why it cannot be read.

    Raises InvalidDocument for a name that no kernel has.
    """
    proposed = Baselines(root / folder, target)
    return {kernel: _read_proposed(root, proposed, kernel) for kernel in proposed.names()}


def _read_proposed(root: Path, proposed: Baselines, kernel: str) -> Measurement | str:
    file = proposed.file(kernel)
    # A link would have another file of this machine read, and perhaps quoted.
    if any(path.is_symlink() for path in (root, file.parent, file)):
        return "it is reached by a link"
    try:
        return proposed.load(kernel) or "it is gone"
    except InvalidDocument as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class Baselines:
    """One folder of baselines, such as `baselines/nvidia-geforce-rtx-4090`."""

    folder: Path
    target: str

    def names(self) -> tuple[str, ...]:
        """Every kernel that has a baseline here; empty where the folder does not exist."""
        return tuple(sorted(file.stem for file in self.folder.glob("*.json")))

    def load(self, kernel: str) -> Measurement | None:
        """The stored baseline, None where there is none.

        Raises InvalidDocument for a file that cannot be what its path says it is.
        """
        file = self.file(kernel)
        if not file.exists():
            return None
        stored = load_measurement(file)
        if stored.baseline is None:
            raise InvalidDocument(f"{file}: $.baseline: a measurement, but not a baseline")
        if stored.scope.kernels != (kernel,) or {r.kernel for r in stored.results} != {kernel}:
            raise InvalidDocument(f"{file}: $.scope.kernels: it is not about {kernel!r} alone")
        if folder_name(stored.environment.gpu, self.target) != self.folder.name:
            raise InvalidDocument(f"{file}: $.environment.gpu: it was measured elsewhere")
        return stored

    def versions(self, kernel: str) -> tuple[Version, ...]:
        """Every committed version, the oldest first; one that does not read today says why."""
        file = self.file(kernel)
        found = []
        with tempfile.TemporaryDirectory(prefix="gate-") as scratch:
            then = Baselines(Path(scratch) / self.folder.name, self.target)
            # Git takes a new file that is much like another kernel's for its copy.
            for one in (v for v in file_versions(file) if v.path.endswith(f"/{file.name}")):
                write_atomically(then.file(kernel), file_at(one, cwd=file.parent))
                try:
                    document, unreadable = then.load(kernel), ""
                except InvalidDocument as error:
                    document, unreadable = None, str(error).removeprefix(f"{then.file(kernel)}: ")
                found.append(
                    Version(
                        commit=one.commit, date=one.date, baseline=document, unreadable=unreadable
                    )
                )
        return tuple(found)

    def file(self, kernel: str) -> Path:
        if not NAME_PATTERN.fullmatch(kernel):
            raise InvalidDocument(f"{kernel!r} cannot name a kernel")
        return self.folder / f"{kernel}.json"

    def write(self, baseline: Measurement) -> Path:
        """Store a baseline of one kernel, atomically; returns its file."""
        (kernel,) = baseline.scope.kernels
        file = self.file(kernel)
        write_atomically(file, measurement_json(baseline))
        return file

    def snapshot(self, kernels: Iterable[str]) -> Snapshot:
        """What is stored of `kernels` now, and the names of all that have a baseline."""
        documents = {kernel: self.load(kernel) for kernel in kernels}
        return Snapshot(folder=self.folder, kernels=self.names(), documents=documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Baselines as they were before foreign code ran, which could rewrite the files."""

    folder: Path
    kernels: tuple[str, ...]
    documents: Mapping[str, Measurement | None]

    def names(self) -> tuple[str, ...]:
        return self.kernels

    def load(self, kernel: str) -> Measurement | None:
        return self.documents.get(kernel)
