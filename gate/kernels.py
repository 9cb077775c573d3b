"""Kernel folders: which exist, and the workloads that each is tested and timed under."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs

from gate import reference
from gate.errors import InvalidConfiguration, UnknownKernel
from gate.schemas import schema_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DEFAULT_WORKLOAD = "default"
# A kernel file is read whole by the contract's parser; no honest one comes near this.
MAX_SOURCE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Sizes, dtype and seed that one kernel is run under.

    `constants` override the module-level constants of `reference.py`; `interpreter` overrides them
    further where Triton's CPU interpreter has to run the kernel. `seed` None is a fresh one each
    run, `rtol`/`atol` None are the dtype's own tolerances, `gates` None the configured default.
    """

    name: str
    benchmark: bool = False
    bound: str | None = None
    dtype: str = "float32"
    memory_format: str = "contiguous"
    seed: int | None = None
    rtol: float | None = None
    atol: float | None = None
    gates: tuple[str, ...] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    interpreter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def replaced_names(self) -> set[str]:
        return {*self.constants, *self.interpreter}

    def to_json(self) -> dict[str, Any]:
        """Plain values for a worker's request; `from_json` reads them back."""
        plain: dict[str, Any] = cattrs.unstructure(self)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Workload:
        return cattrs.structure(plain, cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFolder:
    """`kernels/<name>`: `kernel.py`, `reference.py` and the workloads."""

    name: str
    path: Path
    workloads: tuple[Workload, ...]

    @property
    def kernel_file(self) -> Path:
        return self.path / "kernel.py"

    @property
    def reference_file(self) -> Path:
        return self.path / "reference.py"

    def source(self) -> str:
        """The text of `kernel.py`; undecodable bytes are kept visible for the contract."""
        with self.kernel_file.open("rb") as stream:
            data = stream.read(MAX_SOURCE_BYTES + 1)
        if len(data) > MAX_SOURCE_BYTES:
            raise InvalidConfiguration(f"{self.kernel_file} is larger than {MAX_SOURCE_BYTES} B")
        return data.decode(errors="replace")

    def sha256(self) -> str:
        return hashlib.sha256(self.kernel_file.read_bytes()).hexdigest()

    def definition(self, workload: Workload) -> str:
        """The digest of all that says how this workload is tested, whichever kernel is.

        The reference's code (comments and blank lines aside), constants, dtype, layout, seed and
        tolerances. Whether it is benchmarked, its bound and its gates are not part of it.
        """
        plain = workload.to_json()
        for key in ("name", "benchmark", "bound", "gates"):
            del plain[key]
        text = json.dumps([code_lines(self.reference_file.read_bytes()), plain], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def code_lines(source: bytes) -> list[str]:
    """The lines of Python text without comments, trailing space and blank lines.

    Lines end where Python's parser ends them, so that no code hides behind a comment. Text that is
    no Python is kept line by line: it fails elsewhere, and is told apart here.
    """
    text = _decoded(source).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError):
        tokens = []
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return [line.rstrip() for line in lines if line.strip()]


def _decoded(source: bytes) -> str:
    """As Python reads it: a coding comment can turn what looks like a comment into code."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return source.decode(encoding, errors="replace")
    except (SyntaxError, LookupError):
        return source.decode(errors="replace")


def discover(root: Path, names: Sequence[str] = ()) -> tuple[KernelFolder, ...]:
    """The folders below `root` in name order; with `names`, exactly these.

    Raises UnknownKernel for a name without a folder and InvalidConfiguration for a broken one.
    """
    if not root.is_dir():
        raise UnknownKernel(
            f"{root} is not a folder",
            hint="make it, run `gate` in the project, or name it: `kernels` in [tool.gate]",
        )
    found = sorted(p.name for p in root.iterdir() if (p / "kernel.py").is_file())
    for path in sorted(root.iterdir()):
        if path.name not in found and (not names or path.name in names):
            _refuse_incomplete(path)
    if not found:
        raise UnknownKernel(
            f"{root} holds no kernel", hint="a kernel is a folder with kernel.py and reference.py"
        )
    unknown = [name for name in names if name not in found]
    if unknown:
        raise UnknownKernel(
            f"no kernel named {', '.join(map(repr, unknown))} in {root}",
            hint=f"known kernels: {', '.join(found)}",
        )
    return tuple(load_folder(root / name) for name in found if not names or name in names)


def _refuse_incomplete(path: Path) -> None:
    """What looks like a kernel's folder and holds no kernel.py must not go untested unnoticed."""
    if path.name.startswith((".", "_")) or not path.is_dir():
        return
    if (path / "workloads.toml").exists() or any(path.glob("*.py")):
        raise InvalidConfiguration(
            f"{path} has no kernel.py", hint="add it, or begin the folder's name with _"
        )


def load_folder(path: Path) -> KernelFolder:
    """Raises InvalidConfiguration for a bad name, a bad workloads.toml and for a reference that
    is missing or, as far as reading tells, no KernelBench problem with the workloads' constants.
    """
    if not NAME_PATTERN.fullmatch(path.name):
        raise InvalidConfiguration(
            f"{path.name!r} cannot name a kernel", hint="use a-z, 0-9, _ and -, at most 64"
        )
    if not (path / "reference.py").is_file():
        raise InvalidConfiguration(f"{path} has a kernel.py and no reference.py")
    file = path / "workloads.toml"
    given = file.exists() or file.is_symlink()
    workloads = load_workloads(file) if given else (_default_workload(),)
    folder = KernelFolder(name=path.name, path=path, workloads=workloads)
    tree = reference.parse(folder.reference_file.read_bytes(), folder.reference_file)
    reference.check(
        tree, folder.reference_file, {name for w in workloads for name in w.replaced_names}
    )
    return folder


def load_workloads(file: Path) -> tuple[Workload, ...]:
    """The workloads in the file's order. Raises InvalidConfiguration, naming the place."""
    try:
        with file.open("rb") as stream:
            plain = tomllib.load(stream)
    except OSError as error:
        raise InvalidConfiguration(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidConfiguration(f"{file} is not TOML: {error}") from error
    for place, message in schema_errors("workloads", plain):
        raise InvalidConfiguration(f"{file}: {place}: {message}")
    defaults = plain.get("defaults", {})
    return tuple(
        Workload.from_json({**_merged(defaults, entry), "name": name})
        for name, entry in plain["workload"].items()
    )


def _default_workload() -> Workload:
    """An unmodified KernelBench problem is benchmarked as it stands."""
    return Workload(name=DEFAULT_WORKLOAD, benchmark=True)


def _merged(defaults: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    tables = {
        key: {**defaults.get(key, {}), **entry.get(key, {})} for key in ("constants", "interpreter")
    }
    return {**defaults, **entry, **tables}
