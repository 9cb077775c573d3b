"""What a kernel's process reports about its outputs, and how that differs from the reference's.

Pure. The report was written by a process that ran untrusted code: it is read strictly, and it says
nothing about values, which the comparing process reads from the outputs' bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import cattrs

from gate.documents import load_json
from gate.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PLAIN_TENSOR = "torch.Tensor"
# What else an output may be: compared by its text, which is all there is to it.
PLAIN_VALUES = frozenset(f"builtins.{name}" for name in ("NoneType", "bool", "int", "float"))
MAX_FACT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One output: its type's name and, for a plain tensor, all but its values.

    `alias` names what the memory belonged to before the call, if anything; `value` is the `repr` of
    what is no tensor.
    """

    type: str
    device: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    alias: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """One call: what its inputs held (`fingerprints`), which of them it changed, what it gave."""

    fingerprints: tuple[int, ...]
    changed: tuple[int, ...]
    outputs: tuple[Facts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How running a candidate ended; `cases` are complete only if it ran."""

    status: Literal["ran", "crashed", "unsupported"]
    message: str = ""
    cases: tuple[CaseReport, ...] = ()

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def read_report(file: Path) -> Report | None:
    """None where there is no report, or none that means anything."""
    try:
        plain = load_json(file)
        return _CONVERTER.structure(plain, Report) if isinstance(plain, dict) else None
    except (InvalidDocument, cattrs.BaseValidationError):
        return None


def structural_fault(got: Sequence[Facts], expected: Sequence[Facts]) -> str | None:
    """What differs first, as a sentence without its full stop; None if nothing does.

    What cannot be compared is a fault: nothing would be proven.
    """
    if not any(facts.type == PLAIN_TENSOR for facts in expected):
        return "cannot be compared: the reference gives no plain tensor"
    if len(got) != len(expected):
        return f"gives {_outputs(len(got))}, the reference {_outputs(len(expected))}"
    for number, pair in enumerate(zip(got, expected, strict=True)):
        for fault in _faults(*pair):
            return f"{output_name(number, len(got))} {fault}"
    return None


def output_name(number: int, count: int) -> str:
    return "the output" if count == 1 else f"output {number}"


def _faults(got: Facts, expected: Facts) -> Iterator[str]:
    if expected.type not in {PLAIN_TENSOR, *PLAIN_VALUES}:
        yield f"cannot be compared: the reference's is a {expected.type}"
    if got.type != expected.type:
        yield f"is a {got.type[:MAX_FACT]}, the reference's a {expected.type}"
    if got.value != expected.value:
        yield f"is {got.value[:MAX_FACT]}, the reference's {expected.value[:MAX_FACT]}"
    if got.device != expected.device:
        yield f"lies on {got.device[:MAX_FACT]}, the reference's on {expected.device}"
    if got.dtype != expected.dtype:
        yield f"is {got.dtype[:MAX_FACT]}, the reference's {expected.dtype}"
    if got.shape != expected.shape:
        yield f"has shape {list(got.shape[:16])}, the reference's {list(expected.shape)}"
    if _layout(got) != _layout(expected):
        yield f"has strides {list(got.strides[:16])}, the reference's {list(expected.strides)}"
    if got.alias and not expected.alias:
        yield f"shares its memory with {got.alias[:MAX_FACT]}"


def _layout(facts: Facts) -> list[tuple[int, int]]:
    """The strides that place an element: those of dimensions with more than one."""
    if 0 in facts.shape:
        return []
    return [pair for pair in zip(facts.shape, facts.strides, strict=False) if pair[0] > 1]


def _outputs(count: int) -> str:
    return "1 output" if count == 1 else f"{count} outputs"
