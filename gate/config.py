"""`[tool.gate]` of the pyproject.toml in force, with the defaults that hold without it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cattrs

from gate.errors import InvalidConfiguration
from gate.gpus.architectures import KNOWN_TARGETS, architecture_for
from gate.model import GATED_METRICS
from gate.schemas import schema, schema_errors

FILE = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Paths are absolute; tolerances are relative (0.01 is one per cent).

    The floor of 1 % for runtime is about 20 times the deviation between fresh processes at half a
    millisecond, and 2 % for throughput about 10 times ncu's own (`benchmarks/RESULTS.md`).
    """

    root: Path
    kernels: Path
    baselines: Path
    target: str = "sm_89"
    gates: tuple[str, ...] = GATED_METRICS
    runtime_tolerance: float = 0.01
    throughput_tolerance: float = 0.02
    on_trade_off: Literal["fail", "warn"] = "fail"
    creep_cap: float = 0.10
    processes: int | None = None
    correctness_timeout_s: float = 300.0
    timing_timeout_s: float = 300.0
    ncu_timeout_s: float = 300.0

    def relative(self, path: Path) -> str:
        """`path` as people write it, from the project's root where it lies below it."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def load_config(start: Path) -> Config:
    """The configuration of the nearest pyproject.toml at or above `start`; else the defaults.

    These hold for the repository around `start`, or for `start` itself outside of any.
    Raises InvalidConfiguration as `config_of` does, and for a file that cannot be read.
    """
    start = start.resolve()
    file = _nearest(start, FILE)
    if file:
        return config_of(_text(file), file)
    root = (_nearest(start, ".git") or start / ".git").parent
    return config_of("", root / FILE)


def config_of(text: str, file: Path) -> Config:
    """What `text`, the content of the pyproject.toml `file`, says of the project in its folder.

    Raises InvalidConfiguration, naming the key, where `[tool.gate]` does not fit its schema, its
    target is none that the gate knows or a folder is not the project's.
    """
    table = _table(text, file)
    for place, message in schema_errors("config", table):
        raise InvalidConfiguration(f"{file}: [tool.gate] {place}: {message}", hint=_known_keys())
    target = table.get("target")
    if target and architecture_for(target) is None:
        raise InvalidConfiguration(
            f"{file}: [tool.gate] $.target: the gate has no figures of {target}",
            hint=f"known targets: {', '.join(KNOWN_TARGETS)}",
        )
    paths = {
        "root": file.parent,
        "kernels": _folder("kernels", table, file),
        "baselines": _folder("baselines", table, file),
    }
    return cattrs.structure({**table, **paths}, Config)


def _folder(key: str, table: dict[str, Any], file: Path) -> Path:
    """Below the project's: what lies elsewhere no commit describes and no push brings."""
    given: str = table.get(key, key)
    if Path(given).is_absolute() or ".." in Path(given).parts:
        raise InvalidConfiguration(
            f"{file}: [tool.gate] $.{key}: {given!r} is not a folder below the project's",
            hint=f"name it as {file.parent} sees it, such as {key}",
        )
    return file.parent / given


def _nearest(start: Path, name: str) -> Path | None:
    candidates = (folder / name for folder in (start, *start.parents))
    return next((found for found in candidates if found.exists()), None)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise InvalidConfiguration(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(f"{file} is not TOML: {error}") from error


def _table(text: str, file: Path) -> dict[str, Any]:
    try:
        tool = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfiguration(
            f"{file} is not TOML: {error}", hint="mend the file: the gate reads its [tool.gate]"
        ) from error
    table: Any = tool.get("gate", {}) if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        name = "tool.gate" if isinstance(tool, dict) else "tool"
        raise InvalidConfiguration(
            f"{file}: {name} is not a table", hint=f"write [tool.gate]; {_known_keys()}"
        )
    return table


def _known_keys() -> str:
    return f"its keys are {', '.join(schema('config')['properties'])}"
