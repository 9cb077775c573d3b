"""What each known card can do: one TOML file a card, read strictly into a `GpuTable`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from gate.errors import InvalidConfiguration

FOLDER = Path(__file__).parent
_CAPABILITY = re.compile(r"[1-9][0-9]?\.[0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuTable:
    """A card's figures, from its documentation. `name` is NVML's, as in a measurement.

    TFLOPS are those of the tensor cores without sparsity; 1 GB/s is 1e9 bytes a second.
    """

    name: str
    short_name: str
    architecture: str
    compute_capability: str
    sm_count: int
    memory_bandwidth_gb_s: float
    tf32_tflops: float
    bfloat16_tflops: float
    float16_tflops: float
    max_registers_per_thread: int
    registers_per_sm: int
    max_threads_per_block: int
    max_threads_per_sm: int
    warp_size: int
    max_warps_per_sm: int
    max_blocks_per_sm: int
    shared_bytes_per_sm: int
    max_shared_bytes_per_block: int
    l2_bytes: int


@cache
def load_gpu_tables() -> tuple[GpuTable, ...]:
    """Every card that comes with the gate, in the order of the files' names."""
    return tuple(load_gpu_table(file) for file in sorted(FOLDER.glob("*.toml")))


def table_for_name(name: str) -> GpuTable | None:
    """The card that NVML calls `name`; None for one that the gate has no figures of."""
    return next((table for table in load_gpu_tables() if table.name == name), None)


def load_gpu_table(file: Path) -> GpuTable:
    """Raises InvalidConfiguration, naming the figure that is missing, unknown or impossible."""
    try:
        plain = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{file} is not TOML: {error}") from error
    for fault in _faults(plain):
        raise InvalidConfiguration(f"{file}: {fault}")
    table = GpuTable(**plain)
    for fault in _contradictions(table):
        raise InvalidConfiguration(f"{file}: {fault}")
    return table


def _faults(plain: dict[str, Any]) -> list[str]:
    types = get_type_hints(GpuTable)
    names = [field.name for field in fields(GpuTable)]
    missing = [f"{name} is missing" for name in names if name not in plain]
    unknown = [f"{name} is not a figure of a GPU table" for name in plain if name not in names]
    wrong = [
        f"{name} = {value!r} is not {_EXPECTED[types[name]]}"
        for name, value in plain.items()
        if name in names and not _fits(value, types[name])
    ]
    return missing + unknown + wrong


_EXPECTED = {str: "a text", int: "a positive integer", float: "a positive number"}


def _fits(value: Any, expected: type) -> bool:
    if expected is str:
        return isinstance(value, str) and bool(value)
    allowed = int if expected is int else (int, float)
    # TOML knows inf and nan; no card is that fast.
    return isinstance(value, allowed) and not isinstance(value, bool) and 0 < value < 1e15


def _contradictions(table: GpuTable) -> list[str]:
    checks = {
        "compute_capability is not of the form 8.9": _CAPABILITY.fullmatch(
            table.compute_capability
        ),
        "max_warps_per_sm * warp_size is not max_threads_per_sm": (
            table.max_warps_per_sm * table.warp_size == table.max_threads_per_sm
        ),
        "a block may have more threads than an SM": (
            table.max_threads_per_block <= table.max_threads_per_sm
        ),
        "a block may have more shared memory than an SM": (
            table.max_shared_bytes_per_block <= table.shared_bytes_per_sm
        ),
    }
    return [fault for fault, holds in checks.items() if not holds]
